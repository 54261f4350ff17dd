"""Epipolar tangency of all pairs of a sample at once, and its linearised model. Slow twin: geometry/tangency.py.

A plane through two camera centres that touches the subject touches both silhouettes. Around the baseline every outline
ray has a plane angle; the smallest and the largest must agree between the two views. What is left over, in pixels, is
the residual; what small changes of a view's image do to it is the Jacobian that detection, diagnosis and repair
share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from mouselift.array_types import Array
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import Pinhole
from mouselift.geometry.outlines import Outline

_WRAP_MARGIN = 0.05  # rad, as in geometry/tangency: a silhouette that spans more than pi - this surrounds the epipole
_LENS_STEP = 0.5  # pixels, for the derivative of a lens model
_HIDDEN_SHARE = 0.25  # of sqrt(area): so far beyond a cut its hidden part may reach, and be the true extreme


@dataclass(frozen=True, eq=False)
class TangentPlanes:
    """Tangent planes that two views share: at most two a pair (first < second), m in all.

    The two views' residuals of one plane say the same thing in different pixels, so this is all that is known.
    """

    views: int
    first: Int64[Array, " m"]
    second: Int64[Array, " m"]
    side: Int64[Array, " m"]  # 0: smallest plane angle, 1: largest
    points: Float64[Array, "m 2 2"]  # pixels of the touching points: [plane, first or second view, xy]
    angle: Float64[Array, " m"]  # rad, plane angle in `first` less that in `second`
    gradient: Float64[Array, "m 2 2"]  # rad / px: of each view's plane angle at its point, [plane, view, xy]
    distance: Float64[Array, "m 2"]  # px, signed, of each view's point from the other view's plane
    middle: Float64[Array, "v 2"]  # of each view's image, pixels: scales are about it

    @property
    def residual(self) -> Float64[Array, " m"]:
        """Pixels, one a plane: the angle in units of what one pixel of noise at both points makes of it.

        Outline noise of deviation s in all views gives every residual the deviation s.
        """
        return self.angle / self._unit

    @property
    def _unit(self) -> Float64[Array, " m"]:
        return np.maximum(np.sqrt((self.gradient**2).sum(axis=(1, 2))), 1e-300)

    def moved(self, shift: Float64[Array, "m 2 2"]) -> Float64[Array, " m"]:
        """First-order change of `residual` when the touching points move by `shift` pixels ([plane, view, xy]).

        To first order the extreme point stays the extreme one, so any smooth change of the images goes through here.
        """
        along = (self.gradient * shift).sum(axis=2)
        return (along[:, 0] - along[:, 1]) / self._unit

    def jacobian(self) -> Float64[Array, "m v 3"]:
        """d residual / d (log-scale, dx, dy) of each view's *image*: p' = middle + exp(s) (p - middle) + (dx, dy).

        In the camera's terms, with pixels untouched: fx, fy times exp(-s), principal point
        middle + exp(-s) (c - middle - (dx, dy)). Gauge: a common zoom and a common 3D shift of all views change
        (almost) nothing, so of 3 v columns about four combinations are not determined.
        """
        out = np.zeros((len(self.angle), self.views, 3))
        rows = np.arange(len(self.angle))
        for place, view, sign in ((0, self.first, 1.0), (1, self.second, -1.0)):
            slope = sign * self.gradient[:, place] / self._unit[:, None]
            arm = self.points[:, place] - self.middle[view]
            out[rows, view] += np.concatenate([(slope * arm).sum(axis=1, keepdims=True), slope], axis=1)
        return out

    def of_view(self, view: int) -> Bool[Array, " m"]:
        """Planes that a view takes part in."""
        return np.asarray((self.first == view) | (self.second == view))


@dataclass(frozen=True, eq=False)
class Tangency:
    """One sample's residuals."""

    pixels: Float64[Array, "v v 2"]  # [i, j, side]: of i's point from the plane that touches j; NaN: says nothing
    rms_px: float  # over all; NaN where there is none
    view_rms_px: Float64[Array, " v"]
    planes: TangentPlanes

    @property
    def count(self) -> int:
        """How many tangent planes had a say."""
        return len(self.planes.angle)


