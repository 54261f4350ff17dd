"""Is a sample's `opencv_cameras.json` what its name says? Each entry becomes a camera, or findings that say why not.

Checks look at the raw JSON, so that a stable code and the key can be named before a reader gives up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from mouselift.calibration.facelift import (
    KEYS,
    LAST_ROW,
    NUMBERS,
    ViewEntry,
    is_finite,
    is_pixels,
    matrix,
    name_of_frame,
    read_frames,
    short,
    view_of_frame,
)
from mouselift.errors import CalibrationError, DatasetError
from mouselift.findings import Finding
from mouselift.geometry.camera import Camera

_MATRIX_KEYS = ("K", "intrinsics")  # some tools write the matrix beside the four numbers
_SQUARE = 1e-3  # fx / fy may differ by this much before pixels count as not square
_ROUNDED = 1e-4  # a rotation further from orthonormal was not merely rounded; as calibration/rig.py
_SAME_POSE = 1e-9  # two cameras measured apart never agree to this


class _Provenance(msgspec.Struct):
    record: dict[str, Any] = {}
    provenance: dict[str, Any] = {}
    repair: dict[str, Any] | None = None  # `mouselift repair` has changed the cameras


class SampleFile(msgspec.Struct):
    """The parts of the file that an audit reads; the plan, its largest part, is skipped."""

    frames: Any = None
    mouselift: _Provenance | None = None  # None also where something else stands there


def read_sample_file(file: Path) -> SampleFile:
    """DatasetError where the file is missing, is no JSON object, or lists no frames."""
    try:
        frames, content = read_frames(file, SampleFile)
    except CalibrationError as error:
        raise DatasetError(str(error)) from None
    return content if isinstance(content, SampleFile) else SampleFile(frames)


def check_frame(sample: str, file: Path, index: int, frame: Any) -> tuple[ViewEntry | None, list[Finding]]:
    """(view, findings) of entry `index` of "frames"; None where no camera can exist with these numbers."""
    where = f"{file}: frames[{index}]"
    name = name_of_frame(index, frame)
    found = [
        Finding.of(p.code, f"{where}: {p.text}", camera=name, sample=sample, value=p.value, advice=p.advice)
        for p in _problems(frame)
    ]
    if any(finding.severity == "error" and finding.code in FATAL for finding in found):
        return None, found
    try:
        return view_of_frame(file, index, frame), found
    except CalibrationError as error:  # what no rule above has a name for
        return None, [*found, Finding.of("bad-camera", str(error), camera=name, sample=sample)]


FATAL = frozenset({"missing-key", "not-finite", "bad-size", "bad-focal", "pose-shape", "mirrored", "not-rotation"})


@dataclass(frozen=True)
class _Problem:
    code: str
    text: str
    value: float | None = None
    advice: str | None = None  # None: the registry's


def _problems(frame: Any) -> Iterator[_Problem]:
    if not isinstance(frame, Mapping):
        yield _Problem(
            "missing-key",
            f"expected an object with {', '.join(KEYS)}, got {short(frame)}",
            advice="Write one object a view.",
        )
        return
    missing = [key for key in KEYS if key not in frame]
    if missing:
        yield _Problem("missing-key", f"missing {', '.join(missing)}; expected {', '.join(KEYS)}")
        return
    yield from _size_problems(frame)
    yield from _intrinsic_problems(frame)
    yield from _matrix_problems(frame)
    yield from _pose_problems(frame["w2c"])


def _size_problems(frame: Mapping[str, Any]) -> Iterator[_Problem]:
    for key in "wh":
        if not is_pixels(frame[key]):
            yield _Problem("bad-size", f"{key}: expected a whole number of pixels, got {short(frame[key])}")


def _intrinsic_problems(frame: Mapping[str, Any]) -> Iterator[_Problem]:
    lost = [key for key in NUMBERS if not is_finite(frame[key])]
    if lost:
        text = ", ".join(f"{key} = {short(frame[key])}" for key in lost) + ": expected finite numbers"
        yield _Problem("not-finite", text)
        return
    fx, fy, cx, cy = (float(frame[key]) for key in NUMBERS)
    if fx <= 0 or fy <= 0:
        text = f"expected positive focal lengths in pixels, got fx = {fx:g}, fy = {fy:g}"
        yield _Problem("bad-focal", text, min(fx, fy))
        return
    if cx == 0 and cy == 0:
        text = "cx = cy = 0: the principal point lies in the image's corner"
        yield _Problem("principal-lost", text)
    elif is_finite(frame["w"]) and is_finite(frame["h"]) and not (0 <= cx <= frame["w"] and 0 <= cy <= frame["h"]):
        text = f"the principal point ({cx:.1f}, {cy:.1f}) lies outside the {frame['w']} x {frame['h']} image"
        yield _Problem("principal-outside", text)
    if abs(fx / fy - 1) > _SQUARE:
        text = f"fx / fy = {fx / fy:.4f}: pixels are not square"
        yield _Problem("pixels-not-square", text, fx / fy)


def _matrix_problems(frame: Mapping[str, Any]) -> Iterator[_Problem]:
    for key in _MATRIX_KEYS:
        if key not in frame or frame[key] is None:
            continue
        K = matrix(frame[key])
        if K.shape != (3, 3) or not np.isfinite(K).all():
            text = f"{key}: expected 3 rows of 3 finite numbers, got {short(frame[key])}"
            yield _Problem("k-shape", text, advice="Write K as [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], or leave it out.")
        elif K[2, :2].any() or K[1, 0] != 0 or K[2, 2] != 1:
            turned = " It is transposed: the principal point is in its last row." if K[2, :2].any() else ""
            text = f"{key}: expected upper triangular with last row 0 0 1, got {K.tolist()}.{turned}"
            yield _Problem("k-shape", text)
        elif all(is_finite(frame[n]) for n in NUMBERS):
            four = np.array([frame[n] for n in NUMBERS], dtype=np.float64)
            if not np.allclose(four, [K[0, 0], K[1, 1], K[0, 2], K[1, 2]], rtol=1e-6):
                text = f"{key} says fx fy cx cy = {[K[0, 0], K[1, 1], K[0, 2], K[1, 2]]}, the keys {four.tolist()}"
                yield _Problem("k-shape", text, advice="Only one of the two is read by a loader: make them agree.")


def _pose_problems(value: Any) -> Iterator[_Problem]:
    T = matrix(value)
    if T.shape != (4, 4):
        text = f"w2c: expected 4 rows of 4 numbers, got {short(value)}"
        yield _Problem("pose-shape", text)
        return
    if not np.isfinite(T).all():
        yield _Problem("not-finite", "w2c holds NaN or infinity", advice="Find where the calibration lost its numbers.")
        return
    if (np.abs(T[3] - LAST_ROW) > 1e-9).any():
        hint = "; the translation is in the last row: transposed?" if T[3, :3].any() else ""
        text = f"w2c: expected a last row of 0 0 0 1, got {T[3].tolist()}{hint}"
        yield _Problem("pose-shape", text)
        return
    R = T[:3, :3]
    det, off = float(np.linalg.det(R)), float(np.abs(R @ R.T - np.eye(3)).max())
    if det < 0 and off <= _ROUNDED:
        text = f"w2c: det R = {det:.3f}, expected +1: the camera is mirrored"
        yield _Problem("mirrored", text, det)
    elif off > _ROUNDED:
        text = f"w2c: R is no rotation (det {det:.3g}, |R R^T - 1| = {off:.2g}, expected below {_ROUNDED:g})"
        yield _Problem("not-rotation", text, off)


def same_cameras(sample: str, cameras: list[Camera]) -> list[Finding]:
    """Pairs of views that state one camera: same intrinsics and same pose. One was copied over the other."""
    if len(cameras) < 2:
        return []
    numbers = np.stack([np.array([*camera.T_cam_world[:3].ravel(), camera.fx, camera.cx]) for camera in cameras])
    reach = np.abs(numbers).max(axis=0) + 1e-300
    return [
        Finding.of(
            "same-camera",
            f"{cameras[a].name} and {cameras[b].name} state one and the same camera",
            camera=cameras[b].name,
            sample=sample,
        )
        for a, b in combinations(range(len(cameras)), 2)
        if (np.abs(numbers[a] - numbers[b]) <= _SAME_POSE * reach).all()
    ]
