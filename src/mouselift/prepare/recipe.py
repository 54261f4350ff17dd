"""What decides a dataset: how a frame is made into a sample, which frames are, and which samples validate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np

from mouselift.errors import CaptureError
from mouselift.framing.framing import DEFAULT_PRESET, PRESETS, Framing
from mouselift.geometry.outlines import SPECK_SHARE
from mouselift.prepare.filters import DEFAULT_INTERPOLATION, Interpolation

Policy = Literal["drop", "keep", "fail"]
_GAP_SECONDS = 0.5  # animals at rest move little in less; neighbouring frames would leak into validation
_FALLBACK_GAP_FRAMES = 10  # for sources that have no frame rate


@dataclass(frozen=True)
class Recipe:
    """How each frame is made into a sample. Two runs into one folder must agree in every field.

    `on_missing`: a view without image, without mask or with an empty one. `on_cut`: a mask that
    touches the sensor's border. Each: `drop` the sample, `keep` it (a missing view is left out of it,
    at least two must remain), or `fail`. Always counted in the manifest.
    """

    framing: Framing = field(default_factory=lambda: PRESETS[DEFAULT_PRESET])
    interpolation: Interpolation = DEFAULT_INTERPOLATION
    background: tuple[int, int, int] | None = None  # RGB levels composited; None: transparent
    on_missing: Policy = "drop"
    on_cut: Policy = "drop"
    speck: float = SPECK_SHARE  # mask parts smaller than this share of the largest are noise, and go

    def __post_init__(self) -> None:
        if not 0 <= self.speck < 1:
            raise CaptureError(f"--speck: expected a share in [0, 1), got {self.speck}")
        if self.background is not None and not all(0 <= level <= 255 for level in self.background):
            raise CaptureError(f"--background: expected three levels from 0 to 255, got {self.background}")


@dataclass(frozen=True)
class Selection:
    """Frames on the common timeline, counted from 0."""

    every: int = 1
    frames: tuple[int, ...] = ()  # exactly these; excludes `every`, `start` and `stop`
    start: int = 0
    stop: int | None = None  # one past the last; None: to the end
    jumps: tuple[int, ...] = ()  # frames at which the recording jumps: left out unless named in `frames`

    def __post_init__(self) -> None:
        if self.every < 1:
            raise CaptureError(f"--every: expected at least 1, got {self.every}")
        if self.start < 0 or (self.stop is not None and self.stop <= self.start):
            raise CaptureError(f"--start {self.start} --stop {self.stop}: expected 0 <= start < stop")
        if self.frames and (self.every != 1 or self.start or self.stop is not None):
            raise CaptureError("--frames names the frames one by one; leave --every, --start and --stop away")

    def of(self, available: Sequence[int]) -> list[int]:
        """The selected ones of the available frames, ascending. CaptureError where a named one does not exist."""
        present = sorted(set(available))
        if not present:
            raise CaptureError("the recording has no frames")
        if self.frames:
            wrong = sorted(set(self.frames) - set(present))
            if wrong:
                raise CaptureError(
                    f"--frames: {wrong[0]} is not a frame of this recording; it has {present[0]} .. {present[-1]}"
                )
            return sorted(set(self.frames))
        stop = present[-1] + 1 if self.stop is None else self.stop
        inside = [frame for frame in present if self.start <= frame < stop]
        dense = present[-1] - present[0] + 1 == len(present)
        chosen = [f for f in inside if (f - self.start) % self.every == 0] if dense else inside[:: self.every]
        chosen = [frame for frame in chosen if frame not in set(self.jumps)]
        if not chosen:
            raise CaptureError(
                f"the selection is empty: --every {self.every} --start {self.start} --stop {self.stop} of frames "
                f"{present[0]} .. {present[-1]}"
            )
        return chosen


@dataclass(frozen=True)
class Split:
    """Validation is cut out of the recording in `blocks` contiguous runs, with a gap on either side.

    gap: source frames between a training and a validation sample; None: half a second, at most a
    quarter of a validation run.
    """

    validation: float = 0.1  # share of the frames
    blocks: int = 4
    gap: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.validation <= 0.5:
            raise CaptureError(f"--val: expected a share from 0 to 0.5, got {self.validation}")
        if self.blocks < 1:
            raise CaptureError(f"--val-blocks: expected at least 1, got {self.blocks}")
        if self.gap is not None and self.gap < 0:
            raise CaptureError(f"--gap: expected at least 0 frames, got {self.gap}")

    def assign(
        self, frames: Sequence[int], jumps: Sequence[int] = (), rate: float = 0.0
    ) -> dict[int, Literal["train", "val", "gap"]]:
        """A role for each sample (named by its source frame, ascending). A jump is a gap of its own."""
        numbers = sorted(frames)
        roles: dict[int, Literal["train", "val", "gap"]] = dict.fromkeys(numbers, "train")
        for first, last in self._validation_runs(len(numbers)):
            low, high = numbers[first], numbers[last - 1]
            want = round(_GAP_SECONDS * rate) if rate > 0 else _FALLBACK_GAP_FRAMES
            gap = self.gap if self.gap is not None else min(want, (high - low + 1) // 4)
            roles.update(dict.fromkeys(numbers[first:last], "val"))
            # What is cut away comes off the training side, so that validation keeps its share.
            for frame in numbers:
                edge = low if frame < low else high
                if roles[frame] == "train" and abs(edge - frame) <= gap and not _jump_between(jumps, frame, edge):
                    roles[frame] = "gap"
        return roles

    def _validation_runs(self, count: int) -> list[tuple[int, int]]:
        """Half-open index ranges: the end of each of `blocks` equal parts of the recording."""
        total = round(self.validation * count)
        if total == 0:
            return []
        blocks = min(self.blocks, total)
        edges = np.round(np.linspace(0, count, blocks + 1)).astype(int)
        sizes = np.diff(np.round(np.linspace(0, total, blocks + 1)).astype(int))
        return [(int(end - size), int(end)) for (_, end), size in zip(pairwise(edges), sizes, strict=True)]


def _jump_between(jumps: Sequence[int], a: int, b: int) -> bool:
    low, high = min(a, b), max(a, b)
    return any(low < jump <= high for jump in jumps)