def tangency(cameras: Sequence[Camera], outlines: Sequence[Outline | None]) -> Tangency:
    """Residuals of all pairs. Views without an outline, and pairs that say nothing, are NaN (see `tangent_planes`)."""
    found = tangent_planes(cameras, outlines)
    count = len(cameras)
    pixels = np.full((count, count, 2), np.nan)
    pixels[found.first, found.second, found.side] = found.distance[:, 0]
    pixels[found.second, found.first, found.side] = found.distance[:, 1]
    squares = np.nansum(pixels**2, axis=(1, 2))
    known = np.isfinite(pixels).sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        per_view = np.sqrt(squares / known)
    total = float(np.sqrt(squares.sum() / known.sum())) if known.any() else float("nan")
    return Tangency(pixels, total, per_view, found)


def tangent_planes(cameras: Sequence[Camera], outlines: Sequence[Outline | None]) -> TangentPlanes:
    """The tangent planes of all pairs.

    Left out: pairs with one centre, pairs whose epipole lies in a silhouette, planes that touch a corner that says
    nothing (`Outline.uninformative`), and planes that pass so near to such a corner that what was cut off there may
    stick out beyond them. ValueError where cameras and outlines differ in number; LensFoldError as `Camera.rays`.
    """
    if len(cameras) != len(outlines):
        raise ValueError(f"tangency: expected one outline (or None) a camera, got {len(outlines)} for {len(cameras)}")
    seen = [i for i, outline in enumerate(outlines) if outline is not None]
    middle = np.array([[camera.width / 2, camera.height / 2] for camera in cameras]).reshape(-1, 2)
    views = _OutlineRays.of([cameras[i] for i in seen], [o for o in outlines if o is not None])
    a, b = np.triu_indices(len(seen), 1)
    axis = views.centres[b] - views.centres[a]
    length = np.linalg.norm(axis, axis=1)
    mean = views.mean[a] + views.mean[b]
    with np.errstate(invalid="ignore", divide="ignore"):
        axis = axis / length[:, None]
        u = mean - axis * (axis * mean).sum(axis=1, keepdims=True)
        u = u / np.linalg.norm(u, axis=1, keepdims=True)
    speaks = np.asarray((length >= 1e-12) & np.isfinite(u).all(axis=1))
    a, b, axis, u = a[speaks], b[speaks], axis[speaks], u[speaks]
    return _touch(views, np.array(seen, dtype=np.int64), a, b, u, np.cross(axis, u), middle)


@dataclass(frozen=True, eq=False)
class _OutlineRays:
    """Convex outlines of the views that have one, padded to one length k by repeating their first corner."""

    points: np.ndarray  # [v, k, 2]
    rays: np.ndarray  # [v, k, 3], world, z = 1 in the camera
    uninformative: np.ndarray  # [v, k]
    slope: np.ndarray  # [v, k, 2, 2]: d (x/z, y/z) / d pixel
    mean: np.ndarray  # [v, 3], of the unit rays
    reach: np.ndarray  # [v], px: see _HIDDEN_SHARE
    centres: np.ndarray  # [v, 3]
    turns: np.ndarray  # [v, 3, 3], R_cam_world

    @classmethod
    def of(cls, cameras: Sequence[Camera], outlines: Sequence[Outline]) -> _OutlineRays:
        longest = max((len(outline.convex) for outline in outlines), default=1)
        points, uninformative = np.zeros((len(cameras), longest, 2)), np.zeros((len(cameras), longest), dtype=bool)
        rays, mean = np.ones((len(cameras), longest, 3)), np.zeros((len(cameras), 3))
        slope = np.zeros((len(cameras), longest, 2, 2))
        for i, (camera, outline) in enumerate(zip(cameras, outlines, strict=True)):
            n = len(outline.convex)
            points[i], uninformative[i] = outline.convex[0], outline.uninformative[0]
            points[i, :n], uninformative[i, :n] = outline.convex, outline.uninformative
            if isinstance(camera.lens, Pinhole):
                inverse = np.linalg.inv(camera.K)
                xy = points[i] @ inverse[:2, :2].T + inverse[:2, 2]
                slope[i] = inverse[:2, :2]
            else:
                xy = camera.normalised(points[i])
                slope[i] = _lens_slope(camera, points[i])
            rays[i] = np.concatenate([xy, np.ones((longest, 1))], axis=1) @ camera.R_cam_world
            unit = rays[i, :n] / np.linalg.norm(rays[i, :n], axis=1, keepdims=True)
            mean[i] = unit.mean(axis=0)
        reach = _HIDDEN_SHARE * np.sqrt(np.array([outline.area for outline in outlines]))
        centres = np.array([camera.centre for camera in cameras]).reshape(-1, 3)
        turns = np.array([camera.R_cam_world for camera in cameras]).reshape(-1, 3, 3)
        return cls(points, rays, uninformative, slope, mean, reach, centres, turns)


