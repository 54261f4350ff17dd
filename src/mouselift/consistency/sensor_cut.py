"""Subjects that the sensor had cut before any framing: a long straight run of outline along an old frame edge.

A frame edge leaves the subject on one side, so the run lies on the convex outline, at any angle (a virtual camera may
be turned). It differs from a straight tail or flank by corners at both ends and by solid subject behind it. Runs that
are interrupted (two legs cut) or short (a tail's end) are not recognised: only the file can say so (`View.cut`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array
from mouselift.dataset.sample import Sample
from mouselift.findings import Finding
from mouselift.geometry.outlines import Outline

# 45 px gave no false alarm in 900 exact views and found 58 % of 105 cut ones (`benchmarks/corpus.py --flavour cut`).
CUT_PX = 45.0  # a straight run at least so long, with corners at its ends, is an old frame edge
_SIMPLIFY_PX = 0.5  # corners nearer to a chord than this belong to it
_CANDIDATES = 4  # longest sides looked at
_GAP_PX = 2.0  # a larger gap of outline points interrupts a run
_BEND_PX = 0.15  # RMS from a parabola: a lens bends the old frame's edge a little
_BEYOND_PX = 6.0  # the turn at an end is measured this far out
_CORNERS_RAD = (0.1, 0.4)  # least turn at the blunter and at the sharper end
_BEHIND_PX = (2.0, 12.0)  # subject must fill this band behind the run
_SOLID = 0.7  # over this share of its length


@dataclass(frozen=True, eq=False)
class CutLine:
    """A straight run of outline: from `start` to `end`, pixels."""

    start: Float64[Array, "2"]
    end: Float64[Array, "2"]

    @property
    def length(self) -> float:
        return float(np.linalg.norm(self.end - self.start))


def cut_line(outline: Outline) -> CutLine | None:
    """The longest run that looks like an old frame edge, where there is one; the image's own border is none."""
    convex = outline.convex.astype(np.float32)
    if len(convex) < 3:
        return None
    corners = np.asarray(cv2.approxPolyDP(convex, _SIMPLIFY_PX, True), dtype=np.float64).reshape(-1, 2)
    sides = np.roll(corners, -1, axis=0) - corners
    lengths = np.linalg.norm(sides, axis=1)
    for k in np.argsort(-lengths)[:_CANDIDATES].tolist():
        if lengths[k] < CUT_PX:
            break
        line = CutLine(corners[k], corners[k] + sides[k])
        if _is_cut(outline, line):
            return line
    return None


def without_cuts(
    sample: Sample, outlines: Sequence[Outline | None]
) -> tuple[tuple[Outline | None, ...], tuple[Finding, ...]]:
    """Outlines whose corners on old frame edges say nothing, and a note for each view that the sensor had cut.

    Where the file says that a view is cut and no line is seen, its whole outline is left out: the cut is somewhere.
    """
    kept: list[Outline | None] = []
    findings: list[Finding] = []
    for view, outline in zip(sample.views, outlines, strict=True):
        line = None if outline is None or view.cut is False else cut_line(outline)
        if outline is not None and line is not None:
            kept.append(outline.leaving_out(_on(outline.convex, line)))
            how = f"its outline is straight over {line.length:.0f} px (limit {CUT_PX:g} px): an old frame edge"
        elif outline is not None and view.cut and not outline.uninformative.any():
            kept.append(outline.leaving_out(np.ones(len(outline.convex), dtype=bool)))
            how = "its file says so"
        else:
            kept.append(outline)
            continue
        text = f"{view.name}: the sensor had cut the subject before any framing: {how}"
        value = None if line is None else line.length
        findings.append(sample.finding("cut-by-sensor", text, camera=view.name, value=value, limit=CUT_PX))
    return tuple(kept), tuple(findings)


def _on(convex: np.ndarray, line: CutLine) -> np.ndarray:
    """[m] corners on the line, its ends included."""
    along, away = _frame(convex, line)
    return np.asarray((np.abs(away) < 4 * _SIMPLIFY_PX) & (along > -2.0) & (along < line.length + 2.0))


def _frame(points: np.ndarray, line: CutLine) -> tuple[np.ndarray, np.ndarray]:
    """(pixels along the line from its start, signed pixels away from it)."""
    direction = (line.end - line.start) / line.length
    offset = points - line.start
    return offset @ direction, offset @ np.array([-direction[1], direction[0]])


def _is_cut(outline: Outline, line: CutLine) -> bool:
    if (_on(outline.convex, line) & outline.uninformative).any():
        return False
    along, away = _frame(outline.points, line)
    near = (np.abs(away) < 2 * _SIMPLIFY_PX) & (along > -0.5) & (along < line.length + 0.5)
    steps = np.sort(along[near])
    breaks = np.flatnonzero(np.diff(steps) > _GAP_PX)
    starts, ends = np.concatenate([[0], breaks + 1]), np.concatenate([breaks, [len(steps) - 1]])
    if len(steps) < 8 or float((steps[ends] - steps[starts]).max()) < CUT_PX:
        return False
    inner = near & (along > 2) & (along < line.length - 2)
    bend = np.stack([along[inner] ** power for power in range(3)], axis=1) / line.length ** np.arange(3)
    rest = away[inner] - bend @ np.linalg.lstsq(bend, away[inner], rcond=None)[0]
    if float(np.sqrt(np.mean(rest**2))) > _BEND_PX:
        return False
    turns = sorted(_turn(outline.convex, line, end) for end in (0.0, line.length))
    if turns[0] < _CORNERS_RAD[0] or turns[1] < _CORNERS_RAD[1]:
        return False
    inwards = away * np.sign(np.median(_frame(outline.convex, line)[1]))
    hollow = (inwards > _BEHIND_PX[0]) & (inwards < _BEHIND_PX[1]) & (along > 3) & (along < line.length - 3)
    return 1 - len(np.unique(np.round(along[hollow]))) / max(line.length - 6, 1.0) > _SOLID


def _turn(convex: np.ndarray, line: CutLine, end: float) -> float:
    """By how much the convex outline turns at one end of the line, radians: 0 straight on, pi back."""
    along, away = _frame(convex, line)
    forward = (along - end) * (1.0 if end > 0 else -1.0)
    aside = np.abs(away)
    beyond = (np.hypot(forward, aside) >= _BEYOND_PX) & (aside > 1e-3) & (forward > -line.length - 1)
    beyond &= ~((aside < 2 * _SIMPLIFY_PX) & (forward < 0))
    return float(np.arctan2(aside[beyond], forward[beyond]).min(initial=np.pi))
