"""By how much all pixels must be shifted, along x and y alike, for the cameras' rays to meet best.

0 where pixels and principal points are counted alike, 1 px where one counts from 0 and the other from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mouselift.errors import LensFoldError
from mouselift.geometry.camera import Camera

_BLOCKS = 10  # of the jackknife: consecutive points show one place, so whole blocks are left out
_LEAST_ERROR = 0.02  # px: exact data have no spread
_MAX_CONDITION = 1e8  # rays closer to parallel than about 1e-4 rad do not determine a depth

Sightings = list[tuple[list[Camera], np.ndarray]]  # cameras that see one point, and its pixels [v, 2]


@dataclass(frozen=True)
class PixelShift:
    """`error`: one standard error; scatter of the points, and the cameras' own errors."""

    value: float
    error: float


def pixel_shift(sightings: Sightings) -> PixelShift | None:
    """The shift and its uncertainty; None where too few points or cameras determine it."""
    rows = _miss_rows(sightings)
    names = {camera.name for views, _ in sightings for camera in views}
    if len(rows) < _BLOCKS or len(names) < 3:
        return None
    blocks = [range(i * len(rows) // _BLOCKS, (i + 1) * len(rows) // _BLOCKS) for i in range(_BLOCKS)]
    fewer_points = [[row for j, row in enumerate(rows) if j not in block] for block in blocks]
    fewer_cameras = [_miss_rows(_without(sightings, name)) for name in sorted(names)]
    if not all(fewer_cameras):
        return None
    error = float(np.hypot(_spread(fewer_points), _spread(fewer_cameras)))
    return PixelShift(_best(rows), max(error, _LEAST_ERROR))


def _without(sightings: Sightings, name: str) -> Sightings:
    out: Sightings = []
    for views, pixels in sightings:
        kept = [index for index, camera in enumerate(views) if camera.name != name]
        if len(kept) > 1:
            out.append(([views[index] for index in kept], pixels[kept]))
    return out


def _miss_rows(sightings: Sightings) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each point: what its projections miss the pixels by, and how that changes with a shift of one pixel."""
    owner = np.concatenate([np.full(len(views), index) for index, (views, _) in enumerate(sightings)] or [np.zeros(0)])
    by_name = {camera.name: camera for views, _ in sightings for camera in views}
    name_of = np.array([camera.name for views, _ in sightings for camera in views])
    pixels = np.concatenate([pixels for _, pixels in sightings] or [np.zeros((0, 2))])
    misses: list[np.ndarray] = []
    for shift in (0.0, 1.0):
        try:
            misses.append(_misses(owner.astype(np.int64), name_of, by_name, pixels + shift, len(sightings)))
        except (LensFoldError, np.linalg.LinAlgError):
            return []
    first, change = misses[0], misses[1] - misses[0]
    out: list[tuple[np.ndarray, np.ndarray]] = []
    for index in range(len(sightings)):
        mine = owner == index
        if np.isfinite(first[mine]).all() and np.isfinite(change[mine]).all():
            out.append((first[mine].ravel(), change[mine].ravel()))
    return out


def _misses(
    owner: np.ndarray, name_of: np.ndarray, by_name: dict[str, Camera], pixels: np.ndarray, count: int
) -> np.ndarray:
    """[n, 2] projection of each point's meeting of rays, less the pixel; NaN where rays are parallel."""
    A, b = np.zeros((count, 3, 3)), np.zeros((count, 3))
    for name, camera in by_name.items():
        mine = name_of == name
        d = camera.rays(pixels[mine])
        across = np.eye(3) - d[:, :, None] * d[:, None, :]
        np.add.at(A, owner[mine], across)
        np.add.at(b, owner[mine], across @ camera.centre)
    sound = np.linalg.cond(A) < _MAX_CONDITION
    points = np.full((count, 3), np.nan)
    points[sound] = np.linalg.solve(A[sound], b[sound][:, :, None])[:, :, 0]
    out = np.full(pixels.shape, np.nan)
    for name, camera in by_name.items():
        mine = (name_of == name) & sound[owner]
        out[mine] = camera.project(points[owner[mine]]) - pixels[mine]
    return out


def _spread(parts: Sequence[Sequence[tuple[np.ndarray, np.ndarray]]]) -> float:
    """Standard error by the jackknife."""
    shifts = np.array([_best(part) for part in parts])
    return float(np.sqrt((len(shifts) - 1) / len(shifts) * np.sum((shifts - shifts.mean()) ** 2)))


def _best(rows: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """argmin_s sum huber(r + s g), in pixels."""
    r, g = np.concatenate([row[0] for row in rows]), np.concatenate([row[1] for row in rows])
    shift = 0.0
    for _ in range(20):
        miss = np.abs(r + shift * g)
        weight = np.minimum(1.0, 2.0 * np.median(miss) / np.maximum(miss, 1e-12)) + 1e-9
        shift = -float((weight * g * r).sum() / max(float((weight * g * g).sum()), 1e-300))
    return shift
