"""The plan of one sample: a value that says, without pixels, what every output image and camera is; and its JSON.

Every double is written so that reading it back gives the same double.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import msgspec
import numpy as np

from mouselift.array_types import Vector3
from mouselift.errors import DatasetError, MouseliftError
from mouselift.framing.framing import Framing
from mouselift.geometry.camera import Camera, Reframe
from mouselift.geometry.lens import BrownConrady, Fisheye, Lens, Pinhole
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
        return _encode(self)

    @classmethod
    def from_json(cls, text: bytes | str) -> SamplePlan:
        """The inverse of `to_json`. DatasetError where the text is no plan."""
        return _decode(text)


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


SCHEMA = 1  # raised when a reader of the old text would misunderstand the new one


class _Lens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: str
    coefficients: list[float]


class _Camera(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    w2c: list[list[float]]  # [4][4], OpenCV axes
    lens: _Lens | None = None  # None: pinhole
    skew: float = 0.0


class _World(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    scale: float
    R_new_old: list[list[float]]
    origin_old: list[float]


class _View(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: _Camera
    target: _Camera
    scale: float
    focal: float
    magnification: float
    distance: float
    trusted: bool
    residual_px: float | None
    fill_before: Fill | None
    fill_after: Fill | None
    box: Box | None
    cut: bool | None
    clipped: bool | None


class _Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: int
    preset: str
    legacy: bool
    framing: Framing
    centre: list[float]
    centre_given: bool
    centre_rms_px: float
    world: _World
    views: list[_View]


_LENSES: dict[str, type[BrownConrady] | type[Fisheye]] = {"brown-conrady": BrownConrady, "fisheye": Fisheye}
_PLAIN = ("scale", "focal", "magnification", "distance", "trusted", "residual_px")
_PLAIN += ("fill_before", "fill_after", "box", "cut", "clipped")


def _encode(plan: SamplePlan) -> bytes:
    world = plan.world
    record = _Sample(
        schema=SCHEMA,
        preset=plan.framing.preset,
        legacy=plan.legacy,
        framing=plan.framing,
        centre=plan.centre.tolist(),
        centre_given=plan.centre_given,
        centre_rms_px=plan.centre_rms_px,
        world=_World(world.scale, world.R_new_old.tolist(), world.origin_old.tolist()),
        views=[
            _View(_from_camera(v.source), _from_camera(v.target), *(getattr(v, name) for name in _PLAIN))
            for v in plan.views
        ],
    )
    return msgspec.json.encode(record)


def _decode(text: bytes | str) -> SamplePlan:
    try:
        record = msgspec.json.decode(text, type=_Sample)
        if record.schema != SCHEMA:
            raise ValueError(f"expected schema {SCHEMA}, got {record.schema}: written by another mouselift version")
        world = record.world
        return SamplePlan(
            framing=record.framing,
            centre=np.array(record.centre, dtype=np.float64),
            centre_given=record.centre_given,
            centre_rms_px=record.centre_rms_px,
            world=Similarity(
                world.scale,
                np.array(world.R_new_old, dtype=np.float64),
                np.array(world.origin_old, dtype=np.float64),
            ),
            views=tuple(
                ViewPlan(_to_camera(v.source), _to_camera(v.target), *(getattr(v, name) for name in _PLAIN))
                for v in record.views
            ),
        )
    except (msgspec.MsgspecError, MouseliftError, ValueError) as error:
        raise DatasetError(f"sample plan: expected the JSON that mouselift writes, got: {error}") from None


def _from_camera(camera: Camera) -> _Camera:
    return _Camera(
        camera.name,
        camera.width,
        camera.height,
        camera.fx,
        camera.fy,
        camera.cx,
        camera.cy,
        camera.T_cam_world.tolist(),
        _from_lens(camera.lens),
        camera.skew,
    )


def _to_camera(record: _Camera) -> Camera:
    return Camera(
        record.width,
        record.height,
        record.fx,
        record.fy,
        record.cx,
        record.cy,
        np.array(record.w2c, dtype=np.float64),
        _to_lens(record.lens),
        record.skew,
        record.name,
    )


def _from_lens(lens: Lens) -> _Lens | None:
    for model, kind in _LENSES.items():
        if isinstance(lens, kind):
            return _Lens(model, list(astuple(lens)))
    return None


def _to_lens(record: _Lens | None) -> Lens:
    if record is None:
        return Pinhole()
    if record.model not in _LENSES:
        raise ValueError(f"lens model: expected one of {', '.join(_LENSES)}, got {record.model!r}")
    return _LENSES[record.model](*record.coefficients)
