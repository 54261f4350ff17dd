"""The arena of `tests/shared/arena.py`, for tests of masks."""

from __future__ import annotations

import pytest

from arena import Arena, Pose, Recording, ring, walk
from mouselift.geometry.camera import Camera


@pytest.fixture(scope="session")
def cameras() -> tuple[Camera, ...]:
    return ring([15, 85, 160, 235, 305])


@pytest.fixture(scope="session")
def recording(cameras: tuple[Camera, ...]) -> Recording:
    return Recording(Arena(cameras), walk(40))


@pytest.fixture(scope="session")
def make_arena() -> type[Arena]:
    return Arena


@pytest.fixture(scope="session")
def make_pose() -> type[Pose]:
    return Pose


@pytest.fixture(scope="session")
def make_recording() -> type[Recording]:
    return Recording


@pytest.fixture(scope="session")
def make_walk():
    return walk
