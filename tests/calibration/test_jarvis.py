"""JARVIS yaml files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mouselift.calibration.jarvis import read_jarvis
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import Camera


@pytest.fixture
def unskewed(truth) -> list[Camera]:
    return [replace(camera, skew=0.0) for camera in truth]


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
