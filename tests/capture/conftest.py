"""Plain recordings, of which what `init` finds is known."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def dannce(tmp_path: Path, truth, write) -> Path:
    """Calibration folder and videos/Camera{i}/0.mp4."""
    write.dannce(tmp_path / "calibration", truth)
    for camera in truth:
        write.video(tmp_path / f"videos/{camera.name}/0.mp4")
    return tmp_path


@pytest.fixture
def recording(tmp_path: Path, truth, write, make_video) -> Path:
    """As `dannce`, with videos of the cameras' size and twelve frames, no masks."""
    write.dannce(tmp_path / "calibration", truth)
    for camera in truth:
        (tmp_path / "videos" / camera.name).mkdir(parents=True)
        video = make_video(f"numbered_{camera.width}.mp4", count=12, size=(camera.width, camera.height))
        shutil.copy(video, tmp_path / "videos" / camera.name / "0.mp4")
    return tmp_path
