"""`mouselift evaluate --out`: the figures of a dataset as one page that stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from markupsafe import Markup

from mouselift import __version__
from mouselift.errors import DatasetError
from mouselift.media.frames import number_of
from mouselift.reconstruct import record as table
from mouselift.reconstruct.pipeline import Evaluation
from mouselift.reconstruct.record import ROLES, SAMPLES_CSV, SHEET, VIEWS_CSV, WORDS, Group, Role, SampleRecord, ranked
from mouselift.reconstruct.write import MOST
from mouselift.report.charts import Values
from mouselift.report.dataset_page import Fact
from mouselift.report.page import image_uri, render_page
from mouselift.report.plots import by_view, legend, over_frames

_WORST, _MIDDLE = 3, 1  # samples with images
_MOST_ROWS = 200  # of the table; the file has all
_FEWEST = 3  # samples worth a chart
_MOST_SERIES = 8  # lines of one chart


@dataclass(frozen=True)
class ShownChart:
    svg: Markup
    words: str


@dataclass(frozen=True)
class Head:
    """Above a column of images."""

    view: str
    words: str
    held_out: bool


@dataclass(frozen=True)
class Shot:
    """One sample's images."""

    id: str
    role: str
    image: str  # data URI
    heads: list[Head]
    words: str
    alt: str


def write_evaluation_page(result: Evaluation, folder: Path, page: Path) -> None:
    """The page of an evaluation whose sheets of images lie in `folder`; an older page of it is replaced.

    DatasetError where a sheet is not there.
    """
    figures = table.shown_figures(result.means)
    judged = result.means[0].role
    ordered = ranked(result.records)
    over = _over(result, judged)
    render_page(
        "evaluation.html.j2",
        page,
        name=Path(result.dataset).name or result.dataset,
        lead=_lead(result),
        facts=_facts(result),
        columns=table.columns(result.means),
        means=table.rows(result.means),
        view_columns=table.columns(result.by_view),
        by_view=table.rows(result.by_view),
        without_mask=result.without_mask,
        images=result.images,
        charts=_charts(result),
        over=over,
        over_words=f"{WORDS['foreground_psnr']} of {judged} views, by the number at the end of their names.",
        legend=legend(_views(result, judged)[:_MOST_SERIES]) if over else "",
        shots=[_shot(folder, record, role) for record, role in _chosen(ordered)],
        sample_columns=[WORDS[figure] for figure in figures],
        sample_rows=_sample_rows(ordered, figures),
        table_words=_table_words(len(ordered)),
        made=_made(result),
        version=__version__,
    )


def _lead(result: Evaluation) -> str:
    samples, images = table.counted(result.samples, "sample"), table.counted(result.images, "image")
    return f"{samples}, {images} drawn and compared; {result.held_out}."


def _facts(result: Evaluation) -> list[Fact]:
    """Foreground PSNR, SSIM and IoU of what counts most, and the input views' PSNR beside them."""
    first, *others = result.means
    names = [name for name in ("foreground_psnr", "foreground_ssim", "iou") if name in first.figures]
    names = names or ["psnr", "ssim"]
    shown = [(name, first) for name in names] + [(names[0], group) for group in others]
    return [Fact(_value(n, group), f"{WORDS[n].removesuffix(', dB')}, {group.role} views") for n, group in shown]


def _value(figure: str, group: Group) -> str:
    mean = group.figures.get(figure)
    unit = " dB" if WORDS[figure].endswith("dB") else ""
    return table.value_words(figure, None if mean is None else mean.mean) + unit


def _charts(result: Evaluation) -> list[ShownChart]:
    """A dot a sample, a column a view, of what counts most; none of fewer than three samples: the table says it."""
    if result.samples < _FEWEST:
        return []
    role = result.means[0].role
    views = _views(result, role)
    if len(views) < 2:  # one view is the table's first row
        role = "input"
        views = _views(result, role)
    out = []
    for figure in ("foreground_psnr", "iou"):
        values = {view: _values(result.records, figure, role, view) for view in views}
        if values and any(np.isfinite(v).any() for v in values.values()):
            svg = by_view(values, WORDS[figure], log=False)
            out.append(ShownChart(svg, f"{WORDS[figure]} of {role} views; a dot a sample, the bar is the median."))
    return out


