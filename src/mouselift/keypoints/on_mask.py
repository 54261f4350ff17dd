"""Do keypoints lie on the masks? A point of an animal is inside each camera's silhouette, hidden or not.

It is a check of cameras and masks that the silhouettes alone do not give: the labels were made on images, by people or
by another network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    """Counts, by camera and keypoint, over instants added one by one; and of what could not be compared."""

    def __init__(self, cameras: Iterable[str], names: Iterable[str]) -> None:
        self.cameras, self.names = tuple(cameras), tuple(names)
        self._row = {camera: place for place, camera in enumerate(self.cameras)}
        self._column = {name: place for place, name in enumerate(self.names)}
        self.seen: Int64[Array, "v k"] = np.zeros((len(self.cameras), len(self.names)), dtype=np.int64)
        self.on: Int64[Array, "v k"] = np.zeros_like(self.seen)
        self.instants = 0
        self.lost = 0  # keypoints that the file has none for, one an instant
        self.beyond = 0  # keypoints outside an image whose border cuts the subject, one a view
        self.blank = 0  # views without a mask

    def add(self, cameras: Sequence[Camera], masks: Sequence[Levels | None], points: Points3) -> None:
        """One instant. A mask that is None or empty says nothing; cameras of other names are left aside."""
        self.instants += 1
        known = int(np.isfinite(points).all(axis=1).sum())
        self.lost += len(points) - known
        for camera, mask in zip(cameras, masks, strict=True):
            row = self._row.get(camera.name)
            if row is None:
                continue
            if mask is None or mask.max(initial=0) < HALF_LEVEL:
                self.blank += 1
                continue
            counts, on = on_mask(camera, mask, points)
            self.seen[row] += counts
            self.on[row] += on
            self.beyond += known - int(counts.sum())

    def merged(self, other: OnMaskTally) -> OnMaskTally:
        """The sum of both, with the cameras and keypoints of both."""
        cameras = tuple(dict.fromkeys((*self.cameras, *other.cameras)))
        names = tuple(dict.fromkeys((*self.names, *other.names)))
        grown = OnMaskTally(cameras, names)
        for part in (self, other):
            at = np.ix_([grown._row[camera] for camera in part.cameras], [grown._column[name] for name in part.names])
            grown.seen[at] += part.seen
            grown.on[at] += part.on
            for count in ("instants", "lost", "beyond", "blank"):
                setattr(grown, count, getattr(grown, count) + getattr(part, count))
        return grown

    def in_order_of(self, first: OnMaskTally) -> OnMaskTally:
        """The same, in the order of `first`, others by name: what was merged in any order comes out alike."""
        cameras, names = sorted(set(self.cameras)), sorted(set(self.names))
        order = OnMaskTally(dict.fromkeys((*first.cameras, *cameras)), dict.fromkeys((*first.names, *names)))
        return order.merged(self)

    def share(self, camera: str | None = None, name: str | None = None) -> float | None:
        """Of the keypoints that count, those on the mask; None of nothing."""
        rows = slice(None) if camera is None else self._row[camera]
        columns = slice(None) if name is None else self._column[name]
        seen = int(self.seen[rows, columns].sum())
        return int(self.on[rows, columns].sum()) / seen if seen else None


def on_mask(camera: Camera, mask: Levels, points: Points3) -> tuple[np.ndarray, np.ndarray]:
    """([k] which points count, [k] which of them lie on the mask or nearly so).

    Points that are NaN do not count, nor those outside an image whose border cuts the subject.
    """
    known = np.asarray(np.isfinite(points).all(axis=1))
    pixels = camera.project(np.where(known[:, None], points, 0.0))
    height, width = mask.shape
    (x, y, w, h), length = box_and_length(mask)
    cut = x == 0 or y == 0 or x + w == width or y + h == height
    with np.errstate(invalid="ignore"):
        within = np.asarray(((pixels >= 0) & (pixels < [width, height])).all(axis=1))
    counts = known & (within | (not cut))
    reach = max(_LEAST_PX, REACH * length)
    pad = int(reach) + 2  # farther from the mask's box no point is on it
    left, top = max(x - pad, 0), max(y - pad, 0)
    distance = outside_by(mask[top : y + h + pad, left : x + w + pad], pixels - [left, top])
    return counts, counts & (np.nan_to_num(distance, nan=np.inf) <= reach)


def box_and_length(mask: Levels) -> tuple[tuple[int, int, int, int], float]:
    """(x, y, width, height) of what reaches the half level, and the square root of its area; pixels."""
    inside = cv2.threshold(mask, HALF_LEVEL - 1, 1, cv2.THRESH_BINARY)[1]
    x, y, w, h = cv2.boundingRect(inside)
    return (x, y, w, h), float(np.sqrt(cv2.countNonZero(inside)))


def outside_by(mask: Levels, pixels: Points2) -> Float64[Array, " k"]:
    """Pixels from each place to the nearest pixel of the mask, 0 inside; NaN outside the image."""
    height, width = mask.shape
    away = np.asarray(cv2.distanceTransform((mask < HALF_LEVEL).astype(np.uint8), cv2.DIST_L2, 5))
    with np.errstate(invalid="ignore"):
        within = np.asarray(((pixels >= 0) & (pixels < [width, height])).all(axis=1))
    at = np.where(within[:, None], np.floor(np.nan_to_num(pixels)), 0).astype(int)
    return np.where(within, away[at[:, 1], at[:, 0]].astype(np.float64), np.nan)
