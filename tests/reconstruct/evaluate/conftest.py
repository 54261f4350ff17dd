"""Samples whose images are drawn from Gaussians that are known, with cameras that are not centred."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from camera_ring import ring
from mouselift.calibration.facelift import ViewEntry, sample_json
from mouselift.gaussians.files import write_ply
from mouselift.geometry.camera import Camera
from mouselift.media.png import encode_png
from mouselift.render.base import Gaussians, RenderCamera
from mouselift.render.cpu import CpuRenderer

SIDE = 64
Change = Callable[[Camera], Camera]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def scene(seed: int) -> Gaussians:
    """Solid Gaussians on an ellipsoid, colours that change over a few pixels."""
    rng = np.random.default_rng(seed)
    away = rng.normal(size=(900, 3))
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    points = away * [0.55, 0.4, 0.3]
    colours = 0.5 + 0.4 * np.sin(9 * points + rng.uniform(0, 6, 3))
    count = len(points)
    return Gaussians(
        torch.tensor(points, dtype=torch.float32),
        torch.full((count, 3), 0.035),
        torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(count, 1),
        torch.full((count,), 0.95),
        torch.tensor(colours, dtype=torch.float32),
    )


def image(gaussians: Gaussians, camera: Camera) -> np.ndarray:
    """Straight RGBA levels."""
    drawn = CpuRenderer().render(gaussians, RenderCamera.of(camera), (0.0, 0.0, 0.0))
    alpha = drawn.alpha.numpy()[..., None]
    straight = drawn.colour.permute(1, 2, 0).numpy() / np.maximum(alpha, 1e-6)
    return np.rint(255 * np.concatenate([straight, alpha], axis=2).clip(0, 1)).astype(np.uint8)


def write_sample(
    folder: Path, gaussians: Gaussians, cameras: Sequence[Camera], change: Change | None = None, opaque: bool = False
) -> Path:
    """Images by `cameras`; `change` spoils the cameras that are written."""
    (folder / "images").mkdir(parents=True)
    views = []
    for k, camera in enumerate(cameras):
        views.append(ViewEntry(change(camera) if change else camera, f"images/cam_{k:03d}.png", k))
        rgba = image(gaussians, camera)
        if opaque:
            rgba[..., 3] = 255
        (folder / views[-1].file_path).write_bytes(encode_png(rgba))
    (folder / "opencv_cameras.json").write_bytes(sample_json(folder.name, views, {}))
    return folder


@dataclass(frozen=True)
class Known:
    """A dataset, and the Gaussians that its images show."""

    dataset: Path
    gaussians: Path


@pytest.fixture(scope="session")
def make_known() -> Callable[..., Known]:
    def make(root: Path, samples: int = 3, views: int = 4, change: Change | None = None, opaque: bool = False) -> Known:
        for k in range(samples):
            name = f"sample_{10 * k:06d}"
            write_sample(root / "ds" / name, scene(k), ring(views, SIDE, fx=95.0), change, opaque)
            write_ply(root / "made" / f"{name}.ply", scene(k).to_splats())
        return Known(root / "ds", root / "made")

    return make


@pytest.fixture(scope="session")
def known(make_known: Callable[..., Known], tmp_path_factory: pytest.TempPathFactory) -> Known:
    """Three samples of four views. Read only."""
    return make_known(tmp_path_factory.mktemp("known"))
