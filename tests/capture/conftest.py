"""A plain recording, of which what `init` finds is known."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def dannce(tmp_path: Path, truth, write) -> Path:
    """Calibration folder and videos/Camera{i}/0.mp4."""
    write.dannce(tmp_path / "calibration", truth)
    for camera in truth:
        write.video(tmp_path / f"videos/{camera.name}/0.mp4")
    return tmp_path
