"""The plan of one sample: a value that says, without pixels, what every output image and camera is."""

from __future__ import annotations

from dataclasses import dataclass

from mouselift.array_types import Vector3
from mouselift.framing.framing import Framing
from mouselift.geometry.camera import Camera
from mouselift.geometry.reframe import Reframe
from mouselift.geometry.similarity import Similarity

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels, half open


@dataclass(frozen=True)
class Fill:
    """How much of its frame a subject takes."""

    area: float  # sqrt(mask area / frame area)
    bbox: float  # longest side of the bounding box / the frame's side along it


@dataclass(frozen=True, eq=False)
class ViewPlan:
    """One view: from `source` pixels to `target` pixels, both cameras in the source world."""

    source: Camera  # of the raw image, with its lens
    target: Camera  # of the output's pixels, exactly
    scale: float  # output pixels per source pixel on the axis, f / f0
    focal: float  # output pixels
    magnification: float  # output pixels per source world unit at the subject
    distance: float  # camera centre to subject centre, source world units
    trusted: bool  # the subject's centre was computed from this view too
    residual_px: float | None  # source pixels, mask centroid to projected centre; None without a mask
    fill_before: Fill | None  # None without a mask
    fill_after: Fill | None
    box: Box | None  # output pixels that hold the outline, clipped to the frame; None without a mask
    cut: bool | None  # the mask touches the source image's border: the sensor may have cut the subject
    clipped: bool | None  # part of the outline lies outside the output: only ever by `written="source"`

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def reframe(self) -> Reframe:
        """The map between source and output pixels."""
        return Reframe(self.source, self.target)


@dataclass(frozen=True, eq=False)
class SamplePlan:
    """All views of one instant."""

    framing: Framing
    centre: Vector3  # of the subject, source world
    centre_given: bool  # by the caller, not from these masks
    centre_rms_px: float  # source pixels, RMS of the views' residuals
    world: Similarity  # source world -> the sample's world
    views: tuple[ViewPlan, ...]

    @property
    def legacy(self) -> bool:
        """The written cameras do not belong to the pixels, on purpose."""
        return self.framing.written == "source"

    def view(self, name: str) -> ViewPlan:
        """By camera name; KeyError where there is none."""
        return {view.name: view for view in self.views}[name]

    def reframe(self, view: int) -> Reframe:
        """View number `view`: the map between its source and output pixels."""
        return self.views[view].reframe

    def written_camera(self, view: int) -> Camera:
        """The camera that goes into the sample's file, in the sample's world."""
        plan = self.views[view]
        camera = old_intrinsics(plan.source, self.framing.size) if self.legacy else plan.target
        return camera.in_world(self.world)

    def to_json(self) -> bytes:
        """Stable bytes: the same plan gives the same text, and `from_json` the same numbers."""
        # Imported here because the wire format is made of these classes.
        from mouselift.framing.wire import encode

        return encode(self)

    @classmethod
    def from_json(cls, text: bytes | str) -> SamplePlan:
        """The inverse of `to_json`. DatasetError where the text is no plan."""
        from mouselift.framing.wire import decode

        return decode(text)


def old_intrinsics(source: Camera, size: int) -> Camera:
    """What the old scripts wrote: the source's intrinsics resized to the frame, whatever was done to the pixels."""
    across, down = size / source.width, size / source.height
    return Camera(
        size,
        size,
        source.fx * across,
        source.fy * down,
        source.cx * across,
        source.cy * down,
        source.T_cam_world,
        name=source.name,
    )
