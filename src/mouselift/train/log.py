"""The log of a run: a line an update and a validation. No torch: pages read it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import msgspec

from mouselift.atomic import write_whole
from mouselift.run_lines import as_lines, whole_lines

DESCRIPTION, LOG = "train.json", "log.jsonl"
LAST, BEST = "last.safetensors", "best.safetensors"  # weights
PICTURES = "validation"  # folder in the run's


class LogLine(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One update, or one validation."""

    update: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]  # finished, so from 1
    kind: str = "update"
    loss: float | None = None  # weighted
    parts: dict[str, float] = {}  # unweighted
    views: dict[str, float] = {}  # each target camera's weighted loss; of a validation its foreground PSNR
    rate: float | None = None
    norm: float | None = None  # of the gradient before clipping
    taken: bool = True  # False: the gradient was not finite
    covered: float | None = None  # mean alpha drawn over that of the targets
    seconds: float | None = None
    waited: float | None = None  # of these seconds, for data
    psnr: float | None = None  # dB, held-out views, foreground
    iou: float | None = None

    @property
    def merit(self) -> float:
        """By which validations are compared: the foreground's PSNR for its squared error over the IoU, dB.

        The PSNR alone prefers a cloud in the subject's colour to an animal whose outline is a little off.
        """
        if self.psnr is None or not self.iou:
            return float("-inf")
        found = self.psnr + 10.0 * math.log10(self.iou)
        return found if math.isfinite(found) else float("-inf")


def read_log(folder: Path) -> list[LogLine]:
    """All whole lines."""
    return list(whole_lines(folder / LOG, LogLine))


def cut_log(folder: Path, update: int) -> None:
    """Forgets what was logged after `update`: those updates are made again."""
    kept = [line for line in read_log(folder) if line.update <= update]
    write_whole(folder / LOG, as_lines(kept), replace=True)


def append_log(folder: Path, line: LogLine) -> None:
    with (folder / LOG).open("ab") as file:
        file.write(as_lines([line]))
