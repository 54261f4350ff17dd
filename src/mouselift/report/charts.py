"""Charts as inline SVG: axes, dots, lines, bars. Colours come from the page's style, so they follow light and dark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from markupsafe import Markup, escape

from mouselift.array_types import Array

Values = Float[Array, " n"]
Real = float | int

WIDTH, HEIGHT = 520, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 14, 12, 40
SHAPES = ("circle", "square", "diamond", "triangle", "cross", "ring")


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
            decades = range(int(np.floor(np.log10(self.low))), int(np.ceil(np.log10(self.high))) + 1)
            steps = (1, 2, 5) if len(decades) < 4 else (1,)
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
            self.parts.append(f'<line class="grid" x1="{self.left}" x2="{self.width - _RIGHT}" y1="{y}" y2="{y}"/>')
            self.text(self.left - 7, y + 4, number(value), "end")

    def x_ticks(self, axis: Axis) -> None:
        base = self.height - _BOTTOM
        for value in axis.ticks():
            x = axis.at(value)
            self.parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{base}" y2="{base + 4}"/>')
            self.text(x, base + 17, number(value), "middle")

    def text(self, x: Real, y: Real, words: str, anchor: str = "start", kind: str = "tick") -> None:
        self.parts.append(f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>')

    def limit(self, axis: Axis, value: Real, words: str) -> None:
        """A dashed line right across, with its meaning."""
        y = axis.at(value)
        self.parts.append(f'<line class="limit" x1="{self.left}" x2="{self.width - _RIGHT}" y1="{y}" y2="{y}"/>')
        self.text(self.width - _RIGHT, y - 5, words, "end", "note")

    def svg(self) -> Markup:
        """The whole image."""
        self.text((self.left + self.width - _RIGHT) / 2, self.height - 5, self.x_label, "middle", "axis")
        middle = (self.height - _BOTTOM + _TOP) / 2
        label = (
            f'<text class="axis" transform="translate(12 {middle:g}) rotate(-90)" text-anchor="middle">'
            f"{escape(self.y_label)}</text>"
        )
        body = "".join([*self.parts, label])
        return Markup(
            f'<svg class="chart" viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(self.alt)}">'
            f"{body}</svg>"
        )


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
