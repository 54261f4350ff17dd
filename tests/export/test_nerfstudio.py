"""transforms.json by nerfstudio's rules, written down anew here: rays through pixel centres, OpenGL axes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from plyfile import PlyData

from marked_scenes import LENSES, MARKS, decoded, measured, opencv_distorted
from mouselift.errors import CalibrationError
from mouselift.export.nerfstudio import nerfstudio_files
from mouselift.export.scene import ExportScene
from mouselift.geometry.camera import Camera

HOLDS = ("pinhole", "opencv", "k3", "fisheye")


def theirs(frame: dict[str, Any], model: str, points: np.ndarray) -> np.ndarray:
    """Where a point of the world is in an image whose pixel (0, 0) has its centre at (0.5, 0.5)."""
    c2w = np.array(frame["transform_matrix"])
    seen = (points - c2w[:3, 3]) @ c2w[:3, :3]  # x right, y up, z backwards
    rays = np.column_stack([seen[:, 0], -seen[:, 1]]) / -seen[:, 2:]
    bent = opencv_distorted(rays, frame, model == "OPENCV_FISHEYE")
    return bent * [frame["fl_x"], frame["fl_y"]] + [frame["cx"], frame["cy"]]


def content(files: dict[str, bytes]) -> dict[str, Any]:
    return json.loads(files["transforms.json"])


@pytest.mark.parametrize("lens", HOLDS)
def test_marks_lie_where_nerfstudio_puts_them(scenes: dict[str, ExportScene], lens: str) -> None:
    scene = scenes[lens]
    files = nerfstudio_files(scene)
    read = content(files)
    for frame, view in zip(read["frames"], scene.views, strict=True):
        expected = theirs(frame, read["camera_model"], MARKS)
        assert np.abs(expected - view.camera.project(MARKS)).max() < 1e-6
        assert np.abs(measured(decoded(files[frame["file_path"]])) - expected).max() < 0.03
        assert (frame["w"], frame["h"]) == (view.camera.width, view.camera.height)


def test_a_wrong_camera_shows(scenes: dict[str, ExportScene], camera_fault: Callable[[Camera], Camera]) -> None:
    scene = scenes["opencv"]
    spoiled = replace(scene, views=tuple(replace(v, camera=camera_fault(v.camera)) for v in scene.views))
    files = nerfstudio_files(spoiled)
    read = content(files)
    for frame in read["frames"]:
        where = measured(decoded(files[frame["file_path"]]))
        assert np.abs(theirs(frame, read["camera_model"], MARKS) - where).max() > 0.1


def test_the_ground_is_empty_or_ignored(scenes: dict[str, ExportScene]) -> None:
    scene = scenes["pinhole"]
    soft = replace(scene.views[0], mask=np.full_like(scene.views[0].mask, 127))
    scene = replace(scene, views=(soft, *scene.views[1:]))
    empty, ignored = nerfstudio_files(scene, "empty"), nerfstudio_files(scene, "ignored")
    assert "mask_path" not in content(empty)["frames"][0]
    image = decoded(empty["images/cam_1.png"])
    assert image.shape[2] == 4
    assert set(np.unique(image[..., 3])) == {0, 255}
    assert all("mask_path" in frame for frame in content(ignored)["frames"])
    assert decoded(ignored["images/cam_1.png"]).shape[2] == 3
    mask = decoded(ignored["masks/cam_1.png"])
    assert np.array_equal(mask, scene.views[1].mask)
    # every level above 0 counts as the subject, so half transparent pixels must not stay half
    assert not decoded(ignored["masks/cam_0.png"]).any()


def test_points_are_those_of_the_hull(scenes: dict[str, ExportScene], tmp_path) -> None:
    scene = scenes["pinhole"]
    files = nerfstudio_files(scene)
    (tmp_path / "points.ply").write_bytes(files[content(files)["ply_file_path"]])
    found = PlyData.read(tmp_path / "points.ply")["vertex"]
    assert scene.hull is not None
    assert np.abs(np.column_stack([found[axis] for axis in "xyz"]) - scene.hull.points).max() < 1e-6
    assert np.array_equal(np.column_stack([found[c] for c in ("red", "green", "blue")]), scene.hull.colours)
    assert "ply_file_path" not in content(nerfstudio_files(replace(scene, hull=None)))


def test_what_the_format_cannot_hold_is_refused_by_name(scenes: dict[str, ExportScene]) -> None:
    with pytest.raises(CalibrationError, match=r"camera 'cam/0'.*cannot hold k4 = 0.4, k5 = 0.1, k6 = 0.02.*undistort"):
        nerfstudio_files(scenes["rational"])
    scene = scenes["pinhole"]
    skewed = replace(scene.views[1], camera=replace(scene.views[1].camera, skew=2.0))
    with pytest.raises(CalibrationError, match=r"camera 'cam/1'.*cannot hold skew = 2"):
        nerfstudio_files(replace(scene, views=(scene.views[0], skewed)))
    mixed = replace(scene.views[2], camera=replace(scene.views[2].camera, lens=LENSES["fisheye"]))
    with pytest.raises(CalibrationError, match="one camera_model"):
        nerfstudio_files(replace(scene, views=(*scene.views[:2], mixed)))
