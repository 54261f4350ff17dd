"""The options of framing, and the named presets (docs/concepts/framing.md).

A framing is three choices: where the camera aims, what is held equal about the zoom and over what
scope, and how the world is normalised. Everything else follows from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mouselift.array_types import Vector3
from mouselift.errors import FramingError
from mouselift.framing.zoom import DatasetZoom, Zoom
from mouselift.geometry.camera import Camera
from mouselift.geometry.silhouette import Silhouette

if TYPE_CHECKING:
    from mouselift.framing.plan import SamplePlan

MIN_SIZE = 16  # output pixels: below this the margin alone is less than a pixel

_REASONS = {
    "size": f"an output side of at least {MIN_SIZE} pixels",
    "margin": "a share of the frame in [0, 0.5)",
    "fill": "a share of the frame in (0, 1]",
}


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
      median camera distance is 2.7 (`distance`) or the median half-width seen at the origin is
      2.7 tan 25 deg (`extent`); `none` leaves the world alone.
    * written `source`: the old bug on purpose. Each view's pixels are stretched to the square frame,
      scaled to `fill` whether or not they are clipped, and its mask's centre of mass is shifted to the
      middle, while the file gets the source's intrinsics, merely rescaled to the frame. For tests and
      comparisons only.

    Example: `PRESETS["per-sample"].plan(cameras, silhouettes, up=np.array([0.0, 0.0, 1.0]))`.
    """

    aim: Literal["crop", "look-at"]
    zoom: Zoom
    world: Literal["distance", "extent", "none"]
    size: int = 512  # output pixels a side
    margin: float = 0.025  # share of the frame kept free at each side
    fill: float = 0.6  # wanted size of the subject, as a share of the frame
    fill_measure: Literal["area", "bbox"] = "area"  # sqrt(mask area / frame area), or longest side / frame side
    written: Literal["exact", "source"] = "exact"

    def __post_init__(self) -> None:
        good = {
            "size": self.size >= MIN_SIZE,
            "margin": 0.0 <= self.margin < 0.5,
            "fill": 0.0 < self.fill <= 1.0,
        }
        for name, fine in good.items():
            if not fine:
                raise FramingError(f"framing: expected {_REASONS[name]} for `{name}`, got {getattr(self, name)}")

    @property
    def preset(self) -> str:
        """The preset whose choices these are (size, margin and fill are free), or "custom"."""
        key = (self.aim, self.zoom, self.world, self.written)
        for name, known in PRESETS.items():
            if key == (known.aim, known.zoom, known.world, known.written):
                return name
        return "custom"

    def plan(
        self,
        cameras: Sequence[Camera],
        silhouettes: Sequence[Silhouette | None],
        up: Vector3,
        *,
        shared: DatasetZoom | None = None,
        centre: Vector3 | None = None,
    ) -> SamplePlan:
        """The plan of one sample.

        cameras: of the source images, named. silhouettes: in source pixels, None where a view has no
        mask: it is then framed by the scope's value, about the projected centre. up: in the source
        world, any length. shared: the reduction over all samples, for scope `dataset` only. centre:
        the subject's centre in the source world where it is known better than from these silhouettes.

        Raises FramingError where fewer than two silhouettes exist, they determine no common point, or
        the subject lies behind a camera or outside its lens model.
        """
        # Imported here because a plan records its Framing.
        from mouselift.framing.build import build_plan

        return build_plan(self, cameras, silhouettes, up, shared, centre)

    def want(
        self,
        cameras: Sequence[Camera],
        silhouettes: Sequence[Silhouette | None],
        frame: int,
        *,
        centre: Vector3 | None = None,
    ) -> DatasetZoom:
        """One sample's say in a zoom of scope `dataset`: merge them all, then pass the result to `plan`."""
        from mouselift.framing.build import sample_want

        return sample_want(self, cameras, silhouettes, frame, centre)

    @property
    def margin_px(self) -> float:
        return self.margin * self.size


PRESETS: dict[str, Framing] = {
    "per-sample": Framing("crop", Zoom("scale", "sample"), "distance"),
    "per-view": Framing("crop", Zoom("scale", "view"), "distance"),
    "canonical": Framing("look-at", Zoom("magnification", "sample"), "extent"),
    "legacy": Framing("crop", Zoom("scale", "view"), "none", written="source"),
}

DEFAULT_PRESET = "per-sample"

PRETRAINED_DISTANCE = 2.7  # of FaceLift's released cameras from the origin
PRETRAINED_EXTENT = float(2.7 * np.tan(np.deg2rad(25.0)))  # half-width that they see at the origin
