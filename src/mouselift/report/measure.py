"""Numbers about a prepared dataset, from its own files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mouselift.core.camera import Camera
from mouselift.core.silhouette import HALF_LEVEL, Silhouette
from mouselift.core.tangency import OutlineRays, tangency_residuals
from mouselift.core.types import ImageRGBA
from mouselift.io.dataset import find_samples, read_sample
from mouselift.io.png import read_png


@dataclass(frozen=True, eq=False)
class SampleMeasure:
    """One sample. Spreads are largest / smallest over its views."""

    sample: str
    tangency_px: float  # RMS over all pairs; NaN where no pair says anything
    size_spread: float  # of the square root of the subject's area
    focal_spread: float
    principal_px: float  # largest distance of a principal point from the picture's middle
    smallest_px: float  # square root of the smallest subject's area
    border: int  # views whose subject touches the border


def measure_dataset(dataset: Path) -> list[SampleMeasure]:
    """Every sample, by what its cameras and alphas say; no truth is needed."""
    out: list[SampleMeasure] = []
    for folder in find_samples(dataset):
        views = read_sample(folder).views
        pictures = [read_png(folder / view.file_path) for view in views]
        out.append(measure_sample(folder.name, [view.camera for view in views], pictures))
    return out


def measure_sample(name: str, cameras: Sequence[Camera], pictures: Sequence[ImageRGBA]) -> SampleMeasure:
    shapes = [
        Silhouette.from_mask(p[:, :, 3] >= HALF_LEVEL) if (p[:, :, 3] >= HALF_LEVEL).any() else None for p in pictures
    ]
    seen = [(camera, shape) for camera, shape in zip(cameras, shapes, strict=True) if shape is not None]
    residuals = tangency_residuals([OutlineRays.from_silhouette(camera, shape) for camera, shape in seen])
    squares = [r.pixels**2 for r in residuals]
    sizes = np.sqrt([shape.area for _, shape in seen])
    focals = np.array([camera.focal for camera in cameras])
    offsets = [np.hypot(c.cx - c.width / 2, c.cy - c.height / 2) for c in cameras]
    return SampleMeasure(
        name,
        float(np.sqrt(np.mean(squares))) if squares else float("nan"),
        float(sizes.max() / sizes.min()) if len(sizes) else float("nan"),
        float(focals.max() / focals.min()),
        float(max(offsets)),
        float(sizes.min()) if len(sizes) else 0.0,
        sum(shape.touches_border() for _, shape in seen),
    )
