"""An evaluation as CSV files and as rows of a printed table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from mouselift.reconstruct.scores import FIGURES, ROLES, WORDS, Group, Mean, SampleRecord

_DECIMALS = {"foreground_psnr": 2, "psnr": 2}
_OTHERS = 3


def views_csv(records: Sequence[SampleRecord]) -> bytes:
    """A row an image; empty where a figure is undefined. `reconstruction` counts those of a sample from 0."""
    rows = (
        [record.id, row.view, row.role, str(row.round), *(_exact(getattr(row, figure)) for figure in FIGURES)]
        for record in records
        for row in record.views
    )
    return _csv(["sample", "view", "role", "reconstruction", *FIGURES], rows)


def samples_csv(records: Sequence[SampleRecord]) -> bytes:
    """A row a sample and role: means over its views."""
    rows = (
        [record.id, role, str(count), *(_exact(record.mean(figure, role)) for figure in FIGURES)]
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
    words = mean_words if errors else lambda figure, mean: value_words(figure, None if mean is None else mean.mean)
    return [[words_of(g), str(g.views), *(words(f, g.figures.get(f)) for f in figures)] for g in groups]


def figure_rows(groups: Sequence[Group]) -> list[list[str]]:
    """The other way round: a row a figure, a column a group."""
    return [[WORDS[f], *(mean_words(f, g.figures.get(f)) for g in groups)] for f in shown_figures(groups)]


def counted(number: int, noun: str) -> str:
    """With the plural's s where there is not one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def words_of(group: Group) -> str:
    """What a group's row is called."""
    return f"{group.role} views" if group.view is None else f"{group.view} ({group.role})"


def mean_words(figure: str, mean: Mean | None) -> str:
    """Mean and standard error, rounded alike; a dash where nothing is known."""
    if mean is None:
        return "-"
    error = "" if mean.error is None else f" ± {value_words(figure, mean.error)}"
    return value_words(figure, mean.mean) + error


def value_words(figure: str, value: float | None) -> str:
    """One figure: two decimals of dB, three of the others."""
    return "-" if value is None else f"{value:.{_DECIMALS.get(figure, _OTHERS)}f}"


def _exact(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _csv(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(rows)
    return text.getvalue().encode()