def _lens_slope(camera: Camera, pixels: np.ndarray) -> np.ndarray:
    """[n, 2, 2]: d (x/z, y/z) / d pixel by central differences."""
    across, down = (
        (camera.normalised(pixels + step) - camera.normalised(pixels - step)) / (2 * _LENS_STEP)
        for step in np.eye(2) * _LENS_STEP
    )
    return np.stack([across, down], axis=2)


def _touch(
    views: _OutlineRays,
    seen: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
    middle: np.ndarray,
) -> TangentPlanes:
    """Tangent planes of the pairs (a, b) of `views`, with the frame (u, v) across each pair's baseline."""
    pair = np.stack([a, b], axis=1)  # [p, 2]
    rays = views.rays[pair]  # [p, 2, k, 3]
    x, y = (np.matmul(rays, d[:, None, :, None])[..., 0] for d in (u, v))
    angles = np.arctan2(y, x)  # [p, 2, k]
    low, high = angles.argmin(axis=2), angles.argmax(axis=2)
    pick = np.stack([low, high], axis=1)  # [p, side, 2]
    at = np.take_along_axis(angles[:, None], pick[..., None], axis=3)[..., 0]  # [p, side, 2]
    fine = np.asarray((at[:, 1] - at[:, 0] <= np.pi - _WRAP_MARGIN).all(axis=1))
    keep = fine[:, None] & ~views.uninformative[pair[:, None, :], pick].any(axis=2)
    row, side = np.nonzero(keep)
    pick, at, who = pick[row, side], at[row, side], pair[row]  # [m, 2]
    ray = views.rays[who, pick]  # [m, 2, 3]
    distance, gradient = np.empty((len(row), 2)), np.empty((len(row), 2, 2))
    for here in (0, 1):
        slope, turn = views.slope[who[:, here], pick[:, here]], views.turns[who[:, here]]
        far = _normal(at[:, 1 - here], u[row], v[row])
        off = (far * ray[:, here]).sum(axis=1)
        distance[:, here] = off / np.maximum(np.linalg.norm(_in_pixels(far, turn, slope), axis=1), 1e-300)
        near = _in_pixels(_normal(at[:, here], u[row], v[row]), turn, slope)
        arm = np.hypot((u[row] * ray[:, here]).sum(axis=1), (v[row] * ray[:, here]).sum(axis=1))
        gradient[:, here] = near / np.maximum(arm, 1e-300)[:, None]
    sure = ~_may_hide(views, who, angles[row], at, gradient)
    first, second = (seen[who[sure, k]].astype(np.int64) for k in (0, 1))
    points, angle, which = views.points[who, pick][sure], (at[:, 0] - at[:, 1])[sure], side[sure].astype(np.int64)
    return TangentPlanes(len(middle), first, second, which, points, angle, gradient[sure], distance[sure], middle)


def _may_hide(
    views: _OutlineRays, who: np.ndarray, angles: np.ndarray, at: np.ndarray, gradient: np.ndarray
) -> np.ndarray:
    """[m] whether a cut lies so near to the touching plane that the hidden part may cross it, in either view."""
    if not views.uninformative.any():
        return np.zeros(len(who), dtype=bool)
    depth = np.abs(angles - at[:, :, None]) / np.maximum(np.linalg.norm(gradient, axis=2), 1e-300)[:, :, None]
    near = np.where(views.uninformative[who], depth, np.inf).min(axis=2)
    return np.asarray((near < views.reach[who]).any(axis=1))


def _normal(angle: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """[m, 3] unit normals of the planes at `angle`, towards larger angles."""
    return -np.sin(angle)[:, None] * u + np.cos(angle)[:, None] * v


def _in_pixels(normal: np.ndarray, turn: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """[m, 2]: change of (normal . ray) a pixel, ray with z = 1 in the camera."""
    in_camera = np.matmul(turn, normal[:, :, None])[:, :2, 0]
    return np.matmul(in_camera[:, None, :], slope)[:, 0]
