"""What a run leaves: the names of its files, each sample's record, means and tables.

No torch here: `mouselift view` and the pages read such folders too.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

RECONSTRUCTION, METRICS_CSV = "reconstruction.json", "metrics.csv"  # of all samples that were reconstructed
EVALUATION, VIEWS_CSV, SAMPLES_CSV = "evaluation.json", "views.csv", "samples.csv"  # of all that were evaluated
SPLATS, CAMERAS, METRICS, PAGE = "gaussians.ply", "cameras.json", "metrics.json", "index.html"  # of each
VIDEO, STILLS, SHEET = "turntable.mp4", "turntable.jpg", "sheet.jpg"
RENDERS = "renders"

Role = Literal["held-out", "input"]
ROLES: tuple[Role, ...] = ("held-out", "input")  # what counts comes first

WORDS = {
    "foreground_psnr": "foreground PSNR, dB",
    "foreground_ssim": "foreground SSIM",
    "iou": "IoU",
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "lpips": "LPIPS",
}
FIGURES = tuple(WORDS)
SCORES = FIGURES[:-1]  # those that need no weights: none come with mouselift

Means = dict[Role, dict[str, float | None]]


ARTEFACTS = {  # of `reconstruct.artefacts`: what each is called
    "needles": "needles, share of opacity",
    "effective_rank": "effective rank, mean",
    "floaters": "outside the visual hull, share of opacity",
    "outside": "alpha outside the hull's silhouette, orbit views",
}


class Artefacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of one reconstruction's Gaussians. None: not known (nothing opaque, or no hull)."""

    needles: float | None = None  # 0..1
    effective_rank: float | None = None  # 1..3, weighted by opacity
    floaters: float | None = None  # 0..1
    outside: float | None = None  # 0..1


class ViewRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One view of one reconstruction and its figures (`reconstruct.metrics`).

    None: undefined (no subject, no mask), or no weights for LPIPS.
    """

    view: str
    role: Role
    foreground_psnr: float | None = None
    foreground_ssim: float | None = None
    iou: float | None = None
    psnr: float | None = None
    ssim: float | None = None
    lpips: float | None = None
    place: int  # in the sample's file: renders/cam_<place>.png
    round: int = 0  # which reconstruction of the sample

    def figures(self, names: Sequence[str]) -> list[float | None]:
        """These of its figures, in their order."""
        return [getattr(self, name) for name in names]


class SampleRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One sample: all its views, of all its reconstructions."""

    id: str
    source: str  # the sample's folder
    cameras: str  # sha256 of its cameras file
    gaussians_file: str = ""  # sha256 of the file that its Gaussians were read from
    notes: tuple[str, ...] = ()  # what the reader of that file left out, assumed or did not use; camera colours
    network: str  # what made the Gaussians, in words
    filter: str = "none"  # of gaussians.filters.FILTERS
    side: int  # pixels a side that the network got
    views: list[ViewRecord]
    artefacts: Artefacts | None = None  # of the first reconstruction; None: not asked for
    made: int  # Gaussians of the first reconstruction
    kept: int  # of them, that were drawn
    not_finite: int = 0  # left out because no viewer can show them
    seconds: float  # wall, of the network's passes or of reading
    total_seconds: float = 0.0  # wall, with drawing and scoring

    def mean(self, figure: str, role: Role, view: str | None = None) -> float | None:
        """Over the views with that role (and name) whose figure is known; None where there is none."""
        wanted = (row for row in self.views if row.role == role and (view is None or row.view == view))
        known = [value for row in wanted if (value := getattr(row, figure)) is not None]
        return sum(known) / len(known) if known else None

    @property
    def roles(self) -> list[Role]:
        """Those that its views have, held-out first."""
        return [role for role in ROLES if any(view.role == role for view in self.views)]

    @property
    def means(self) -> Means:
        """role -> score -> mean over its views."""
        return {role: {score: self.mean(score, role) for score in SCORES} for role in self.roles}


def sides_of(records: Sequence[SampleRecord]) -> str:
    """The size at which they were drawn and scored; scores of one size say little about another."""
    sides = sorted({record.side for record in records})
    return f"{sides[0]} px" if len(sides) == 1 else f"{sides[0]} to {sides[-1]} px"


class Mean(msgspec.Struct, frozen=True):
    """Of one figure: the mean over samples of each sample's mean over its views."""

    mean: float
    error: float | None  # standard error: of the samples' means, as if they were independent; None of one sample
    low: float  # smallest and largest sample
    high: float
    samples: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        array = np.array(values)
        error = float(array.std(ddof=1) / np.sqrt(len(array))) if len(array) > 1 else None
        return cls(float(array.mean()), error, float(array.min()), float(array.max()), len(array))


class Group(msgspec.Struct, frozen=True):
    """Means of the views of one role, or of one view in that role."""

    role: Role
    view: str | None
    views: int  # images scored
    figures: dict[str, Mean]  # those that are known of any


def groups(records: Sequence[SampleRecord]) -> tuple[list[Group], list[Group]]:
    """(by role, by view and role), held-out first."""
    views = dict.fromkeys(row.view for record in records for row in record.views)
    by_role = [_group(records, role) for role in ROLES]
    by_view = [_group(records, role, view) for role in ROLES for view in views]
    return [group for group in by_role if group.views], [group for group in by_view if group.views]


