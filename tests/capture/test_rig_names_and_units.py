"""Calibrations and names as labs have them: letters in two forms, capitals, numbers that are no pixels."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mouselift.capture.camera_names import CameraNames
from mouselift.capture.capture import load_capture
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.capture.source import CaptureSource
from mouselift.cli.app import run
from mouselift.errors import CaptureError


def written(folder: Path) -> CaptureSource:
    write_capture_toml(folder / "capture.toml", discover(folder).spec, force=True)
    return CaptureSource(load_capture(folder))


@pytest.fixture
def anipose(tmp_path: Path, unskewed, write) -> Path:
    write.anipose(tmp_path / "calibration.toml", unskewed)
    for camera in unskewed:
        write.video(tmp_path / f"videos/{camera.name}.mp4")
    return tmp_path


def test_letters_in_either_form_are_the_same_name(tmp_path: Path, unskewed, write) -> None:
    """macOS stores a file's ä as a and two dots, a calibration has one letter."""
    named = [replace(camera, name=f"Käfig{n}") for n, camera in enumerate(unskewed)]
    write.anipose(tmp_path / "calibration.toml", named)
    for camera in named:
        write.video(tmp_path / "videos" / f"{unicodedata.normalize('NFD', camera.name)}.mp4")
    assert written(tmp_path).cameras == tuple(camera.name for camera in named)


def test_the_longest_name_in_a_path_is_meant(tmp_path: Path) -> None:
    names = CameraNames(tmp_path, ("front", "front left", "left"))
    for name in names.names:
        (tmp_path / f"{name}.mp4").touch()
        found = names.find(tmp_path / f"{name}.mp4")
        assert found is not None
        assert found.camera == name
    (tmp_path / "front_left.mp4").touch()
    with pytest.raises(CaptureError, match="carries the names of several cameras: front, left"):
        names.find(tmp_path / "front_left.mp4")


@pytest.mark.parametrize("name", ["CALIBRATION.TOML", "Calibration.Toml"])
def test_capitals_in_names_of_files_mean_nothing(anipose: Path, name: str) -> None:
    (anipose / "calibration.toml").rename(anipose / name)
    assert len(written(anipose).cameras) == 4


def test_jarvis_in_capitals(tmp_path: Path, unskewed, write) -> None:
    write.jarvis(tmp_path / "calibration", unskewed)
    for file in (tmp_path / "calibration").iterdir():
        file.rename(file.with_suffix(".YAML"))
    for camera in unskewed:
        write.video(tmp_path / f"videos/{camera.name}.mp4")
    assert len(written(tmp_path).cameras) == 4


def test_intrinsics_that_are_not_in_pixels_are_refused(anipose: Path, unskewed, write) -> None:
    def small(camera):
        w, h = camera.width, camera.height
        return replace(camera, fx=camera.fx / w, fy=camera.fy / h, cx=camera.cx / w, cy=camera.cy / h)

    write.anipose(anipose / "calibration.toml", [small(camera) for camera in unskewed])
    with pytest.raises(CaptureError, match=r"units of the image's width and height\? Write them in pixels"):
        written(anipose)
    write.anipose(anipose / "calibration.toml", [replace(camera, fx=8.0, fy=8.0) for camera in unskewed])
    with pytest.raises(CaptureError, match=r"fx = 8, fy = 8, .* units of millimetres"):
        written(anipose)


def test_height_and_width_exchanged(anipose: Path) -> None:
    file = anipose / "calibration.toml"
    file.write_text(file.read_text().replace("[ 640, 480,]", "[480, 640]"))
    with pytest.raises(CaptureError, match=r"no orientation tag\. Exchange the two numbers in the calibration"):
        written(anipose)


@pytest.mark.parametrize(
    ("factor", "words"),
    [(1 / 25.4, "inches or squares of the calibration board"), (1e3, "micrometres"), (1e-3, "in m they are ")],
)
def test_units_that_would_do_are_named(anipose: Path, unskewed, write, factor: float, words: str) -> None:
    def scaled(camera):
        T = camera.T_cam_world.copy()
        T[:3, 3] *= factor
        return replace(camera, T_cam_world=T)

    write.anipose(anipose / "calibration.toml", [scaled(camera) for camera in unskewed])
    assert any(words in line for line in discover(anipose).assumed)


def test_init_says_what_would_stop_the_next_command(anipose: Path, unskewed, capsys) -> None:
    for camera in unskewed:
        (anipose / "masks").mkdir(exist_ok=True)
        np.save(anipose / "masks" / f"{camera.name}.npy", np.eye(camera.height, camera.width, dtype=bool)[None])
    assert run(["init", str(anipose)]) == 0
    said = capsys.readouterr().out
    assert "TO DECIDE" in said
    assert "has 1 frames, its images" in " ".join(said.split())
