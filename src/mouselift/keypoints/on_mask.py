"""Do keypoints lie on the masks? A point of an animal is inside each camera's silhouette, hidden or not.

It is a check of cameras and masks that the silhouettes alone do not give: the labels were made on images, by people or
by another network.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mouselift.array_types import Array, Float64, Int64, Levels, Points2, Points3
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import HALF_LEVEL

# A point this far outside still counts as on the mask: points sit on the skin, and masks and labels err by millimetres.
# Share of the silhouette's length, the square root of its area: 2 mm of a mouse. (benchmarks/keypoints_on_mask.py)
REACH = 0.04
_LEAST_PX = 2.0


class OnMaskTally:
    """Counts, by camera and keypoint, over instants added one by one."""

    def __init__(self, cameras: Sequence[str], names: Sequence[str]) -> None:
        self.cameras, self.names = tuple(cameras), tuple(names)
        self.seen: Int64[Array, "v k"] = np.zeros((len(self.cameras), len(self.names)), dtype=np.int64)
        self.on: Int64[Array, "v k"] = np.zeros_like(self.seen)
        self.instants = 0

    def add(self, cameras: Sequence[Camera], masks: Sequence[Levels | None], points: Points3) -> None:
        """One instant. A mask that is None or empty says nothing; cameras of other names are left aside."""
        self.instants += 1
        for camera, mask in zip(cameras, masks, strict=True):
            if mask is None or camera.name not in self.cameras or (mask < HALF_LEVEL).all():
                continue
            row = self.cameras.index(camera.name)
            counts, on = on_mask(camera, mask, points)
            self.seen[row] += counts
            self.on[row] += on

    def share(self, camera: str | None = None, name: str | None = None) -> float | None:
        """Of the keypoints that count, those on the mask; None of nothing."""
        rows = slice(None) if camera is None else [self.cameras.index(camera)]
        columns = slice(None) if name is None else [self.names.index(name)]
        seen = int(self.seen[rows][:, columns].sum())
        return int(self.on[rows][:, columns].sum()) / seen if seen else None


def on_mask(camera: Camera, mask: Levels, points: Points3) -> tuple[np.ndarray, np.ndarray]:
    """([k] which points count, [k] which of them lie on the mask or nearly so).

    Points that are NaN do not count, nor those outside an image whose border cuts the subject.
    """
    known = np.asarray(np.isfinite(points).all(axis=1))
    pixels = camera.project(np.where(known[:, None], points, 0.0))
    distance = outside_by(mask, pixels)
    inside = np.asarray(mask >= HALF_LEVEL)
    cut = bool(inside[0].any() or inside[-1].any() or inside[:, 0].any() or inside[:, -1].any())
    counts = known & (np.isfinite(distance) | (not cut))
    reach = max(_LEAST_PX, REACH * float(np.sqrt(inside.sum())))
    return counts, counts & (np.nan_to_num(distance, nan=np.inf) <= reach)


def outside_by(mask: Levels, pixels: Points2) -> Float64[Array, " k"]:
    """Pixels from each place to the nearest pixel of the mask, 0 inside; NaN outside the image."""
    height, width = mask.shape
    away = np.asarray(cv2.distanceTransform((mask < HALF_LEVEL).astype(np.uint8), cv2.DIST_L2, 5))
    with np.errstate(invalid="ignore"):
        within = np.asarray(((pixels >= 0) & (pixels < [width, height])).all(axis=1))
    at = np.where(within[:, None], np.floor(np.nan_to_num(pixels)), 0).astype(int)
    return np.where(within, away[at[:, 1], at[:, 0]].astype(np.float64), np.nan)
