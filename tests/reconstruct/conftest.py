"""Small samples whose images show one blob at a known point of the world."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from camera_ring import ring
from mouselift.calibration.facelift import ViewEntry, sample_json
from mouselift.geometry.camera import Camera
from mouselift.media.png import encode_png

torch.set_num_threads(1)
SIDE = 48
POINT = np.array([0.12, -0.2, 0.17])  # world
SPREAD = 0.1  # world units, standard deviation of the blob
COLOUR = (0.8, 0.4, 0.2)


def blob(camera: Camera) -> np.ndarray:
    """Straight RGBA of a soft ball about POINT; pixel centres at +0.5."""
    x, y = camera.project(POINT[None])[0]
    sigma = SPREAD * camera.focal / float(camera.depth(POINT[None])[0])
    i, j = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    alpha = 0.99 * np.exp(-((i - x) ** 2 + (j - y) ** 2) / (2 * sigma**2))
    rgba = np.dstack([np.broadcast_to(COLOUR, (*alpha.shape, 3)), alpha])
    rgba[alpha < 1 / 510] = 0
    return np.rint(255 * rgba).astype(np.uint8)


def write(folder: Path, views: int = 3, side: int = SIDE) -> Path:
    (folder / "images").mkdir(parents=True)
    found = [ViewEntry(camera, f"images/cam_{k:03d}.png", k) for k, camera in enumerate(ring(views, side))]
    for view in found:
        (folder / view.file_path).write_bytes(encode_png(blob(view.camera)))
    (folder / "opencv_cameras.json").write_bytes(sample_json(folder.name, found, {}))
    return folder


@pytest.fixture
def make_sample() -> Callable[..., Path]:
    return write


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only."""
    return write(tmp_path_factory.mktemp("samples") / "sample_000007")
