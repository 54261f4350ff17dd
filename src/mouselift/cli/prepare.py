"""`mouselift prepare`: the main job."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from mouselift.cli.console import EXIT_NO, EXIT_OK, emit_json, progress_bar, say, table
from mouselift.findings import CODES

if TYPE_CHECKING:
    from mouselift.framing.framing import Framing
    from mouselift.prepare.pipeline import Summary

Choice = Literal["drop", "keep", "fail"]


@dataclass
class Prepare:
    """Make a model-ready dataset from a capture; every image is resampled once, with its camera.

    A killed run goes on where it stopped when the same command is given again, to the same bytes. A denser
    selection adds to a sparser one. Example: `mouselift prepare recordings/mouse7 out/mouse7 --every 5`
    """

    capture: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="CAPTURE")]
    """Folder with a capture.toml (`mouselift init` writes one), or that file."""
    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """Dataset folder: new, or one that the same preparation began."""
    preset: Literal["per-sample", "per-view", "canonical", "legacy"] = "per-sample"
    """per-sample: one scale for all views of a sample. per-view: every view fills the frame alike. canonical: cameras
    turned to the subject, same pixels per millimetre in all views. legacy: the old bug, for comparisons only."""
    size: int = 512
    """Output pixels a side."""
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
    on_missing: Choice = "drop"
    """A view without image or mask, or with an empty mask: drop the sample, keep it without that view, or fail."""
    on_cut: Choice = "drop"
    """A mask that touches the sensor's border: drop the sample, keep it, or fail."""
    speck: float = 0.01
    """Mask parts smaller than this share of the largest are removed as noise."""
    background: tuple[int, int, int] | None = None
    """RGB levels behind the subject; transparent by default."""
    interpolation: Literal["linear", "cubic", "quintic"] = "quintic"
    """See docs/concepts/resampling.md for the measurements behind the default."""
    workers: int = 0
    """Processes; 0: one a core. The result does not depend on it."""
    json: bool = False
    """Print the summary as JSON on stdout, and nothing else there."""

    def run(self) -> int:
        from mouselift.capture.capture import load_capture
        from mouselift.prepare.pipeline import prepare
        from mouselift.prepare.recipe import Recipe
        from mouselift.prepare.select import Selection, Split

        recipe = Recipe(self.framing(), self.interpolation, self.background, self.on_missing, self.on_cut, self.speck)
        selection = Selection(self.every, self.frames, self.start, self.stop, self.jumps)
        split = Split(self.val, self.val_blocks, self.gap)
        capture = load_capture(self.capture)
        with progress_bar(self.json) as progress:
            summary = prepare(
                capture, self.out, recipe, selection, split, self.workers or os.cpu_count() or 1, progress
            )
        if self.json:
            emit_json(summary)
        else:
            show(summary)
        return EXIT_OK if summary.kept else EXIT_NO

    def framing(self) -> Framing:
        """The preset with what the command line changes."""
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


def show(summary: Summary) -> None:
    """The summary for a person."""
    for finding in summary.findings:
        say(f"[yellow]{finding.severity}[/]: ", error=False)
        say(finding.message, markup=False)
    rows = [["samples kept", str(summary.kept), f"{summary.made} frames worked on by this run"]]
    rows += [[f"  {split}", str(count), ""] for split, count in sorted(summary.splits.items())]
    rows += [[f"dropped: {code}", str(n), CODES[code].sentence] for code, n in sorted(summary.dropped.items())]
    rows += [[f"noticed: {code}", str(n), CODES[code].sentence] for code, n in sorted(summary.noticed.items())]
    table(f"{summary.out}: {summary.frames} frames selected", ["", "samples", " "], rows)
    if not summary.kept:
        say("No sample was kept; the table says why.", error=True)
