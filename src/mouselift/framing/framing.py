"""The options of framing, and the named presets (docs/concepts/framing.md).

A framing is three choices: where the camera aims, what is held equal about the zoom and over what
scope, and how the world is normalised. Everything else follows from them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mouselift.errors import FramingError

MIN_SIZE = 16  # output pixels: below this the margin alone is less than a pixel

Preset = Literal["per-sample", "per-view", "canonical", "legacy"]
Aim = Literal["crop", "look-at"]
Quantity = Literal["scale", "focal", "magnification"]
Scope = Literal["view", "sample", "dataset"]
WorldScale = Literal["distance", "extent", "none"]
FillMeasure = Literal["area", "bbox"]


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


@dataclass(frozen=True)
class Framing:
    """Which virtual camera each view gets. Pure: the same cameras and silhouettes give the same plan.

    * aim `crop`: the camera is not turned; the principal point moves so that the subject's 3D centre
      is at the image centre. aim `look-at`: the camera turns towards the subject's 3D centre by the
      shortest turn, which keeps the view's own image-down as near as possible; the principal point is
      (size/2, size/2) exactly.
    * zoom: see `Zoom`. Every view's focal length is the smaller of the one that reaches `fill` and the
      largest one that keeps the whole outline inside the frame less the margin; over the zoom's scope
      the smallest value of the quantity wins. So no view is clipped.
    * world: one similarity a sample. Subject centre to the origin and up to +Z, scaled so that the
      median camera distance is PRETRAINED_DISTANCE (`distance`) or the median half-width seen at the
      origin is PRETRAINED_EXTENT (`extent`); `none` leaves the world alone.
    * written `source`: the old bug on purpose. Each view's pixels are stretched to the square frame,
      scaled to `fill` whether or not they are clipped, and its mask's centre of mass is shifted to the
      middle, while the file gets the source's intrinsics, merely rescaled to the frame. For tests and
      comparisons only.

    Example: `plan_sample(PRESETS["per-sample"], cameras, silhouettes, up=np.array([0.0, 0.0, 1.0]))`.
    """

    aim: Aim
    zoom: Zoom
    world: WorldScale
    size: int = 512  # output pixels a side
    margin: float = 0.025  # share of the frame kept free at each side
    fill: float = 0.6  # wanted size of the subject, as a share of the frame
    fill_measure: FillMeasure = "area"  # sqrt(mask area / frame area), or longest side / frame side
    written: Literal["exact", "source"] = "exact"

    def __post_init__(self) -> None:
        rules = (
            ("size", self.size >= MIN_SIZE, f"an output side of at least {MIN_SIZE} pixels"),
            ("margin", 0.0 <= self.margin < 0.5, "a share of the frame in [0, 0.5)"),
            ("fill", 0.0 < self.fill <= 1.0, "a share of the frame in (0, 1]"),
        )
        for name, good, wanted in rules:
            if not good:
                raise FramingError(f"framing: expected {wanted} for `{name}`, got {getattr(self, name)}")

    @property
    def preset(self) -> str:
        """The preset whose choices these are (size, margin and fill are free), or "custom"."""
        key = (self.aim, self.zoom, self.world, self.written)
        for name, known in PRESETS.items():
            if key == (known.aim, known.zoom, known.world, known.written):
                return name
        return "custom"

    @property
    def margin_px(self) -> float:
        return self.margin * self.size


PRESETS: dict[str, Framing] = {
    "per-sample": Framing("crop", Zoom("scale", "sample"), "distance"),
    "per-view": Framing("crop", Zoom("scale", "view"), "distance"),
    "canonical": Framing("look-at", Zoom("magnification", "sample"), "extent"),
    "legacy": Framing("crop", Zoom("scale", "view"), "none", written="source"),
}

PRETRAINED_DISTANCE = 2.7  # of FaceLift's released cameras from the origin
PRETRAINED_EXTENT = PRETRAINED_DISTANCE * math.tan(math.radians(25.0))  # half-width that they see at the origin
