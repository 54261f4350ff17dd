"""Anipose calibration.toml."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mouselift.calibration.anipose import read_anipose
from mouselift.calibration.registry import load_rig
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import Fisheye


@pytest.mark.parametrize("metadata", ["", "[metadata]\n", "[metadata]\nadjusted = true\nerror = 1.668\n"])
def test_read_exactly(metadata: str, tmp_path: Path, unskewed, write, distance) -> None:
    rig = read_anipose(write.anipose(tmp_path / "calibration.toml", unskewed, metadata=metadata))
    for camera in unskewed:
        assert rig[camera.name].size == (640, 480)
        assert distance(rig[camera.name].camera((640, 480)), camera) < 1e-9
    assert any("1.67 px" in line for line in rig.evidence) == ("error" in metadata)


@pytest.mark.parametrize("fault", ["half pixel", "one per cent", "rotation inverted"])
def test_the_check_notices_faults(fault: str, tmp_path: Path, unskewed, write, distance) -> None:
    camera = unskewed[0]
    wrong = {
        "half pixel": lambda: replace(camera, cx=camera.cx + 0.5),
        "one per cent": lambda: replace(camera, fx=camera.fx * 1.01),
        "rotation inverted": lambda: Camera.from_matrices(
            camera.K, camera.R_cam_world.T.copy(), camera.t_cam_world, (640, 480), camera.lens, camera.name
        ),
    }[fault]()
    rig = read_anipose(write.anipose(tmp_path / "calibration.toml", [wrong]))
    assert not distance(rig[camera.name].camera((640, 480)), camera) < 0.1


def test_bound_by_name_not_by_sorted_key(tmp_path: Path, unskewed, write, distance) -> None:
    many = [replace(unskewed[i % 4], name=f"view{i}", cx=300.0 + i) for i in range(12)]
    rig = read_anipose(write.anipose(tmp_path / "calibration.toml", many))
    assert rig.names == tuple(f"view{i}" for i in range(12))
    assert all(distance(rig[camera.name].camera((640, 480)), camera) < 1e-9 for camera in many)


def test_fisheye_is_opencvs(tmp_path: Path, unskewed, write, world_points) -> None:
    file = write.anipose(tmp_path / "calibration.toml", unskewed[:1], extra="fisheye = true")
    lens = unskewed[0].lens
    coefficients = [-0.05, 0.01, 0.002, -0.001]
    old = str([lens.k1, lens.k2, lens.p1, lens.p2, lens.k3])
    file.write_text(file.read_text().replace(old, str(coefficients)))
    read = read_anipose(file)[unskewed[0].name]
    assert isinstance(read.lens, Fisheye)
    K = unskewed[0].K.copy()
    K[:2, 2] -= 0.5
    rotation, t = cv2.Rodrigues(unskewed[0].R_cam_world.copy())[0], unskewed[0].t_cam_world.copy()
    expected = cv2.fisheye.projectPoints(world_points[:, None], rotation, t, K, np.array(coefficients))[0][:, 0] + 0.5
    np.testing.assert_allclose(read.camera((640, 480)).project(world_points), expected, atol=1e-9)
    file.write_text(file.read_text().replace(str(coefficients), str([*coefficients, 0.0])))
    with pytest.raises(CalibrationError, match="fisheye lens: expected 4"):
        read_anipose(file)


def test_distortion_is_opencvs(tmp_path: Path, unskewed, write, world_points) -> None:
    file = write.anipose(tmp_path / "calibration.toml", unskewed[:1])
    camera = unskewed[0]
    K = camera.K.copy()
    K[:2, 2] -= 0.5
    lens = camera.lens
    expected = cv2.projectPoints(
        world_points,
        cv2.Rodrigues(camera.R_cam_world.copy())[0],
        camera.t_cam_world.copy(),
        K,
        np.array([lens.k1, lens.k2, lens.p1, lens.p2, lens.k3]),
    )[0][:, 0]
    read = read_anipose(file)[camera.name].camera((640, 480))
    np.testing.assert_allclose(read.project(world_points), expected + 0.5, atol=1e-9)
    assert np.abs(read.project(world_points) - expected).min() > 0.49  # the check sees half a pixel


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_crop_offsets_of_a_near_config(depth: int, tmp_path: Path, unskewed, write) -> None:
    folder = tmp_path.joinpath(*["a", "b"][:depth])
    file = write.anipose(folder / "calibration.toml", unskewed)
    (tmp_path / "config.toml").write_text(
        "nesting = 1\n[cameras.Camera1]\noffsets = [20, 10, 600, 400]\n[cameras.Camera2]\noffsets = [4, 6]\n"
    )
    rig = read_anipose(file)
    assert (rig["Camera1"].crop_offset, rig["Camera1"].crop_size) == ((20, 10), (600, 400))
    assert (rig["Camera2"].crop_offset, rig["Camera2"].crop_size) == ((4, 6), None)
    assert rig["Camera3"].crop_offset is None
    assert any("Camera1 at (20, 10)" in line for line in rig.evidence)


@pytest.mark.parametrize(("key", "values"), [("offset", "[20, 10, 600, 400]"), ("offset", "[20.0, 10.0, 600, 400]")])
def test_crops_under_the_key_that_anipose_reads(key: str, values: str, tmp_path: Path, unskewed, write) -> None:
    file = write.anipose(tmp_path / "calibration/calibration.toml", unskewed)
    (tmp_path / "config.toml").write_text(f"[cameras.Camera1]\n{key} = {values}\n[cameras.top]\n{key} = [1, 2]\n")
    rig = read_anipose(file)
    assert (rig["Camera1"].crop_offset, rig["Camera1"].crop_size) == ((20, 10), (600, 400))
    assert any("of top: not used, no such camera" in line for line in rig.evidence)


def test_two_keys_that_contradict_each_other_are_refused(tmp_path: Path, unskewed, write) -> None:
    file = write.anipose(tmp_path / "calibration.toml", unskewed)
    (tmp_path / "config.toml").write_text("[cameras.Camera1]\noffset = [20, 10]\noffsets = [10, 20]\n")
    with pytest.raises(CalibrationError, match=r"offset = \[20, 10\] and offsets = \[10, 20\] contradict"):
        read_anipose(file)


def test_bad_offsets_are_refused(tmp_path: Path, unskewed, write) -> None:
    file = write.anipose(tmp_path / "calibration.toml", unskewed)
    (tmp_path / "config.toml").write_text("[cameras.Camera1]\noffsets = [20.5, 10]\n")
    with pytest.raises(CalibrationError, match=r"config\.toml: \[cameras\.Camera1\] offsets"):
        read_anipose(file)


def test_copied_camera_is_refused(tmp_path: Path, unskewed, write) -> None:
    copied = [*unskewed[:3], replace(unskewed[2], name="side")]
    file = write.anipose(tmp_path / "calibration.toml", copied)
    with pytest.raises(CalibrationError, match="'Camera3' and 'side' have one and the same calibration"):
        load_rig(file, "anipose")


def edited(text: str, kind: str) -> str:
    lines = text.splitlines()
    key = kind.split()[0]
    index = next(i for i, line in enumerate(lines) if line.startswith(key))
    replacement = {
        "matrix nan": "matrix = [[nan, 0.0, 3.0], [0.0, 9.0, 3.0], [0.0, 0.0, 1.0]]",
        "matrix zero": "matrix = [[0.0, 0.0, 3.0], [0.0, 9.0, 3.0], [0.0, 0.0, 1.0]]",
        "matrix transposed": "matrix = [[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [3.0, 3.0, 1.0]]",
        "matrix short": "matrix = [[9.0, 0.0], [0.0, 9.0]]",
        "rotation nan": "rotation = [nan, 0.0, 0.0]",
        "rotation long": "rotation = [0.0, 0.0, 0.0, 1.0]",
        "distortions long": "distortions = [0.1, 0.1, 0.1, 0.1, 0.1, 0.1]",
        "size words": 'size = ["a", "b"]',
        "translation gone": "",
    }[kind]
    lines[index] = replacement
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("matrix nan", "NaN"),
        ("matrix zero", "positive focal lengths"),
        ("matrix transposed", "transposed"),
        ("matrix short", r"K: expected shape \(3, 3\)"),
        ("rotation nan", "rotation: expected finite numbers"),
        ("rotation long", "3 finite numbers"),
        ("distortions long", "got 6"),
        ("size words", "size: expected numbers"),
        ("translation gone", "missing translation"),
    ],
)
def test_malformed_cameras_are_refused(kind: str, message: str, tmp_path: Path, unskewed, write) -> None:
    file = write.anipose(tmp_path / "calibration.toml", unskewed[:1])
    file.write_text(edited(file.read_text(), kind))
    with pytest.raises(CalibrationError, match=message) as caught:
        read_anipose(file)
    assert "calibration.toml" in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "calibration.toml"
    for text, message in (
        ("[metadata]\n", "expected tables"),
        ("a = ", "not valid TOML"),
        ("a = 1\n", "expected a table"),
    ):
        file.write_text(text)
        with pytest.raises(CalibrationError, match=message):
            read_anipose(file)
    with pytest.raises(CalibrationError, match="cannot be read"):
        read_anipose(tmp_path / "absent.toml")