def _views(result: Evaluation, role: Role) -> list[str]:
    return [group.view for group in result.by_view if group.role == role and group.view is not None]


def _over(result: Evaluation, role: Role) -> Markup | None:
    """None for fewer than three samples, names without a frame's number at their end, or where nothing has a mask."""
    numbers = [number_of(record.id) for record in result.records]
    frames = np.array([float(number) for number in numbers if number is not None])
    series = {
        view: _values(result.records, "foreground_psnr", role, view) for view in _views(result, role)[:_MOST_SERIES]
    }
    known = any(np.isfinite(values).any() for values in series.values())
    if result.samples < _FEWEST or len(frames) < result.samples or not known:
        return None
    return over_frames(frames, series, WORDS["foreground_psnr"])


def _values(records: Sequence[SampleRecord], figure: str, role: Role, view: str) -> Values:
    means = [record.mean(figure, role, view) for record in records]
    return np.array([np.nan if value is None else value for value in means])


def _chosen(ordered: Sequence[SampleRecord]) -> list[tuple[SampleRecord, str]]:
    """The worst, then the middle of the ranking."""
    worst = [
        (record, "Worst" if k == 0 and len(ordered) > 1 else "The sample" if k == 0 else f"Number {k + 1} from below")
        for k, record in enumerate(ordered[:_WORST])
    ]
    rest = list(ordered[_WORST:])
    middle = ordered[len(ordered) // 2]
    return [*worst, *([(middle, "Median")] * _MIDDLE if middle in rest else [])]


def _shot(folder: Path, record: SampleRecord, role: str) -> Shot:
    file = folder / record.id / SHEET
    image = cv2.imread(str(file))
    if image is None:
        raise DatasetError(f"{file}: expected the images of a sample, got no readable file; remove it and run again")
    heads = []
    seen: set[str] = set()
    for row in sorted(record.views, key=lambda row: ROLES.index(row.role)):
        if row.view not in seen and len(heads) < MOST:
            seen.add(row.view)
            value = table.value_words("foreground_psnr", row.foreground_psnr)
            heads.append(Head(row.view, f"{row.role.replace('-', ' ')}, {value} dB", row.role == "held-out"))
    more = len({row.view for row in record.views}) - len(heads)
    words = f"{record.made:,} Gaussians." + (f" {more} more views are not shown." if more else "")
    said = ", ".join(f"{head.view} {head.words}" for head in heads)
    alt = f"Prepared images, renders and differences of sample {record.id}, foreground PSNR by view: {said}"
    return Shot(record.id, role, image_uri(np.ascontiguousarray(image[:, :, ::-1])), heads, words, alt)


def _sample_rows(ordered: Sequence[SampleRecord], figures: Sequence[str]) -> list[list[str]]:
    return [
        [record.id, role, *(table.value_words(figure, record.mean(figure, role)) for figure in figures)]
        for record in ordered[:_MOST_ROWS]
        for role in record.roles
    ]


def _table_words(count: int) -> str:
    first = "Means over each sample's views, worst sample first."
    if count <= _MOST_ROWS:
        return f"{first} All images one by one: {VIEWS_CSV}."
    return f"{first} The worst {_MOST_ROWS} of {count:,}; all of them: {SAMPLES_CSV}, all images: {VIEWS_CSV}."


def _made(result: Evaluation) -> list[tuple[str, str]]:
    levels = ", ".join(f"{round(255 * level)}" for level in result.background)
    size = "as stored" if result.size is None else f"resized to {result.size} px, with their cameras"
    seconds = sum(record.total_seconds for record in result.records)
    return [
        ("Dataset", result.dataset),
        *result.notes.items(),
        ("Views", result.held_out),
        ("Images", size),
        ("Background", f"RGB {levels}"),
        ("Time", f"{seconds:,.0f} s, {seconds / max(result.samples, 1):.1f} s a sample"),
    ]
