"""Tangency of all pairs on camera arrays, with derivatives: what a fit of cameras needs.

For tangent points p of view i and q of view j (homogeneous pixels), the two share a tangent plane when
g = x_i^T E x_j = 0, with x = K^-1 p and E = R_i [C_j - C_i]_x R_j^T. The residual is Sampson's first-order
distance g / |dg/d(p, q)| in pixels. (Hartley, Zisserman: "Multiple view geometry", 11.4.3.) The tangent point moves
along the outline as cameras change, but by the envelope theorem that does not change the first derivative. To first
order this is `TangentPlanes.residual`, for cameras that may be mirrored, by seven numbers a view.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from mouselift.array_types import Array
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines
from mouselift.geometry.tangent_planes import baseline_frames, cross, extreme_corners, view_pairs

COLUMNS = 7  # per view: log fx, log fy, cx, cy, camera centre x, y, z
# Least component of an outline's unit rays towards the subject. Stricter than the audit's rule: a fit that brings an
# epipole near an outline would follow derivatives that no longer hold.
_LEAST_AHEAD = 0.02


@dataclass(frozen=True, eq=False)
class TangentCorners:
    """Where the tangent planes of every pair touch: two rows a pair (i < j), smallest and largest plane angle."""

    pair: Int64[Array, "r 2"]
    at: Int64[Array, "r 2"]  # outline corner in each of the two views
    usable: Bool[Array, " r"]  # False: the row says nothing


def world_rays(
    cameras: CameraArrays, outlines: ConvexOutlines
) -> tuple[Float64[Array, "v m 3"], Float64[Array, "v m 3"]]:
    """(camera rays with z = 1, the same in the world): not of unit length."""
    xy = (outlines.points - cameras.principal[:, None]) / cameras.focal[:, None]
    x = np.concatenate([xy, np.ones((*xy.shape[:2], 1))], axis=2)
    return x, x @ cameras.R_cam_world


def tangent_corners(cameras: CameraArrays, outlines: ConvexOutlines, world: Float64[Array, "v m 3"]) -> TangentCorners:
    """Tangent points of all pairs. Rows of a pair whose epipole lies in or near an outline are not usable."""
    pairs = view_pairs(len(cameras))
    unit = world / np.linalg.norm(world, axis=2, keepdims=True)
    u, v, apart = baseline_frames(cameras.centre, unit.mean(axis=1), pairs)
    along = unit[pairs.ravel()] @ np.repeat(np.stack([u, v], axis=2), 2, axis=0)
    at = extreme_corners(along).reshape(-1, 2, 2).swapaxes(1, 2)  # [pair, side, view]
    ahead = (along[:, :, 0] > _LEAST_AHEAD).all(axis=1).reshape(-1, 2).all(axis=1)
    usable = (apart & ahead & outlines.seen[pairs].all(axis=1))[:, None]
    usable = usable & ~outlines.uninformative[pairs[:, None], at].any(axis=2)
    return TangentCorners(np.repeat(pairs, 2, axis=0), at.reshape(-1, 2), usable.reshape(-1))


def sampson_residuals(cameras: CameraArrays, outlines: ConvexOutlines) -> tuple[Float64[Array, " r"], TangentCorners]:
    """(residuals in pixels, signed, NaN where a row says nothing; where the planes touch)."""
    x, world = world_rays(cameras, outlines)
    corners = tangent_corners(cameras, outlines, world)
    g, slope_i, slope_j, *_ = _bilinear(cameras, corners, x, world)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = g / np.sqrt((slope_i**2).sum(axis=1) + (slope_j**2).sum(axis=1))
    return np.where(corners.usable, found, np.nan), corners


def linearised(
    cameras: CameraArrays, outlines: ConvexOutlines
) -> tuple[Float64[Array, " r"], Float64[Array, "r v 7"], Bool[Array, " r"]]:
    """(Sampson residual, its derivative by each view's seven numbers, which rows count); 0 where none counts."""
    x, world = world_rays(cameras, outlines)
    corners = tangent_corners(cameras, outlines, world)
    g, slope_i, slope_j, xi, xj, wi, wj = _bilinear(cameras, corners, x, world)
    norm = np.where(corners.usable, np.sqrt((slope_i**2).sum(axis=1) + (slope_j**2).sum(axis=1)), np.inf)
    J = np.zeros((len(g), len(cameras), COLUMNS))
    rows = np.arange(len(g))
    centre = cross(wj, wi)
    for k, (slope, x_k) in enumerate(((slope_i, xi), (slope_j, xj))):
        view = corners.pair[:, k]
        J[rows, view, :2] = -slope * x_k[:, :2] * cameras.focal[view]
        J[rows, view, 2:4] = -slope
        J[rows, view, 4:] = centre if k == 1 else -centre
    return g / norm, J / norm[:, None, None], corners.usable


def _bilinear(
    cameras: CameraArrays, corners: TangentCorners, x: np.ndarray, world: np.ndarray
) -> tuple[np.ndarray, ...]:
    """g, its derivative by the pixel of either view, the camera rays and the world rays of the tangent points."""
    i, j = corners.pair.T
    xi, xj = x[i, corners.at[:, 0]], x[j, corners.at[:, 1]]
    wi, wj = world[i, corners.at[:, 0]], world[j, corners.at[:, 1]]
    baseline = cameras.centre[j] - cameras.centre[i]
    by_wi, by_wj = cross(baseline, wj), cross(wi, baseline)
    g = (wi * by_wi).sum(axis=1)
    slope_i = np.einsum("rab,rb->ra", cameras.R_cam_world[i], by_wi)[:, :2] / cameras.focal[i]
    slope_j = np.einsum("rab,rb->ra", cameras.R_cam_world[j], by_wj)[:, :2] / cameras.focal[j]
    return g, slope_i, slope_j, xi, xj, wi, wj
