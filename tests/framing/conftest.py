"""Rigs with lenses and subjects for the tests of planning: made from a seed, no files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady
from mouselift.geometry.outlines import Silhouette
from mouselift.geometry.similarity import look_at

UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Scene:
    """Cameras around one subject, and the subject's silhouettes."""

    cameras: list[Camera]
    silhouettes: list[Silhouette]
    subject: np.ndarray  # a point at the subject's middle, world


def make_camera(rng: np.random.Generator, azimuth: float, name: str) -> Camera:
    """Like a camera of the real six-camera rig: 1152 x 1024, f about 1650, skew, strong lens, not aimed exactly."""
    distance, elevation = rng.uniform(246, 414), rng.uniform(0.1, 0.9)
    flat = np.cos(elevation)
    centre = distance * np.array([np.cos(azimuth) * flat, np.sin(azimuth) * flat, np.sin(elevation)])
    R = look_at(rng.uniform(-15, 15, 3) - centre, np.array([0.0, 0.0, -1.0]) + rng.uniform(-0.2, 0.2, 3))
    fx, cx, cy = rng.uniform(1600, 1700), rng.uniform(540, 620), rng.uniform(470, 550)
    K = np.array([[fx, rng.uniform(-6, 2), cx], [0.0, fx * rng.uniform(0.99, 1.01), cy], [0.0, 0.0, 1.0]])
    k1, k2, k3 = rng.uniform(-0.25, 0.1), rng.uniform(-0.5, 0.9), rng.uniform(-1.0, 0.5)
    lens = BrownConrady(k1, k2, rng.uniform(-0.004, 0.004), rng.uniform(-0.004, 0.004), k3)
    return Camera.from_matrices(K, R, -R @ centre, (1152, 1024), lens, name)


def blob(pixels: np.ndarray, radius: float, size: tuple[int, int]) -> Silhouette:
    """Discs about `pixels`, as a mask cropped to what they cover."""
    low = np.floor(pixels.min(axis=0) - radius).astype(int).clip(0, np.array(size) - 1)
    high = np.ceil(pixels.max(axis=0) + radius).astype(int).clip(low + 1, np.array(size))
    x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
    mask = np.zeros(x.shape, dtype=bool)
    for px, py in pixels:
        mask |= (x - px) ** 2 + (y - py) ** 2 < radius**2
    return Silhouette.from_mask(mask, (int(low[0]), int(low[1])), size)


def make_scene(seed: int, views: int = 6, spread: float = 22.0) -> Scene:
    """A random rig about a random blob of `spread` mm in a random place near the world's origin."""
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 2 * np.pi)
    cameras = [make_camera(rng, start + 2 * np.pi * i / views, f"cam{i}") for i in range(views)]
    middle = rng.uniform(-15, 15, 3)
    axis = rng.normal(size=3)
    points = middle + rng.uniform(-1, 1, (12, 1)) * spread * axis / np.linalg.norm(axis) + rng.normal(size=(12, 3)) * 5
    radius = float(rng.uniform(4, 30))
    outlines = [blob(camera.project(points), radius, (camera.width, camera.height)) for camera in cameras]
    return Scene(cameras, outlines, middle)


@pytest.fixture(scope="session")
def up() -> np.ndarray:
    return UP


@pytest.fixture(scope="session")
def scene() -> Scene:
    return make_scene(0)


@pytest.fixture(scope="session")
def scenes() -> Callable[..., Scene]:
    """The maker itself: scenes(seed, views=6, spread=22)."""
    return make_scene


@pytest.fixture(scope="session")
def blobs() -> Callable[..., Silhouette]:
    """blobs(pixels, radius, size) -> Silhouette."""
    return blob
