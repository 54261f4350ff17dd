"""The options of `prepare_dataset` and of the command line. `--help` reads them: nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from mouselift.errors import CaptureError
from mouselift.framing.framing import PRESETS, Aim, FillMeasure, Framing, Preset, Quantity, Scope, WorldScale
from mouselift.ranges import SHARDS, Count, Frame, Frames, OptionalFrame, Range, Ranged, Side

Policy = Literal["drop", "keep", "fail"]
Interpolation = Literal["linear", "cubic", "quintic"]


@dataclass(frozen=True)
class Shard:
    """One of `count` equal parts of a capture, or of a collection; `index` counts from 0. CaptureError for others."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise CaptureError(f"shard: expected an index from 0 to count - 1, got {self.index} of {self.count}")
        SHARDS.check("shard", self.count)

    @property
    def name(self) -> str:
        """As in the names of its files."""
        return f"{self.index}-of-{self.count}"

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str]) -> Shard:
        """ "3/8", or "slurm": the task of the job array that the environment tells. CaptureError for any other."""
        if text == "slurm":
            return cls._of_slurm(environment)
        index, _, count = text.partition("/")
        if not (_is_count(index) and _is_count(count) and int(index) < int(count)):
            raise CaptureError(f"--shard: expected I/N with I from 0 to N - 1 (0/8 is the first of 8), got {text!r}")
        return cls(int(index), int(count))

    @classmethod
    def _of_slurm(cls, environment: Mapping[str, str]) -> Shard:
        names = [f"SLURM_ARRAY_TASK_{end}" for end in ("ID", "COUNT", "MIN", "MAX")]
        found = [environment.get(name, "") for name in names]
        if not all(map(_is_count, found)):
            raise CaptureError(f"--shard slurm: expected a Slurm job array (sbatch --array=0-7), {names[0]} is not set")
        index, count, low, high = map(int, found)
        if (low, high) != (0, count - 1):
            raise CaptureError(
                f"--shard slurm: expected an array from 0 without gaps (as --array=0-15), got {count} tasks from {low} "
                f"to {high}. To make up for a part, give the whole array again: what is made stays; or say which "
                f"part it is of how many: --shard {index}/N"
            )
        return cls(index, count)


def _is_count(text: str) -> bool:
    return text.isdecimal() and len(text) < 20  # Python reads no number of thousands of digits


@dataclass(frozen=True)
class PrepareOptions(Ranged):
    """How frames are framed, which of them become samples, and what is done where one cannot.

    OptionError for numbers out of range.
    """

    preset: Preset = "per-sample"
    """per-sample: one scale for all views of a sample. per-view: every view fills the frame alike. canonical: cameras
    turned to the subject, same pixels per millimetre in all views. legacy: the old bug, for comparisons only."""
    size: Side = 512
    """Pixels a side, of the images that are written."""
    fill: Annotated[float, Range(0.01, 1.0)] = 0.6
    """Wanted size of the subject, as a share of the frame."""
    fill_measure: FillMeasure = "area"
    """sqrt(mask area / frame area), or longest side / frame side."""
    margin: Annotated[float, Range(0.0, 0.49)] = 0.025
    """Share of the frame kept free at each side."""
    aim: Aim | None = None
    """Instead of the preset's: shift the principal point (crop) or turn the camera to the subject (look-at)."""
    zoom: Quantity | None = None
    """Instead of the preset's: the quantity that is equal over the scope."""
    scope: Scope | None = None
    """Instead of the preset's: over what the zoom is equal. `dataset` reads all masks once, first."""
    world: WorldScale | None = None
    """Instead of the preset's: how each sample's world is scaled."""
    every: Count = 1
    """Take every n-th frame."""
    frames: Frames = ()
    """Exactly these frames, counted from 0: --frames 786 1103."""
    start: Frame = 0
    """First frame."""
    stop: OptionalFrame = None
    """One past the last frame."""
    jumps: Frames = ()
    """Frames at which the recording jumps (besides those in capture.toml): left out."""
    val: Annotated[float, Range(0.0, 0.5)] = 0.1
    """Share of the samples that validate."""
    val_blocks: Count = 4
    """In how many contiguous runs."""
    gap: OptionalFrame = None
    """Frames between a training and a validation sample (default: half a second)."""
    on_missing: Policy = "drop"
    """A view without image or mask, or with an empty mask: drop the sample, keep it without that view, or fail."""
    on_cut: Policy = "drop"
    """A mask that touches the sensor's border: drop the sample, keep it, or fail."""
    speck: Annotated[float, Range(0.0, 0.99)] = 0.01
    """Mask parts smaller than this share of the largest are removed as noise."""
    background: Annotated[tuple[int, int, int] | None, Range(0, 255)] = None
    """RGB levels behind the subject; transparent by default."""
    interpolation: Interpolation = "quintic"
    """See docs/concepts/resampling.md for the measurements behind the default."""

    def framing(self) -> Framing:
        """The preset with what is changed."""
        preset = PRESETS[self.preset]
        zoom = replace(preset.zoom, quantity=self.zoom or preset.zoom.quantity, scope=self.scope or preset.zoom.scope)
        return replace(
            preset,
            aim=self.aim or preset.aim,
            zoom=zoom,
            world=self.world or preset.world,
            size=self.size,
            margin=self.margin,
            fill=self.fill,
            fill_measure=self.fill_measure,
        )

    def check(self) -> None:
        """CaptureError for choices that contradict each other."""
        if self.stop is not None and self.stop <= self.start:
            raise CaptureError(f"--start {self.start} --stop {self.stop}: expected start < stop")
        if self.frames and (self.every != 1 or self.start or self.stop is not None):
            raise CaptureError("--frames names the frames one by one; leave --every, --start and --stop away")
