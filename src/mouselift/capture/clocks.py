"""Times of images, one list a camera, to a common timeline.

A recording has a fixed rate. Each camera's images are given the tick they fall on, so a lost image is a gap. Two
readings are possible: all times come from one clock, or each camera's clock counts from its own first image. Where
both say the same of every image, nothing is open; else the caller has to be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mouselift.array_types import Array, Float64, Int64
from mouselift.capture.timeline import LOST
from mouselift.errors import CaptureError

# The grid follows the images by this part of each residual: the mean of about ten images' jitter. It follows a clock
# that is off by one per cent with a lag of a tenth of the period, which leaves four fifths of the half period.
_FOLLOW = 0.1
_COARSEST = 0.4  # of the period: two times, each rounded by half of what they are written in, are off by it at most
_COMMON = 0.25  # of the steps: so many lost images are likelier to be rounding
_WHOLE = 1e-4
_SEVERAL = 4  # long steps that come regularly by chance in one of some hundred recordings
_RATES = 0.05  # cameras whose periods differ by more record at other rates: one image in 20 has no counterpart


@dataclass(frozen=True, eq=False)
class Ticks:
    """One camera's images on its own grid."""

    ticks: Int64[Array, " n"]  # of each image, from 0
    period: float  # seconds
    residual: float  # the largest distance of an image from its tick, seconds

    @property
    def lost(self) -> int:
        return int(self.ticks[-1]) + 1 - len(self.ticks)


@dataclass(frozen=True, eq=False)
class Alignment:
    frames: dict[str, Int64[Array, " n"]]  # of each image, on the common timeline; LOST: belongs to no instant
    ticks: dict[str, Ticks]

    @property
    def plain(self) -> bool:
        """Image n shows frame n in all cameras."""
        return all((found == np.arange(len(found))).all() for found in self.frames.values())


def ticks_of(name: str, times: Float64[Array, " n"]) -> Ticks:
    """Each image's tick. CaptureError: times do not increase, or two images fall on one tick."""
    if len(times) < 3 or not np.isfinite(times).all():
        raise CaptureError(f"camera {name}: expected at least 3 times, all finite, got {len(times)}")
    steps = np.diff(times)
    if (steps <= 0).any():
        at = int(np.flatnonzero(steps <= 0)[0]) + 1
        raise CaptureError(f"camera {name}: times do not increase at image {at} ({times[at]:.6f} s)")
    median, written = float(np.median(steps)), _resolution(steps)
    rounded = bool(written <= 0.5 * median)  # else the steps are whole periods, or rounded to about as much
    period = float(steps[steps < 1.5 * median + written * rounded].mean())
    if (rounded and written > _COARSEST * period) or (not rounded and _rounding_explains(times, median, written)):
        raise CaptureError(
            f"camera {name}: times are written in steps of {written:.6f} s, the period is about {period:.6f} s: lost "
            "images cannot be told from rounding. Save them with more digits (no float32, no clock of whole ticks)"
        )
    ticks = _follow(times, period)
    for _ in range(2):  # the period of short steps, then that of the whole recording
        period = float(np.polyfit(ticks, times - times[0], 1)[0])
        ticks = _follow(times, period)
    same = np.flatnonzero(np.diff(ticks) < 1)
    if same.size:
        at = int(same[0]) + 1
        raise CaptureError(
            f"camera {name}: images {at - 1} and {at} are {steps[at - 1]:.6f} s apart, the period is {period:.6f} s: "
            "which of two instants each shows cannot be told (a time is off by more than half a period)"
        )
    residual = times - times[0] - np.polyval(np.polyfit(ticks, times - times[0], 1), ticks)
    return Ticks(ticks, period, float(np.abs(residual).max()))


def _resolution(steps: Float64[Array, " n"]) -> float:
    """What times are written in: the smallest difference between two of their steps; 0 where all are equal."""
    apart = np.diff(np.unique(steps))
    apart = apart[apart > 1e-6 * steps.max()]
    return float(apart.min()) if apart.size else 0.0


