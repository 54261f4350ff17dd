"""Keypoints of one animal over a recording, in the rig's world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mouselift.array_types import Array, Float64, Int64, Points3
from mouselift.errors import CaptureError
from mouselift.limits import LARGEST_NUMBER


@dataclass(frozen=True, eq=False)
class Keypoints:
    """`points` are in the world and the unit of the rig with which they were triangulated; NaN: not found.

    CaptureError where sizes do not fit, numbers are infinite or beyond any rig's, or nothing was found at all.
    """

    file: Path
    format: str
    frames: Int64[Array, " t"]  # on the recording's common timeline, ascending
    points: Float64[Array, "t k 3"]
    names: tuple[str, ...]
    confidence: Float64[Array, "t k"] | None  # as the tool gives it, higher is surer
    notes: tuple[str, ...] = ()  # what was assumed, in words

    def __post_init__(self) -> None:
        instants, count = len(self.frames), len(self.names)
        if self.points.shape != (instants, count, 3):
            raise self._wrong(f"points for {instants} frames and {count} names", f"shape {self.points.shape}")
        if self.confidence is not None and self.confidence.shape != (instants, count):
            raise self._wrong(f"a confidence for {instants} frames and {count} names", str(self.confidence.shape))
        if len(set(self.names)) < count:
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise self._wrong("every name once", f"{', '.join(twice)} more than once")
        if instants and (self.frames[0] < 0 or (np.diff(self.frames) <= 0).any()):
            raise self._wrong("frame numbers from 0, each once", f"{self.frames[:5].tolist()} ...")
        if not np.isfinite(self.points).any():
            raise self._wrong("points", "none that is finite")
        if (np.abs(self.points[~np.isnan(self.points)]) > LARGEST_NUMBER).any():
            raise self._wrong("finite numbers, or NaN", "infinite ones, or beyond any rig's")

    def _wrong(self, expected: str, got: str) -> CaptureError:
        return CaptureError(f"{self.file}: keypoints: expected {expected}, got {got}")

    def at(self, frame: int) -> Points3 | None:
        """The points of a frame; None where the file has none."""
        place = int(np.searchsorted(self.frames, frame))
        return self.points[place] if place < len(self.frames) and self.frames[place] == frame else None

    @property
    def words(self) -> str:
        """One line."""
        found = float(np.isfinite(self.points).all(axis=2).mean())
        return (
            f"{self.format}: {len(self.names)} keypoints at {len(self.frames)} frames "
            f"({self.frames[0]} to {self.frames[-1]}), {found:.0%} found"
        )


def in_order(
    file: Path, format: str, frames: Int64[Array, " t"], points: Float64[Array, "t k 3"], names: tuple[str, ...],
    confidence: Float64[Array, "t k"] | None = None, notes: tuple[str, ...] = (),
) -> Keypoints:  # fmt: skip
    """By ascending frame, whatever the file's order."""
    order = np.argsort(frames, kind="stable")
    sure = None if confidence is None else confidence[order]
    return Keypoints(file, format, frames[order], points[order], names, sure, notes)


def numbered(count: int) -> tuple[str, ...]:
    """Names for files that have none."""
    return tuple(f"point {k + 1}" for k in range(count))
