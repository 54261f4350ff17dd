"""Which frames `inspect` reads, and what it keeps of each.

Instants are spread over the recording, each with the neighbours that lag needs. Frames are read once, in order; of each
view the outline is kept that is measured later, and no pixels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from mouselift.array_types import Array, Float64, Levels
from mouselift.errors import LensFoldError
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import HALF_LEVEL, SPECK_SHARE, Outline, outline_of
from mouselift.geometry.tangent_planes import rays_at_depth_one
from mouselift.media.images import FrameSet
from mouselift.sampling import evenly_spaced

_PER_RUN = 5  # instants read in one go: neighbouring ones share their neighbours and the seek
_STRIDE = 2  # frames between them: an animal's outline hardly changes in one
_DIRECTIONS = 16  # in which an outline's reach is compared from frame to frame


@dataclass(frozen=True)
class ChosenFrames:
    """`frames` are read in ascending order; `instants`, some of them, are measured."""

    frames: tuple[int, ...]
    instants: tuple[int, ...]
    reach: int  # neighbours that were read on either side of every instant; 0: there are none


def choose_frames(
    available: Sequence[int], count: int, reach: int, jumps: Collection[int] = (), fewest: int = 1
) -> ChosenFrames:
    """About `count` instants over the `available` frames (ascending).

    Where the recording has `fewest` of them, every instant comes with `reach` consecutive frames on both sides (for
    lag), none of them across a jump (`jumps`: the first frames after it). Else reach is 0 and the instants stand alone:
    with neighbours, only the middle of a short recording would be looked at.
    """
    numbers = np.asarray(available, dtype=np.int64)
    if reach > 0:
        whole = _with_neighbours(numbers, reach, jumps)
        if whole.size >= min(fewest, count):
            instants = _runs(whole, count)
            read = sorted({frame for at in instants for frame in range(at - reach, at + reach + 1)})
            return ChosenFrames(tuple(read), tuple(instants), reach)
    alone = tuple(evenly_spaced(numbers.tolist(), count))
    return ChosenFrames(alone, alone, 0)


def runs_of(chosen: ChosenFrames) -> list[list[int]]:
    """The frames, cut where no window of an instant lies across; frames that stand alone some at a time."""
    edges = [at for at in range(1, len(chosen.frames)) if chosen.frames[at] != chosen.frames[at - 1] + 1]
    if chosen.reach == 0:
        edges = list(range(_PER_RUN, len(chosen.frames), _PER_RUN))
    bounds = [0, *edges, len(chosen.frames)]
    return [list(chosen.frames[low:high]) for low, high in pairwise(bounds) if high > low]


def _with_neighbours(numbers: np.ndarray, reach: int, jumps: Collection[int]) -> np.ndarray:
    """Those whose `reach` neighbours on both sides exist."""
    breaks = (np.diff(numbers) != 1) | np.isin(numbers[1:], list(jumps))
    stretch = np.concatenate([[0], np.cumsum(breaks)])
    inner = np.arange(reach, len(numbers) - reach)
    return numbers[inner[stretch[inner - reach] == stretch[inner + reach]]]


def _runs(whole: np.ndarray, count: int) -> list[int]:
    """Short runs of instants, evenly spread."""
    if len(whole) <= count:
        return whole.tolist()
    runs = max(1, round(count / _PER_RUN))
    span = min(_STRIDE * _PER_RUN, max(len(whole) // runs, 1))
    stride = max(1, min(_STRIDE, span // _PER_RUN))
    starts = np.linspace(0, len(whole) - 1 - stride * (min(_PER_RUN, span) - 1), runs).round().astype(int)
    chosen = {int(whole[s + stride * k]) for s in starts for k in range(min(_PER_RUN, span))}
    return sorted(chosen)


@dataclass(frozen=True, eq=False)
class ViewOutline:
    """One view's outline, and the rays through its convex corners."""

    camera: Camera
    outline: Outline
    rays: Float64[Array, "m 3"]  # world, z = 1 in the camera
    parts: int  # components of at least SPECK_SHARE x the largest


@dataclass(frozen=True, eq=False)
class FrameOutlines:
    """One instant, views in the order of the source's cameras."""

    frame: int
    views: tuple[ViewOutline | None, ...]  # None: no mask, an empty one, or outside the lens
    states: tuple[str, ...]  # ok | empty | no-mask | no-image | outside-lens


def read_outlines(framesets: Iterator[FrameSet], names: Sequence[str]) -> Iterator[tuple[FrameOutlines, FrameSet]]:
    """Every frame set with its outlines; a view that a sample lacks counts as `no-image`."""
    for frameset in framesets:
        known = {view.camera.name: view_outline(view.camera, view.mask) for view in frameset.views}
        seen = [known.get(name, (None, "no-image")) for name in names]
        views, states = tuple(view for view, _ in seen), tuple(state for _, state in seen)
        yield FrameOutlines(frameset.frame, views, states), frameset


def view_outline(camera: Camera, mask: Levels | None) -> tuple[ViewOutline | None, str]:
    """(the outline as rays, state)."""
    if mask is None:
        return None, "no-mask"
    parts, specks = _parts(mask)
    # Whole-image components are dear: specks are looked for in the crop, and removed only where there are any.
    outline = outline_of(mask, SPECK_SHARE if specks else 0.0)
    if outline is None:
        return None, "empty"
    try:
        rays = rays_at_depth_one(camera, outline.convex)
    except LensFoldError:
        return None, "outside-lens"
    return ViewOutline(camera, outline, rays, parts), "ok"


def _parts(mask: Levels) -> tuple[int, bool]:
    """(components of at least SPECK_SHARE x the largest, whether there are smaller ones)."""
    x, y, w, h = cv2.boundingRect(mask)
    inside = (mask[y : y + h, x : x + w] >= HALF_LEVEL).astype(np.uint8)
    if not inside.any():
        return 0, False
    count, _, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    areas = np.asarray(stats)[1:count, cv2.CC_STAT_AREA]
    large = int((areas >= SPECK_SHARE * areas.max()).sum())
    return large, large < len(areas)


def motion_a_frame(window: Sequence[FrameOutlines]) -> float | None:
    """Pixels a frame that the outline moves over consecutive frames: RMS change of its reach in 16 directions, median
    view; None for a single frame, and where no view knows.

    From end to end: from one frame to the next, the masks' own flicker would pass for motion.
    """
    angle = np.arange(_DIRECTIONS) * 2 * np.pi / _DIRECTIONS
    directions = np.stack([np.cos(angle), np.sin(angle)])
    reaches = [
        [None if view is None else (view.outline.convex @ directions).max(axis=0) for view in frame.views]
        for frame in (window[0], window[-1])
    ]
    moved = [
        float(np.sqrt(np.mean((late - early) ** 2)))
        for early, late in zip(*reaches, strict=True)
        if early is not None and late is not None
    ]
    steps = len(window) - 1
    return float(np.median(moved)) / steps if moved and steps else None
