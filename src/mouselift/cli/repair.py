"""`mouselift repair`: cameras that agree with their images again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from mouselift.cli.console import EXIT_NO, EXIT_OK, emit_json, say, table
from mouselift.cli.flags import INLINE, Dataset, EngineAt, Json, Workers
from mouselift.cli.progress_bar import progress_bar
from mouselift.repair.options import RepairOptions

if TYPE_CHECKING:
    from mouselift.repair.dataset import RepairSummary

_SAID = 3  # of the rig's sentences, the commonest: all of them stand in the manifest


@dataclass
class Repair:
    """Copy a dataset with corrected cameras; pixels stay as they are, byte for byte.

    Each sample's cause is found from its silhouettes (as `mouselift audit` names it) and undone in the cameras: lost
    scales and shifts, stretched images, swapped views, wrong conventions, moved centres. Samples in order stay as
    they are; what silhouettes do not determine is refused with the reason, and left out of the lists. Original values
    stay in each file under "mouselift.repair". An interrupted run goes on when the same command is given again.
    Example: `mouselift repair data/old data/repaired`
    """

    dataset: Dataset
    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """New folder, or one that the same repair began."""
    options: Annotated[RepairOptions, INLINE] = RepairOptions()
    workers: Workers = 0
    engine: EngineAt = "local"
    json: Json = False

    def run(self) -> int:
        from mouselift.parallel import engine_at
        from mouselift.repair.dataset import repair_dataset

        with progress_bar(self.json) as progress, engine_at(self.engine, self.workers) as engine:
            summary = repair_dataset(self.dataset, self.out, self.options, engine=engine, progress=progress)
        if self.json:
            emit_json(summary)
        else:
            show(summary)
        return EXIT_NO if summary.refused else EXIT_OK


def show(summary: RepairSummary) -> None:
    """The summary for a person."""
    from mouselift.run_lines import MANIFEST

    rows = [
        ["in order, copied as they were", str(summary.good), ""],
        ["repaired", str(summary.repaired), _change(summary)],
        ["refused, copied as they were", str(summary.refused), "left out of the list files" if summary.refused else ""],
    ]
    rows += [[f"cause: {code}", str(count), ""] for code, count in sorted(summary.causes.items())]
    table(f"{summary.out}: {summary.samples} samples", ["", "samples", " "], rows)
    if summary.pooled:
        say(f"All samples: {summary.pooled}")
    for said, count in sorted(summary.rig.items(), key=lambda item: -item[1])[:_SAID]:
        say(f"Rig, {count} samples: {said}")
    if summary.keypoints_left_out:
        say(
            f"Keypoints left out of {summary.keypoints_left_out} samples: all of their cameras were moved, so their "
            "world has another scale than the recording's now"
        )
    for refusal in summary.refusals:
        say(refusal)
    if more := summary.refused - len(summary.refusals):
        say(f"and {more} more: {Path(summary.out) / MANIFEST}")


def _change(summary: RepairSummary) -> str:
    before, after = summary.residual_before_px, summary.residual_after_px
    if before is None or after is None:
        return ""
    return f"tangency {before:.2f} -> {after:.2f} px (medians)"
