"""Epipolar tangency written a second time, pair by pair and slowly: what `geometry.tangent_planes` must equal.

The planes through both camera centres that touch the object touch both silhouettes. With the baseline
direction b and an orthonormal (b, u, v), every outline ray has a plane angle atan2(ray.v, ray.u); the
smallest and the largest must agree between the views. (Wong, Cipolla: "Structure and motion from
silhouettes", 2001.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array, Points2, Points3
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Silhouette

_WRAP_MARGIN = 0.05  # rad: a silhouette whose plane angles span more than pi - this surrounds the epipole


@dataclass(frozen=True, eq=False)
class OutlineRays:
    """One view's silhouette, ready to be compared: hull points, their rays, and which lie on the border."""

    camera: Camera
    pixels: Points2
    rays: Points3  # unit, world
    cut: np.ndarray  # [n] bool: on the image's border, where the outline is not the subject's

    @classmethod
    def from_silhouette(cls, camera: Camera, silhouette: Silhouette, border_px: float = 1.0) -> OutlineRays:
        """Raises LensFoldError where the outline lies outside the lens model's field."""
        pixels = convex_hull(silhouette.outline)
        limit = np.array([silhouette.width, silhouette.height]) - border_px
        cut = np.asarray(((pixels <= border_px) | (pixels >= limit)).any(axis=1))
        return cls(camera, pixels, camera.rays(pixels), cut)


@dataclass(frozen=True)
class TangencyResidual:
    """One tangent plane of a pair: how far view `first`'s tangent point is from view `second`'s plane."""

    first: int
    second: int
    side: int  # 0 = smallest plane angle, 1 = largest
    pixels: float  # signed, of `first`


def pair_residuals(a: OutlineRays, b: OutlineRays) -> list[tuple[int, int, float]]:
    """(0 if measured in `a` else 1, side, pixels): up to four; none where an epipole is inside a silhouette."""
    baseline = b.camera.centre - a.camera.centre
    length = float(np.linalg.norm(baseline))
    if length < 1e-12:
        return []
    axis = baseline / length
    mean = a.rays.mean(axis=0) + b.rays.mean(axis=0)
    u = mean - axis * float(axis @ mean)
    if float(np.linalg.norm(u)) < 1e-6:
        return []
    u = u / np.linalg.norm(u)
    v = np.cross(axis, u)
    angles = [np.arctan2(view.rays @ v, view.rays @ u) for view in (a, b)]
    if any(np.ptp(angle) > np.pi - _WRAP_MARGIN for angle in angles):
        return []
    out: list[tuple[int, int, float]] = []
    for side, pick in enumerate((np.argmin, np.argmax)):
        touch = [int(pick(angle)) for angle in angles]
        if a.cut[touch[0]] or b.cut[touch[1]]:
            continue
        for here, other, view in ((0, 1, a), (1, 0, b)):
            target = angles[other][touch[other]]
            normal = -np.sin(target) * u + np.cos(target) * v
            out.append((here, side, _line_distance(view, touch[here], normal)))
    return out


def _line_distance(view: OutlineRays, index: int, normal: np.ndarray) -> float:
    """Pixels from an outline point to a plane's trace in the image, by the first-order distance |f| / |grad f|.

    Signed: positive where the point lies on the side of larger plane angles.
    """
    ray, pixel = view.rays[index], view.pixels[index]
    step = np.array([[0.5, 0.0], [-0.5, 0.0], [0.0, 0.5], [0.0, -0.5]])
    near = view.camera.rays(pixel + step) @ normal
    gradient = float(np.hypot(near[0] - near[1], near[2] - near[3]))
    return float(ray @ normal) / max(gradient, 1e-300)


def tangency_residuals(views: Sequence[OutlineRays]) -> list[TangencyResidual]:
    """All pairs' residuals, signed pixels."""
    out: list[TangencyResidual] = []
    for i, j in combinations(range(len(views)), 2):
        for here, side, pixels in pair_residuals(views[i], views[j]):
            first, second = (i, j) if here == 0 else (j, i)
            out.append(TangencyResidual(first, second, side, pixels))
    return out


def rms_per_view(residuals: Sequence[TangencyResidual], views: int) -> Float64[Array, " v"]:
    """Root mean square of each view's residuals; NaN where a view has none."""
    total, count = np.zeros(views), np.zeros(views)
    for r in residuals:
        total[r.first] += r.pixels**2
        count[r.first] += 1
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(total / count)


def convex_hull(points: Points2) -> Float64[Array, "m 2"]:
    """Corners of the convex hull in order (Andrew's monotone chain); collinear points are left out."""
    ordered = np.unique(points, axis=0)
    if len(ordered) < 3:
        return ordered
    lower, upper = _chain(ordered.tolist()), _chain(ordered[::-1].tolist())
    return np.array(lower[:-1] + upper[:-1], dtype=np.float64)


def _chain(points: list[list[float]]) -> list[list[float]]:
    chain: list[list[float]] = []
    for p in points:
        while len(chain) > 1:
            (ax, ay), (bx, by) = chain[-2], chain[-1]
            if (bx - ax) * (p[1] - ay) - (by - ay) * (p[0] - ax) > 0:
                break
            chain.pop()
        chain.append(p)
    return chain
