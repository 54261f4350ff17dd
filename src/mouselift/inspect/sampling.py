"""Which frames `inspect` reads: instants spread over the recording, each with the neighbours that lag needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

_PER_RUN = 5  # instants read in one go: neighbouring ones share their neighbours and the seek
_STRIDE = 2  # frames between them: an animal's outline hardly changes in one


@dataclass(frozen=True)
class Sampling:
    """`frames` are read in ascending order; `instants`, some of them, are judged."""

    frames: tuple[int, ...]
    instants: tuple[int, ...]
    reach: int  # neighbours that were read on either side of every instant; 0: there are none


def sample(available: Sequence[int], count: int, reach: int, jumps: Collection[int] = ()) -> Sampling:
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
            return Sampling(tuple(read), tuple(instants), reach)
    at = np.unique(np.linspace(0, len(numbers) - 1, min(count, len(numbers))).round().astype(int))
    alone = tuple(int(n) for n in numbers[at])
    return Sampling(alone, alone, 0)


def _with_neighbours(numbers: np.ndarray, reach: int, jumps: Collection[int]) -> np.ndarray:
    """Those whose `reach` neighbours on both sides exist."""
    breaks = np.diff(numbers) != 1
    breaks |= np.isin(numbers[1:], list(jumps))
    stretch = np.concatenate([[0], np.cumsum(breaks)])
    place = np.arange(len(numbers))
    good = (place >= reach) & (place < len(numbers) - reach)
    inner = place[good]
    return numbers[inner[stretch[inner - reach] == stretch[inner + reach]]]


def _runs(whole: np.ndarray, count: int) -> list[int]:
    """Short runs of instants, evenly spread."""
    if len(whole) <= count:
        return [int(n) for n in whole]
    runs = max(1, round(count / _PER_RUN))
    span = min(_STRIDE * _PER_RUN, max(len(whole) // runs, 1))
    stride = max(1, min(_STRIDE, span // _PER_RUN))
    starts = np.linspace(0, len(whole) - 1 - stride * (min(_PER_RUN, span) - 1), runs).round().astype(int)
    chosen = {int(whole[s + stride * k]) for s in starts for k in range(min(_PER_RUN, span))}
    return sorted(chosen)
