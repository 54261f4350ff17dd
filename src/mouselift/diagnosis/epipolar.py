"""Tangency of all pairs at once, with derivatives: what a fit needs.

For tangent points p of view i and q of view j (homogeneous pixels), the two share a tangent plane when
g = x_i^T E x_j = 0, with x = K^-1 p and E = R_i [C_j - C_i]_x R_j^T. The residual is Sampson's first-order
distance g / |dg/d(p, q)| in pixels. (Hartley, Zisserman: "Multiple view geometry", 11.4.3.) The tangent point moves
along the outline as cameras change, but by the envelope theorem that does not change the first derivative.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float64, Int64

from mouselift.array_types import Array
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines

COLUMNS = 7  # per view: log fx, log fy, cx, cy, camera centre x, y, z


@dataclass(frozen=True, eq=False)
class TangentCorners:
    """Tangent points of every pair and side; rows that say nothing have `good` False."""

    pair: Int64[Array, "r 2"]
    at: Int64[Array, "r 2"]  # hull corner in each of the two views
    good: Bool[Array, " r"]


def world_rays(cameras: CameraArrays, outlines: ConvexOutlines) -> tuple[np.ndarray, np.ndarray]:
    """(camera rays [v, m, 3] with z = 1, the same in the world): not of unit length."""
    xy = (outlines.points - cameras.principal[:, None]) / cameras.focal[:, None]
    x = np.concatenate([xy, np.ones((*xy.shape[:2], 1))], axis=2)
    return x, x @ cameras.R_cam_world


def tangent_corners(cameras: CameraArrays, outlines: ConvexOutlines, world: np.ndarray) -> TangentCorners:
    """Tangent points of all pairs. A pair whose epipole lies in or near a silhouette says nothing."""
    first, second = _pairs(len(cameras))
    baseline = cameras.centre[second] - cameras.centre[first]
    length = np.linalg.norm(baseline, axis=1, keepdims=True)
    axis = baseline / np.maximum(length, 1e-300)
    unit = world / np.linalg.norm(world, axis=2, keepdims=True)
    mean = unit.mean(axis=1)
    mean = mean[first] + mean[second]
    u = mean - axis * (mean * axis).sum(axis=1, keepdims=True)
    u = u / np.maximum(np.linalg.norm(u, axis=1, keepdims=True), 1e-300)
    frame = np.stack([u, _cross(axis, u)], axis=2)  # [p, 3, 2]
    at = np.empty((len(first), 2, 2), dtype=np.int64)  # [p, side, which view]
    good = np.broadcast_to(
        (length > 1e-12) & outlines.seen[first, None] & outlines.seen[second, None], at.shape[:2]
    ).copy()
    for k, view in enumerate((first, second)):
        along = unit[view] @ frame  # [p, m, 2]
        good &= (along[:, :, 0] > 0.02).all(axis=1)[:, None]
        slope = along[:, :, 1] / np.maximum(along[:, :, 0], 1e-9)
        at[:, 0, k], at[:, 1, k] = slope.argmin(axis=1), slope.argmax(axis=1)
        good &= ~np.take_along_axis(outlines.uninformative[view], at[:, :, k], axis=1)
    pair = np.repeat(np.stack([first, second], axis=1), 2, axis=0)
    return TangentCorners(pair, at.reshape(-1, 2), good.reshape(-1))


def residuals(
    cameras: CameraArrays, outlines: ConvexOutlines
) -> tuple[Float64[Array, " r"], Float64[Array, "r 2"], TangentCorners]:
    """(Sampson residual, residual as pixels of either view, tangent points); NaN where a row says nothing.

    Two rows a pair (i < j): smallest and largest plane angle. Signed.
    """
    x, world = world_rays(cameras, outlines)
    corners = tangent_corners(cameras, outlines, world)
    g, slope_i, slope_j, *_ = _bilinear(cameras, corners, x, world)
    size = np.stack([np.hypot(*slope_i.T), np.hypot(*slope_j.T)], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(corners.good[:, None], g[:, None] / size, np.nan)
        sampson = np.where(corners.good, g / np.hypot(size[:, 0], size[:, 1]), np.nan)
    return sampson, each, corners


def linearised(
    cameras: CameraArrays, outlines: ConvexOutlines
) -> tuple[Float64[Array, " r"], Float64[Array, "r v 7"], Bool[Array, " r"]]:
    """(Sampson residual, its derivative by each view's seven numbers, which rows count); 0 where none counts."""
    x, world = world_rays(cameras, outlines)
    corners = tangent_corners(cameras, outlines, world)
    g, slope_i, slope_j, xi, xj, wi, wj = _bilinear(cameras, corners, x, world)
    norm = np.where(corners.good, np.sqrt((slope_i**2).sum(axis=1) + (slope_j**2).sum(axis=1)), np.inf)
    J = np.zeros((len(g), len(cameras), COLUMNS))
    rows = np.arange(len(g))
    cross = _cross(wj, wi)
    for k, (slope, x_k) in enumerate(((slope_i, xi), (slope_j, xj))):
        view = corners.pair[:, k]
        J[rows, view, :2] = -slope * x_k[:, :2] * cameras.focal[view]
        J[rows, view, 2:4] = -slope
        J[rows, view, 4:] = cross if k == 1 else -cross
    return g / norm, J / norm[:, None, None], corners.good


def _bilinear(
    cameras: CameraArrays, corners: TangentCorners, x: np.ndarray, world: np.ndarray
) -> tuple[np.ndarray, ...]:
    """g, its derivative by the pixel of either view, the camera rays and the world rays of the tangent points."""
    i, j = corners.pair.T
    xi, xj = x[i, corners.at[:, 0]], x[j, corners.at[:, 1]]
    wi, wj = world[i, corners.at[:, 0]], world[j, corners.at[:, 1]]
    baseline = cameras.centre[j] - cameras.centre[i]
    by_wi, by_wj = _cross(baseline, wj), _cross(wi, baseline)
    g = (wi * by_wi).sum(axis=1)
    slope_i = np.einsum("rab,rb->ra", cameras.R_cam_world[i], by_wi)[:, :2] / cameras.focal[i]
    slope_j = np.einsum("rab,rb->ra", cameras.R_cam_world[j], by_wj)[:, :2] / cameras.focal[j]
    return g, slope_i, slope_j, xi, xj, wi, wj


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Row by row; np.cross takes four times as long for a few rows."""
    (ax, ay, az), (bx, by, bz) = a.T, b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=1)


def _pairs(views: int) -> tuple[np.ndarray, np.ndarray]:
    index = np.array(list(combinations(range(views), 2)), dtype=np.int64).reshape(-1, 2)
    return index[:, 0], index[:, 1]
