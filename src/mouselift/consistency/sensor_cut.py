"""Subjects that the sensor had cut before any framing: outline that is a frame's old edge, not the subject's.

In mouselift's own samples the frame's edges are known: the plan maps every corner of the outline into the source image.
In foreign samples nothing says so. There a cut is a long straight run of outline with corners at both ends and solid
subject behind it (`cut_line`). Boxes have such sides, too, so two things more are asked: the run lies along the image's
axes, or as near to them as framings turn a view; and other views see subject beyond it, while the rest of this view
agrees with them. A side of a box ends where the other views say; a wrong camera disagrees elsewhere too.

Runs that are interrupted (two legs cut) or short (a tail's end) are not recognised: only the file can say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mouselift.array_types import Array, Bool, Float64
from mouselift.dataset.sample import Sample
from mouselift.errors import DatasetError
from mouselift.findings import Finding
from mouselift.framing.plan import SamplePlan
from mouselift.geometry.outlines import Outline
from mouselift.geometry.tangent_planes import TangentPlanes, tangent_planes

# 45 px gave no false alarm in 900 exact views and found 58 % of 105 cut ones (`benchmarks/corpus.py --flavour cut`).
CUT_PX = 45.0  # a straight run at least so long, with corners at its ends, may be an old frame edge
_SIMPLIFY_PX = 0.5  # corners nearer to a chord than this belong to it
_CANDIDATES = 4  # longest sides looked at
_GAP_PX = 2.0  # a larger gap of outline points interrupts a run
_BEND_PX = 0.15  # RMS from a parabola: a lens bends the old frame's edge a little
_BEYOND_PX = 6.0  # the turn at an end is measured this far out
_CORNERS_RAD = (0.1, 0.4)  # least turn at the blunter and at the sharper end
_BEHIND_PX = (2.0, 12.0)  # subject must fill this band behind the run
_SOLID = 0.7  # over this share of its length
# A camera turned by a and b about its y and x axes shows a frame's edge turned by about sin a sin b. A subject at the
# corner of a lens of 50 degrees: a, b <= 25 degrees.
_SLOPE_RAD = float(np.sin(np.radians(25.0)) ** 2)
# Other views' subject reaches so far beyond: four sigma of the sharpest corners (`hypotheses.sigma_px`).
_SHORT_PX = 0.8
_SHORT_RATIO = 4.0  # and so much farther than the rest of the view disagrees
_EDGE_PX = 1.0  # of the source, and of the sample's image: so near to the source's border is on it


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

    Where the file says that a view is cut and no edge is known or seen, its whole outline is left out: the cut is
    somewhere.
    """
    kept, findings = list(outlines), list[Finding]()
    edges, lines = _known_edges(sample, outlines), _foreign_cuts(sample, outlines)
    for k, (view, outline) in enumerate(zip(sample.views, outlines, strict=True)):
        if outline is None or not (view.cut or k in lines):
            continue
        line = lines.get(k) or (None if k in edges else cut_line(outline))
        if k in edges:
            marked, how = edges[k], "its outline lies on the source image's border"
        elif line is not None:
            marked = _on(outline.convex, line)
            how = f"its outline is straight over {line.length:.0f} px (limit {CUT_PX:g} px): an old frame edge"
        elif not outline.uninformative.any():
            marked, how = np.ones(len(outline.convex), dtype=bool), "its file says so"
        else:
            continue
        kept[k] = outline.leaving_out(marked)
        text = f"{view.name}: the sensor had cut the subject before any framing: {how}"
        value = None if line is None else line.length
        findings.append(sample.finding("cut-by-sensor", text, camera=view.name, value=value, limit=CUT_PX))
    return tuple(kept), tuple(findings)


def _known_edges(sample: Sample, outlines: Sequence[Outline | None]) -> dict[int, Bool[Array, " m"]]:
    """Of mouselift's own views that are cut: which corners of the outline lie on the source image's border."""
    try:
        plan = SamplePlan.from_json(sample.plan) if sample.plan and any(view.cut for view in sample.views) else None
    except DatasetError:  # written by another version
        return {}
    out: dict[int, Bool[Array, " m"]] = {}
    for view in plan.views if plan is not None else ():
        k = sample.names.index(view.name) if view.name in sample.names else -1
        outline = outlines[k] if k >= 0 and sample.views[k].cut else None
        if outline is None:
            continue
        at = view.reframe.to_source(outline.convex)
        margin = _EDGE_PX + _EDGE_PX / view.scale
        far = np.array([view.source.width, view.source.height]) - margin
        marked = np.asarray(((at <= margin) | (at >= far) | ~np.isfinite(at)).any(axis=1))
        if marked.any():
            out[k] = marked
    return out


def _foreign_cuts(sample: Sample, outlines: Sequence[Outline | None]) -> Mapping[int, CutLine]:
    """By view: the old frame edge that cuts it, where nothing is written down and everything speaks for one."""
    lines = {
        k: line
        for k, (view, outline) in enumerate(zip(sample.views, outlines, strict=True))
        if outline is not None and view.cut is None and (line := cut_line(outline)) is not None and _along_axes(line)
    }
    if not lines:
        return {}
    planes = tangent_planes([view.camera for view in sample.views], outlines)
    return {k: lines[k] for k in _beyond(planes, lines)}


def _along_axes(line: CutLine) -> bool:
    return bool(np.abs(line.end - line.start).min() <= np.sin(_SLOPE_RAD) * line.length)


def _beyond(planes: TangentPlanes, lines: Mapping[int, CutLine]) -> Iterator[int]:
    """Views beyond whose line the others see subject, while the rest of the view agrees with them."""
    both = np.stack([planes.first, planes.second], axis=1)
    on = np.zeros(both.shape, dtype=bool)
    for k, line in lines.items():
        own = both == k
        on[own] = _on(planes.points[own], line)
    for k in lines:
        place = (both == k) & on
        here = place.any(axis=1)
        elsewhere = (on & (both != k)).any(axis=1)
        # Residuals above 0 at the larger plane angle say that the second view is the shorter one there.
        short = planes.residual * np.where(planes.side == 1, 1.0, -1.0) * np.where(place[:, 1], 1.0, -1.0)
        told = here & ~elsewhere
        # Where every other view may be cut along the same line, only the disagreement is known.
        told, short = (told, short) if told.any() else (here, np.abs(planes.residual))
        rest = planes.residual[planes.of_view(k) & ~here & ~elsewhere]
        against = np.concatenate([np.abs(rest), -short[told & (short < 0)]])
        # The median: another view may be cut where no line shows it.
        wrong = float(np.median(against)) if len(against) else 0.0
        other = np.where(place[:, 0], planes.second, planes.first)
        seeing = np.unique(other[told & (short > max(_SHORT_PX, _SHORT_RATIO * wrong))])
        # One view alone that sees beyond may be wrong itself.
        if len(seeing) and len(seeing) >= min(2, len(np.unique(other[told]))):
            yield k


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
