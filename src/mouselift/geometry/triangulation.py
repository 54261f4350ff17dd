"""Least-squares meeting point of rays, and what is left over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mouselift.array_types import Array, Bool, Float64, Points2, Points3, Vector3
from mouselift.geometry.camera import Camera

_MAX_CONDITION = 1e8  # rays closer to parallel than about 1e-4 rad do not determine a depth


@dataclass(frozen=True, eq=False)
class Meeting:
    """The point nearest to all rays."""

    point: Vector3  # world
    used: Bool[Array, " v"]  # views that were trusted

    def residual_px(self, cameras: Sequence[Camera], pixels: Points2) -> Float64[Array, " v"]:
        """Reprojection distance in each camera, pixels; NaN where a camera cannot see the point."""
        return _residual_px(cameras, pixels, self.point)


def meeting_point(origins: Points3, directions: Points3) -> Vector3:
    """argmin_X sum |(I - d d^T)(X - o)|^2, d of unit length. ValueError where the rays are (nearly) parallel."""
    if len(origins) < 2:
        raise ValueError(f"meeting_point: expected at least 2 rays, got {len(origins)}")
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]  # [n, 3, 3]
    A = across.sum(axis=0)
    if np.linalg.cond(A) > _MAX_CONDITION:
        raise ValueError("meeting_point: the rays are parallel; no point is determined")
    return np.linalg.solve(A, np.einsum("nij,nj->i", across, origins))


def meeting_points(
    origins: Float64[Array, "b n 3"], directions: Float64[Array, "b n 3"]
) -> tuple[Float64[Array, "b 3"], Bool[Array, " b"]]:
    """(`meeting_point` of several sets of rays, whether each set determines one); 0 where it does not."""
    across = np.eye(3) - directions[..., :, None] * directions[..., None, :]
    A = across.sum(axis=1)
    known = np.linalg.cond(A) <= _MAX_CONDITION
    points = np.zeros((len(A), 3))
    b = np.einsum("bnij,bnj->bi", across, origins)
    points[known] = np.linalg.solve(A[known], b[known][..., None])[..., 0]
    return points, np.asarray(known)


def ray_distances(point: Vector3, origins: Points3, directions: Points3) -> Float64[Array, " n"]:
    """Distance from a point to each ray (as a line); directions of unit length."""
    return np.linalg.norm(np.cross(point - origins, directions), axis=1)


def triangulate(cameras: Sequence[Camera], pixels: Points2, outlier_px: float | None = None) -> Meeting:
    """The world point that one pixel a camera sees.

    With `outlier_px`, a view is left out when dropping it brings the others to agree (at least three
    views needed): the worst view goes while its reprojection residual against the *others'* meeting
    point exceeds `outlier_px` and the others agree better among themselves. ValueError where a pixel is
    not finite or the rays are parallel.
    """
    lost = [cameras[view].name for view in np.flatnonzero(~np.isfinite(pixels).all(axis=1)).tolist()]
    if lost:
        raise ValueError(f"triangulate: the pixels of cameras {', '.join(lost)} are not finite; leave those views out")
    rays = [camera.rays(pixel[None])[0] for camera, pixel in zip(cameras, pixels, strict=True)]
    origins, directions = np.stack([camera.centre for camera in cameras]), np.stack(rays)
    used = np.ones(len(cameras), dtype=bool)
    point = meeting_point(origins, directions)
    while outlier_px is not None and used.sum() > 2:
        worst = _worst_px(cameras, pixels, point, used)
        if worst <= outlier_px:
            break
        best = _best_without_one(cameras, pixels, origins, directions, used)
        if best is None or best[2] > 0.5 * worst:
            break
        used[best[0]], point = False, best[1]
    return Meeting(point, used)


def _residual_px(cameras: Sequence[Camera], pixels: np.ndarray, point: np.ndarray) -> np.ndarray:
    projected = np.concatenate([camera.project(point[None]) for camera in cameras])
    return np.linalg.norm(projected - pixels, axis=1)


def _worst_px(cameras: Sequence[Camera], pixels: np.ndarray, point: np.ndarray, used: np.ndarray) -> float:
    return float(np.nan_to_num(_residual_px(cameras, pixels, point)[used], nan=np.inf).max())


def _best_without_one(
    cameras: Sequence[Camera], pixels: np.ndarray, origins: np.ndarray, directions: np.ndarray, used: np.ndarray
) -> tuple[int, np.ndarray, float] | None:
    """(view, meeting point of the rest, worst residual of the rest) for the view whose removal helps most."""
    best: tuple[int, np.ndarray, float] | None = None
    for view in np.flatnonzero(used):
        rest = used.copy()
        rest[view] = False
        if rest.sum() < 2:
            continue
        try:
            point = meeting_point(origins[rest], directions[rest])
        except ValueError:
            continue
        worst = _worst_px(cameras, pixels, point, rest)
        if best is None or worst < best[2]:
            best = (int(view), point, worst)
    return best
