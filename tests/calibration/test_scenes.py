"""COLMAP and nerfstudio: what a scene of images says about cameras, and what it does not."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mouselift.calibration.registry import load_rig
from mouselift.errors import CalibrationError
from rig_standins import colmap_binary, colmap_rig, colmap_text, random_rig, transforms

NAMES = ("left", "right", "top")
POINTS = np.random.default_rng(3).uniform(-25, 25, (20, 3))


@pytest.mark.parametrize("binary", [False, True])
def test_a_rig_of_colmap_stands_in_its_reference_camera(binary: bool, tmp_path: Path) -> None:
    views = random_rig(NAMES)
    rig = load_rig(colmap_rig(tmp_path, views, binary))
    assert rig.names == NAMES
    assert any("reference camera" in line for line in rig.evidence)
    seen = (views[0].R @ POINTS.T).T + views[0].t  # the world is the first camera's
    for view in views:
        assert np.abs(rig[view.name].camera(view.size).project(seen) - view.project(POINTS)).max() < 1e-9
    (tmp_path / f"rigs{'.bin' if binary else '.txt'}").unlink()
    with pytest.raises(CalibrationError, match=r"camera 7 has 2 images.*one camera that moved.*found 0 rigs"):
        load_rig(tmp_path)


def test_a_shared_camera_needs_a_word(tmp_path: Path) -> None:
    views = random_rig(NAMES)
    colmap_text(tmp_path, views)
    lines = (tmp_path / "images.txt").read_text().replace(" 8 right", " 7 right").replace(" 9 top", " 7 top")
    (tmp_path / "images.txt").write_text(lines)
    with pytest.raises(CalibrationError, match=r'camera 7 has 3 images.*variant = "images"'):
        load_rig(tmp_path)
    rig = load_rig(tmp_path, "colmap", "images")
    assert rig.names == NAMES
    np.testing.assert_allclose(rig["top"].K, rig["left"].K)
    with pytest.raises(CalibrationError, match="only one is 'images'"):
        load_rig(tmp_path, "colmap", "opencv")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("SIMPLE_RADIAL_FISHEYE 640 480 900 320 240 0.1", "SIMPLE_RADIAL_FISHEYE is not supported"),
        ("FOV 640 480 900 900 320 240 0.1", "FOV is not supported"),
        ("MADE_UP 640 480 900 900 320 240", "MADE_UP is not supported"),
        ("OPENCV 640 480 900 900 320 240 0.1", "OPENCV has 8 parameters, got 5"),
        ("PINHOLE 640 480 nan 900 320 240", "holds NaN"),
        ("PINHOLE 640000 480 900 900 320 240", "640000 x 480"),
        ("PINHOLE 640", "expected CAMERA_ID MODEL WIDTH HEIGHT PARAMS"),
    ],
)
def test_models_that_are_not_opencvs_are_refused_by_name(model: str, words: str, tmp_path: Path) -> None:
    colmap_text(tmp_path, random_rig(NAMES))
    lines = (tmp_path / "cameras.txt").read_text().splitlines()
    (tmp_path / "cameras.txt").write_text("\n".join([*lines[:-1], f"9 {model}"]) + "\n")
    with pytest.raises(CalibrationError, match=words):
        load_rig(tmp_path)


@pytest.mark.parametrize(
    ("model", "parameters", "lens"),
    [
        ("SIMPLE_PINHOLE", "900 320 240", ()),
        ("SIMPLE_RADIAL", "900 320 240 0.1", (0.1, 0)),
        ("RADIAL", "900 320 240 0.1 0.02", (0.1, 0.02)),
    ],
)
def test_models_with_one_focal_length(model: str, parameters: str, lens: tuple[float, ...], tmp_path: Path) -> None:
    colmap_text(tmp_path, random_rig(NAMES))
    lines = (tmp_path / "cameras.txt").read_text().splitlines()
    (tmp_path / "cameras.txt").write_text("\n".join([*lines[:-1], f"9 {model} 640 480 {parameters}"]) + "\n")
    camera = load_rig(tmp_path)["top"]
    np.testing.assert_array_equal(camera.K, [[900, 0, 320], [0, 900, 240], [0, 0, 1]])
    assert tuple(getattr(camera.lens, key) for key in ("k1", "k2")[: len(lens)]) == lens


def test_damage_is_told(tmp_path: Path) -> None:
    """A count that the bytes do not hold, a cut file, points without their line, a quaternion that is none."""
    colmap_binary(tmp_path, random_rig(NAMES, "none"))
    whole = (tmp_path / "images.bin").read_bytes()
    for data, words in (
        (struct.pack("<Q", 1 << 60) + whole[8:], "entries are said"),
        (whole[:-20], "follow"),
        (whole[:12] + struct.pack("<d", 3.0) + whole[20:], "quaternion of length 1"),
    ):
        (tmp_path / "images.bin").write_bytes(data)
        with pytest.raises(CalibrationError, match=words):
            load_rig(tmp_path)
    for file in ("images.bin", "cameras.bin"):
        (tmp_path / file).unlink()
    colmap_text(tmp_path, random_rig(NAMES))
    lines = [line for line in (tmp_path / "images.txt").read_text().splitlines() if line]
    (tmp_path / "images.txt").write_text("\n".join(lines) + "\n")
    with pytest.raises(CalibrationError, match=r"'left\.png': expected a line of its 2D points"):
        load_rig(tmp_path)


def change(file: Path, frame: dict[str, Any] | None = None, drop: tuple[str, ...] = (), **top: Any) -> Path:
    content = json.loads(file.read_text()) | top
    for entry in content["frames"]:
        entry.update(frame or {})
        for key in drop:
            entry.pop(key, None)
    file.write_text(json.dumps(content))
    return file


def test_what_nerfstudio_applied_is_undone(tmp_path: Path) -> None:
    views = random_rig(NAMES)
    file = transforms(tmp_path, views)
    content = json.loads(file.read_text())
    A = np.array([[1.0, 0, 0, 3], [0, 0, 1, 4], [0, -1, 0, 5], [0, 0, 0, 1]])
    for frame in content["frames"]:
        T = A @ np.array(frame["transform_matrix"])
        T[:3, 3] *= 0.25
        frame["transform_matrix"] = T.tolist()
    rig = load_rig(change(file, applied_transform=A[:3].tolist(), applied_scale=0.25, frames=content["frames"]))
    for view in views:
        assert np.abs(rig[view.name].camera(view.size).project(POINTS) - view.project(POINTS)).max() < 1e-9
    assert any("applied_transform is undone" in line for line in rig.evidence)
    with pytest.raises(CalibrationError, match="applied_transform"):
        load_rig(change(file, applied_transform=np.diag([1.0, 1, -1, 1]).tolist()))


def test_angles_and_defaults_of_instant_ngp(tmp_path: Path) -> None:
    file = transforms(tmp_path, random_rig(NAMES, "none"))
    change(file, drop=("fl_x", "fl_y", "cx", "cy"), camera_angle_x=0.7)
    rig = load_rig(file)
    f = 320 / np.tan(0.35)
    np.testing.assert_allclose(rig["top"].K, [[f, 0, 320], [0, f, 240], [0, 0, 1]])
    assert any("square" in line for line in rig.assumed)
    assert any("middle" in line for line in rig.assumed)
    with pytest.raises(CalibrationError, match="contradict each other"):
        load_rig(change(file, {"fl_x": 900.0}))


@pytest.mark.parametrize(
    ("frame", "drop", "words"),
    [
        ({"k4": 0.1}, (), r"k4 = 0\.1: the term of r\^8"),
        ({"camera_model": "EQUIRECTANGULAR"}, (), "'EQUIRECTANGULAR' is not supported"),
        ({"camera_model": "OPENCV", "is_fisheye": True}, (), "contradict each other"),
        ({"is_fisheye": True}, (), "a fisheye camera with p1, p2"),
        ({"camera_model": "PINHOLE"}, (), "PINHOLE with lens coefficients"),
        ({"ftheta_p0": 1.0}, (), "ftheta_p0 is not supported"),
        ({"rolling_shutter": [0, 0, 0.1, 0]}, (), "rolling_shutter is not supported"),
        ({}, ("w",), "expected w and h"),
        ({}, ("fl_x",), "expected fl_x in pixels or camera_angle_x"),
        ({"transform_matrix": [[1, 0, 0, 0]]}, (), "expected 4x4"),
        ({"file_path": ""}, (), "expected a file_path"),
    ],
)
def test_what_transforms_cannot_say_is_refused(
    frame: dict[str, Any], drop: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    with pytest.raises(CalibrationError, match=words):
        load_rig(change(transforms(tmp_path, random_rig(NAMES)), frame, drop))


def test_frames_of_still_cameras_are_one_camera_a_folder(tmp_path: Path) -> None:
    file = transforms(tmp_path, random_rig(NAMES))
    frames = json.loads(file.read_text())["frames"]
    shots = [{**f, "file_path": f"{name}/{i:03d}.png"} for f, name in zip(frames, NAMES, strict=True) for i in range(3)]
    assert load_rig(change(file, frames=shots)).names == NAMES
