"""Which frames become samples, and which samples validate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import numpy as np

from mouselift.array_types import Array, Int64
from mouselift.dataset.splits import NEIGHBOUR_SECONDS, neighbour_finding
from mouselift.errors import CaptureError
from mouselift.findings import Finding
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.sample import sample_id

Role = Literal["train", "val", "gap"]
ROLES: tuple[Role, ...] = ("train", "val", "gap")
_FALLBACK_GAP_FRAMES = 10  # for sources that have no frame rate


def select_frames(options: PrepareOptions, available: Sequence[int]) -> Sequence[int]:
    """The selected ones of the available frames, ascending; those at which the recording jumps only where named.

    A range where they are evenly spaced in one. CaptureError where a named one does not exist, or nothing is left.
    """
    present = available if isinstance(available, range) else sorted(set(available))
    if not present:
        raise CaptureError("the recording has no frames")
    if options.frames:
        wrong = sorted(set(options.frames) - set(present))
        if wrong:
            raise CaptureError(
                f"--frames: {wrong[0]} is not a frame of this recording; it has {present[0]} .. {present[-1]}"
            )
        return sorted(set(options.frames))
    stop = present[-1] + 1 if options.stop is None else options.stop
    if present[-1] - present[0] + 1 == len(present):
        first = max(options.start, present[0])
        first += -(first - options.start) % options.every
        chosen = range(first, min(stop, present[-1] + 1), options.every)
    else:
        chosen = [frame for frame in present if options.start <= frame < stop][:: options.every]
    jumps = {frame for frame in options.jumps if frame in chosen}
    chosen = [frame for frame in chosen if frame not in jumps] if jumps else chosen
    if not chosen:
        raise CaptureError(
            f"the selection is empty: --every {options.every} --start {options.start} --stop {options.stop} of frames "
            f"{present[0]} .. {present[-1]}"
        )
    return chosen


def mask_flags(masked: Sequence[int], frames: Sequence[int]) -> str:
    """The flags that select the masked ones of `frames`, both ascending: "--every 60".

    "" where no flags do, or all of them are masked.
    """
    steps = {later - earlier for earlier, later in pairwise(masked)}
    if len(steps) != 1 or len(masked) == len(frames):
        return ""
    (every,) = steps
    flags = [f"--every {every}"] if every > 1 else []
    flags += [f"--start {masked[0]}"] if masked[0] != frames[0] or masked[0] % every else []
    flags += [f"--stop {masked[-1] + 1}"] if masked[-1] + every <= frames[-1] else []
    return " ".join(flags)


def sparse_masks(masked: Sequence[int], frames: Sequence[int]) -> list[Finding]:
    """Says how to select the frames that have masks, where `frames`, the selected ones, are others besides."""
    if isinstance(frames, range) and frames == masked:
        return []
    chosen: list[int] = np.intersect1d(np.fromiter(frames, np.int64), np.fromiter(masked, np.int64)).tolist()
    flags = mask_flags(chosen, frames)
    if not flags:
        return []
    text = (
        f"only {len(chosen)} of the {len(frames)} selected frames have masks, so {len(frames) - len(chosen)} cannot "
        f"become samples; `{flags}` selects just those with masks"
    )
    return [Finding.of("masks-sparse", text)]


class Roles(Mapping[int, Role]):
    """A role for each sample, which its source frame names: nine bytes each."""

    def __init__(self, frames: Int64[Array, " f"], codes: Array) -> None:
        """frames: ascending. codes: places in `ROLES`."""
        self.frames, self._codes = frames, codes

    def __getitem__(self, frame: int) -> Role:
        place = int(np.searchsorted(self.frames, frame))
        if place == len(self.frames) or self.frames[place] != frame:
            raise KeyError(frame)
        return ROLES[self._codes[place]]

    def __iter__(self) -> Iterator[int]:
        return map(int, self.frames)

    def __len__(self) -> int:
        return len(self.frames)

    def of(self, role: Role) -> Int64[Array, " r"]:
        """The frames that have it, ascending."""
        return self.frames[self._codes == ROLES.index(role)]


def assign_roles(options: PrepareOptions, frames: Sequence[int], rate: float = 0.0) -> Roles:
    """Validation is cut out of the recording in `val_blocks` contiguous runs, with a gap on either side.

    The gap is `gap` source frames; None: half a second, at most a quarter of a validation run. A jump is a gap too.
    """
    numbers = np.sort(np.fromiter(frames, dtype=np.int64))
    jumps_before = np.searchsorted(np.sort(np.asarray(options.jumps, dtype=np.int64)), numbers, side="right")
    train, val, gap_code = (ROLES.index(role) for role in ("train", "val", "gap"))
    codes = np.full(len(numbers), train, dtype=np.int8)
    for first, end in _validation_runs(options, len(numbers)):
        low, high = int(numbers[first]), int(numbers[end - 1])
        want = round(NEIGHBOUR_SECONDS * rate) if rate > 0 else _FALLBACK_GAP_FRAMES
        gap = options.gap if options.gap is not None else min(want, (high - low + 1) // 4)
        codes[first:end] = val
        # What is cut away comes off the training side, so that validation keeps its share.
        edge = np.where(numbers < low, first, end - 1)  # places
        near = (np.abs(numbers[edge] - numbers) <= gap) & (jumps_before[edge] == jumps_before)
        codes[near & (codes == train)] = gap_code
    return Roles(numbers, codes)


def gap_finding(options: PrepareOptions, roles: Roles, rate: float) -> list[Finding]:
    """Said where validation is nearer to training than half a second: the recording is too short, or `gap` says so.

    The same that an audit of the dataset says.
    """
    if len(roles) < 2:
        return []
    found = _near(roles, rate)
    if found is None:
        return []
    why = (
        "the gap was given"
        if options.gap is not None
        else "a longer gap would be more than a quarter of a validation run"
    )
    return [_near(roles, rate, f" ({why}; {_what_helps(options, roles, rate)})") or found]


def _near(roles: Roles, rate: float, more: str = "") -> Finding | None:
    val = {frame: sample_id(frame) for frame in roles.of("val").tolist()}
    return neighbour_finding(roles.of("train"), val, int(np.diff(roles.frames).min()), rate, more)


def _what_helps(options: PrepareOptions, roles: Roles, rate: float) -> str:
    """Options that keep samples apart and leave at least half of them to training: each was tried."""
    gap = max(int(np.diff(roles.frames).min()), round(NEIGHBOUR_SECONDS * rate))
    tries = {
        "fewer and longer runs: --val-blocks 1": replace(options, val_blocks=1),
        f"a longer gap: --gap {gap}": replace(options, gap=gap),
        f"one run and a longer gap: --val-blocks 1 --gap {gap}": replace(options, val_blocks=1, gap=gap),
    }
    for words, other in tries.items():
        tried = assign_roles(other, roles.frames.tolist(), rate)
        if len(tried.of("val")) and 2 * len(tried.of("train")) >= len(tried) and _near(tried, rate) is None:
            return words
    return "too few frames for both: validate on another recording, and train on all of this one with --val 0"


def _validation_runs(options: PrepareOptions, count: int) -> list[tuple[int, int]]:
    """Half-open index ranges: the end of each of `val_blocks` equal parts of the recording."""
    total = round(options.val * count)
    if total == 0:
        return []
    blocks = min(options.val_blocks, total)
    edges = np.round(np.linspace(0, count, blocks + 1)).astype(int)
    sizes = np.diff(np.round(np.linspace(0, total, blocks + 1)).astype(int))
    return [(int(end - size), int(end)) for (_, end), size in zip(pairwise(edges), sizes, strict=True)]
