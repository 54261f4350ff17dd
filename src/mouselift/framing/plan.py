"""The plan of one sample: a value that says, without pixels, what every output image and camera is; and its JSON.

Every double is written so that reading it back gives the same double.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import msgspec
import numpy as np

from mouselift.array_types import Array, Float64, Matrix4, Vector3
from mouselift.errors import DatasetError, MouseliftError
from mouselift.foreign import json_as
from mouselift.framing.framing import Framing
from mouselift.geometry.camera import Camera, Reframe
from mouselift.geometry.lens import BrownConrady, Fisheye, Lens, Pinhole
from mouselift.geometry.similarity import Similarity
from mouselift.media.orientation import Box


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
        source, target, size = self.views[view].source, self.views[view].target, self.framing.size
        if not self.legacy:
            return target.in_world(self.world)
        # The old scripts wrote the source's intrinsics resized to the frame, whatever was done to the pixels.
        across, down = size / source.width, size / source.height
        numbers = (source.fx * across, source.fy * down, source.cx * across, source.cy * down)
        return Camera(size, size, *numbers, source.T_cam_world, name=source.name).in_world(self.world)

    def to_json(self) -> bytes:
        """Stable bytes: the same plan gives the same text, and `from_json` the same numbers."""
        views = [_View(_from_camera(v.source), _from_camera(v.target), **_as_they_are(v, _VIEW)) for v in self.views]
        framing = self.framing
        record = _Sample(
            SCHEMA, framing.preset, self.legacy, framing, self.centre, False, self.centre_rms_px, self.world, views
        )
        return msgspec.json.encode(record, enc_hook=np.ndarray.tolist)

    @classmethod
    def from_json(cls, text: bytes | str) -> SamplePlan:
        """The inverse of `to_json`. DatasetError where the text is no plan."""
        try:
            record = json_as(text, _Sample, _array)
            if record.schema != SCHEMA:
                raise ValueError(f"expected schema {SCHEMA}, got {record.schema}: written by another mouselift version")
            views = [
                ViewPlan(_to_camera(v.source), _to_camera(v.target), **_as_they_are(v, _VIEW)) for v in record.views
            ]
            return cls(record.framing, record.centre, record.centre_rms_px, record.world, tuple(views))
        except (MouseliftError, ValueError) as error:
            raise DatasetError(f"sample plan: expected the JSON that mouselift writes, got: {error}") from None


SCHEMA = 1  # raised when a reader of the old text would misunderstand the new one


@dataclass(frozen=True, eq=False)
class PlannedCameras:
    """The numbers of a plan's cameras, for those who read many plans: a tenth of the time of `SamplePlan.from_json`."""

    names: tuple[str, ...]
    scale: Float64[Array, " v"]  # output pixels per source pixel
    source: Float64[Array, "v 20"]  # fx, fy, cx, cy and T_cam_world of the raw images
    K: Float64[Array, "v 4"]  # fx, fy, cx, cy as written
    T_cam_world: Float64[Array, "v 4 4"]  # as written, in the sample's world

    @classmethod
    def from_json(cls, text: bytes | str) -> PlannedCameras:
        """DatasetError where the text is no plan, or that of a `legacy` sample, whose cameras are not the pixels'."""
        try:
            record = json_as(text, _Numbers)
            if record.schema != SCHEMA or record.legacy:
                raise ValueError(f"schema {record.schema}, legacy {record.legacy}")
            return cls._of(record)
        except ValueError as error:
            text = f"sample plan: expected the JSON that mouselift writes, with exact cameras, got: {error}"
            raise DatasetError(text) from None

    @classmethod
    def _of(cls, record: _Numbers) -> PlannedCameras:
        """ValueError where a matrix has another shape."""
        views, world = record.views, record.world
        T = np.array([view.target.w2c for view in views], dtype=np.float64).reshape(len(views), 4, 4)
        Q, origin = np.array(world.R_new_old).reshape(3, 3), np.array(world.origin_old).reshape(3)
        written = T.copy()
        written[:, :3, :3] = T[:, :3, :3] @ Q.T
        written[:, :3, 3] = world.scale * (T[:, :3, :3] @ origin + T[:, :3, 3])
        source = [[v.source.fx, v.source.fy, v.source.cx, v.source.cy, *np.ravel(v.source.w2c)] for v in views]
        K = [[v.target.fx, v.target.fy, v.target.cx, v.target.cy] for v in views]
        return cls(
            tuple(view.source.name for view in views),
            np.array([view.scale for view in views], dtype=np.float64),
            np.array(source, dtype=np.float64).reshape(len(views), 20),
            np.array(K, dtype=np.float64).reshape(len(views), 4),
            written,
        )


_Rows = list[list[float]]


class _CameraNumbers(msgspec.Struct, frozen=True):
    name: str
    fx: float
    fy: float
    cx: float
    cy: float
    w2c: _Rows


class _ViewNumbers(msgspec.Struct, frozen=True):
    source: _CameraNumbers
    target: _CameraNumbers
    scale: float


class _WorldNumbers(msgspec.Struct, frozen=True):
    scale: float
    R_new_old: _Rows
    origin_old: list[float]


class _Numbers(msgspec.Struct, frozen=True):
    """What `PlannedCameras` needs of a sample's record."""

    schema: int
    legacy: bool
    world: _WorldNumbers
    views: list[_ViewNumbers]


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
    w2c: Matrix4  # OpenCV axes
    lens: _Lens | None = None  # None: pinhole
    skew: float = 0.0


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
    centre: Vector3
    centre_given: bool  # always false: no caller knows the centre better than the masks do
    centre_rms_px: float
    world: Similarity
    views: list[_View]


_LENSES: dict[str, type[BrownConrady] | type[Fisheye]] = {"brown-conrady": BrownConrady, "fisheye": Fisheye}
# What the file says as it is.
_CAMERA = ("name", "width", "height", "fx", "fy", "cx", "cy", "skew")
_VIEW = tuple(name for name in _View.__struct_fields__ if name not in ("source", "target"))


def _as_they_are(value: object, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def _array(_: Any, value: Any) -> np.ndarray:
    """Lists of the text as arrays, whose shapes `frozen` checks."""
    return np.array(value, dtype=np.float64)


def _from_camera(camera: Camera) -> _Camera:
    return _Camera(w2c=camera.T_cam_world, lens=_from_lens(camera.lens), **_as_they_are(camera, _CAMERA))


def _to_camera(record: _Camera) -> Camera:
    return Camera(T_cam_world=record.w2c, lens=_to_lens(record.lens), **_as_they_are(record, _CAMERA))


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
