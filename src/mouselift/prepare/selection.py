"""Which frames become samples, and which samples validate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

from mouselift.dataset.splits import NEIGHBOUR_SECONDS, neighbour_finding
from mouselift.errors import CaptureError
from mouselift.findings import Finding
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.sample import sample_id

Role = Literal["train", "val", "gap"]
_FALLBACK_GAP_FRAMES = 10  # for sources that have no frame rate


def select_frames(options: PrepareOptions, available: Sequence[int]) -> list[int]:
    """The selected ones of the available frames, ascending; those at which the recording jumps only where named.

    CaptureError where a named one does not exist, or nothing is left.
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
    inside = [frame for frame in present if options.start <= frame < stop]
    dense = present[-1] - present[0] + 1 == len(present)
    chosen = [f for f in inside if (f - options.start) % options.every == 0] if dense else inside[:: options.every]
    jumps = set(options.jumps)
    chosen = [frame for frame in chosen if frame not in jumps]
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
    chosen: list[int] = np.intersect1d(frames, masked).tolist()
    flags = mask_flags(chosen, frames)
    if not flags:
        return []
    text = (
        f"only {len(chosen)} of the {len(frames)} selected frames have masks, so {len(frames) - len(chosen)} cannot "
        f"become samples; `{flags}` selects just those with masks"
    )
    return [Finding.of("masks-sparse", text)]


def assign_roles(options: PrepareOptions, frames: Sequence[int], rate: float = 0.0) -> dict[int, Role]:
    """A role for each sample, which its source frame names.

    Validation is cut out of the recording in `val_blocks` contiguous runs, with a gap on either side: `gap` source
    frames; None: half a second, at most a quarter of a validation run. A jump is a gap of its own.
    """
    numbers = sorted(frames)
    roles: dict[int, Role] = dict.fromkeys(numbers, "train")
    for first, last in _validation_runs(options, len(numbers)):
        low, high = numbers[first], numbers[last - 1]
        want = round(NEIGHBOUR_SECONDS * rate) if rate > 0 else _FALLBACK_GAP_FRAMES
        gap = options.gap if options.gap is not None else min(want, (high - low + 1) // 4)
        roles.update(dict.fromkeys(numbers[first:last], "val"))
        # What is cut away comes off the training side, so that validation keeps its share.
        for frame in numbers:
            edge = low if frame < low else high
            if roles[frame] == "train" and abs(edge - frame) <= gap and not _jump_between(options.jumps, frame, edge):
                roles[frame] = "gap"
    return roles


def gap_finding(options: PrepareOptions, roles: Mapping[int, Role], rate: float) -> list[Finding]:
    """Said where validation is nearer to training than half a second: the recording is too short, or `gap` says so.

    The same that an audit of the dataset says.
    """
    frames = sorted(roles)
    if len(frames) < 2:
        return []
    train = [frame for frame in frames if roles[frame] == "train"]
    val = {frame: sample_id(frame) for frame in frames if roles[frame] == "val"}
    why = (
        "the gap was given"
        if options.gap is not None
        else "a longer gap would be more than a quarter of a validation run"
    )
    more = f" ({why}; fewer and longer runs: --val-blocks 1)"
    found = neighbour_finding(train, val, int(np.diff(frames).min()), rate, more)
    return [] if found is None else [found]


def _validation_runs(options: PrepareOptions, count: int) -> list[tuple[int, int]]:
    """Half-open index ranges: the end of each of `val_blocks` equal parts of the recording."""
    total = round(options.val * count)
    if total == 0:
        return []
    blocks = min(options.val_blocks, total)
    edges = np.round(np.linspace(0, count, blocks + 1)).astype(int)
    sizes = np.diff(np.round(np.linspace(0, total, blocks + 1)).astype(int))
    return [(int(end - size), int(end)) for (_, end), size in zip(pairwise(edges), sizes, strict=True)]


def _jump_between(jumps: Sequence[int], a: int, b: int) -> bool:
    low, high = min(a, b), max(a, b)
    return any(low < jump <= high for jump in jumps)
