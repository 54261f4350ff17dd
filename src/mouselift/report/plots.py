"""What the report plots: numbers by view and over time, ray inputs against the profile, findings by code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from markupsafe import Markup, escape

from mouselift.array_types import Array
from mouselift.report.charts import SHAPES, Axis, Chart, Values, mark, number, value_axis
from mouselift.sampling import evenly_spaced

Known = Float[Array, " m"]  # fewer than were given

_DOTS = 160  # a camera: the extremes always, the rest evenly by rank
_BINS = 240  # along the frames: beyond this many samples a line shows medians, and a band where 90 % lie
_BARS = 44  # of a histogram
_LOG_FROM = 20.0  # largest / median from which a logarithmic axis is easier to read


def by_view(
    values: Mapping[str, Values], label: str, limit: float | None = None, limit_words: str = "", log: bool | None = None
) -> Markup:
    """A column of dots for each camera, its median as a bar with the number beside it."""
    pooled = np.concatenate([_known(v) for v in values.values()]) if values else np.zeros(0)
    chart = Chart(_alt_by_view(values, label), "view", label)
    axis = value_axis(pooled, *chart.y_range, () if limit is None else (limit,), _log(pooled) if log is None else log)
    chart.y_grid(axis)
    if limit is not None:
        chart.limit(axis, limit, limit_words)
    left, right = chart.x_range
    step = (right - left) / max(len(values), 1)
    for index, (name, given) in enumerate(values.items()):
        x = left + (index + 0.5) * step
        chart.text(x, chart.height - 22, name[:14], "middle")
        known = _known(given)
        if not known.size:
            chart.text(x, chart.height / 2, "no value", "middle")
            continue
        spread = min(0.28 * step, 16)
        for k, value in enumerate(_thinned(known)):
            jitter = spread * (((k * 0.618034) % 1) * 2 - 1)
            over = limit is not None and value > limit
            chart.parts.append(
                mark("diamond" if over else "circle", x + jitter, axis.at(value), 2, "dot over" if over else "dot")
            )
        middle = float(np.median(known))
        y = axis.at(middle)
        chart.parts.append(
            f'<line class="median" x1="{x - spread - 5:.1f}" x2="{x + spread + 5:.1f}" y1="{y}" y2="{y}"/>'
        )
        room = x + spread + 7 + 8 * len(number(middle)) < chart.width  # some 8 pixels a digit
        if room:
            chart.text(x + spread + 7, y + 4, number(middle), "start", "value")
        else:
            chart.text(x - spread - 7, y + 4, number(middle), "end", "value")
    return chart.svg()


def over_frames(
    frames: Values, series: Mapping[str, Values], label: str, limit: float | None = None, limit_words: str = ""
) -> Markup:
    """A line for each camera over the source frame; long recordings as medians over bins of frames."""
    known = {name: _known(values) for name, values in series.items()}
    pooled = np.concatenate(list(known.values())) if known else np.zeros(0)
    chart = Chart(_alt_over(frames, series, label), "source frame", label, width=1060)
    y = value_axis(pooled, *chart.y_range, () if limit is None else (limit,), _log(pooled))
    x = Axis(
        float(np.nanmin(frames)),
        max(float(np.nanmax(frames)), float(np.nanmin(frames)) + 1),
        *chart.x_range,
        whole=True,
    )
    chart.y_grid(y)
    chart.x_ticks(x)
    if limit is not None:
        chart.limit(y, limit, limit_words)
    order = np.argsort(frames, kind="stable")
    for index, values in enumerate(series.values()):
        at, middle = _binned(frames[order], values[order])
        points = " ".join(f"{x.at(a):g},{y.at(b):g}" for a, b in zip(at.tolist(), middle.tolist(), strict=True))
        chart.parts.append(f'<polyline class="line s{index % len(SHAPES)}" points="{points}"/>')
        few = range(0, len(at), max(1, len(at) // 24))
        chart.parts += [
            mark(SHAPES[index % len(SHAPES)], x.at(float(at[k])), y.at(float(middle[k])), 3, f"s{index % len(SHAPES)}")
            for k in few
        ]
    return chart.svg()


def legend(names: Sequence[str]) -> Markup:
    """What the signs of `over_frames` mean."""
    items = "".join(
        f'<li><svg viewBox="0 0 26 12" aria-hidden="true"><line class="line s{k % len(SHAPES)}" x1="1" x2="25" y1="6" '
        f'y2="6"/>{mark(SHAPES[k % len(SHAPES)], 13, 6, 3, f"s{k % len(SHAPES)}")}</svg>{escape(name)}</li>'
        for k, name in enumerate(names)
    )
    return Markup(f'<ul class="legend">{items}</ul>')


def histogram(shares: Values, other: Values, half: float, label: str, other_label: str) -> Markup:
    """Shares a bin (bars) and another distribution's (dashed line); the bins divide -half .. half evenly."""
    chart = Chart(
        f"Histogram of {label}: this dataset has mean {_binned_mean(shares, half)}, {other_label} "
        f"{_binned_mean(other, half)}.",
        label, "share", width=340, height=190, left=60,
    )  # fmt: skip
    used = np.flatnonzero((shares > 0) | (other > 0))
    first, last = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, len(shares))
    group = max(1, -(-(last - first) // _BARS))
    starts = np.arange(first, last, group)
    edges = (np.append(starts, starts[-1] + group) / len(shares) * 2 - 1) * half
    mine, theirs = (np.add.reduceat(v[first:last], starts - first) for v in (shares, other))
    x = Axis(float(edges[0]), float(edges[-1]), *chart.x_range)
    y = Axis(0.0, 1.08 * max(float(mine.max()), float(theirs.max())) or 1.0, *chart.y_range)
    chart.y_grid(y)
    chart.x_ticks(x)
    at, base = [x.at(edge) for edge in edges.tolist()], y.at(0.0)
    for k, share in enumerate(mine.tolist()):
        if share:
            a, top = at[k], y.at(share)
            chart.parts.append(
                f'<rect class="bar" x="{a:g}" y="{top:g}" width="{at[k + 1] - a:.2f}" height="{base - top:.2f}"/>'
            )
    if theirs.any():
        steps = "".join(f"L{at[k]:g} {y.at(share):g}H{at[k + 1]:g}" for k, share in enumerate(theirs.tolist()))
        chart.parts.append(f'<path class="profile" d="M{at[0]:g} {base:g}{steps}V{base:g}"/>')
    return chart.svg()


def bars(counts: Sequence[tuple[str, int, str]], total: int) -> Markup:
    """Horizontal bars: (code, samples, severity), the severity written beside the number."""
    chart_width, row = 700, 24
    height = row * len(counts) + 8
    parts = []
    for k, (code, count, severity) in enumerate(counts):
        y = 4 + k * row
        width = max(2.0, 330 * count / max(total, 1))
        parts.append(f'<text class="tick" x="200" y="{y + 15}" text-anchor="end">{escape(code)}</text>')
        parts.append(f'<rect class="bar {severity}" x="210" y="{y + 3}" width="{width:.1f}" height="{row - 8}"/>')
        parts.append(f'<text class="value" x="{216 + width:.1f}" y="{y + 15}">{count:,} ({severity})</text>')
    words = ", ".join(f"{code} in {count} samples ({severity})" for code, count, severity in counts)
    return Markup(
        f'<svg class="chart" viewBox="0 0 {chart_width} {height}" role="img" aria-label="Findings: {escape(words)}">'
        f"{''.join(parts)}</svg>"
    )


def _known(values: Values) -> Known:
    return np.asarray(values, dtype=np.float64)[np.isfinite(values)]


def _thinned(known: Values) -> list[float]:
    """At most _DOTS values, evenly by rank with both ends, so the eye sees the spread and the worst."""
    return evenly_spaced(np.sort(known).tolist(), _DOTS)


def _binned(frames: Values, values: Values) -> tuple[Known, Known]:
    """(frames, values) as they are when few; else the medians of equal runs of samples."""
    good = np.isfinite(values) & np.isfinite(frames)
    at, known = np.asarray(frames, dtype=np.float64)[good], np.asarray(values, dtype=np.float64)[good]
    if len(at) <= _BINS:
        return at, known
    runs = np.array_split(np.arange(len(at)), _BINS)
    return np.array([np.median(at[r]) for r in runs]), np.array([np.median(known[r]) for r in runs])


def _log(pooled: Values) -> bool:
    positive = pooled[pooled > 0]
    return bool(positive.size and positive.max() > _LOG_FROM * np.median(positive)) or bool(
        positive.size and np.median(positive) > _LOG_FROM * positive.min() and positive.max() > 5
    )


def _binned_mean(shares: Values, half: float) -> str:
    middles = ((np.arange(len(shares)) + 0.5) / len(shares) * 2 - 1) * half
    return number(float(shares @ middles / shares.sum())) if shares.any() else "no value"


def _alt_by_view(values: Mapping[str, Values], label: str) -> str:
    medians = ", ".join(f"{name} {number(float(np.median(_known(v))))}" for name, v in values.items() if len(_known(v)))
    return f"{label} by view. Medians: {medians or 'none known'}."


def _alt_over(frames: Values, series: Mapping[str, Values], label: str) -> str:
    worst = max(series, key=lambda name: float(_known(series[name]).max(initial=0.0)), default="")
    high = number(float(_known(series[worst]).max(initial=0.0))) if worst else "nothing"
    return f"{label} over {len(frames)} samples, one line a view. Largest: {high}, {worst}."