def _rounding_explains(times: Float64[Array, " n"], median: float, written: float) -> bool:
    """Whether long steps may be rounding: they come as regularly, or are common, or the clock counts whole ticks."""
    uneven = np.abs(np.diff(times) - median) > 0.5 * written
    if not uneven.any():
        return False
    ticks_a_second = float(np.log2(1 / written))  # clocks of Windows, float32: powers of two, which no camera's rate is
    if float(uneven.mean()) > _COMMON or abs(ticks_a_second - round(ticks_a_second)) < _WHOLE:
        return True
    place = np.arange(len(times))
    off = times - times[0] - np.polyval(np.polyfit(place, times - times[0], 1), place)
    return bool(int(uneven.sum()) >= _SEVERAL and float(np.ptp(off)) < 1.1 * written)


def _follow(times: Float64[Array, " n"], period: float) -> Int64[Array, " n"]:
    grid, tick = float(times[0]), 0
    ticks = np.zeros(len(times), dtype=np.int64)
    for i, time in enumerate(times.tolist()):
        step = round((time - grid) / period)
        tick += step
        grid += step * period
        grid += _FOLLOW * (time - grid)
        ticks[i] = tick
    return ticks


def align(times: Mapping[str, Float64[Array, " n"]], clocks: str | None = None) -> Alignment:
    """Every image's frame, by seconds. clocks: "common", "own", or None where both readings must agree.

    CaptureError: they do not agree, cameras' rates differ, or one camera's times leave its images open.
    """
    ticks = {name: ticks_of(name, found) for name, found in times.items()}
    period = float(np.median([found.period for found in ticks.values()]))
    rates = ", ".join(f"{name} {1 / found.period:.3f}" for name, found in ticks.items())
    if any(abs(found.period / period - 1) > _RATES for found in ticks.values()):
        raise CaptureError(f"cameras record at different rates ({rates} images/s): they have no common timeline")
    own = {name: found.ticks for name, found in ticks.items()}
    if clocks == "own":
        return Alignment(own, ticks)
    common = _on_one_clock(times, ticks)
    if clocks == "common":
        return Alignment(common, ticks)
    other = {name: np.flatnonzero(own[name] != common[name]) for name in own}
    if any(found.size for found in other.values()):
        begin = min(float(found[0]) for found in times.values())
        starts = ", ".join(f"{name} {float(found[0]) - begin:.6f}" for name, found in times.items())
        differ = ", ".join(f"{name} {v.size} images from image {v[0]}" for name, v in other.items() if v.size)
        raise CaptureError(
            f"first times differ (seconds: {starts}) or clocks run apart (images/s: {rates}). Either one clock timed "
            "all cameras, and images of equal times show one instant (common), or each camera has its own clock, and "
            f"the first image of each shows the same instant (own); the two differ for {differ}"
        )
    return Alignment(own, ticks)


def _on_one_clock(times: Mapping[str, Float64[Array, " n"]], ticks: Mapping[str, Ticks]) -> dict[str, np.ndarray]:
    """By time alone, on the grid of the camera with most images; of two images on one tick, the nearer one is kept."""
    reference = max(ticks, key=lambda name: len(ticks[name].ticks))
    start = float(times[reference][0])
    grid = np.polyfit(ticks[reference].ticks, times[reference] - start, 1)
    out: dict[str, np.ndarray] = {}
    twice: dict[str, np.ndarray] = {}
    for name, found in times.items():
        place = (found - start - grid[1]) / grid[0]
        out[name] = np.rint(place).astype(np.int64)
        order = np.lexsort((np.abs(place - out[name]), out[name]))
        twice[name] = order[np.r_[False, np.diff(out[name][order]) == 0]]
    first = min(int(frames.min()) for frames in out.values())
    for name in out:
        out[name] = out[name] - first
        out[name][twice[name]] = LOST
    return out
