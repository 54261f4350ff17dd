"""A small six-camera recording with truth, made once a test process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mouselift.capture.capture import Capture, load_capture
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.synthetic.rigs import markerless_rig, scaled_rig

FRAMES = 12


def make_recording(folder: Path, **changes: object) -> Path:
    """A quarter-size recording; `changes` to the spec."""
    spec = CaptureSpec(
        **{"frames": FRAMES, "rig": scaled_rig(markerless_rig(), 0.25), "fps": 2.0, "gop": 4, "seed": 3, **changes}
    )
    write_capture(folder, spec)
    found = discover(folder)
    write_capture_toml(folder / "capture.toml", found.spec)
    return folder


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos and mask videos, DANNCE layout. Read only: copy it to change it."""
    return make_recording(tmp_path_factory.mktemp("recording") / "mouse")


@pytest.fixture(scope="session")
def clean_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lossless images and masks at full size, beads on the animal. Read only."""
    rig = markerless_rig()
    folder = tmp_path_factory.mktemp("clean") / "mouse"
    return make_recording(folder, rig=rig, frames=2, fps=0.4, images="png", masks="png", marks=12)


@pytest.fixture
def copied(recording: Path, tmp_path: Path) -> Path:
    """A recording that a test may spoil."""
    return Path(shutil.copytree(recording, tmp_path / "mouse"))


@pytest.fixture
def load() -> Callable[[Path], Capture]:
    return load_capture
