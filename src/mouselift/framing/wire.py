"""Plans as JSON: typed records, every double written so that reading it back gives the same double."""

from __future__ import annotations

from dataclasses import astuple

import msgspec
import numpy as np

from mouselift.errors import DatasetError, MouseliftError
from mouselift.framing.framing import Framing
from mouselift.framing.plan import Box, Fill, SamplePlan, ViewPlan
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady, Fisheye, Lens, Pinhole
from mouselift.geometry.similarity import Similarity

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


def encode(plan: SamplePlan) -> bytes:
    """See `SamplePlan.to_json`."""
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


def decode(text: bytes | str) -> SamplePlan:
    """See `SamplePlan.from_json`."""
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
