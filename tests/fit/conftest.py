"""A two-coloured ellipsoid seen by a ring of cameras: small, exact, with a held-out view."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mouselift.data.sample import SampleTensors
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import looking_at

SIDE, VIEWS = 32, 6
AXES = np.array([0.45, 0.25, 0.2])  # world units, half axes
MIDDLE = np.array([0.1, -0.05, 0.08])
FRONT, BACK = np.array([0.8, 0.5, 0.2]), np.array([0.2, 0.3, 0.6])  # by the sign of x


def camera(k: int, side: int = SIDE) -> Camera:
    angle, height = 2 * np.pi * k / VIEWS + 0.2, 0.3 + 0.35 * (k % 2)
    away = np.array([np.cos(angle) * np.cos(height), np.sin(angle) * np.cos(height), np.sin(height)])
    T = looking_at(np.zeros(3), 2.7 * away)
    focal = 1.9 * side
    return Camera(side, side, focal, focal, side / 2 + 1.0, side / 2 - 1.5, T, name=f"cam{k}")


def picture(view: Camera, fine: int = 3) -> np.ndarray:
    """[4, h, w]: colours over white and alpha, `fine` x `fine` rays a pixel."""
    steps = (np.arange(view.width * fine) + 0.5) / fine
    pixels = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    rays, origin = view.rays(pixels) / AXES, (view.centre - MIDDLE) / AXES
    a, b, c = (rays**2).sum(axis=1), rays @ origin, origin @ origin - 1
    inside = b**2 - a * c
    hit = inside > 0
    t = (-b - np.sqrt(np.maximum(inside, 0))) / a
    colour = np.where(((origin + t[:, None] * rays)[:, :1] * AXES[0]) > 0, FRONT, BACK)
    rgba = np.concatenate([np.where(hit[:, None], colour, 1.0), hit[:, None]], axis=1)
    mean = rgba.reshape(view.height, fine, view.width, fine, 4).mean(axis=(1, 3))
    return mean.transpose(2, 0, 1).astype(np.float32)


def ellipsoid() -> SampleTensors:
    cameras = [camera(k) for k in range(VIEWS)]
    return SampleTensors(
        name="sample_000001",
        views=tuple(each.name for each in cameras),
        image=torch.from_numpy(np.stack([picture(each) for each in cameras])),
        c2w=torch.from_numpy(np.stack([np.linalg.inv(each.T_cam_world) for each in cameras]).astype(np.float32)),
        fxfycxcy=torch.tensor([[each.fx, each.fy, each.cx, each.cy] for each in cameras], dtype=torch.float32),
        index=torch.tensor([[k, 0] for k in range(VIEWS)]),
        background=torch.ones(3),
        inputs=torch.arange(VIEWS),
        targets=torch.arange(VIEWS),
        held_out=torch.zeros(VIEWS, dtype=torch.bool),
    )


@pytest.fixture(scope="session")
def sample() -> SampleTensors:
    """Read only."""
    return ellipsoid()


@pytest.fixture
def make_sample() -> Callable[[], SampleTensors]:
    return ellipsoid
