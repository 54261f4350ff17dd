"""Keypoints drawn on the views of a sample, and their shares as a table: the report's section about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from mouselift.audit.result import DatasetAudit
from mouselift.dataset.foreign_sample import load_sample
from mouselift.dataset.sample import Sample
from mouselift.foreign import first_few
from mouselift.keypoints.off_mask import ALL_LEAST, KeypointFacts, off_mask
from mouselift.report.edges import edge_lines, path_data
from mouselift.report.page import image_uri
from mouselift.view.keypoints import Laid, laid_on
from mouselift.view.scene import colours_or_grey, on_ground

_SIDE = 512  # longest edge of the embedded images, pixels
_MOST_NAMES = 3  # in an image; the line below has more
_MOST_LISTED = 12  # names of one kind in a line
_MOST_ROWS = 100  # of the table; --json has all
_MOST_MARKS = 300  # in an image: those that are off first
_MOST_VIEWS = 6  # of a sample: those with the lowest shares


@dataclass(frozen=True)
class Mark:
    """One keypoint in one view. Numbers are pixels of the image."""

    name: str
    x: float
    y: float
    state: Laid


@dataclass(frozen=True)
class KeypointPanel:
    """One view."""

    name: str
    width: int
    height: int
    image: str  # data URI
    edge: str  # path data
    marks: tuple[Mark, ...]  # within the image
    named: bool  # those that are off have their names beside them: not where they are so many that names would overlap
    words: str


@dataclass(frozen=True)
class KeypointSheet:
    """Some views of one sample."""

    sample: str
    role: str
    panels: list[KeypointPanel]
    lost: str  # keypoints that were not found


@dataclass(frozen=True)
class Cell:
    """A share in the table; None where nothing was compared."""

    share: float | None
    low: bool


@dataclass(frozen=True)
class KeypointTable:
    """One recording's shares: a row a keypoint, worst first, after the row of all; a column a camera."""

    facts: KeypointFacts
    cameras: tuple[str, ...]
    rows: list[tuple[str, list[Cell]]]  # the first cell is of all cameras
    more: int  # keypoints without a row


def keypoint_table(facts: KeypointFacts) -> KeypointTable:
    """What stands out is low, and what is below the least share of all."""
    found = list(off_mask(facts))
    out = {one.name for one in found} | {name for one in found if one.kind == "keypoint" for name in one.names}
    cameras = tuple(facts.table)
    rows = [("all", [_cell(facts.share), *(_cell(facts.cameras.get(name), name in out) for name in cameras)])]
    for name, share in islice(facts.names.items(), _MOST_ROWS):
        rows.append((name, [_cell(share, name in out), *(_cell(facts.table[c].get(name)) for c in cameras)]))
    return KeypointTable(facts, cameras, rows, max(len(facts.names) - _MOST_ROWS, 0))


def _cell(share: float | None, stands_out: bool = False) -> Cell:
    return Cell(share, share is not None and (stands_out or share < ALL_LEAST))


def keypoint_sheets(audit: DatasetAudit, folders: dict[str, Path]) -> list[KeypointSheet]:
    """The sample with the lowest share and the median one."""
    found: list[KeypointSheet] = []
    for place, role in _chosen(audit):
        sheet = keypoint_sheet(load_sample(folders[audit.ids[place]], colours=True, name=audit.ids[place]), role)
        found += [sheet] if sheet is not None else []
    return found


def _chosen(audit: DatasetAudit) -> list[tuple[int, str]]:
    """(place of the sample, why it is shown)."""
    share = audit.sample_columns["keypoints_on"]
    known = np.flatnonzero(np.isfinite(share))
    if not len(known):
        return []
    ranked = known[np.argsort(share[known], kind="stable")]
    lowest, middle = int(ranked[0]), int(ranked[len(ranked) // 2])
    return [(lowest, "lowest share"), *([(middle, "median sample")] if middle != lowest else [])]


def keypoint_sheet(sample: Sample, role: str) -> KeypointSheet | None:
    """None where the sample has no keypoints, or no views."""
    own = sample.keypoints
    if own is None or not sample.views:
        return None
    panels: list[tuple[float, int, KeypointPanel]] = []
    for place, view in enumerate(sample.views):
        height, width = view.alpha.shape
        states = laid_on(view, own)
        pixels = view.camera.project(np.nan_to_num(own.points))
        with np.errstate(invalid="ignore"):
            seen = np.asarray(((pixels >= 0) & (pixels < [width, height])).all(axis=1))
        within: list[bool] = (seen & np.isfinite(own.points).all(axis=1)).tolist()
        marks = [
            Mark(name, round(float(x), 2), round(float(y), 2), state)
            for name, (x, y), state, inside in zip(own.names, pixels, states, within, strict=True)
            if inside
        ]
        on, off = states.count("on"), states.count("off")
        image = image_uri(on_ground(colours_or_grey(view), view.alpha, _SIDE))
        words = _words(own.names, states, within)
        edge = path_data(edge_lines(view.alpha))
        if len(marks) > _MOST_MARKS:
            words += f"; {len(marks) - _MOST_MARKS:,} more are not drawn"
            marks = sorted(marks, key=lambda mark: mark.state != "off")[:_MOST_MARKS]
        panel = KeypointPanel(view.name, width, height, image, edge, tuple(marks), off <= _MOST_NAMES, words)
        panels.append((on / (on + off) if on + off else 1.0, place, panel))
    shown = sorted(sorted(panels, key=lambda one: one[:2])[:_MOST_VIEWS], key=lambda one: one[1])
    lost = [name for name, point in zip(own.names, own.points, strict=True) if not np.isfinite(point).all()]
    return KeypointSheet(sample.id, role, [panel for _, _, panel in shown], first_few(lost, _MOST_LISTED))


def _words(names: Sequence[str], states: Sequence[Laid], within: Sequence[bool]) -> str:
    on, off = states.count("on"), states.count("off")
    if not on + off:
        return "not compared: the subject is cut"
    told = list(zip(names, states, within, strict=True))
    apart = {
        "off": [name for name, state, inside in told if state == "off" and inside],
        "outside the image": [name for name, state, inside in told if state == "off" and not inside],
    }
    said = "".join(f"; {where}: {first_few(some, _MOST_LISTED)}" for where, some in apart.items() if some)
    return f"{on} of {on + off} on the alpha{said}"
