"""Keypoints of one animal: over a recording, in the rig's world; of one instant, in a sample's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.array_types import Array, Float64, Int64, Points3
from mouselift.errors import CaptureError
from mouselift.foreign import first_few, numbers, repeated, short, writable
from mouselift.geometry.similarity import Similarity
from mouselift.limits import LARGEST_NUMBER

_LONGEST = 200  # characters of a name
_NAMED = 4  # keypoints that a message names


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
        if fault := _fault(self.names):
            raise self._wrong("names that can be written", fault)
        if len(set(self.names)) < count:
            raise self._wrong("every name once", f"{first_few(sorted(repeated(self.names)), _NAMED)} more than once")
        if instants and (self.frames[0] < 0 or (np.diff(self.frames) <= 0).any()):
            raise self._wrong("frame numbers from 0, each once", f"{self.frames[:5].tolist()} ...")
        if not np.isfinite(self.points).any():
            raise self._wrong("points", "none that is finite")
        if (np.abs(self.points[~np.isnan(self.points)]) > LARGEST_NUMBER).any():
            raise self._wrong("finite numbers, or NaN", "infinite ones, or beyond any rig's")

    def _wrong(self, expected: str, got: str) -> CaptureError:
        return CaptureError(f"{self.file}: keypoints: expected {expected}, got {got}")

    def moved(self, offset: int) -> Keypoints:
        """With `offset` taken off every frame's number; frames before the recording's first fall away."""
        if offset == 0:
            return self
        kept = self.frames >= offset
        if not kept.any():
            raise self._wrong(f"frames from {offset} on (keypoints_offset)", f"{self.words}")
        sure = None if self.confidence is None else self.confidence[kept]
        note = f"frame n of the file is frame n {'-' if offset > 0 else '+'} {abs(offset)} of the recording"
        frames, points, notes = self.frames[kept] - offset, self.points[kept], (*self.notes, note)
        return replace(self, frames=frames, points=points, confidence=sure, notes=notes)

    @property
    def found_at(self) -> list[int]:
        """Frames at which some were found."""
        return self.frames[np.isfinite(self.points).all(axis=2).any(axis=-1)].tolist()

    def at(self, frame: int) -> Points3 | None:
        """The points of a frame; None where the file has none."""
        place = int(np.searchsorted(self.frames, frame))
        return self.points[place] if place < len(self.frames) and self.frames[place] == frame else None

    def among(self, frames: Iterable[int]) -> Keypoints | None:
        """Those of these frames; None where nothing was found in any of them."""
        mine = np.isin(self.frames, np.fromiter(frames, dtype=np.int64))
        if not np.isfinite(self.points[mine]).all(axis=2).any():
            return None
        sure = None if self.confidence is None else self.confidence[mine]
        return replace(self, frames=self.frames[mine], points=self.points[mine], confidence=sure)

    def of_sample(self, frame: int, world: Similarity) -> SampleKeypoints | None:
        """The points of a frame in the world of its sample; None where the file has none."""
        points = self.at(frame)
        if points is None:
            return None
        return SampleKeypoints(
            self.names, world.apply(points), f"{self.file.parent.name}/{self.file.name}", self.format
        )

    @property
    def words(self) -> str:
        """One line."""
        found = float(np.isfinite(self.points).all(axis=2).mean())
        return (
            f"{self.format}: {len(self.names)} keypoints at {len(self.frames)} frames "
            f"({self.frames[0]} to {self.frames[-1]}), {found:.0%} found"
        )


@dataclass(frozen=True, eq=False)
class SampleKeypoints:
    """Keypoints of one instant, in the world of its sample."""

    names: tuple[str, ...]  # each once
    points: Points3  # sample world; NaN: not found
    file: str  # in which they stand: its folder and name
    format: str

    @property
    def found(self) -> SampleKeypoints:
        """Without those that were not found."""
        places = [k for k, point in enumerate(self.points) if np.isfinite(point).all()]
        return replace(self, names=tuple(self.names[k] for k in places), points=self.points[places])

    def to_record(self) -> dict[str, Any]:
        """As `opencv_cameras.json` holds it; null: not found."""
        rows = [row if np.isfinite(row).all() else None for row in self.points]
        points = {name: None if row is None else row.tolist() for name, row in zip(self.names, rows, strict=True)}
        return {"file": self.file, "format": self.format, "points": points}

    @classmethod
    def from_record(cls, value: Any) -> SampleKeypoints:
        """The inverse. ValueError where the value is no such record."""
        points = value.get("points") if isinstance(value, dict) else None
        if not isinstance(points, dict) or not points:
            raise ValueError(f"expected points by name, got {short(value)}")
        if fault := _fault(points):
            raise ValueError(f"expected names that can be written, got {fault}")
        known = np.array([row is not None for row in points.values()])
        places = np.full((len(points), 3), np.nan)
        if known.any():
            places[known] = numbers([row for row in points.values() if row is not None], (None, 3), "points")
        return cls(tuple(points), places, str(value.get("file", "")), str(value.get("format", "")))


@dataclass(frozen=True, eq=False)
class DatasetKeypoints:
    """Those of a dataset's samples, each in the world of its own sample and of its own recording."""

    by_frame: Mapping[int, SampleKeypoints]

    @property
    def found_at(self) -> list[int]:
        """Frames at which some were found."""
        return [frame for frame, one in self.by_frame.items() if one.found.names]

    def of_sample(self, frame: int, world: Similarity) -> SampleKeypoints | None:
        """In the world that `world` leads to; None where the sample of that frame has none."""
        one = self.by_frame.get(frame)
        return None if one is None else replace(one, points=world.apply(one.points))


def _fault(names: Iterable[str]) -> str:
    """A name that no file of ours can hold, as a message shows it; "" where there is none."""
    return next((short(name) for name in names if writable(name) != name or len(name) > _LONGEST), "")


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
