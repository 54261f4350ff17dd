"""The floor: a plane, nearly level, found from the recording.

Two kinds of evidence, because none suffices alone:

* the hull of everything that changed, uncut, holds the subject and its mirror image below the floor:
  the middle between its top and its bottom is the floor, or above it (a mirror image that fades in one
  view is carved away in all), never below; the bottom is the floor, or below it;
* the floor's own texture (marks, litter, the arena's rim): backgrounds mapped onto a plane agree between
  the cameras when the plane is the floor (a plane sweep over height, then tilt).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np

from mouselift.array_types import Array, Float32, Levels, Points3, Vector3
from mouselift.errors import MaskError
from mouselift.geometry.camera import Camera
from mouselift.masks.volume import Cloud, ViewLevels
from mouselift.progress import Step, each, spread, unheard

_TRIM = 0.02  # share of a hull's voxels at each end that is not trusted
_STEP = 0.5  # the raster's pixels and the sweep's steps, in voxels
_DETAIL = 2.5  # raster pixels: size of the texture that is compared
_NOISE = 3.0  # levels: fainter texture counts less
_EDGE = 9  # raster pixels kept off each image's border
_SLACK = 2.0  # voxels about the bounds that are tried too
_PEAKS = 3  # heights from which the tilt is searched
_TILTS = (0.02, 0.01, 0.005)  # slopes: steps of the search
_CLIMB = 3  # steps at each size
_STEEPEST = 0.06  # slope: the capture's up direction is right within 3.4 degrees
_NEEDED = 6  # frames with a hull

Tilted = tuple[float, float, float, float]  # agreement, height, slopes along x and y


@dataclass(frozen=True, eq=False)
class Floor:
    """Points X with normal . X = height; the normal is of unit length and points up."""

    normal: Vector3
    height: float  # world units
    bounds: tuple[float, float] | None = None  # of the height along up, from the hulls; None: the floor was given
    agreement: float = float("nan")  # mean correlation of the backgrounds' textures on the plane

    def above(self, points: Points3) -> np.ndarray:
        """[n] signed distances from the floor, world units."""
        return points @ self.normal - self.height

    def mirrored(self, points: Points3) -> Points3:
        return points - 2 * self.above(points)[:, None] * self.normal

    def describe(self, unit: str) -> str:
        """In words."""
        if self.bounds is None:
            return f"floor at {self.height:.1f} {unit}, as given"
        a, b, c = (float(v) for v in self.normal)
        return (
            f"floor found at {self.height:.1f} {unit} along ({a:.3f}, {b:.3f}, {c:.3f}); the hulls allow "
            f"{self.bounds[0]:.1f} to {self.bounds[1]:.1f}; give `floor` in capture.toml if it is known"
        )


def find_floor(
    cameras: Sequence[Camera],
    backgrounds: Sequence[ViewLevels],
    hulls: Sequence[Cloud],
    up: Vector3,
    voxel: float,
    step: Step = unheard,
    budget: int = 0,
) -> Floor:
    """From uncut hulls of sample frames and the backgrounds; cameras belong to the backgrounds' pixels.

    `step` hears of `budget` steps.

    Raises MaskError where too few frames have a hull.
    """
    solid = [hull for hull in hulls if len(hull) >= 50]
    if len(solid) < _NEEDED:
        raise MaskError(
            f"the floor cannot be found: only {len(solid)} of {len(hulls)} sample frames show a subject that the views "
            "agree about; give `floor = <height along up>` in capture.toml"
        )
    ends = np.array([np.quantile(hull @ up, [_TRIM, 1 - _TRIM]) for hull in solid])
    lowest, highest = float(np.quantile(ends[:, 0], 0.1)), float(np.quantile(ends.mean(axis=1), 0.5))
    raster = _STEP * voxel
    sweep = _Sweep(cameras, backgrounds, np.concatenate(solid), up, raster)
    heights = np.arange(lowest - _SLACK * voxel, highest + _SLACK * voxel, raster).tolist()
    most = len(heights) + (_PEAKS + len(_TILTS) - 1) * _CLIMB * 26  # planes
    tried = spread(step, budget, most)
    flat = [sweep.plane(height, 0.0, 0.0) for height in each(heights, tried)]
    agreements = [plane[0] for plane in flat]
    peaks = [plane for i, plane in enumerate(flat) if plane[0] == max(agreements[max(i - 1, 0) : i + 2])]
    starts = sorted(peaks, key=lambda plane: -plane[0])[:_PEAKS]
    best = max((sweep.climb(plane, raster, _TILTS[0], tried) for plane in starts), key=lambda plane: plane[0])
    for tilt in _TILTS[1:]:
        best = sweep.climb(best, raster, tilt, tried)
    tried(most)  # those that were not needed
    agreement, height, slope_x, slope_y = best
    normal = up - slope_x * sweep.x - slope_y * sweep.y
    normal = normal / np.linalg.norm(normal)
    return Floor(normal, float((sweep.middle + height * up) @ normal), (lowest, highest), agreement)


class _Sweep:
    """Square cells on planes under the places where the subject was, and how well the backgrounds agree there."""

    def __init__(
        self, cameras: Sequence[Camera], backgrounds: Sequence[ViewLevels], hulls: Cloud, up: Vector3, step: float
    ) -> None:
        self._cameras, self._backgrounds, self._up = cameras, backgrounds, up
        x = np.cross(up, np.eye(3)[int(np.abs(up).argmin())])
        self.x = x / np.linalg.norm(x)  # unit, level
        self.y = np.cross(up, self.x)
        flat = hulls @ np.stack([self.x, self.y], axis=1)
        low, high = np.quantile(flat, [_TRIM / 2, 1 - _TRIM / 2], axis=0)
        columns, rows = (int(n) for n in np.ceil((high - low) / step) + 1)
        self._across, self._along = np.meshgrid(  # [rows, columns] world units from the middle, along x and y
            (np.arange(columns) - (columns - 1) / 2) * step, (np.arange(rows) - (rows - 1) / 2) * step
        )
        centre = (low + high) / 2
        self.middle = centre[0] * self.x + centre[1] * self.y  # at height 0; slopes turn about it

    def plane(self, height: float, slope_x: float, slope_y: float) -> Tilted:
        """Its agreement: the textures' mean correlation over pairs of cameras."""
        rise = height + slope_x * self._across + slope_y * self._along
        points = (
            self.middle
            + self._across.reshape(-1, 1) * self.x
            + self._along.reshape(-1, 1) * self.y
            + rise.reshape(-1, 1) * self._up
        )
        maps = [self._texture(c, image, points) for c, image in zip(self._cameras, self._backgrounds, strict=True)]
        total, pairs = 0.0, 0
        for i, a in enumerate(maps):
            for b in maps[:i]:
                both = (a != 0) & (b != 0)
                if both.sum() > 100:
                    u, v = a[both], b[both]
                    total += float((u * v).sum() / np.sqrt((u * u).sum() * (v * v).sum()))
                    pairs += 1
        return total / pairs if pairs else 0.0, height, slope_x, slope_y

    def climb(self, start: Tilted, step: float, tilt: float, tried: Step) -> Tilted:
        """The best plane that steps of height and slope reach, each to something better, from `start`."""
        best = start
        for _ in range(_CLIMB):
            near = [
                (best[1] + h * step, best[2] + x * tilt, best[3] + y * tilt)
                for h, x, y in product((-1, 0, 1), repeat=3)
                if (h, x, y) != (0, 0, 0)
            ]
            planes = [self.plane(*c) for c in near if max(abs(c[1]), abs(c[2])) <= _STEEPEST]
            tried(len(planes))
            top = max(planes, key=lambda plane: plane[0])
            if top[0] <= best[0]:
                break
            best = top
        return best

    def _texture(self, camera: Camera, image: Levels, points: Points3) -> Float32[Array, "rows columns"]:
        """Band-passed, contrast-normalised background on the plane; 0 where the camera does not see it."""
        at = camera.project(points).reshape(*self._across.shape, 2) - 0.5  # cv2 counts integer centres
        at = np.nan_to_num(at, nan=-1e6).astype(np.float32)
        flat = cv2.remap(
            image.astype(np.float32), at[..., 0], at[..., 1], cv2.INTER_LINEAR, None, cv2.BORDER_CONSTANT, -1e6
        )
        seen = cv2.erode((flat >= 0).astype(np.uint8), np.ones((_EDGE, _EDGE), np.uint8), borderValue=0).astype(bool)
        flat = np.maximum(flat, 0)
        band = cv2.GaussianBlur(flat, (0, 0), _DETAIL) - cv2.GaussianBlur(flat, (0, 0), _DETAIL * 2.5)
        power = cv2.GaussianBlur(band * band, (0, 0), _DETAIL * 5)
        return np.where(seen, band / np.sqrt(power + np.float32(_NOISE**2)), 0).astype(np.float32)
