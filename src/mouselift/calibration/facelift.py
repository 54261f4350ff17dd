"""FaceLift's `opencv_cameras.json`: read and write.

One frame a view: w, h, fx, fy, cx, cy (pixel centres at +0.5, as in this project), w2c 4x4, file_path.
No lens, no skew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from mouselift.array_types import Matrix4
from mouselift.calibration.rig import Rig, RigCamera, RigFormat, content_of, mended_rotation, no_variant
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import Pinhole

NUMBERS = ("fx", "fy", "cx", "cy")
KEYS = ("w", "h", *NUMBERS, "w2c")
LAST_ROW = np.array([0.0, 0.0, 0.0, 1.0])

Content = TypeVar("Content")


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
    frames, content = read_frames(path, dict)
    return [view_of_frame(path, index, frame) for index, frame in enumerate(frames)], content


def read_frames(path: Path, wanted: type[Content]) -> tuple[list[Any], Content | dict[str, Any]]:
    """("frames" of an `opencv_cameras.json`, not empty, the rest of it as `wanted`), entries not checked.

    A file that is not as `wanted` comes as a dict: one with NaN or Infinity, as Python's json writes them, or with
    other content. CalibrationError where it cannot be read, is no JSON object, or lists no frames.
    """
    data = content_of(path)
    try:
        content = msgspec.json.decode(data, type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            content = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise CalibrationError(f"{path}: not valid JSON: {error}") from None
        if not isinstance(content, dict):
            raise CalibrationError(f"{path}: expected a JSON object with id and frames, got {short(content)}") from None
    frames = content.get("frames") if isinstance(content, dict) else getattr(content, "frames", None)
    if not isinstance(frames, list) or not frames:
        raise CalibrationError(f'{path}: expected "frames": a list with one entry a view, got {short(frames)}')
    return frames, content


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
    return {**camera_numbers(camera), "file_path": view.file_path, "view_id": view.view_id, "camera": camera.name}


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


def view_of_frame(path: Path, index: int, frame: Any) -> ViewEntry:
    """The view of one entry of "frames". CalibrationError names file, entry and key."""
    where = f"{path}: frames[{index}]"
    if not isinstance(frame, dict):
        raise CalibrationError(f"{where}: expected an object with {', '.join(KEYS)}, got {short(frame)}")
    missing = [key for key in KEYS if key not in frame]
    if missing:
        raise CalibrationError(f"{where}: missing {', '.join(missing)}; expected {', '.join(KEYS)}")
    for key in "wh":
        if not is_pixels(frame[key]):
            raise CalibrationError(f"{where}: {key}: expected a whole number of pixels, got {short(frame[key])}")
    fx, fy, cx, cy = (_number(where, key, frame[key]) for key in NUMBERS)
    T = _pose(where, frame["w2c"])
    file_path = frame.get("file_path", f"images/cam_{index:03d}.png")
    if not isinstance(file_path, str) or not file_path:
        raise CalibrationError(f"{where}: file_path: expected a relative path, got {short(file_path)}")
    name = name_of_frame(index, frame)
    if fx <= 0 or fy <= 0:
        raise CalibrationError(f"{where}: expected positive focal lengths, got fx = {fx:g}, fy = {fy:g}")
    try:
        T[:3, :3], _ = mended_rotation(T[:3, :3])
        T[3] = LAST_ROW  # it may be rounded, too
    except ValueError as error:
        raise CalibrationError(f"camera {name!r} ({path}): {error}") from None
    camera = Camera(int(frame["w"]), int(frame["h"]), fx, fy, cx, cy, T, name=name)
    view_id = frame.get("view_id", index)
    return ViewEntry(camera, file_path, view_id if isinstance(view_id, int) else index)


def name_of_frame(index: int, frame: Any) -> str:
    """The view's name: "camera", else its image's name without a suffix."""
    if not isinstance(frame, dict):
        return f"frames[{index}]"
    if "camera" in frame:
        return str(frame["camera"])
    path = frame.get("file_path", f"images/cam_{index:03d}.png")
    return Path(path).stem if isinstance(path, str) else f"frames[{index}]"


def _number(where: str, key: str, value: Any) -> float:
    if not is_finite(value):
        raise CalibrationError(f"{where}: {key}: expected a finite number, got {short(value)}")
    return float(value)


def _pose(where: str, value: Any) -> Matrix4:
    T = matrix(value)
    if T.shape != (4, 4) or not np.isfinite(T).all():
        raise CalibrationError(f"{where}: w2c: expected 4 rows of 4 finite numbers, got {short(value)}")
    if (np.abs(T[3] - LAST_ROW) > 1e-9).any():
        hint = " The translation is in the last row: transposed?" if T[3, :3].any() else ""
        raise CalibrationError(f"{where}: w2c: expected a last row of 0 0 0 1, got {T[3].tolist()}.{hint}")
    return T


def is_finite(value: Any) -> bool:
    """A number that a double can hold; whole numbers of JSON may be larger."""
    return not isinstance(value, bool) and isinstance(value, (int, float)) and abs(value) <= sys.float_info.max


def is_pixels(value: Any) -> bool:
    """A whole number of pixels."""
    return is_finite(value) and value == int(value) and value >= 1


def matrix(value: Any) -> np.ndarray:
    """Rows of numbers as an array of doubles; an empty one where they are something else."""
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        return np.empty(0)


def _rig_camera(path: Path, camera: Camera) -> RigCamera:
    size = camera.width, camera.height
    return RigCamera(camera.name, path, camera.K, camera.R_cam_world, camera.t_cam_world, Pinhole(), size)


def short(value: Any) -> str:
    """As a message shows it."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def find_facelift(folder: Path) -> list[Path]:
    """Never found unasked: such a file is one sample of a dataset, not the rig of a recording."""
    return []


FORMAT = RigFormat(read_facelift, find_facelift, ("opencv_cameras.json",))
