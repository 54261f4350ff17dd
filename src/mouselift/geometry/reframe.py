"""One object that moves pixels and camera together.

A `Reframe` is the exact change from a source camera to a target camera at the same centre: undistort,
de-skew, turn, zoom, crop in one map. The target camera *is* the camera of the resampled image
(any image change that keeps the camera centre is exact for every depth).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mouselift.array_types import Points2
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import OnFold, Pinhole

_CENTRE_TOLERANCE = 1e-9  # relative to the camera's distance from the world's origin


@dataclass(frozen=True, eq=False)
class Reframe:
    """From `source` (any lens) to `target` (a pinhole) with one common centre; ValueError otherwise."""

    source: Camera
    target: Camera

    def __post_init__(self) -> None:
        gap = float(np.linalg.norm(self.source.centre - self.target.centre))
        if gap > _CENTRE_TOLERANCE * max(1.0, float(np.linalg.norm(self.source.centre))):
            raise ValueError(f"Reframe: the camera centres are {gap:.3g} apart; moving a centre changes parallax")
        if not isinstance(self.target.lens, Pinhole):
            raise ValueError("Reframe: the target must be a pinhole")

    def to_source(self, target_pixels: Points2) -> Points2:
        """Target pixels -> source pixels; NaN where the source lens has no such ray."""
        x = (target_pixels[:, 0] - self.target.cx) / self.target.fx
        y = (target_pixels[:, 1] - self.target.cy) / self.target.fy
        turn = self.source.R_cam_world @ self.target.R_cam_world.T
        ray = np.stack([x, y, np.ones_like(x)], axis=1) @ turn.T
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.source.pixels_of(np.where(ray[:, 2:] > 0, ray[:, :2] / ray[:, 2:], np.nan))

    def to_target(self, source_pixels: Points2, on_fold: OnFold = "raise") -> Points2:
        """Source pixels -> target pixels; NaN behind the target camera."""
        xy = self.source.normalised(source_pixels, on_fold)
        turn = self.target.R_cam_world @ self.source.R_cam_world.T
        ray = np.concatenate([xy, np.ones((len(xy), 1))], axis=1) @ turn.T
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.target.pixels_of(np.where(ray[:, 2:] > 0, ray[:, :2] / ray[:, 2:], np.nan))

    def scale_at(self, source_pixel: Points2) -> float:
        """Output pixels per source pixel at one source pixel (square root of the area ratio)."""
        step = np.array([[0.5, 0.0], [-0.5, 0.0], [0.0, 0.5], [0.0, -0.5]])
        moved = self.to_target(source_pixel + step)
        a, b = moved[0] - moved[1], moved[2] - moved[3]
        return float(np.sqrt(abs(a[0] * b[1] - a[1] * b[0])))
