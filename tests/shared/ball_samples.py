"""A dataset of tiny samples, as `prepare` lays it out, written in milliseconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mouselift.calibration.facelift import ViewEntry, sample_json
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import looking_at
from mouselift.media.png import encode_png

SIDE, VIEWS = 32, 5


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
