"""All views of a sample, their edges, and the epipolar tangents of one view as lines across the others.

A tangent plane holds both centres and touches the subject in one view; with exact cameras its line touches the outline
in the other. Inline SVG whose coordinates are the image's pixels: [0, w] x [0, h], pixel centres at +0.5. The inset
shows the same drawing through a smaller window, so nothing is drawn twice and nothing can differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mouselift.array_types import Array, Float64, Vector3
from mouselift.dataset.sample import Sample, View
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Outline, outline_of
from mouselift.geometry.tangent_planes import tangent_planes
from mouselift.report.conclusion import GAP_LIMIT_PX
from mouselift.report.edges import edge_lines, path_data
from mouselift.report.page import image_uri
from mouselift.view.scene import colours_or_grey, on_ground

_SIDE = 512  # longest edge of the embedded images, pixels
_INSET = 0.36  # side of the inset / the image's
_WINDOW_PX = 16.0  # the inset shows at least this much of the image
_MARGIN = 6.0

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


@dataclass(frozen=True)
class Line:
    """One tangent, ready for the template. Numbers are pixels of the image."""

    trace: tuple[float, ...] | None  # x1 y1 x2 y2
    touch: tuple[float, ...]  # x y
    foot: tuple[float, ...]
    gap_px: float
    off: bool


@dataclass(frozen=True)
class Inset:
    """A magnified window of the image; `x y side` in the image, the window's corner and side beside it."""

    x: float
    y: float
    side: float
    window: tuple[float, ...]
    zoom: float
    label: str


@dataclass(frozen=True)
class Crossing:
    """The tangents of one other view, in one image."""

    lines: tuple[Line, ...]
    inset: Inset | None
    words: str


@dataclass(frozen=True)
class Panel:
    """One view of the sheet."""

    name: str
    width: int
    height: int
    image: str  # data URI
    edge: str  # path data
    crossings: tuple[Crossing, ...]  # one for each view, in order; empty ones where nothing can be said
    note: str


@dataclass(frozen=True)
class TangentSheet:
    sample: str
    names: tuple[str, ...]
    reference: int  # whose tangents are shown first
    panels: list[Panel]
    worst_px: float | None
    worst_words: str


def tangent_sheet(sample: Sample) -> TangentSheet:
    """All views of one sample."""
    views, names = sample.views, sample.names
    outlines = [outline_of(view.alpha) for view in views]
    found = tangents([view.camera for view in views], outlines)
    panels = []
    for index, (view, outline) in enumerate(zip(views, outlines, strict=True)):
        crossings = tuple(
            _crossing(name, view, outline, [t for t in found if (t.view, t.other) == (index, other)])
            for other, name in enumerate(names)
        )
        height, width = view.alpha.shape
        image = image_uri(on_ground(colours_or_grey(view), view.alpha, _SIDE))
        note = "no subject in this image" if outline is None else ""
        if outline is not None and outline.uninformative.any():
            note = "cut by the border"
        panels.append(Panel(view.name, width, height, image, path_data(edge_lines(view.alpha)), crossings, note))
    reference = best_reference(found, len(views))
    if not found:
        return TangentSheet(sample.id, names, reference, panels, None, "no pair of views says anything about another")
    worst = max(found, key=lambda t: abs(t.gap_px))
    shown = max((abs(t.gap_px) for t in found if t.other == reference), default=0.0)
    if abs(worst.gap_px) >= GAP_LIMIT_PX and shown < abs(worst.gap_px) / 2:  # it would be hidden
        reference = worst.other
    words = f"{names[worst.view]}, tangents of {names[worst.other]}{'' if reference == worst.other else '; choose it'}"
    return TangentSheet(sample.id, names, reference, panels, abs(worst.gap_px), words)


def _crossing(name: str, view: View, outline: Outline | None, found: Sequence[Tangent]) -> Crossing:
    """The tangents of the view called `name` in `view`."""
    if name == view.name:
        return Crossing((), None, f"the tangents drawn across the other views are those of {name}")
    if not found or outline is None:
        return Crossing((), None, f"nothing to say about the tangents of {name}")
    lines = tuple(
        Line(
            None if t.line is None else _numbers(t.line.ravel()),
            _numbers(t.touch),
            _numbers(t.foot),
            round(abs(t.gap_px), 3),
            abs(t.gap_px) >= GAP_LIMIT_PX,
        )
        for t in found
    )
    worst = max(found, key=lambda t: abs(t.gap_px))
    gaps = " and ".join(f"{abs(t.gap_px):.2f} px" for t in found)
    return Crossing(lines, _inset(worst, outline, view), f"tangents of {name} pass the outline at {gaps}")


def tangents(cameras: Sequence[Camera], outlines: Sequence[Outline | None]) -> list[Tangent]:
    """All pairs' tangents, in both views; pairs that say nothing (cut outline, epipole in the subject) have none.

    Which planes there are, and by how many pixels they miss, is geometry/tangent_planes.py's answer. Cameras without a
    lens or skew: a plane through the centre is then a straight line in the image.
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

    def rank(other: int) -> tuple[int, float]:
        its = [t for t in found if t.other == other]
        gap = float(np.median([abs(t.gap_px) for t in its])) if its else float("inf")
        return -len({t.view for t in its}), gap

    return min(range(views), key=rank)


def _inset(worst: Tangent, outline: Outline, view: View) -> Inset | None:
    """In the corner that is farthest from the subject and the place it shows; None where it would not double it."""
    height, width = view.alpha.shape
    window = max(_WINDOW_PX, 1.6 * abs(worst.gap_px))
    side = _INSET * min(width, height)
    if window > 0.5 * side:
        return None
    middle = (worst.touch + worst.foot) / 2
    corners = [(x, y) for y in (_MARGIN, height - side - _MARGIN) for x in (_MARGIN, width - side - _MARGIN)]
    x, y = max(corners, key=lambda corner: _room(corner, side, outline, middle))
    shown = _numbers([*(middle - window / 2), window])
    words = f"{abs(worst.gap_px):.2f} px"
    return Inset(round(x, 2), round(y, 2), round(side, 2), shown, round(side / window, 1), words)


def _room(corner: tuple[float, float], side: float, outline: Outline, middle: Point) -> float:
    """How far a square is from the outline and, more so, from the place that it magnifies."""
    centre = np.array(corner) + side / 2
    near = float(np.abs(outline.convex - centre).max(axis=1).min())
    return near + 0.5 * float(np.linalg.norm(middle - centre))


def _numbers(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in values)
