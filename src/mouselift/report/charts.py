"""Charts as inline SVG: numbers by view and over time, ray inputs against the profile, findings by code.

Colours come from the page's style, so they follow light and dark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup, escape

from mouselift.array_types import Array, Float
from mouselift.sampling import evenly_spaced

Values = Float[Array, " n"]
Known = Float[Array, " m"]  # fewer than were given
Real = float | int

WIDTH, HEIGHT = 520, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 14, 12, 40
_NARROW = 352  # a phone of 400 px without the page's margins: a chart so wide is shown at its own size everywhere
_ROW, _HEAD = 26, 22  # of a chart of views: height of a row, and of what stands above the first
_NAMES, _NUMBERS = 92, 58  # of a chart of views: room for names at the left and medians at the right
_LETTERS = 13  # of a name in that room
SHAPES = ("circle", "square", "diamond", "triangle", "cross", "ring")
_DOTS = 160  # a camera: the extremes always, the rest evenly by rank
_BINS = 240  # along the frames: beyond this many samples a line shows medians of runs
_BARS = 44  # of a histogram
_DECADES = 300  # damaged files state more, up to what a double cannot hold
_LOG_FROM = 20.0  # largest / median from which a logarithmic axis is easier to read


@dataclass(frozen=True)
class Axis:
    """Values to coordinates. `log` needs positive limits."""

    low: Real
    high: Real
    start: Real
    end: Real
    log: bool = False
    whole: bool = False  # ticks at whole numbers only

    def at(self, value: Real) -> float:
        """Coordinate of a value, kept inside the axis."""
        f: Callable[[Real], float] = (lambda x: float(np.log(max(x, 1e-12)))) if self.log else float
        share = (f(value) - f(self.low)) / max(f(self.high) - f(self.low), 1e-12)
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 2)

    def ticks(self, wanted: int = 5) -> list[float]:
        """Round numbers inside the limits."""
        if self.log:
            first, last = int(np.floor(np.log10(self.low))), int(np.ceil(np.log10(self.high)))
            decades = range(max(first, -_DECADES), min(last, _DECADES) + 1)
            steps = (1, 2, 5) if len(decades) < 4 else (1,)
            decades = decades[:: max(1, len(decades) // (2 * wanted))]
            return [m * 10.0**d for d in decades for m in steps if self.low <= m * 10.0**d <= self.high * (1 + 1e-9)]
        step = _round_step((self.high - self.low) / wanted)
        step = max(1.0, 5.0 if step == 2.5 else step) if self.whole else step
        first = int(np.ceil(self.low / step - 1e-9))
        return [k * step for k in range(first, int(np.floor(self.high / step + 1e-9)) + 1)]


@dataclass
class Chart:
    """Parts of one image; `str()` of it is the SVG."""

    alt: str  # what a reader who cannot see it should know
    x_label: str = ""
    y_label: str = ""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    parts: list[str] = field(default_factory=list)

    @property
    def x_range(self) -> tuple[float, float]:
        return float(self.left), float(self.width - _RIGHT)

    @property
    def y_range(self) -> tuple[float, float]:
        return float(self.height - _BOTTOM), float(_TOP)

    def y_grid(self, axis: Axis) -> None:
        for value in axis.ticks():
            y = axis.at(value)
            self.across(y)
            self.text(self.left - 7, y + 4, number(value), "end")

    def x_ticks(self, axis: Axis) -> None:
        base = self.height - _BOTTOM
        for value in axis.ticks():
            x = axis.at(value)
            self.line("grid", x, x, base, base + 4)
            self.text(x, base + 17, number(value), "middle")

    def text(self, x: Real, y: Real, words: str, anchor: str = "start", kind: str = "tick") -> None:
        self.parts.append(f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>')

    def line(self, kind: str, x1: Real | str, x2: Real | str, y1: Real, y2: Real) -> None:
        self.parts.append(f'<line class="{kind}" x1="{x1}" x2="{x2}" y1="{y1}" y2="{y2}"/>')

    def across(self, y: Real, kind: str = "grid") -> None:
        """A horizontal line from side to side."""
        self.line(kind, self.left, self.width - _RIGHT, y, y)

    def polyline(self, points: Sequence[tuple[Real, Real]], kind: str) -> None:
        joined = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.parts.append(f'<polyline class="line {kind}" points="{joined}"/>')

    def mark(self, shape: str, x: Real, y: Real, r: Real, kind: str) -> None:
        self.parts.append(mark(shape, x, y, r, kind))

    def svg(self) -> Markup:
        """The whole image."""
        self.text((self.left + self.width - _RIGHT) / 2, self.height - 5, self.x_label, "middle", "axis")
        middle = (self.height - _BOTTOM + _TOP) / 2
        label = (
            f'<text class="axis" transform="translate(12 {middle:g}) rotate(-90)" text-anchor="middle">'
            f"{escape(self.y_label)}</text>"
        )
        body = "".join([*self.parts, label])
        return _at_its_size(self.width, self.height, self.alt, body)


def _at_its_size(width: int, height: int, alt: str, body: str) -> Markup:
    """An image that is never scaled, so that type has one size; what is wider than a phone scrolls within itself."""
    image = (
        f'<svg class="chart" viewBox="0 0 {width} {height}" style="width:{width}px" role="img" '
        f'aria-label="{escape(alt)}">{body}</svg>'
    )
    return Markup(image if width <= _NARROW else f'<div class="scroll" tabindex="0" role="group">{image}</div>')


def mark(shape: str, x: Real, y: Real, r: Real, kind: str) -> str:
    """A small sign; shapes differ so that series can be told apart without colour."""
    if shape in ("circle", "ring"):
        return f'<circle class="{kind} {shape}" cx="{x:g}" cy="{y:g}" r="{r:g}"/>'
    if shape == "diamond":
        r = 1.3 * r
    outlines = {
        "square": f"M{x - r:g} {y - r:g}h{2 * r:g}v{2 * r:g}h{-2 * r:g}z",
        "diamond": f"M{x:g} {y - r:g}l{r:g} {r:g}l{-r:g} {r:g}l{-r:g} {-r:g}z",
        "triangle": f"M{x:g} {y - 1.3 * r:g}l{1.2 * r:g} {2.2 * r:g}h{-2.4 * r:g}z",
        "cross": f"M{x - r:g} {y - r:g}l{2 * r:g} {2 * r:g}M{x - r:g} {y + r:g}l{2 * r:g} {-2 * r:g}",
    }
    return f'<path class="{kind} {shape}" d="{outlines[shape]}"/>'


def by_view(
    values: Mapping[str, Values], label: str, log: bool | None = None, limit: tuple[Real, str] | None = None
) -> Markup:
    """A row of dots for each camera, its median as a bar and as a number in a column of its own.

    limit: a value to draw a line at, and what it means."""
    known = {name: _known(given) for name, given in values.items()}
    medians = {name: float(np.median(found)) for name, found in known.items() if found.size}
    words = ", ".join(f"{name} {number(median)}" for name, median in medians.items())
    bound = f" Limit: {number(limit[0])}, {limit[1]}." if limit else ""
    alt = f"{label} by view. Medians: {words or 'none known'}.{bound}"
    height = _HEAD + _ROW * max(len(values), 1) + _BOTTOM
    chart = Chart(alt, label, width=_NARROW, height=height, left=_NAMES)
    every = np.concatenate([np.zeros(0), *known.values()])
    left, right = chart.left, chart.width - _NUMBERS
    axis = value_axis(every, left, right, [limit[0]] if limit else [], log=_log(every) if log is None else log)
    chart.text(chart.width - 2, _HEAD - 6, "median", "end")
    chart.x_ticks(axis)
    if limit:
        _limit_down(chart, axis, _limit_words(limit, label), limit[0])
    for index, (name, found) in enumerate(known.items()):
        y = _HEAD + (index + 0.5) * _ROW
        chart.text(
            left - 8, y + 4, name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}\N{HORIZONTAL ELLIPSIS}", "end"
        )
        chart.line("grid", left, right, y, y)
        if name not in medians:
            chart.text(chart.width - 2, y + 4, "no value", "end")
            continue
        # at most _DOTS of them, evenly by rank with both ends, so the eye sees the spread and the worst
        for k, value in enumerate(evenly_spaced(np.sort(found).tolist(), _DOTS)):
            jitter = 0.28 * _ROW * (((k * 0.618034) % 1) * 2 - 1)
            chart.mark("circle", axis.at(value), round(y + jitter, 1), 2, "dot")
        x = axis.at(medians[name])
        chart.line("median", x, x, y - 0.4 * _ROW, y + 0.4 * _ROW)
        chart.text(chart.width - 2, y + 4, number(medians[name]), "end", "value")
    return chart.svg()


def _limit_words(limit: tuple[Real, str], label: str) -> str:
    """Its meaning and value, in the label's unit (which stands after a comma)."""
    unit = label.rpartition(", ")[2].split(" ")[0] if ", " in label else ""
    return f"{limit[1]} {number(limit[0])} {unit}".rstrip()


