"""A dataset of tiny samples that `prepare` could have written, and a config that trains on it in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mouselift.calibration.facelift import ViewEntry, sample_json
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import looking_at
from mouselift.media.png import encode_png
from mouselift.models.gslrm.config import from_scratch
from mouselift.train.config import TrainConfig, tiny_cpu

torch.set_num_threads(1)
SIDE, VIEWS = 32, 5
NETWORK = replace(from_scratch(), width=32, head_width=16, layers=2)


def ring(side: int) -> list[Camera]:
    out: list[Camera] = []
    for k in range(VIEWS):
        angle = 2 * np.pi * k / VIEWS
        centre = 2.7 * np.array([0.9 * np.cos(angle), 0.9 * np.sin(angle), 0.436])
        T = looking_at(np.zeros(3), centre)
        out.append(Camera(side, side, 1.1 * side, 1.1 * side, side / 2, side / 2, T, name=f"cam{k}"))
    return out


def write(folder: Path, number: int, side: int = SIDE) -> Path:
    """A soft ball at another place in each sample."""
    (folder / "images").mkdir(parents=True)
    point = 0.3 * np.array([np.cos(number), np.sin(number), 0.3 * np.sin(2.0 * number)])
    views = [ViewEntry(camera, f"images/cam_{k:03d}.png", k) for k, camera in enumerate(ring(side))]
    for view in views:
        camera = view.camera
        x, y = camera.project(point[None])[0]
        sigma = 0.25 * camera.focal / float(camera.depth(point[None])[0])
        i, j = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
        alpha = np.clip(1.5 * np.exp(-((i - x) ** 2 + (j - y) ** 2) / (2 * sigma**2)), 0, 1)
        rgba = np.dstack([np.broadcast_to((0.2, 0.3, 0.5), (side, side, 3)), alpha])
        rgba[alpha < 1 / 510] = 0
        (folder / view.file_path).write_bytes(encode_png(np.rint(255 * rgba).astype(np.uint8)))
    (folder / "opencv_cameras.json").write_bytes(sample_json(folder.name, views, {}))
    return folder


def balls(root: Path, side: int = SIDE) -> Path:
    samples = [write(root / f"sample_{k:06d}", k, side) for k in range(10)]
    for name, part in (("data_train.txt", samples[:8]), ("data_val.txt", samples[8:])):
        (root / name).write_text("".join(f"{sample.name}\n" for sample in part), encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten samples with lists: eight to train, two to validate. Read only."""
    return balls(tmp_path_factory.mktemp("train") / "balls")


@pytest.fixture(scope="session")
def large_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with images that are large enough for an audit. Read only."""
    return balls(tmp_path_factory.mktemp("train") / "large", side=128)


@pytest.fixture
def config() -> Callable[..., TrainConfig]:
    """`tiny_cpu` with a smaller network, no worker processes, and changes."""

    def make(**changes: object) -> TrainConfig:
        small = replace(tiny_cpu(), network=NETWORK, size=SIDE, inputs=3, warmup=5, updates=12, readers=0)
        return replace(small, **{"validate_every": 0, **changes})  # pyright: ignore[reportArgumentType]

    return make
