"""What an evaluation knows of a view, a sample and a dataset."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
import numpy as np

from mouselift.reconstruct.metrics import ViewScores

Role = Literal["held-out", "input"]
ROLES: tuple[Role, ...] = ("held-out", "input")  # what counts comes first

FIGURES = ("foreground_psnr", "foreground_ssim", "iou", "psnr", "ssim", "lpips")
WORDS = {
    "foreground_psnr": "foreground PSNR, dB",
    "foreground_ssim": "foreground SSIM",
    "iou": "IoU",
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "lpips": "LPIPS",
}


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """A view and its figures. None: undefined (no subject, no mask), or no weights for LPIPS."""

    view: str
    role: Role
    foreground_psnr: float | None = None
    foreground_ssim: float | None = None
    iou: float | None = None
    psnr: float | None = None
    ssim: float | None = None
    lpips: float | None = None


def known_figures(scores: ViewScores) -> dict[str, float]:
    """Those that are defined, for a `Scored`."""
    values = {figure: getattr(scores, figure) for figure in FIGURES}
    return {figure: value for figure, value in values.items() if value is not None and not math.isnan(value)}


def mean_over(views: Iterable[Scored], figure: str, role: Role, view: str | None = None) -> float | None:
    """Over the views with that role (and name) whose figure is known; None where there is none."""
    wanted = (row for row in views if row.role == role and (view is None or row.view == view))
    known = [value for row in wanted if (value := getattr(row, figure)) is not None]
    return sum(known) / len(known) if known else None


class ViewRecord(Scored, frozen=True, kw_only=True):
    """One view of one reconstruction."""

    round: int  # which reconstruction of the sample, from 0


class SampleRecord(msgspec.Struct, frozen=True):
    """One sample: all its views, of all its reconstructions."""

    id: str
    made_from: str  # digest of its cameras file and, where they come from one, of its Gaussians' file
    gaussians: int  # of the first reconstruction
    seconds: float  # wall time of everything
    views: list[ViewRecord]

    def mean(self, figure: str, role: Role, view: str | None = None) -> float | None:
        """Over the views with that role (and name) whose figure is known; None where there is none."""
        return mean_over(self.views, figure, role, view)


class Mean(msgspec.Struct, frozen=True):
    """Of one figure: the mean over samples of each sample's mean over its views."""

    mean: float
    error: float | None  # standard error: of the samples' means, as if they were independent; None of one sample
    low: float  # smallest and largest sample
    high: float
    samples: int


class Group(msgspec.Struct, frozen=True):
    """Means of the views of one role, or of one view in that role."""

    role: Role
    view: str | None
    views: int  # images scored
    figures: dict[str, Mean]  # those that are known of any


def group_of(records: Sequence[SampleRecord], role: Role, view: str | None = None) -> Group | None:
    """None where no image has that role (and name)."""
    count = sum(row.role == role and (view is None or row.view == view) for r in records for row in r.views)
    if not count:
        return None
    figures = {}
    for figure in FIGURES:
        values = [value for record in records if (value := record.mean(figure, role, view)) is not None]
        if values:
            figures[figure] = _mean(values)
    return Group(role, view, count, figures)


def groups(records: Sequence[SampleRecord]) -> tuple[list[Group], list[Group]]:
    """(by role, by view and role), held-out first."""
    views = list(dict.fromkeys(row.view for record in records for row in record.views))
    roles = [group_of(records, role) for role in ROLES]
    each = [group_of(records, role, view) for role in ROLES for view in views]
    return [group for group in roles if group], [group for group in each if group]


def ranked(records: Sequence[SampleRecord]) -> list[SampleRecord]:
    """Worst first: by foreground PSNR of held-out views, of input views where none is held out; unknown last.

    By whole-image PSNR where no image has a mask.
    """
    role: Role = "held-out" if any(row.role == "held-out" for record in records for row in record.views) else "input"
    masked = any(record.mean("foreground_psnr", role) is not None for record in records)
    figure = "foreground_psnr" if masked else "psnr"

    def key(record: SampleRecord) -> tuple[bool, float, str]:
        value = record.mean(figure, role)
        return value is None, 0.0 if value is None else value, record.id

    return sorted(records, key=key)


def _mean(values: Sequence[float]) -> Mean:
    array = np.array(values)
    error = float(array.std(ddof=1) / np.sqrt(len(array))) if len(array) > 1 else None
    return Mean(float(array.mean()), error, float(array.min()), float(array.max()), len(array))
