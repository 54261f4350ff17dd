"""`mouselift evaluate --out`: the figures of a dataset as one page that stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from mouselift import __version__
from mouselift.errors import DatasetError
from mouselift.media.decoding import decoded
from mouselift.media.numbered_names import number_of
from mouselift.reconstruct import record as table
from mouselift.reconstruct.pipeline import Evaluation
from mouselift.reconstruct.record import ROLES, SHEET, WORDS, Role, SampleRecord, ViewRecord
from mouselift.reconstruct.write import FULL_DIFFERENCE, MOST, RED
from mouselift.report.charts import Values, by_view, legend, over_frames
from mouselift.report.page import Fact, difference_scale, image_uri, render_page

_WORST = 3  # samples with images, and the middle one
_MOST_ROWS = 200  # of the table; the file has all
_FEWEST = 3  # samples worth a chart
_MOST_SERIES = 8  # lines of one chart


@dataclass(frozen=True)
class Shot:
    """One sample's images."""

    id: str
    role: str
    image: str  # data URI
    heads: list[tuple[str, str, bool]]  # above each column: view, words, whether it was held out
    words: str
    alt: str


def write_evaluation_page(result: Evaluation, folder: Path, page: Path) -> None:
    """The page of an evaluation whose sheets of images lie in `folder`; an older page of it is replaced.

    DatasetError where a sheet is not there.
    """
    figures = table.shown_figures(result.means)
    judged = result.means[0].role
    ordered = table.ranked(result.records)
    over = _over(result, judged)
    render_page(
        "evaluation.html.j2",
        page,
        name=Path(result.dataset).name or result.dataset,
        lead=f"{table.counted(result.samples, 'sample')}, {table.counted(result.images, 'image')} drawn and compared; "
        f"{result.held_out}; all at {table.sides_of(result.records)}.",
        facts=_facts(result),
        columns=table.columns(result.means),
        means=table.rows(result.means),
        view_columns=table.columns(result.by_view),
        by_view=table.rows(result.by_view),
        artefacts=table.artefact_rows(result.artefacts),
        without_mask=result.without_mask,
        images=result.images,
        charts=_charts(result),
        over=over,
        over_words=f"{WORDS['foreground_psnr']} of {judged} views, by the number at the end of their names.",
        legend=legend(_views(result, judged)[:_MOST_SERIES]) if over else "",
        shots=[_shot(folder, record, role) for role, record in _chosen(ordered)],
        sample_columns=[WORDS[figure] for figure in figures],
        sample_rows=_sample_rows(ordered, figures),
        table_words=_table_words(len(ordered)),
        made=_made(result),
        version=__version__,
        scale=difference_scale(FULL_DIFFERENCE, RED, next((record.network for record in result.records), "")),
    )


def _facts(result: Evaluation) -> list[Fact]:
    """Foreground PSNR, SSIM and IoU of what counts most, and the input views' PSNR beside them."""
    first, *others = result.means
    names = [name for name in ("foreground_psnr", "foreground_ssim", "iou") if name in first.figures]
    names = names or ["psnr", "ssim"]
    facts = []
    for name, group in [*((name, first) for name in names), *((names[0], group) for group in others)]:
        words, unit, _ = WORDS[name].partition(", dB")
        value = table.mean_words(name, group.figures.get(name), errors=False)
        facts.append(Fact(f"{value} dB" if unit else value, f"{words}, {group.role} views"))
    return facts


def _charts(result: Evaluation) -> list[tuple[Markup, str]]:
    """A dot a sample, a column a view, of what counts most; none of fewer than three samples: the table says it."""
    if result.samples < _FEWEST:
        return []
    role = result.means[0].role
    role = role if len(_views(result, role)) > 1 else "input"  # one view is the table's first row
    views = _views(result, role)
    out = []
    for figure in ("foreground_psnr", "iou"):
        values = {view: _values(result.records, figure, role, view) for view in views}
        if values and any(np.isfinite(v).any() for v in values.values()):
            words = f"{WORDS[figure]} of {role} views; a dot a sample, the bar is the median."
            out.append((by_view(values, WORDS[figure], log=False), words))
    return out


def _views(result: Evaluation, role: Role) -> list[str]:
    return [group.view for group in result.by_view if group.role == role and group.view is not None]


def _over(result: Evaluation, role: Role) -> Markup | None:
    """None for fewer than three samples, names without a frame's number at their end, or where nothing has a mask."""
    frames = np.array([number_of(record.id) for record in result.records], dtype=np.float64)  # None: NaN
    views = _views(result, role)[:_MOST_SERIES]
    series = {view: _values(result.records, "foreground_psnr", role, view) for view in views}
    known = any(np.isfinite(values).any() for values in series.values())
    if result.samples < _FEWEST or np.isnan(frames).any() or not known:
        return None
    return over_frames(frames, series, WORDS["foreground_psnr"])


def _values(records: Sequence[SampleRecord], figure: str, role: Role, view: str) -> Values:
    return np.array([record.mean(figure, role, view) for record in records], dtype=np.float64)  # None: NaN


def _chosen(ordered: Sequence[SampleRecord]) -> list[tuple[str, SampleRecord]]:
    """The worst, then the middle of the ranking."""
    names = ["Worst" if len(ordered) > 1 else "The sample", *(f"Number {k} from below" for k in range(2, _WORST + 1))]
    chosen = list(zip(names, ordered, strict=False))
    if len(ordered) // 2 >= _WORST:
        chosen.append(("Median", ordered[len(ordered) // 2]))
    return chosen


def _shot(folder: Path, record: SampleRecord, role: str) -> Shot:
    file = folder / record.id / SHEET
    image = decoded(file.read_bytes()) if file.is_file() else None
    if image is None:
        raise DatasetError(f"{file}: expected the images of a sample, got no readable file; remove it and run again")
    first: dict[str, ViewRecord] = {}  # of each view
    for row in sorted(record.views, key=lambda row: ROLES.index(row.role)):
        first.setdefault(row.view, row)
    heads = []
    for row in list(first.values())[:MOST]:
        value = table.value_words("foreground_psnr", row.foreground_psnr)
        heads.append((row.view, f"{row.role.replace('-', ' ')}, {value} dB", row.role == "held-out"))
    more = len(first) - len(heads)
    words = f"{record.made:,} Gaussians." + (f" {more} more views are not shown." if more else "")
    said = ", ".join(f"{view} {words}" for view, words, _ in heads)
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
        return f"{first} All images one by one: {table.VIEWS_CSV}."
    return (
        f"{first} The worst {_MOST_ROWS} of {count:,}; all of them: {table.SAMPLES_CSV}, all images: {table.VIEWS_CSV}."
    )


def _made(result: Evaluation) -> list[tuple[str, str]]:
    levels = ", ".join(f"{round(255 * level)}" for level in result.background)
    how = "as stored" if result.size is None else "resized with their cameras"
    seconds = sum(record.total_seconds for record in result.records)
    read = [f"{record.id}: {note}" for record in result.records for note in record.notes]
    if len(read) > _MOST_ROWS:
        read[_MOST_ROWS:] = [f"{len(read) - _MOST_ROWS:,} more in manifest.jsonl"]
    return [
        ("Dataset", result.dataset),
        *result.notes.items(),
        *(("Reading", note) for note in read),
        ("Views", result.held_out),
        ("Images", f"{table.sides_of(result.records)} a side, {how}; scores of other sizes differ"),
        ("Background", f"RGB {levels}"),
        ("Time", f"{seconds:,.0f} s, {seconds / max(result.samples, 1):.1f} s a sample"),
    ]
