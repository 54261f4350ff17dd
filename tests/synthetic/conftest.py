"""Shared pieces of the synthetic tests."""

from __future__ import annotations

import pytest

from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.rigs import Rig, markerless_rig, scaled_rig


@pytest.fixture(scope="session")
def small_rig() -> Rig:
    """The markerless rig at a quarter of the size, three cameras of it: 288 x 256."""
    rig = scaled_rig(markerless_rig(), 0.25)
    return Rig(rig.cameras[:3], rig.arena)


@pytest.fixture(scope="session")
def mouse() -> Mouse:
    return Mouse()
