"""An exact sample with known geometry: a ball seen by six cameras, its alpha rendered by area."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mouselift.calibration.facelift import ViewEntry, sample_json
from mouselift.dataset.sample import Sample, View
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import looking_at

SIZE = 160
_FINE = 8  # sub-pixels a side


def ellipsoid_alpha(camera: Camera, axes: np.ndarray, fine: int = _FINE) -> np.ndarray:
    """[h, w] share of each pixel that an axis-aligned ellipsoid about the origin covers, 0..255: by its rays."""
    steps = (np.arange(camera.width * fine) + 0.5) / fine
    x, y = np.meshgrid(steps, steps)
    d = camera.rays(np.stack([x.ravel(), y.ravel()], axis=1)) / axes
    o = camera.centre / axes
    a, b, c = (d * d).sum(axis=1), d @ o, o @ o - 1
    hit = (b * b - a * c >= 0).reshape(camera.width, fine, camera.width, fine)
    return (hit.mean(axis=(1, 3)) * 255).round().astype(np.uint8)


@pytest.fixture(scope="session")
def cameras() -> tuple[Camera, ...]:
    """Six cameras around the origin, at uneven heights; principal points off the middle."""
    out = []
    for k, (azimuth, height) in enumerate([(0, 0.5), (55, 1.2), (115, -0.4), (170, 0.9), (240, 0.2), (300, 1.5)]):
        angle = np.radians(azimuth)
        centre = np.array([2.5 * np.cos(angle), 2.5 * np.sin(angle), height])
        T = looking_at(np.zeros(3), centre)
        out.append(Camera(SIZE, SIZE, 190.0, 190.0, SIZE / 2 + 3.7, SIZE / 2 - 5.2, T, name=f"cam{k}"))
    return tuple(out)


@pytest.fixture(scope="session")
def sample(cameras: tuple[Camera, ...]) -> Sample:
    """Exact cameras, exact alphas, colours that differ from view to view."""
    axes = np.array([0.55, 0.35, 0.3])
    views = []
    for k, camera in enumerate(cameras):
        colours = np.full((SIZE, SIZE, 3), (200 - 20 * k, 60 + 25 * k, 90), np.uint8)
        views.append(View(camera.name, camera, ellipsoid_alpha(camera, axes), colours))
    return Sample("sample_000007", tuple(views), 7)


def write_sample(folder: Path, sample: Sample) -> Path:
    """The sample as a folder in FaceLift's format."""
    (folder / "images").mkdir(parents=True)
    views = []
    for k, view in enumerate(sample.views):
        name = f"images/cam_{k:03d}.png"
        assert view.colours is not None
        cv2.imwrite(str(folder / name), np.dstack([view.colours[:, :, ::-1], view.alpha]))
        views.append(ViewEntry(view.camera, name, k))
    (folder / "opencv_cameras.json").write_bytes(sample_json(folder.name, views, {}))
    return folder


@pytest.fixture(scope="session")
def dataset(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three samples on disk; in the last, the image of cam2 is a pixel and a half off its camera."""
    from dataclasses import replace

    path = tmp_path_factory.mktemp("dataset")
    for number in (3, 4):
        write_sample(path / f"sample_{number:06d}", sample)
    moved = replace(sample.views[2], camera=replace(sample.views[2].camera, cx=sample.views[2].camera.cx + 6.0))
    views = tuple(moved if k == 2 else view for k, view in enumerate(sample.views))
    write_sample(path / "sample_000005", replace(sample, views=views))
    return path
