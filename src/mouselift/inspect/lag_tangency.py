"""Epipolar tangency of two views over two windows of frames, for lag.

As `geometry.tangent_planes` (all pairs of one instant) and its slow twin `geometry.tangency`, but each frame's tangent
planes are found once, and comparing every frame of one window with every frame of the other is arithmetic on their
plane angles.
Works in raw source pixels, lens included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from mouselift.array_types import Array, Vector3
from mouselift.inspect.outlines import SeenView

_WRAP_MARGIN = 0.05  # rad, as in geometry.tangency: a silhouette wider than pi less this surrounds the epipole
_HIDDEN_SHARE = 0.25  # of sqrt(area), as in geometry.tangent_planes: so far beyond a cut the hidden part may reach

Residuals = Float64[Array, "2 2 a b"]  # [in the first or second view, smallest or largest angle, frame, frame]


@dataclass(frozen=True, eq=False)
class _Tangents:
    """The two tangent planes of every frame of a window, about one baseline."""

    angle: Float64[Array, "w 2"]  # rad, about the baseline
    reach: Float64[Array, "w 2"]  # length of the tangent ray across the baseline
    du: Float64[Array, "w 2 2"]  # d (ray.u) / d pixel
    dv: Float64[Array, "w 2 2"]
    uninformative: Bool[Array, "w 2"]  # on the image's border, or so near to it that a hidden part may stick out beyond


def pair_residuals(first: Sequence[SeenView], second: Sequence[SeenView]) -> Residuals | None:
    """Signed pixels between tangent points and the other view's tangent planes, for all pairs of frames.

    NaN where either frame's tangent point lies on the image's border or near it; None where an epipole lies inside a
    silhouette or the centres coincide. Windows of one and the same rig.
    """
    a, b = first[len(first) // 2], second[len(second) // 2]
    basis = _basis(a, b)
    if basis is None:
        return None
    tangents = [_tangents(window, *basis) for window in (first, second)]
    if tangents[0] is None or tangents[1] is None:
        return None
    out = np.empty((2, 2, len(first), len(second)))
    for side in range(2):
        out[0, side] = _distances(tangents[0], tangents[1], side)
        out[1, side] = _distances(tangents[1], tangents[0], side).T
    return out


def _basis(a: SeenView, b: SeenView) -> tuple[Vector3, Vector3] | None:
    """(u, v) across the baseline, u towards the subject."""
    baseline = b.camera.centre - a.camera.centre
    length = float(np.linalg.norm(baseline))
    if length < 1e-12:
        return None
    axis = baseline / length
    mean = a.rays.mean(axis=0) + b.rays.mean(axis=0)
    u = mean - axis * float(axis @ mean)
    if float(np.linalg.norm(u)) < 1e-6:
        return None
    u = u / np.linalg.norm(u)
    return u, np.cross(axis, u)


def _tangents(window: Sequence[SeenView], u: Vector3, v: Vector3) -> _Tangents | None:
    """None where a silhouette surrounds the epipole."""
    n = len(window)
    angle, reach, uninformative = np.empty((n, 2)), np.empty((n, 2)), np.empty((n, 2), dtype=bool)
    du, dv = np.empty((n, 2, 2)), np.empty((n, 2, 2))
    for k, view in enumerate(window):
        along, across = view.rays @ u, view.rays @ v
        angles = np.arctan2(across, along)
        if np.ptp(angles) > np.pi - _WRAP_MARGIN:
            return None
        corners = [int(angles.argmin()), int(angles.argmax())]
        angle[k] = angles[corners]
        reach[k] = np.hypot(along[corners], across[corners])
        du[k] = np.einsum("tij,i->tj", view.slopes[corners], u)
        dv[k] = np.einsum("tij,i->tj", view.slopes[corners], v)
        uninformative[k] = view.uninformative[corners]
        if view.uninformative.any():
            turn = np.cos(angle[k])[:, None] * dv[k] - np.sin(angle[k])[:, None] * du[k]
            a_pixel = np.linalg.norm(turn, axis=1) / reach[k]  # rad
            depth = np.abs(angles[view.uninformative] - angle[k][:, None]).min(axis=1) / np.maximum(a_pixel, 1e-300)
            uninformative[k] |= depth < _HIDDEN_SHARE * np.sqrt(view.outline.area)
    return _Tangents(angle, reach, du, dv, uninformative)


def _distances(here: _Tangents, there: _Tangents, side: int) -> Float64[Array, "a b"]:
    """From `here`'s tangent points to `there`'s planes: |f| / |grad f| with f = ray . normal, signed."""
    target = there.angle[:, side]
    sine, cosine = np.sin(target)[None, :, None], np.cos(target)[None, :, None]
    gradient = np.linalg.norm(cosine * here.dv[:, None, side] - sine * here.du[:, None, side], axis=2)
    value = here.reach[:, None, side] * np.sin(here.angle[:, None, side] - target[None])
    uninformative = here.uninformative[:, None, side] | there.uninformative[None, :, side]
    return np.where(uninformative, np.nan, value / np.maximum(gradient, 1e-300))
