"""`mouselift init` on recordings with rigs of other tools: recognised, bound to videos by name, the unit said."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mouselift.capture.capture import load_capture
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.errors import CalibrationError, CaptureError
from rig_standins import STANDINS

POINTS = np.random.default_rng(3).uniform(-25, 25, (20, 3))
UNITS = {"colmap": "unknown", "nerfstudio": "unknown", "qualisys": "mm", "caliscope": "m", "acinoset": "m"}
ONE_EACH = {standin.format: standin for standin in reversed(STANDINS.values())}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from rig_files import Writers

    return Writers().video(tmp_path_factory.mktemp("video") / "one.mp4", frames=1)


@pytest.mark.parametrize("kind", ONE_EACH)
def test_init_recognises(kind: str, tmp_path: Path, video: Path) -> None:
    standin = ONE_EACH[kind]
    place = tmp_path / ("sparse/0" if kind == "colmap" else "calibration")
    place.mkdir(parents=True)
    views = standin.rig()
    standin.write(place, views)
    for view in views:
        shutil.copyfile(video, tmp_path / f"{view.name}.mp4")
    if standin.variant is not None:
        with pytest.raises(CalibrationError, match="--variant"):
            discover(tmp_path)
    found = discover(tmp_path, variant=standin.variant)
    assert found.spec.rig_format == kind
    assert found.spec.unit == UNITS.get(kind, "mm")
    assert any(f"the unit is {found.spec.unit}" in line for line in found.assumed)
    assert not any(name in line for line in found.left for name in ("intri.yml", "extri.yml", "cameras.", "images."))
    write_capture_toml(tmp_path / "capture.toml", found.spec, comments=found.comments)
    cameras = {camera.name: camera.camera for camera in load_capture(tmp_path).cameras}
    for view in views:
        np.testing.assert_allclose(cameras[view.name].project(POINTS), view.project(POINTS), atol=1e-9)


def test_a_file_of_opencv_that_cannot_be_read_is_named(tmp_path: Path, video: Path) -> None:
    """No format takes it for its own: before, no calibration was found, and nothing said why."""
    standin = STANDINS["OpenCV yaml"]
    views = standin.rig()
    (tmp_path / "calibration").mkdir()
    standin.write(tmp_path / "calibration", views)
    for file in (tmp_path / "calibration").iterdir():
        file.write_text(file.read_text().replace("cols: 1", "cols: 7"))
    for view in views:
        shutil.copyfile(video, tmp_path / f"{view.name}.mp4")
    with pytest.raises(CaptureError, match=r"not readable: .*calibration/.*FileStorage.*5 rows and 7 cols with 5"):
        discover(tmp_path)


def test_a_damaged_file_of_caliscope_is_named(tmp_path: Path) -> None:
    (tmp_path / "camera_array.toml").write_text("[cameras.1\nsize = [1, 2]\n")
    with pytest.raises(CalibrationError, match=r"camera_array.toml: not valid TOML"):
        discover(tmp_path)
