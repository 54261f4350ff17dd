"""`mouselift prepare`: the main job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from mouselift.cli.console import EXIT_NO, EXIT_OK, emit_json, say, table
from mouselift.cli.flags import INLINE, CaptureFolder, Json, Workers
from mouselift.cli.progress_bar import progress_bar
from mouselift.findings import CODES
from mouselift.prepare.options import PrepareOptions

if TYPE_CHECKING:
    from mouselift.prepare.pipeline import PrepareSummary


@dataclass
class Prepare:
    """Make a model-ready dataset from a capture; every image is resampled once, with its camera.

    A killed run goes on where it stopped when the same command is given again, to the same bytes. A denser
    selection adds to a sparser one. Example: `mouselift prepare recordings/mouse7 out/mouse7 --every 5`
    """

    capture: CaptureFolder
    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """Dataset folder: new, or one that the same preparation began."""
    options: Annotated[PrepareOptions, INLINE] = PrepareOptions()
    workers: Workers = 0
    json: Json = False

    def run(self) -> int:
        from mouselift.capture.capture import load_capture
        from mouselift.prepare.pipeline import prepare_dataset

        capture = load_capture(self.capture)
        with progress_bar(self.json) as progress:
            summary = prepare_dataset(capture, self.out, self.options, workers=self.workers, progress=progress)
        if self.json:
            emit_json(summary)
        else:
            show(summary)
        return EXIT_OK if summary.kept else EXIT_NO


def show(summary: PrepareSummary) -> None:
    """The summary for a person."""
    for finding in summary.findings:
        say(f"{finding.severity}: {finding.message}", markup=False)
    rows = [["samples kept", str(summary.kept), f"{summary.made} frames worked on by this run"]]
    rows += [[f"  {split}", str(count), ""] for split, count in sorted(summary.splits.items())]
    rows += [[f"dropped: {code}", str(n), CODES[code].sentence] for code, n in sorted(summary.dropped.items())]
    rows += [[f"noticed: {code}", str(n), CODES[code].sentence] for code, n in sorted(summary.noticed.items())]
    table(f"{summary.out}: {summary.frames} frames selected", ["", "samples", " "], rows)
    if summary.scale:
        say(f"Scale: {summary.scale}", markup=False)
    if not summary.kept:
        say("No sample was kept; the table says why.", error=True)
