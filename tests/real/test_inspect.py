"""Facts of real recordings and rigs: what is known of them comes out, and nothing sound is accused."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from mouselift.capture.capture import load_capture
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.errors import CalibrationError
from mouselift.inspect.inspect_capture import inspect_capture
from mouselift.inspect.options import InspectOptions
from mouselift.masks.options import MaskOptions
from mouselift.masks.segment_capture import segment_capture

DATA = Path(__file__).resolve().parents[3] / "shared/data"
ANIPOSE = DATA / "calibrations/anipose"
SHIPPED = "sleap_minimal_session_AS_SHIPPED_side_is_copy_of_top.toml"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"real data not at {DATA}")


def cylinder(folder: Path) -> Path:
    write_capture_toml(folder / "capture.toml", discover(DATA / "mouse_cylinder").spec)
    return folder


def session(folder: Path, calibration: str, names: list[str]) -> Path:
    """A recording with this calibration: short grey videos of the calibrated sizes."""
    text = (ANIPOSE / calibration).read_text(encoding="utf-8")
    (folder / "calibration.toml").write_text(text, encoding="utf-8")
    (folder / "videos").mkdir()
    for name in names:
        with av.open(str(folder / f"videos/{name}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=30)
            stream.width, stream.height, stream.pix_fmt = 1280, 1024, "yuv420p"
            for _ in range(2):
                grey = np.full((1024, 1280, 3), 90, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
            container.mux(stream.encode())
    return folder


def test_the_shipped_session_is_refused_by_init_and_by_inspect(tmp_path: Path) -> None:
    folder = session(tmp_path, SHIPPED, ["back", "mid", "side", "top"])
    with pytest.raises(CalibrationError, match="'side' and 'top' have one and the same calibration") as caught:
        discover(folder)
    assert "--unused" in str(caught.value)
    found = discover(folder, unused=["side"])
    write_capture_toml(folder / "capture.toml", found.spec)
    assert len(inspect_capture(load_capture(folder)).cameras) == 3
    toml = (folder / "capture.toml").read_text().replace('unused = ["side"]\n', "")
    (folder / "capture.toml").write_text(toml + '\n[[camera]]\nname = "side"\nvideo = "videos/side.mp4"\n')
    with pytest.raises(CalibrationError, match="'side' and 'top' have one and the same calibration"):
        inspect_capture(load_capture(folder))


def test_the_refitted_session_is_taken(tmp_path: Path) -> None:
    folder = session(tmp_path, "sleap_minimal_session_side_refit.toml", ["back", "mid", "side", "top"])
    write_capture_toml(folder / "capture.toml", discover(folder).spec)
    found = inspect_capture(load_capture(folder))
    assert not found.failed
    assert "up-unknown" in {finding.code for finding in found.findings}


def test_rig_facts_of_mouse_cylinder(tmp_path: Path) -> None:
    """Without masks. The rig is sound, although two principal points lie far off and one lens is another."""
    found = inspect_capture(load_capture(cylinder(tmp_path)))
    assert not found.failed
    odd = {(finding.code, finding.camera) for finding in found.findings}
    assert odd == {("principal-far", "CameraL"), ("principal-far", "CameraU"), ("focal-differs", "CameraU")}
    assert found.frames == 2758
    assert found.rate == pytest.approx(120, abs=0.01)
    for camera in found.cameras:
        assert 1300 < camera.distance < 1800
        assert camera.elevation is not None
        assert 5 < camera.elevation < 45
        assert camera.folds == 0
        assert camera.upright is not None
        assert camera.upright > 0.7
    assert "mouselift mask" in found.next


def test_facelift_sample_as_a_capture(tmp_path: Path) -> None:
    """A dataset: cameras and masks are judged; lag and path have no meaning."""
    (tmp_path / "capture.toml").write_text(
        f'format = 1\nunit = "normalised"\nup = "+z"\ndataset = "{DATA / "facelift_sample"}"\n'
    )
    found = inspect_capture(load_capture(tmp_path))
    assert not found.failed
    assert found.path is None
    assert found.lag == ()
    assert len(found.cameras) == 8
    assert all(mask.cut == 1 for mask in found.masks), "the head is cut by the lower border in every view"
    for camera in found.cameras:
        assert camera.focal == pytest.approx(548.994, abs=1e-2)


@pytest.mark.slow
def test_lag_of_mouse_cylinder(tmp_path: Path) -> None:
    """Hardware-synchronised: nobody is accused; CameraU made three frames late, CameraL two early: both found."""
    folder = cylinder(tmp_path)
    toml = (folder / "capture.toml").read_text()
    masks = segment_capture(load_capture(folder), tmp_path / "masks", MaskOptions(start=1650, stop=1900, learn_from=24))
    lines = toml
    for camera, path in masks.paths(tmp_path / "masks").items():
        lines = lines.replace(f'name = "{camera}"\n', f'name = "{camera}"\nmask = "{path}"\n')
    (folder / "capture.toml").write_text(lines)
    found = inspect_capture(load_capture(folder), InspectOptions(instants=80))
    assert not found.failed
    assert {fact.best for fact in found.lag} <= {0, None}
    assert found.agreement is not None
    assert found.agreement.all_px < 4
    for camera, offset in (("CameraU", 3), ("CameraL", -2)):
        lines = lines.replace(f'name = "{camera}"\n', f'name = "{camera}"\nframe_offset = {offset}\n')
    (folder / "capture.toml").write_text(lines)
    found = inspect_capture(load_capture(folder), InspectOptions(instants=80))
    lags = {f.camera: f.value for f in found.findings if f.code == "camera-lags"}
    assert lags == {"CameraU": -3.0, "CameraL": 2.0}
    assert all("frame_offset = 0" in f.message for f in found.findings if f.code == "camera-lags")
