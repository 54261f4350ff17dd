"""Epipolar tangents to be drawn: the planes that touch the subject in one view, as lines across another.

With exact cameras each line touches the outline that it crosses; the gap is how far it does not. Which planes speak,
and by how many pixels they miss, is geometry/tangent_planes.py's answer; this module adds where to draw them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array, Vector3
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Outline
from mouselift.geometry.tangent_planes import tangent_planes

Point = Float64[Array, "2"]


@dataclass(frozen=True, eq=False)
class Tangent:
    """The plane through both centres that touches view `other`'s outline, seen in view `view`. Pixels of `view`."""

    view: int
    other: int
    side: int  # 0: smallest plane angle, 1: largest
    line: Float64[Array, "2 2"] | None  # the plane's trace across the image; None where it misses the image
    touch: Point  # the outline's own extreme point
    foot: Point  # the trace's point nearest to it
    gap_px: float  # signed, Tangency.pixels[view, other, side]


def tangents(cameras: Sequence[Camera], outlines: Sequence[Outline | None]) -> list[Tangent]:
    """All pairs' tangents, in both views; pairs that say nothing (cut outline, epipole in the subject) have none.

    Cameras without a lens or skew: a plane through the centre is then a straight line in the image.
    """
    found = tangent_planes(cameras, outlines)
    out: list[Tangent] = []
    for k in range(len(found.angle)):
        pair = (int(found.first[k]), int(found.second[k]))
        for here, there in ((0, 1), (1, 0)):
            view, other = pair[here], pair[there]
            touch = found.points[k, here].copy()
            line = trace(cameras[view], cameras[other], found.points[k, there])
            foot = touch - float(line[:2] @ touch + line[2]) * line[:2]
            drawn = across(line, cameras[view].width, cameras[view].height)
            out.append(Tangent(view, other, int(found.side[k]), drawn, touch, foot, float(found.distance[k, here])))
    return out


def trace(camera: Camera, other: Camera, pixel_other: Point) -> Vector3:
    """The epipolar line of another view's pixel: (a, b, c), a^2 + b^2 = 1, a x + b y + c = 0 in this view's pixels.

    The plane through both centres and the pixel's ray has normal n = baseline x ray; its trace is K^-T R n.
    """
    ray = other.rays(pixel_other[None])[0]
    line = np.linalg.solve(camera.K.T, camera.R_cam_world @ np.cross(other.centre - camera.centre, ray))
    return line / np.hypot(line[0], line[1])


def across(line: Vector3, width: int, height: int) -> Float64[Array, "2 2"] | None:
    """The two points where a x + b y + c = 0 meets the frame [0, w] x [0, h]; None where it misses it."""
    a, b, c = (float(value) for value in line)
    found: list[tuple[float, float]] = []
    if b != 0:
        found += [(x, -(a * x + c) / b) for x in (0.0, float(width))]
    if a != 0:
        found += [(-(b * y + c) / a, y) for y in (0.0, float(height))]
    inside = [(x, y) for x, y in found if -1e-9 <= x <= width + 1e-9 and -1e-9 <= y <= height + 1e-9]
    if len(inside) < 2:
        return None
    points = np.array(inside)
    far = int(np.linalg.norm(points - points[0], axis=1).argmax())
    return points[[0, far]] if far else None


def best_reference(found: Sequence[Tangent], views: int) -> int:
    """The view whose tangents say most: drawn across most other views, and of those the one with the smallest gaps."""
    says = [len({t.view for t in found if t.other == j}) for j in range(views)]
    gaps = [_median_gap([t for t in found if t.other == j]) for j in range(views)]
    return min(range(views), key=lambda j: (-says[j], gaps[j]))


def _median_gap(found: Sequence[Tangent]) -> float:
    return float(np.median([abs(t.gap_px) for t in found])) if found else float("inf")