def _limit_down(chart: Chart, axis: Axis, words: str, value: Real) -> None:
    """A vertical line with its words, on the side of it that has more room."""
    x = axis.at(value)
    chart.line("limit", x, x, _HEAD - 2, chart.height - _BOTTOM)
    leftwards = x > (axis.start + axis.end) / 2
    chart.text(x + 3 if leftwards else x - 3, 12, words, "end" if leftwards else "start", "note")


def over_frames(
    frames: Values,
    series: Mapping[str, Values],
    label: str,
    along: str = "source frame",
    counted: str = "samples, one line a view",
    limit: tuple[Real, str] | None = None,
) -> Markup:
    """A line for each camera over the source frame; long recordings as medians over runs of samples.

    along: what else lies along the axis; counted: what, in words; limit: a value with a line, and its meaning."""
    known = {name: _known(values) for name, values in series.items()}
    largest = {name: float(found.max(initial=0.0)) for name, found in known.items()}
    worst = max(largest, key=lambda name: largest[name], default="")
    high = number(largest[worst]) if worst else "nothing"
    words = f"{label} over {len(frames)} {counted}. Largest: {high}, {worst}."
    chart = Chart(words, along, label, width=1060)
    y = _value_axis_of(known, chart, include=[limit[0]] if limit else [])
    if limit:
        chart.across(y.at(limit[0]), "limit")
        chart.text(
            chart.left, _TOP - 2, f"dashed: {_limit_words(limit, label)}", "start", "note"
        )  # where a phone looks
    first, last = float(np.nanmin(frames)), float(np.nanmax(frames))
    x = Axis(first, max(last, first + 1), *chart.x_range, whole=True)
    chart.x_ticks(x)
    order = np.argsort(frames, kind="stable")
    for index, values in enumerate(series.values()):
        shape, kind = series_style(index)
        at, middle = _binned(frames[order], values[order])
        points = [(x.at(a), y.at(b)) for a, b in zip(at.tolist(), middle.tolist(), strict=True)]
        chart.polyline(points, kind)
        for point in points[:: max(1, len(points) // 24)]:
            chart.mark(shape, *point, 3, kind)
    return chart.svg()


def series_style(index: int) -> tuple[str, str]:
    """(shape of the marks, class of line and marks). Where colours come again, other shapes and dashes go with them."""
    again, place = divmod(index, len(SHAPES))
    return SHAPES[(place + again) % len(SHAPES)], f"s{place}{' again' if again % 2 else ''}"


def legend(names: Sequence[str]) -> Markup:
    """What the signs of `over_frames` mean."""
    items = []
    for index, name in enumerate(names):
        shape, kind = series_style(index)
        items.append(
            f'<li><svg viewBox="0 0 26 12" aria-hidden="true"><line class="line {kind}" x1="1" x2="25" y1="6" '
            f'y2="6"/>{mark(shape, 13, 6, 3, kind)}</svg>{escape(name)}</li>'
        )
    return Markup(f'<ul class="legend">{"".join(items)}</ul>')


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
    row, left, longest = 24, 128, 118
    parts = []
    for k, (code, count, severity) in enumerate(counts):
        y = 4 + k * row
        width = max(2.0, longest * count / max(total, 1))
        parts.append(f'<text class="tick" x="{left - 8}" y="{y + 15}" text-anchor="end">{escape(code)}</text>')
        parts.append(f'<rect class="bar {severity}" x="{left}" y="{y + 3}" width="{width:.1f}" height="{row - 8}"/>')
        parts.append(f'<text class="value" x="{left + 6 + width:.1f}" y="{y + 15}">{count:,} ({severity})</text>')
    words = ", ".join(f"{code} in {count} samples ({severity})" for code, count, severity in counts)
    return _at_its_size(_NARROW, row * len(counts) + 8, f"Findings: {words}", "".join(parts))


def _known(values: Values) -> Known:
    return np.asarray(values, dtype=np.float64)[np.isfinite(values)]


def _value_axis_of(known: Mapping[str, Known], chart: Chart, include: Sequence[Real] = ()) -> Axis:
    """The vertical axis of all values and `include`, its grid drawn; logarithmic where that is easier to read."""
    values = np.concatenate([np.zeros(0), *known.values()])
    axis = value_axis(values, *chart.y_range, include, log=_log(values))
    chart.y_grid(axis)
    return axis


def _binned(frames: Values, values: Values) -> tuple[Known, Known]:
    """(frames, values) as they are when few; else the medians of equal runs of samples."""
    good = np.isfinite(values) & np.isfinite(frames)
    at, known = np.asarray(frames, dtype=np.float64)[good], np.asarray(values, dtype=np.float64)[good]
    if len(at) <= _BINS:
        return at, known
    runs = np.array_split(np.arange(len(at)), _BINS)
    return np.array([np.median(at[r]) for r in runs]), np.array([np.median(known[r]) for r in runs])


def _log(values: Known) -> bool:
    """Whether the values span so much that a logarithmic axis is easier to read."""
    positive = values[values > 0]
    if not positive.size:
        return False
    low, middle, high = float(positive.min()), float(np.median(positive)), float(positive.max())
    return high > _LOG_FROM * middle or (middle > _LOG_FROM * low and high > 5)


def _binned_mean(shares: Values, half: float) -> str:
    middles = ((np.arange(len(shares)) + 0.5) / len(shares) * 2 - 1) * half
    return number(float(shares @ middles / shares.sum())) if shares.any() else "no value"


def value_axis(values: Values, start: Real, end: Real, include: Sequence[Real] = (), log: bool = False) -> Axis:
    """An axis that holds all finite values and `include`; logarithmic ones keep to positive values."""
    known = np.asarray(values, dtype=np.float64)
    known = np.concatenate([known[np.isfinite(known)], np.array([float(v) for v in include])])
    known = known[known > 0] if log else known
    if known.size == 0:
        return Axis(0.1, 1.0, start, end, True) if log else Axis(0.0, 1.0, start, end)
    low, high = float(known.min()), float(known.max())
    if log:
        return Axis(low / 1.15, high * 1.15, start, end, True)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return Axis(0.0 if low >= 0 and low < 0.6 * high else low - room, high + room, start, end)


def number(value: Real) -> str:
    """Short: 0.05, 1.5, 200, 12,000."""
    if abs(value) < 1e-12:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _round_step(raw: Real) -> float:
    power = 10.0 ** np.floor(np.log10(max(raw, 1e-12)))
    return float(next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * (1 - 1e-9)))
