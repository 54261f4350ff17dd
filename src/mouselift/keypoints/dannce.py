"""DANNCE and Label3D: predictions (`save_data_AVG.mat`), centres of mass (`com3d.mat`), hand labels (`*_dannce.mat`).

* `pred` [t, 3, k] and `p_max` [t, k] of predictions; sDANNCE has an axis for animals after t. `com` [t, 3] of centres.
  Their `sampleID` is a time in milliseconds plus 1 (frame / rate * 1000 + 1), or in some files the frame itself.
* `labelData`, of each camera: `data_3d` [t, 3k], x y z of each point, and `data_frame`, from 0.

Names are in none of them: points are numbered. The world and unit are the rig's (mm).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mouselift.array_types import Array, Float64, Int64
from mouselift.calibration.mat_file import variables_of
from mouselift.errors import CaptureError
from mouselift.keypoints.keypoints import Keypoints, in_order, numbered
from mouselift.limits import MAT_BYTES, limited_bytes

_WHOLE = 0.05  # frames: rates are rounded (29.97), and sample numbers to milliseconds


def read_dannce(path: Path, rate: float) -> Keypoints:
    """rate: frames per second, which turns times into frames; 0 where it is not known. CaptureError: what is wrong."""
    try:
        content = variables_of(limited_bytes(path, MAT_BYTES))
    except (OSError, ValueError) as error:
        raise CaptureError(f"{path}: expected a .mat file of DANNCE (v7; save with '-v7'), got: {error}") from None
    if "pred" in content:
        return _predictions(path, content, rate)
    if "com" in content and "sampleID" in content:
        centres = _numeric(path, content, "com")
        if centres.ndim != 2 or centres.shape[1] != 3:
            raise CaptureError(f"{path}: com: expected [frames, 3], got shape {centres.shape}")
        frames, notes = _frames(path, content, len(centres), rate)
        return in_order(path, "dannce", frames, centres[:, None], ("centre of mass",), None, notes)
    if "labelData" in content:
        return _labels(path, content["labelData"])
    raise CaptureError(
        f"{path}: expected DANNCE's pred and sampleID, com and sampleID, or labelData; got {', '.join(content)}"
    )


def _predictions(path: Path, content: dict[str, Any], rate: float) -> Keypoints:
    points = _numeric(path, content, "pred")
    if points.ndim == 4:
        if points.shape[1] != 1:
            raise CaptureError(
                f"{path}: pred: holds {points.shape[1]} animals (shape {points.shape}); expected one: save each apart"
            )
        points = points[:, 0]
    if points.ndim != 3 or points.shape[1] != 3:
        raise CaptureError(f"{path}: pred: expected [frames, 3, keypoints], got shape {points.shape}")
    frames, notes = _frames(path, content, len(points), rate)
    sure = None
    if "p_max" in content:
        sure = _numeric(path, content, "p_max").reshape(len(points), -1)
    names = numbered(points.shape[2])
    return in_order(path, "dannce", frames, np.moveaxis(points, 1, 2), names, sure, notes)


def _numeric(path: Path, content: dict[str, Any], key: str) -> Float64[Array, "*any"]:
    value = content.get(key)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        raise CaptureError(f"{path}: {key}: expected numbers, got {type(value).__name__}")
    return value.astype(np.float64)


def _frames(path: Path, content: dict[str, Any], count: int, rate: float) -> tuple[Int64[Array, " t"], tuple[str, ...]]:
    """(frame of each row, what was assumed)."""
    ids = _numeric(path, content, "sampleID").ravel()
    if len(ids) != count:
        raise CaptureError(f"{path}: sampleID: expected one a row, {count}, got {len(ids)}")
    if not np.isfinite(ids).all():
        raise CaptureError(f"{path}: sampleID: expected finite numbers")
    timed = (ids - 1) * rate / 1000
    if rate > 0 and (np.abs(timed - np.rint(timed)) <= _WHOLE).all() and len(set(np.rint(timed).tolist())) == count:
        return np.rint(timed).astype(np.int64), (f"sampleID is milliseconds plus 1, at {rate:g} frames a second",)
    if (ids == np.rint(ids)).all() and (np.diff(np.sort(ids)) == 1).all():
        first = int(ids.min())
        said = f"assumed: sampleID, which runs from {first} in steps of 1, counts frames from {min(first, 1)}"
        return (ids - min(first, 1)).astype(np.int64), (said,)
    raise CaptureError(
        f"{path}: sampleID: expected milliseconds plus 1 (whole frames at the recording's {rate:g} a second), or "
        f"frames; got {', '.join(f'{value:g}' for value in ids[:4])} ... Are these keypoints of another recording?"
    )


def _labels(path: Path, cells: Any) -> Keypoints:
    """Hand labels; all cameras hold the same 3D points."""
    try:
        first = cells.ravel()[0].ravel()[0]
        points, frames = (np.asarray(first[key], dtype=np.float64) for key in ("data_3d", "data_frame"))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise CaptureError(f"{path}: labelData: expected structs with data_3d and data_frame: {error!r}") from None
    frames = frames.ravel()
    if points.ndim != 2 or points.shape[1] % 3 or len(points) != len(frames) or not points.size:
        raise CaptureError(
            f"{path}: labelData: expected data_3d [t, 3k] and data_frame [t], got {points.shape} and {len(frames)}"
        )
    places = points.reshape(len(points), -1, 3)
    return in_order(path, "label3d", frames.astype(np.int64), places, numbered(places.shape[1]))
