"""Source images with known content, and views planned on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest

from mouselift.framing.plan import ViewPlan
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady
from mouselift.geometry.outlines import Silhouette
from mouselift.geometry.similarity import look_at
from mouselift.media.images import ArrayImage

WIDTH, HEIGHT = 480, 420


def make_rig() -> list[Camera]:
    """Four cameras, 480 x 420, f about 690, with lens distortion of several pixels, around the origin."""
    cameras = []
    for i in range(4):
        azimuth = 0.4 + np.pi / 2 * i
        distance = 260.0 + 40 * i
        centre = distance * np.array([np.cos(azimuth), np.sin(azimuth), 0.5])
        aim = np.array([8.0 - 4 * i, 3.0 * i - 5, 2.0])
        R = look_at(aim - centre, np.array([0.05 * i, -0.03, -1.0]))
        K = np.array([[690.0 + 5 * i, -1.5, 236.0 + 4 * i], [0.0, 693.0, 215.0 - 5 * i], [0.0, 0.0, 1.0]])
        lens = BrownConrady(-0.16, 0.4, -0.002, 0.003, -0.2)
        cameras.append(Camera.from_matrices(K, R, -R @ centre, (WIDTH, HEIGHT), lens, f"cam{i}"))
    return cameras


def texture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Fur-like noise, amplitude 1/f^1.5, about level 90; no detail beyond what a sensor's pixel lets through."""
    rng = np.random.default_rng(seed)
    f = np.hypot(np.fft.rfftfreq(width)[None], np.fft.fftfreq(height)[:, None])
    f[0, 0] = 1.0
    gain = f**-1.5 * np.sinc(np.fft.rfftfreq(width))[None] * np.sinc(np.fft.fftfreq(height))[:, None]
    gain[f < 4 / width] = 0.0
    channels = []
    for _ in range(3):
        noise = np.fft.irfft2(gain * np.exp(2j * np.pi * rng.random(f.shape)), s=(height, width))
        channels.append(90 + 25 * noise / noise.std())
    return np.rint(np.stack(channels, axis=2).clip(0, 255)).astype(np.uint8)


def ellipse_mask(centre: np.ndarray, axes: tuple[float, float], angle: float = 25.0) -> np.ndarray:
    """A soft-edged ellipse: levels 0 .. 255, area-exact to 1/64 of a pixel."""
    big = np.zeros((HEIGHT * 4, WIDTH * 4), dtype=np.uint8)
    at = np.rint((centre * 4 - 0.5) * 16).astype(int).tolist()
    size = np.rint(np.array(axes) * 4 * 16).astype(int).tolist()
    cv2.ellipse(big, at, size, angle, 0, 360, 255, -1, cv2.LINE_AA, 4)
    return np.asarray(cv2.resize(big, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA))


@dataclass(frozen=True, eq=False)
class Shot:
    """A rig, and in each view an elliptic subject with its mask."""

    cameras: list[Camera]
    masks: list[np.ndarray]

    @property
    def silhouettes(self) -> list[Silhouette | None]:
        return [Silhouette.from_mask(mask > 127) for mask in self.masks]


def make_shot(axes: tuple[float, float] = (95.0, 60.0)) -> Shot:
    cameras = make_rig()
    middles = [camera.project(np.array([[3.0, -2.0, 1.0]]))[0] for camera in cameras]
    return Shot(cameras, [ellipse_mask(middle, axes, 20.0 * i) for i, middle in enumerate(middles)])


@pytest.fixture(scope="session")
def shot() -> Shot:
    return make_shot()


@pytest.fixture(scope="session")
def up() -> np.ndarray:
    return np.array([0.0, 0.0, 1.0])


@pytest.fixture(scope="session")
def fur() -> np.ndarray:
    """A textured source image, [420, 480, 3]."""
    return texture(WIDTH, HEIGHT)


@pytest.fixture(scope="session")
def image_of() -> Callable[[np.ndarray], ArrayImage]:
    return ArrayImage


def shifted_view(view: ViewPlan, x: float, y: float, zoom: float = 1.0) -> ViewPlan:
    """The same view with a faulty target: principal point off by (x, y) pixels, focal length by `zoom`."""
    t = view.target
    return replace(view, target=replace(t, cx=t.cx + x, cy=t.cy + y, fx=t.fx * zoom, fy=t.fy * zoom))


@pytest.fixture(scope="session")
def faulty() -> Callable[..., ViewPlan]:
    return shifted_view
