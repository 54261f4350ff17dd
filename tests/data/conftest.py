"""Small samples whose images hold marks at known points of the world."""

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
SIDE = 96
SIGMA = 3.0  # pixels: marks wide enough that sampling does not move their centroids
COLOUR = np.array([0.9, 0.4, 0.2])


def marked(camera: Camera, point: np.ndarray) -> np.ndarray:
    """Straight RGBA: one Gaussian of alpha about the point's projection; pixel centres at +0.5."""
    x, y = camera.project(point[None])[0]
    i, j = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    alpha = np.exp(-((i - x) ** 2 + (j - y) ** 2) / (2 * SIGMA**2))
    rgba = np.dstack([np.broadcast_to(COLOUR, (*alpha.shape, 3)), alpha])
    rgba[alpha < 1 / 510] = 0
    return np.rint(255 * rgba).astype(np.uint8)


def write_marked(folder: Path, cameras: list[Camera], point: np.ndarray) -> Path:
    (folder / "images").mkdir(parents=True)
    views = [ViewEntry(camera, f"images/cam_{k:03d}.png", k) for k, camera in enumerate(cameras)]
    for view in views:
        (folder / view.file_path).write_bytes(encode_png(marked(view.camera, point)))
    (folder / "opencv_cameras.json").write_bytes(sample_json(folder.name, views, {}))
    return folder


def points(count: int) -> np.ndarray:
    return np.random.default_rng(4).uniform(-0.35, 0.35, (count, 3))


@pytest.fixture(scope="session")
def marked_dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """Three samples of four views, and the mark's place in each. Read only."""
    root, where = tmp_path_factory.mktemp("marked"), points(3)
    for k, point in enumerate(where):
        write_marked(root / f"sample_{k:06d}", ring(4, SIDE), point)
    return root, where


@pytest.fixture
def make_sample() -> Callable[..., Path]:
    def make(folder: Path, views: int = 4, side: int = SIDE) -> Path:
        return write_marked(folder, ring(views, side), points(1)[0])

    return make


@pytest.fixture
def cameras() -> list[Camera]:
    return ring(4, SIDE)
