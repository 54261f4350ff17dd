from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from folder_files import files_of
from layouts import Layout, write_laid_out
from marks import find_marks
from mouselift.errors import CalibrationError, CaptureError
from mouselift.geometry.lens import Fisheye
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import Rig
from mouselift.synthetic.truth import Truth
from other_rigs import undistorted_rig, unskewed_rig

Reader = Callable[[Path], np.ndarray]


@pytest.fixture(scope="module")
def spec(small_rig: Rig) -> CaptureSpec:
    return CaptureSpec(frames=4, rig=small_rig, fps=10.0, gop=2)


@pytest.mark.parametrize(
    ("layout", "files"),
    [
        ("dannce", ["calibration/hires_cam3_params.mat", "videos/Camera3/0.mp4", "masks/Camera3.mp4"]),
        ("dannce_mat", ["label3d_dannce.mat", "videos/Camera3/0.mp4", "masks/Camera3.mp4"]),
        ("mammal", ["new_cam.pkl", "videos_undist/2.mp4", "simpleclick_undist/2.mp4"]),
        ("anipose", ["calibration.toml", "videos/Camera3.mp4", "masks/Camera3.mp4"]),
    ],
)
def test_layouts_have_their_files_and_all_frames(
    spec: CaptureSpec, layout: Layout, files: list[str], tmp_path: Path, frames_of: Reader
) -> None:
    rigs = {"mammal": undistorted_rig, "anipose": unskewed_rig}
    rig = rigs.get(layout, lambda rig: rig)(spec.rig)
    write_laid_out(tmp_path / "c", layout, replace(spec, rig=rig))
    for name in files:
        assert (tmp_path / "c" / name).is_file(), name
    for name in files[1:]:
        assert frames_of(tmp_path / "c" / name).shape == (4, 256, 288, 3)


def test_equal_specs_give_equal_bytes(spec: CaptureSpec, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_capture(tmp_path / name, replace(spec, frames=2, marks=3))
    first, second = files_of(tmp_path / "a"), files_of(tmp_path / "b")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_the_truth_is_what_the_images_show(spec: CaptureSpec, tmp_path: Path, frames_of: Reader) -> None:
    seen: list[tuple[int, int]] = []
    written = write_capture(
        tmp_path / "c", replace(spec, images="png", masks="png"), lambda _, done, of: seen.append((done, of))
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    truth = Truth.load(tmp_path / "c")
    assert (truth.frame_count, truth.fps, dict(truth.lag)) == (4, 10.0, {})
    for view, camera in enumerate(truth.cameras):
        given = spec.rig.cameras[view]
        assert (camera.K == given.K).all()
        assert (camera.T_cam_world == given.T_cam_world).all()
        assert (camera.lens, camera.name) == (given.lens, given.name)
        masks = frames_of(tmp_path / "c" / "masks" / f"Camera{view + 1}")[..., 0]
        for frame in range(4):
            exact = render_silhouette(truth.mesh(frame), camera, 3)
            assert np.abs(masks[frame].astype(int) - exact).max() <= 1
            off = render_silhouette(truth.mesh(frame), camera.cropped(0.5, 0.0), 3)
            assert np.abs(masks[frame].astype(int) - off).max() > 60
    np.testing.assert_array_equal(written.mesh(2).vertices, truth.mesh(2).vertices)
    assert truth.keypoints(0).shape == (8, 3)


def test_marks_are_written_and_found(spec: CaptureSpec, tmp_path: Path, frames_of: Reader) -> None:
    """At a quarter of the size a bead is 2.6 px wide: scatter, but no shift."""
    marked = replace(spec, frames=2, images="png", masks="none", marks=40, supersample=8)
    truth = write_capture(tmp_path / "c", marked)
    gaps = []
    for view, camera in enumerate(truth.cameras):
        rgb = frames_of(tmp_path / "c" / "images" / f"Camera{view + 1}")
        for frame in range(2):
            found = find_marks(rgb[frame], camera, truth.marks(frame), mesh=truth.mesh(frame), area_tolerance=0.08)
            gaps += [np.subtract(mark.measured, mark.expected) for mark in found]
    assert len(gaps) > 10
    assert np.abs(np.mean(gaps, axis=0)).max() < 0.02
    assert np.abs(gaps).max() < 0.1


def test_existing_files_are_never_touched(spec: CaptureSpec, tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "mine.txt").write_text("keep")
    with pytest.raises(CaptureError, match="not an empty folder"):
        write_capture(tmp_path / "c", spec)
    assert [p.name for p in (tmp_path / "c").iterdir()] == ["mine.txt"]
    (tmp_path / "file").write_text("keep")
    with pytest.raises(CaptureError, match="not an empty folder"):
        write_capture(tmp_path / "file", spec)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": 0}, "expected frames"),
        ({"lag": {7: 1}}, r"no view \[7\]; the rig has views 0 to 2"),
    ],
)
def test_impossible_specs_are_refused(
    spec: CaptureSpec, change: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(CaptureError, match=message):
        write_capture(tmp_path / "c", replace(spec, **change))  # type: ignore[arg-type]
    assert not (tmp_path / "c").exists()


def test_a_rig_that_the_layout_cannot_hold_is_refused_before_rendering(spec: CaptureSpec, tmp_path: Path) -> None:
    rig = Rig(tuple(replace(camera, lens=Fisheye(0.1)) for camera in spec.rig.cameras), spec.rig.arena)
    with pytest.raises(CalibrationError, match="k1 k2 p1 p2 k3 only"):
        write_capture(tmp_path / "c", replace(spec, rig=rig))
    assert not (tmp_path / "c/truth").exists()


def test_missing_truth_is_an_error(spec: CaptureSpec, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"cameras\.json is missing"):
        Truth.load(tmp_path)
    truth = write_capture(tmp_path / "c", replace(spec, frames=1, masks="none"))
    with pytest.raises(CaptureError, match="no truth for frame 5; it has frames 0 to 0"):
        truth.mesh(5)
