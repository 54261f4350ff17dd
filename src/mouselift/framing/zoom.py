"""Zoom: what is held equal between views, and over what scope."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Literal

from mouselift.errors import FramingError

Quantity = Literal["scale", "focal", "magnification"]
Scope = Literal["view", "sample", "dataset"]


@dataclass(frozen=True)
class Zoom:
    """The quantity that every view of the scope gets exactly alike.

    `scale`: output pixels per source pixel, s = f / f0 with f0 = sqrt(fx fy) of the source.
    `focal`: f in output pixels. `magnification`: m = f / d, output pixels per world unit at the
    subject, d the distance from the camera centre to the subject's centre.
    """

    quantity: Quantity
    scope: Scope

    def unit(self, focal0: float, distance: float) -> float:
        """The focal length of a view at which the quantity is one: f = value * unit."""
        return {"scale": focal0, "focal": 1.0, "magnification": distance}[self.quantity]


@dataclass(frozen=True)
class DatasetZoom:
    """The value that all samples so far can take: a minimum, so samples may come in any order and grouping.

    `frame` and `camera` name the view that set it: one bad mask there shrinks the whole dataset.
    """

    quantity: Quantity
    value: float
    frame: int
    camera: str
    samples: int = 1

    def merged(self, other: DatasetZoom) -> DatasetZoom:
        """The reduction of two. Ties go to the lower frame, then to the camera's name."""
        if other.quantity != self.quantity:
            raise FramingError(
                f"dataset zoom: expected one quantity in all samples, got {self.quantity!r} and {other.quantity!r}"
            )
        first = min(self, other, key=lambda zoom: (zoom.value, zoom.frame, zoom.camera))
        return DatasetZoom(self.quantity, first.value, first.frame, first.camera, self.samples + other.samples)

    @staticmethod
    def of(samples: Iterable[DatasetZoom]) -> DatasetZoom:
        """All merged. FramingError where there is none."""
        found = list(samples)
        if not found:
            raise FramingError("dataset zoom: expected at least one sample that can be framed, got none")
        return reduce(lambda a, b: a.merged(b), found)
