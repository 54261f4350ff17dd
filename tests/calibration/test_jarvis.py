"""JARVIS yaml files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from mouselift.calibration.jarvis import find_jarvis, read_jarvis
from mouselift.calibration.registry import load_rig
from mouselift.capture.discovery import discover
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import Camera


def test_read_exactly(tmp_path: Path, unskewed, write, distance) -> None:
    rig = read_jarvis(write.jarvis(tmp_path, unskewed))
    assert rig.names == tuple(camera.name for camera in unskewed)
    assert max(distance(rig[c.name].camera((640, 480)), c) for c in unskewed) < 1e-9


@pytest.mark.parametrize("change", [{"cx": 0.5}, {"fx": 16.5}])
def test_the_check_notices_faults(change: dict[str, float], tmp_path: Path, unskewed, write, distance) -> None:
    camera = unskewed[0]
    wrong = replace(camera, **{key: getattr(camera, key) + value for key, value in change.items()})
    rig = read_jarvis(write.jarvis(tmp_path, [wrong]))
    assert not distance(rig[camera.name].camera((640, 480)), camera) < 0.1


def test_untransposed_and_damaged_files_are_refused(tmp_path: Path, unskewed, write) -> None:
    turned = Camera.from_matrices(
        unskewed[0].K, unskewed[0].R_cam_world, unskewed[0].t_cam_world, (640, 480), name="Camera1"
    )
    write.jarvis(tmp_path, [turned])
    file = tmp_path / "Camera1.yaml"
    text = file.read_text()
    (tmp_path / "other.yaml").write_text("a: 1\n")
    assert read_jarvis(tmp_path).names == ("Camera1",)
    file.write_text(text.replace("\nT:", "\nU:"))
    with pytest.raises(CalibrationError, match=r"Camera1\.yaml.*T is missing"):
        read_jarvis(tmp_path)
    file.write_text(text.replace("cols: 5", "cols: 9"))
    with pytest.raises(CalibrationError, match=r"Camera1"):
        read_jarvis(tmp_path)


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="found none"):
        read_jarvis(tmp_path)


@pytest.mark.parametrize("suffix", ["yaml", "yml"])
def test_marks_line_ends_and_suffixes_mean_nothing(suffix: str, tmp_path: Path, unskewed, write, distance) -> None:
    write.jarvis(tmp_path, unskewed)
    for file in list(tmp_path.iterdir()):
        content = file.read_bytes().replace(b"\n", b"\r\n")
        file.unlink()
        file.with_suffix(f".{suffix}").write_bytes(b"\xef\xbb\xbf" + content)
    rig = load_rig(tmp_path)
    assert rig.format == "jarvis"
    assert max(distance(rig[c.name].camera((640, 480)), c) for c in unskewed) < 1e-9
    assert load_rig(tmp_path / f"{unskewed[0].name}.{suffix}").names == (unskewed[0].name,)


def test_intrinsics_without_poses_are_no_rig(tmp_path: Path, unskewed, write) -> None:
    write.jarvis(tmp_path / "calib_params/set1", unskewed)
    write.jarvis(tmp_path / "calib_params/Intrinsics", unskewed)
    for file in (tmp_path / "calib_params/Intrinsics").iterdir():
        file.write_text(file.read_text().split("R: ")[0])
    assert find_jarvis(tmp_path / "calib_params/Intrinsics") == []
    for camera in unskewed:
        write.video(tmp_path / f"{camera.name}.mp4")
    found = discover(tmp_path)
    assert found.spec.rig_file == tmp_path / "calib_params/set1"
    assert any("calib_params/Intrinsics" in line for line in found.left)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda K: K.T.copy(), "it is upright"),
        (lambda K: 0.5 * K, r"scaled by 0\.5 as a whole"),
    ],
)
def test_a_matrix_that_is_not_jarviss_is_told_by_what_it_is(
    change, words: str, tmp_path: Path, unskewed, write
) -> None:
    write.jarvis(tmp_path, unskewed[:1])
    file = tmp_path / f"{unskewed[0].name}.yaml"
    storage = cv2.FileStorage(str(file), cv2.FILE_STORAGE_READ)
    nodes = {name: storage.getNode(name).mat() for name in ("intrinsicMatrix", "distortionCoefficients", "R", "T")}
    storage = cv2.FileStorage(str(file), cv2.FILE_STORAGE_WRITE)
    for name, value in (nodes | {"intrinsicMatrix": change(nodes["intrinsicMatrix"])}).items():
        storage.write(name, value)
    storage.release()
    with pytest.raises(CalibrationError, match=words):
        read_jarvis(tmp_path)
