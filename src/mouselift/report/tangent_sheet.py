"""The image that convinces: all views of a sample, their edges, and the tangents of one view drawn across the others.

Inline SVG whose coordinates are the image's pixels: [0, w] x [0, h], pixel centres at +0.5, as everywhere here. The
inset shows the same drawing through a smaller window, so nothing is drawn twice and nothing can differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mouselift.dataset.sample import Sample, View
from mouselift.geometry.outlines import Outline, outline_of
from mouselift.report.edges import edge_lines, path_data
from mouselift.report.page import image_uri
from mouselift.report.tangents import Point, Tangent, best_reference, tangents
from mouselift.view.scene import on_ground

GAP_LIMIT_PX = 1.0  # a gap from here on is drawn in red; below, the line touches as far as an eye can tell
_INSET = 0.36  # side of the inset / the image's
_WINDOW_PX = 16.0  # the inset shows at least this much of the image
_MARGIN = 6.0


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
    window: tuple[float, float, float]
    zoom: float
    label: str


@dataclass(frozen=True)
class Crossing:
    """The tangents of one other view, in one image."""

    other: str
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
    panels: tuple[Panel, ...]
    worst_px: float | None
    worst_words: str


def tangent_sheet(
    sample: Sample, limit_px: float = GAP_LIMIT_PX, reference: int | None = None, side: int = 512
) -> TangentSheet:
    """All views of one sample. `side`: longest edge of the embedded images, pixels."""
    outlines = [outline_of(view.alpha) for view in sample.views]
    found = tangents([view.camera for view in sample.views], outlines)
    chosen = best_reference(found, len(sample.views)) if reference is None else reference
    panels = tuple(
        _panel(index, sample, outlines[index], [t for t in found if t.view == index], limit_px, side)
        for index in range(len(sample.views))
    )
    worst = max(found, key=lambda t: abs(t.gap_px), default=None)
    words = "no pair of views says anything about another"
    if worst is not None:
        words = f"{sample.names[worst.view]}, tangents of {sample.names[worst.other]}"
    return TangentSheet(sample.id, sample.names, chosen, panels, None if worst is None else abs(worst.gap_px), words)


def _panel(
    index: int, sample: Sample, outline: Outline | None, found: Sequence[Tangent], limit_px: float, side: int
) -> Panel:
    view = sample.views[index]
    height, width = view.alpha.shape
    crossings = tuple(
        _crossing(j, index, sample.names, view, outline, [t for t in found if t.other == j], limit_px)
        for j in range(len(sample.views))
    )
    note = "no subject in this image" if outline is None else "cut by the border" if outline.uninformative.any() else ""
    return Panel(view.name, width, height, _image(view, side), path_data(edge_lines(view.alpha)), crossings, note)


def _image(view: View, side: int) -> str:
    colours = view.colours
    if colours is None:  # only the alpha is there: the subject in grey
        colours = np.full((*view.alpha.shape, 3), 90, np.uint8)
    return image_uri(on_ground(colours, view.alpha, side))


def _crossing(
    j: int,
    index: int,
    names: Sequence[str],
    view: View,
    outline: Outline | None,
    found: Sequence[Tangent],
    limit_px: float,
) -> Crossing:
    if j == index:
        return Crossing(names[j], (), None, f"the tangents drawn across the other views are those of {names[j]}")
    if not found or outline is None:
        return Crossing(names[j], (), None, f"nothing to say about the tangents of {names[j]}")
    lines = tuple(
        Line(
            None if t.line is None else _numbers(t.line.ravel()),
            _numbers(t.touch),
            _numbers(t.foot),
            round(abs(t.gap_px), 3),
            abs(t.gap_px) >= limit_px,
        )
        for t in found
    )
    worst = max(found, key=lambda t: abs(t.gap_px))
    gaps = " and ".join(f"{abs(t.gap_px):.2f} px" for t in found)
    words = f"tangents of {names[j]} pass the outline at {gaps}"
    return Crossing(names[j], lines, _inset(worst, outline, view), words)


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
    start = middle - window / 2
    return Inset(
        round(x, 2),
        round(y, 2),
        round(side, 2),
        (round(float(start[0]), 3), round(float(start[1]), 3), round(window, 3)),
        round(side / window, 1),
        f"{abs(worst.gap_px):.2f} px",
    )


def _room(corner: tuple[float, float], side: float, outline: Outline, middle: Point) -> float:
    """How far a square is from the outline and, more so, from the place that it magnifies."""
    centre = np.array(corner) + side / 2
    near = float(np.abs(outline.convex - centre).max(axis=1).min())
    return near + 0.5 * float(np.linalg.norm(middle - centre))


def _numbers(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in values)