def _group(records: Sequence[SampleRecord], role: Role, view: str | None = None) -> Group:
    count = sum(row.role == role and (view is None or row.view == view) for r in records for row in r.views)
    known = {f: [v for record in records if (v := record.mean(f, role, view)) is not None] for f in FIGURES}
    return Group(role, view, count, {figure: Mean.of(values) for figure, values in known.items() if values})


def artefact_means(records: Sequence[SampleRecord]) -> dict[str, Mean]:
    """Over samples, those that are known of any."""
    found = [record.artefacts for record in records if record.artefacts is not None]
    known = {name: [v for each in found if (v := getattr(each, name)) is not None] for name in ARTEFACTS}
    return {name: Mean.of(values) for name, values in known.items() if values}


def artefact_rows(means: Mapping[str, Mean]) -> list[list[str]]:
    """[words, mean over samples, smallest, largest]: shares as percentages."""

    def words(name: str, value: float) -> str:
        return f"{value:.2f}" if name == "effective_rank" else f"{100 * value:.2f} %"

    return [[ARTEFACTS[name], *(words(name, v) for v in (m.mean, m.low, m.high))] for name, m in means.items()]


def overall(records: Sequence[SampleRecord]) -> Means:
    """role -> score -> mean over samples of their means."""
    by_role, _ = groups(records)
    return {g.role: {s: g.figures[s].mean if s in g.figures else None for s in SCORES} for g in by_role}


def ranked(records: Sequence[SampleRecord]) -> list[SampleRecord]:
    """Worst first: by foreground PSNR of held-out views, of input views where none is held out; unknown last.

    By whole-image PSNR where no image has a mask.
    """
    role: Role = "held-out" if any("held-out" in record.roles for record in records) else "input"
    masked = any(record.mean("foreground_psnr", role) is not None for record in records)
    figure = "foreground_psnr" if masked else "psnr"

    def key(record: SampleRecord) -> tuple[bool, float, str]:
        value = record.mean(figure, role)
        return value is None, 0.0 if value is None else value, record.id

    return sorted(records, key=key)


def with_means(record: SampleRecord) -> dict[str, Any]:
    """The record and its means, ready for JSON."""
    return {**msgspec.to_builtins(record), "means": record.means}


def metrics_csv(records: Sequence[SampleRecord]) -> bytes:
    """A row a view, in the sample's order; empty where a score is undefined."""
    rows = ([r.id, row.view, row.role, *row.figures(SCORES)] for r in records for row in r.views)
    return _csv(["sample", "view", "role", *SCORES], rows)


def views_csv(records: Sequence[SampleRecord]) -> bytes:
    """A row an image, held-out ones first; `reconstruction` counts those of a sample from 0."""
    rows = (
        [record.id, row.view, row.role, row.round, *row.figures(FIGURES)]
        for record in records
        for row in sorted(record.views, key=lambda row: (row.round, ROLES.index(row.role)))
    )
    return _csv(["sample", "view", "role", "reconstruction", *FIGURES], rows)


def samples_csv(records: Sequence[SampleRecord]) -> bytes:
    """A row a sample and role: means over its views."""
    rows = (
        [record.id, role, count, *(record.mean(figure, role) for figure in FIGURES)]
        for record in records
        for role in ROLES
        if (count := sum(row.role == role for row in record.views))
    )
    return _csv(["sample", "role", "images", *FIGURES], rows)


def shown_figures(groups: Sequence[Group]) -> list[str]:
    """Those that any group knows, in order."""
    return [figure for figure in FIGURES if any(figure in group.figures for group in groups)]


def columns(groups: Sequence[Group]) -> list[str]:
    """Headings of `rows`."""
    return ["views", "images", *(WORDS[figure] for figure in shown_figures(groups))]


def rows(groups: Sequence[Group], errors: bool = True) -> list[list[str]]:
    """A row a group, as text; `errors`: with standard errors."""
    figures = shown_figures(groups)
    return [[words_of(g), str(g.views), *(mean_words(f, g.figures.get(f), errors) for f in figures)] for g in groups]


def figure_rows(groups: Sequence[Group]) -> list[list[str]]:
    """The other way round: a row a figure, a column a group."""
    return [[WORDS[f], *(mean_words(f, g.figures.get(f)) for g in groups)] for f in shown_figures(groups)]


def counted(number: int, noun: str) -> str:
    """With the plural's s where there is not one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def words_of(group: Group) -> str:
    """What a group's row is called."""
    return f"{group.role} views" if group.view is None else f"{group.view} ({group.role})"


def mean_words(figure: str, mean: Mean | None, errors: bool = True) -> str:
    """Mean and standard error, rounded alike; a dash where nothing is known."""
    if mean is None:
        return "-"
    error = f" ± {value_words(figure, mean.error)}" if errors and mean.error is not None else ""
    return value_words(figure, mean.mean) + error


def value_words(figure: str, value: float | None, unknown: str = "-") -> str:
    """One figure: two decimals of dB, three of the others."""
    return unknown if value is None else f"{value:.{2 if WORDS[figure].endswith('dB') else 3}f}"


def _csv(heads: Sequence[str], rows: Iterable[Sequence[str | float | None]]) -> bytes:
    """Six digits of a float; None is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([f"{value:.6g}" if isinstance(value, float) else value for value in row] for row in rows)
    return text.getvalue().encode()
