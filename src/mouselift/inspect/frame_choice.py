"""Which frames `inspect` reads: instants spread over the recording, each with the neighbours that lag needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from mouselift.capture.source import CaptureSource, Track
from mouselift.dataset.source import DatasetSource
from mouselift.media.images import ImageFolder
from mouselift.sampling import evenly_spaced

_PER_RUN = 5  # instants read in one go: neighbouring ones share their neighbours and the seek
_STRIDE = 2  # frames between them: an animal's outline hardly changes in one


@dataclass(frozen=True)
class ChosenFrames:
    """`frames` are read in ascending order; `instants`, some of them, are measured."""

    frames: tuple[int, ...]
    instants: tuple[int, ...]
    reach: int  # neighbours that were read on either side of every instant; 0: there are none


def choose_frames(available: Sequence[int], count: int, reach: int, jumps: Collection[int] = ()) -> ChosenFrames:
    """About `count` instants over the `available` frames (ascending).

    Where the recording has them, every instant comes with `reach` consecutive frames on both sides (for lag), none
    of them across a jump (`jumps`: the first frames after it). Else reach is 0 and the instants stand alone.
    """
    numbers = np.asarray(available, dtype=np.int64)
    if reach > 0:
        whole = _with_neighbours(numbers, reach, jumps)
        if whole.size:
            instants = _runs(whole, count)
            read = sorted({frame for at in instants for frame in range(at - reach, at + reach + 1)})
            return ChosenFrames(tuple(read), tuple(instants), reach)
    alone = tuple(evenly_spaced(numbers.tolist(), count))
    return ChosenFrames(alone, alone, 0)


def _with_neighbours(numbers: np.ndarray, reach: int, jumps: Collection[int]) -> np.ndarray:
    """Those whose `reach` neighbours on both sides exist."""
    breaks = np.diff(numbers) != 1
    breaks |= np.isin(numbers[1:], list(jumps))
    stretch = np.concatenate([[0], np.cumsum(breaks)])
    index = np.arange(len(numbers))
    good = (index >= reach) & (index < len(numbers) - reach)
    inner = index[good]
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


def masked_frames(source: CaptureSource | DatasetSource) -> list[int]:
    """Frames for which every camera that has masks has one; empty where no camera has any."""
    if isinstance(source, DatasetSource):
        return list(source.frames)
    tracks = [track.masks for track in source.tracks if track.masks is not None]
    if not tracks:
        return []
    sets = [mask_numbers(track) for track in tracks]
    common = set(source.frames).intersection(*sets)
    return sorted(common or set(source.frames).intersection(sets[0].union(*sets)))


def mask_numbers(track: Track) -> set[int]:
    """Frames of the common timeline for which the track has a file's image."""
    if isinstance(track.media, ImageFolder):
        return {number - track.shift for number in track.media.files}
    return set(range(-track.shift, track.end))
