"""The options of `prepare_dataset` and of the command line. `--help` reads them: nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mouselift.framing.framing import Framing
    from mouselift.prepare.recipe import Recipe, Selection, Split


@dataclass(frozen=True)
class PrepareOptions:
    """How frames are framed, which of them become samples, and what is done where one cannot."""

    preset: Literal["per-sample", "per-view", "canonical", "legacy"] = "per-sample"
    """per-sample: one scale for all views of a sample. per-view: every view fills the frame alike. canonical: cameras
    turned to the subject, same pixels per millimetre in all views. legacy: the old bug, for comparisons only."""
    size: int = 512
    """Pixels a side, of the images that are written."""
    fill: float = 0.6
    """Wanted size of the subject, as a share of the frame."""
    fill_measure: Literal["area", "bbox"] = "area"
    """sqrt(mask area / frame area), or longest side / frame side."""
    margin: float = 0.025
    """Share of the frame kept free at each side."""
    aim: Literal["crop", "look-at"] | None = None
    """Instead of the preset's: shift the principal point (crop) or turn the camera to the subject (look-at)."""
    zoom: Literal["scale", "focal", "magnification"] | None = None
    """Instead of the preset's: the quantity that is equal over the scope."""
    scope: Literal["view", "sample", "dataset"] | None = None
    """Instead of the preset's: over what the zoom is equal. `dataset` reads all masks once, first."""
    world: Literal["distance", "extent", "none"] | None = None
    """Instead of the preset's: how each sample's world is scaled."""
    every: int = 1
    """Take every n-th frame."""
    frames: tuple[int, ...] = ()
    """Exactly these frames, counted from 0: --frames 786 1103."""
    start: int = 0
    """First frame."""
    stop: int | None = None
    """One past the last frame."""
    jumps: tuple[int, ...] = ()
    """Frames at which the recording jumps (besides those in capture.toml): left out."""
    val: float = 0.1
    """Share of the samples that validate."""
    val_blocks: int = 4
    """In how many contiguous runs."""
    gap: int | None = None
    """Frames between a training and a validation sample (default: half a second)."""
    on_missing: Literal["drop", "keep", "fail"] = "drop"
    """A view without image or mask, or with an empty mask: drop the sample, keep it without that view, or fail."""
    on_cut: Literal["drop", "keep", "fail"] = "drop"
    """A mask that touches the sensor's border: drop the sample, keep it, or fail."""
    speck: float = 0.01
    """Mask parts smaller than this share of the largest are removed as noise."""
    background: tuple[int, int, int] | None = None
    """RGB levels behind the subject; transparent by default."""
    interpolation: Literal["linear", "cubic", "quintic"] = "quintic"
    """See docs/concepts/resampling.md for the measurements behind the default."""

    def framing(self) -> Framing:
        """The preset with what is changed. FramingError for sizes and shares out of range."""
        from mouselift.framing.framing import PRESETS

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

    def recipe(self) -> Recipe:
        """What decides a sample's bytes. CaptureError for levels and shares out of range."""
        from mouselift.prepare.recipe import Recipe

        return Recipe(self.framing(), self.interpolation, self.background, self.on_missing, self.on_cut, self.speck)

    def selection(self) -> Selection:
        """Which frames. CaptureError where the choices contradict each other."""
        from mouselift.prepare.recipe import Selection

        return Selection(self.every, self.frames, self.start, self.stop, self.jumps)

    def split(self) -> Split:
        """Which samples validate. CaptureError for shares and counts out of range."""
        from mouselift.prepare.recipe import Split

        return Split(self.val, self.val_blocks, self.gap)
