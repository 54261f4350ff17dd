"""FaceLift's `opencv_cameras.json`: read and write.

One frame a view: w, h, fx, fy, cx, cy (pixel centres at +0.5, as in this project), w2c 4x4, file_path.
No lens, no skew.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from mouselift.calibration.rig import Rig, RigCamera, RigFormat, mended_rotation, no_variant
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import Pinhole

_NUMBERS = ("fx", "fy", "cx", "cy")
_KEYS = ("w", "h", *_NUMBERS, "w2c")
_LAST_ROW = np.array([0.0, 0.0, 0.0, 1.0])


@dataclass(frozen=True, eq=False)
class ViewEntry:
    """One view of a sample: its camera, and its image relative to the sample's folder."""

    camera: Camera  # pinhole, no skew; `camera.name` is the source camera's
    file_path: str  # with forward slashes
    view_id: int


def read_facelift(path: Path, variant: str | None = None) -> Rig:
    """Rig of an `opencv_cameras.json`, cameras named by "camera", else by their image."""
    no_variant(path, "facelift", variant)
    views, _ = read_cameras_json(path)
    return Rig(path, "facelift", tuple(_rig_camera(path, view.camera) for view in views))


def read_cameras_json(path: Path) -> tuple[list[ViewEntry], dict[str, Any]]:
    """The views of an `opencv_cameras.json`, and the whole content.

    Rotations rounded in the file (off by up to 1e-4) are replaced by the nearest one. CalibrationError names file,
    frame and key. A frame without file_path (an inference rig) gets "images/cam_NNN.png" of its place.
    """
    content = _content(path)
    frames = content.get("frames")
    if not isinstance(frames, list) or not frames:
        raise CalibrationError(f'{path}: expected "frames": a list with one entry a view, got {_short(frames)}')
    return [view_of_frame(path, index, frame) for index, frame in enumerate(frames)], content


def sample_json(sample_id: str, views: Sequence[ViewEntry], provenance: Mapping[str, Any]) -> bytes:
    """The bytes of an `opencv_cameras.json`: equal input, equal bytes; every float reads back as it was.

    `provenance` (anything that msgspec encodes) goes under "mouselift". CalibrationError where a camera has a lens or
    a skew: the format cannot say it.
    """
    content = {"id": sample_id, "frames": [_entry(view) for view in views], "mouselift": dict(provenance)}
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"


def _entry(view: ViewEntry) -> dict[str, Any]:
    camera = view.camera
    if not isinstance(camera.lens, Pinhole) or camera.skew != 0.0:
        raise CalibrationError(
            f"camera {camera.name!r}: opencv_cameras.json holds pinhole cameras only, got {camera.lens} with skew "
            f"{camera.skew}; resample the image first (warp)"
        )
    return {
        **camera_numbers(camera),
        "file_path": view.file_path,
        "view_id": view.view_id,
        "camera": camera.name,
    }


def camera_numbers(camera: Camera) -> dict[str, Any]:
    """What an entry says of a pinhole camera: w, h, fx, fy, cx, cy in pixels and w2c, row by row."""
    return {
        "w": camera.width,
        "h": camera.height,
        "fx": camera.fx,
        "fy": camera.fy,
        "cx": camera.cx,
        "cy": camera.cy,
        "w2c": camera.T_cam_world.tolist(),
    }


def _content(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CalibrationError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        content = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        content = _lenient(path, data)
    if not isinstance(content, dict):
        raise CalibrationError(f"{path}: expected a JSON object with id and frames, got {_short(content)}")
    return content


def _lenient(path: Path, data: bytes) -> Any:
    """JSON with NaN and Infinity, as Python's json writes it: read so that the message can name the key."""
    try:
        return json.loads(data)
    except ValueError as error:
        raise CalibrationError(f"{path}: not valid JSON: {error}") from None


def view_of_frame(path: Path, index: int, frame: Any) -> ViewEntry:
    """The view of one entry of "frames". CalibrationError names file, entry and key."""
    where = f"{path}: frames[{index}]"
    if not isinstance(frame, dict):
        raise CalibrationError(f"{where}: expected an object with {', '.join(_KEYS)}, got {_short(frame)}")
    missing = [key for key in _KEYS if key not in frame]
    if missing:
        raise CalibrationError(f"{where}: missing {', '.join(missing)}; expected {', '.join(_KEYS)}")
    size = [frame["w"], frame["h"]]
    for key, value in zip("wh", size, strict=True):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value) or value < 1:
            raise CalibrationError(f"{where}: {key}: expected a whole number of pixels, got {_short(value)}")
    fx, fy, cx, cy = (_number(where, key, frame[key]) for key in _NUMBERS)
    T = _pose(where, frame["w2c"])
    file_path = frame.get("file_path", f"images/cam_{index:03d}.png")
    if not isinstance(file_path, str) or not file_path:
        raise CalibrationError(f"{where}: file_path: expected a relative path, got {_short(file_path)}")
    name = str(frame["camera"]) if "camera" in frame else Path(file_path).stem
    if fx <= 0 or fy <= 0:
        raise CalibrationError(f"{where}: expected positive focal lengths, got fx = {fx:g}, fy = {fy:g}")
    try:
        T[:3, :3], _ = mended_rotation(T[:3, :3])
        T[3] = _LAST_ROW  # it may be rounded, too
    except ValueError as error:
        raise CalibrationError(f"camera {name!r} ({path}): {error}") from None
    camera = Camera(int(size[0]), int(size[1]), fx, fy, cx, cy, T, name=name)
    view_id = frame.get("view_id", index)
    return ViewEntry(camera, file_path, view_id if isinstance(view_id, int) else index)


def _number(where: str, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise CalibrationError(f"{where}: {key}: expected a finite number, got {_short(value)}")
    return float(value)


def _pose(where: str, value: Any) -> np.ndarray:
    try:
        T = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        T = np.empty(0)
    if T.shape != (4, 4) or not np.isfinite(T).all():
        raise CalibrationError(f"{where}: w2c: expected 4 rows of 4 finite numbers, got {_short(value)}")
    if (np.abs(T[3] - _LAST_ROW) > 1e-9).any():
        hint = " The translation is in the last row: transposed?" if T[3, :3].any() else ""
        raise CalibrationError(f"{where}: w2c: expected a last row of 0 0 0 1, got {T[3].tolist()}.{hint}")
    return T


def _rig_camera(path: Path, camera: Camera) -> RigCamera:
    size = camera.width, camera.height
    return RigCamera(camera.name, path, camera.K, camera.R_cam_world, camera.t_cam_world, Pinhole(), size)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def find_facelift(folder: Path) -> list[Path]:
    """Never found unasked: such a file is one sample of a dataset, not the rig of a recording."""
    return []


FORMAT = RigFormat(read_facelift, find_facelift, ("opencv_cameras.json",))
