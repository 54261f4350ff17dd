"""The page's tables and figure of what `run.py` found.

    python experiments/framing/table.py FOLDER [--figure docs/images/framing-experiment.svg]

Every figure is a mean over held-out individuals of each one's mean over seeds and never given views; intervals are 95 %
over individuals (Student), of the paired differences where a difference is shown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from arms import ARMS
from run import CONTROL, Result
from scipy import stats

BASE = "per-sample"
ROWS = (*ARMS, CONTROL)
_LEFT, _WIDTH, _ROW, _HEAD, _GAP = 178, 300, 30, 46, 44
_COLOURS = {True: "#1f6feb", False: "#c2410c"}  # exact cameras, wrong ones


class Estimate(NamedTuple):
    """A mean over individuals and its 95 % interval's half width."""

    mean: float
    half: float

    @classmethod
    def of(cls, values: np.ndarray) -> Estimate:
        error = values.std(ddof=1) / np.sqrt(len(values))
        return cls(float(values.mean()), float(stats.t.ppf(0.975, len(values) - 1) * error))


class Found:
    """Results by what they are of."""

    def __init__(self, results: Sequence[Result]) -> None:
        self._results = results
        self.stages = sorted({r.updates for r in results})
        self.updates = self.stages[-1]

    def each(self, network: str, arm: str, updates: int, figure: str, rig: str = "own") -> np.ndarray | None:
        """[individuals] means over seeds; None where nothing was run. A figure that is undefined counts as none."""
        key = (network, arm, updates, rig)
        runs = [r.samples for r in self._results if (r.network, r.arm, r.updates, r.rig) == key]
        if not runs:
            return None
        return np.nanmean([[float(run[s][figure] or 0.0) for s in sorted(run)] for run in runs], axis=0)

    def artefact(self, network: str, arm: str, figure: str) -> float | None:
        """At the end."""
        key = (network, arm, self.updates, "own")
        known = [getattr(r, figure) for r in self._results if (r.network, r.arm, r.updates, r.rig) == key]
        return float(np.mean(known)) if known and None not in known else None

    def seeds(self, network: str) -> int:
        return len({r.seed for r in self._results if r.network == network and r.updates == self.updates})


def cell(found: Found, network: str, arm: str, updates: int, rig: str = "own") -> str:
    psnr, iou = (found.each(network, arm, updates, name, rig) for name in ("foreground_psnr", "iou"))
    return "-" if psnr is None or iou is None else f"{psnr.mean():.2f} / {iou.mean():.3f}"


def difference(found: Found, network: str, arm: str, figure: str) -> Estimate | None:
    """From `per-sample`, paired over individuals, at the end."""
    own, base = (found.each(network, name, found.updates, figure) for name in (arm, BASE))
    return None if own is None or base is None or arm == BASE else Estimate.of(own - base)


def table(found: Found, network: str) -> str:
    stages = [f"{updates:,} updates" if updates else "zero-shot" for updates in found.stages]
    heads = ["arm", *stages, "dB from per-sample", "IoU from per-sample", "from below", "another rig",
             "outside the hull, %", "needles, %"]  # fmt: skip
    lines = [heads, ["---"] * len(heads)]
    for arm in (arm for arm in ROWS if found.each(network, arm, found.updates, "iou") is not None):
        row = [f"`{arm}`", *(cell(found, network, arm, n) for n in found.stages)]
        for figure, places in (("foreground_psnr", 2), ("iou", 3)):
            change = difference(found, network, arm, figure)
            row.append("-" if change is None else f"{change.mean:+.{places}f} ± {change.half:.{places}f}")
        row += [cell(found, network, arm, found.updates, rig) for rig in ("below", "other")]
        for figure in ("floaters", "needles"):
            share = found.artefact(network, arm, figure)
            row.append("-" if share is None else f"{100 * share:.0f}")
        lines.append(row)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figure(found: Found, network: str) -> str:
    """Two rows of dots with intervals: foreground PSNR and IoU of views never given, an arm a row."""
    panels = (("foreground_psnr", "foreground PSNR, dB"), ("iou", "overlap of outlines (IoU)"))
    rows = [arm for arm in ROWS if found.each(network, arm, found.updates, "iou") is not None]
    height, width = _HEAD + _ROW * len(rows) + 40, _LEFT + len(panels) * (_WIDTH + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="13"><rect width="{width}" height="{height}" fill="#fff"/>'
    ]
    for k, arm in enumerate(rows):
        y = _HEAD + _ROW * (k + 0.5)
        parts.append(f'<text x="{_LEFT - 14}" y="{y + 4:g}" text-anchor="end" fill="#24292f">{arm}</text>')
        parts.append(f'<path d="M{_LEFT} {y:g}H{width - _GAP}" stroke="#e5e7eb"/>')
    for p, (name, label) in enumerate(panels):
        start = _LEFT + p * (_WIDTH + _GAP)
        values = {
            arm: Estimate.of(v) for arm in rows if (v := found.each(network, arm, found.updates, name)) is not None
        }
        low = min(v.mean - v.half for v in values.values())
        high = max(v.mean + v.half for v in values.values())
        step = next(s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10) if (high - low) / s < 7)
        first, last = np.floor(low / step) * step, np.ceil(high / step) * step

        def at(value: float, start: int = start, first: float = first, last: float = last) -> float:
            return start + _WIDTH * (value - first) / (last - first)

        parts.append(f'<text x="{start}" y="20" fill="#24292f" font-weight="600">{label}</text>')
        for tick in np.arange(first, last + step / 2, step):
            x = at(tick)
            parts.append(f'<path d="M{x:.1f} {_HEAD - 8}V{height - 34}" stroke="#e5e7eb"/>')
            parts.append(f'<text x="{x:.1f}" y="{height - 16}" text-anchor="middle" fill="#57606a">{tick:g}</text>')
        for k, arm in enumerate(rows):
            y, colour = _HEAD + _ROW * (k + 0.5), _COLOURS[arm not in ARMS or ARMS[arm].exact]
            mean, half = values[arm]
            parts.append(
                f'<path d="M{at(mean - half):.1f} {y:g}H{at(mean + half):.1f}" stroke="{colour}" stroke-width="2"/>'
            )
            parts.append(f'<circle cx="{at(mean):.1f}" cy="{y:g}" r="5" fill="{colour}"/>')
    return "\n".join([*parts, "</svg>\n"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args()
    found = Found(msgspec.json.decode((args.folder / "results.json").read_bytes(), type=list[Result]))
    for network in ("plain", "hull"):
        if found.seeds(network):
            sys.stdout.write(f"Network `{network}`, {found.seeds(network)} seeds:\n\n{table(found, network)}\n\n")
    if args.figure:
        args.figure.write_text(figure(found, "plain"), encoding="utf-8")


if __name__ == "__main__":
    main()
