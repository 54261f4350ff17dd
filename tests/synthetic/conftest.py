"""Shared pieces of the synthetic tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
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


@pytest.fixture(scope="session")
def frames_of() -> Callable[[Path], np.ndarray]:
    """[n, h, w, 3] RGB of a video, by plain PyAV, or of a PNG folder, by plain OpenCV."""

    def read(path: Path) -> np.ndarray:
        if path.is_dir():
            listed = [cv2.imread(str(p), cv2.IMREAD_COLOR_RGB) for p in sorted(path.glob("*.png"))]
            return np.stack([np.asarray(image) for image in listed])
        with av.open(str(path)) as container:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])

    return read
