"""FaceLift's `opencv_cameras.json`: read, checked and written.

One frame a view: w, h, fx, fy, cx, cy (pixel centres at +0.5, as in this project), w2c 4x4, file_path.
No lens, no skew. A reader stops at the first fault; `check_frame` names each, with a stable code, for the audit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import msgspec
import numpy as np

from mouselift.array_types import Matrix4
from mouselift.calibration.rig import Rig, RigCamera, RigFormat, content_of, mended_rotation, no_variant
from mouselift.errors import CalibrationError
from mouselift.findings import Finding
from mouselift.foreign import doubles, is_whole, json_as, json_of, short
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import Pinhole
from mouselift.geometry.similarity import rotation_error
from mouselift.limits import LARGEST_NUMBER

_NUMBERS = ("fx", "fy", "cx", "cy")
_KEYS = ("w", "h", *_NUMBERS, "w2c")
_LAST_ROW = np.array([0.0, 0.0, 0.0, 1.0])
_MATRIX_KEYS = ("K", "intrinsics")  # some tools write the matrix beside the four numbers
_SQUARE = 1e-3  # fx / fy may differ by this much before pixels count as not square
_ROUNDED = 1e-4  # a rotation further from orthonormal was not merely rounded; as in rig.py
# Pinhole images are narrower: their edges are stretched 15 times at 150 degrees. 0.5 degrees is a lens of 2 m at 35 mm.
_FIELDS_DEG = (0.5, 150.0)
_LARGEST_SHARE = 20.0  # of the width, as a focal length: 2.9 degrees; in pixels it would be an image of 20 px
_LARGEST_SHIFT = 3.0  # of the width, as a principal point
_SAME_POSE = 1e-9  # two cameras measured apart never agree to this

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
    cameras = [view.camera for view in read_cameras_json(path)[0]]
    read = [RigCamera(c.name, path, c.K, c.R_cam_world, c.t_cam_world, c.lens, (c.width, c.height)) for c in cameras]
    return Rig(path, "facelift", tuple(read))


def read_entries(path: Path, data: bytes | None = None) -> tuple[list[ViewEntry], SampleFile]:
    """As `read_cameras_json`, with the parts of the content that an audit reads."""
    content = read_sample_file(path, data)
    return [_view_of_frame(path, index, frame) for index, frame in enumerate(content.frames)], content


def read_cameras_json(path: Path) -> tuple[list[ViewEntry], dict[str, Any]]:
    """The views of an `opencv_cameras.json`, and the whole content.

    Rotations rounded in the file (off by up to 1e-4) are replaced by the nearest one. CalibrationError names file,
    frame and key. A frame without file_path (an inference rig) gets "images/cam_NNN.png" of its place.
    """
    frames, content = _read_frames(path, dict)
    return [_view_of_frame(path, index, frame) for index, frame in enumerate(frames)], content


def _read_frames(
    path: Path, wanted: type[Content], data: bytes | None = None
) -> tuple[list[Any], Content | dict[str, Any]]:
    """("frames" of an `opencv_cameras.json`, not empty, the rest of it as `wanted`), entries not checked.

    A file that is not as `wanted` comes as a dict: one with NaN or Infinity, as Python's json writes them, or with
    other content. CalibrationError where it cannot be read, is no JSON object, or lists no frames.
    """
    data = content_of(path) if data is None else data
    try:
        content = json_as(data, wanted)
    except ValueError:
        try:
            content = json_of(data)
        except ValueError as error:
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


def _view_of_frame(path: Path, index: int, frame: Any) -> ViewEntry:
    """The view of one entry of "frames". CalibrationError names file, entry and key."""
    where = f"{path}: frames[{index}]"
    lacking = _lacking(frame)
    for problem in [lacking] if lacking else _size_problems(frame):
        raise CalibrationError(f"{where}: {problem.text}")
    fx, fy, cx, cy = (_number(where, key, frame[key]) for key in _NUMBERS)
    T = _pose(where, frame["w2c"])
    file_path = frame.get("file_path", f"images/cam_{index:03d}.png")
    if not isinstance(file_path, str) or not file_path:
        raise CalibrationError(f"{where}: file_path: expected a relative path, got {short(file_path)}")
    name = _name_of_frame(index, frame)
    if fx <= 0 or fy <= 0:
        raise CalibrationError(f"{where}: expected positive focal lengths, got fx = {fx:g}, fy = {fy:g}")
    try:
        T[:3, :3], _ = mended_rotation(T[:3, :3])
        T[3] = _LAST_ROW  # it may be rounded, too
    except ValueError as error:
        raise CalibrationError(f"camera {name!r} ({path}): {error}") from None
    camera = Camera(int(frame["w"]), int(frame["h"]), fx, fy, cx, cy, T, name=name)
    view_id = frame.get("view_id", index)
    return ViewEntry(camera, file_path, view_id if is_whole(view_id) else index)


def _name_of_frame(index: int, frame: Any) -> str:
    """The view's name: "camera", else its image's name without a suffix."""
    if not isinstance(frame, dict):
        return f"frames[{index}]"
    if "camera" in frame:
        return str(frame["camera"])
    path = frame.get("file_path", f"images/cam_{index:03d}.png")
    return Path(path).stem if isinstance(path, str) else f"frames[{index}]"


def _number(where: str, key: str, value: Any) -> float:
    if not _is_finite(value):
        raise CalibrationError(f"{where}: {key}: expected a finite number, got {short(value)}")
    return float(value)


def _pose(where: str, value: Any) -> Matrix4:
    T = _matrix(value)
    if T.shape != (4, 4) or not np.isfinite(T).all():
        raise CalibrationError(f"{where}: w2c: expected 4 rows of 4 finite numbers, got {short(value)}")
    if (np.abs(T[3] - _LAST_ROW) > 1e-9).any():
        hint = " The translation is in the last row: transposed?" if T[3, :3].any() else ""
        raise CalibrationError(f"{where}: w2c: expected a last row of 0 0 0 1, got {T[3].tolist()}.{hint}")
    return T


def _is_finite(value: Any) -> bool:
    """A number that a calibration may hold; whole numbers of JSON may be beyond any double."""
    return not isinstance(value, bool) and isinstance(value, (int, float)) and abs(value) <= LARGEST_NUMBER


def _matrix(value: Any) -> np.ndarray:
    """Rows of numbers as doubles, infinite beyond any calibration's; empty where they are something else."""
    try:
        out = doubles(value)
    except ValueError:
        return np.empty(0)
    return np.where(np.abs(out) > LARGEST_NUMBER, np.inf, out)


class _Provenance(msgspec.Struct):
    record: dict[str, Any] = {}
    provenance: dict[str, Any] = {}
    repair: dict[str, Any] | None = None  # `mouselift repair` has changed the cameras
    keypoints: msgspec.Raw = msgspec.Raw(b"")  # decoded by one who refuses a name that stands twice
    plan: msgspec.Raw = msgspec.Raw(b"")  # not decoded: the file's largest part
    unread: ClassVar[bool] = False


class _Unread(_Provenance):
    """Something stands there, and cannot be read."""

    unread: ClassVar[bool] = True


class SampleFile(msgspec.Struct):
    """The parts of the file that an audit reads."""

    frames: Any = None
    mouselift: _Provenance | None = None  # None also where something else stands there


def read_sample_file(file: Path, data: bytes | None = None) -> SampleFile:
    """CalibrationError where the file is missing, is no JSON object, or lists no frames; entries are not checked.

    data: the file's bytes, where they are at hand.
    """
    frames, content = _read_frames(file, SampleFile, data)
    return content if isinstance(content, SampleFile) else SampleFile(frames, _own(content.get("mouselift")))


def _own(content: Any) -> _Provenance | None:
    """mouselift's part of a file that is other JSON elsewhere: of a NaN in it is known as little as of null."""
    if not isinstance(content, dict):
        return None
    try:
        return json_as(msgspec.json.encode(content), _Provenance)
    except (ValueError, OverflowError):  # other values than mouselift writes, integers beyond 64 bits
        return _Unread()


def check_frame(sample: str, file: Path, index: int, frame: Any) -> tuple[ViewEntry | None, list[Finding]]:
    """(view, findings) of entry `index` of "frames"; None where no camera can exist with these numbers."""
    where = f"{file}: frames[{index}]"
    name = _name_of_frame(index, frame)
    found = [
        Finding.of(p.code, f"{where}: {p.text}", camera=name, sample=sample, value=p.value, advice=p.advice)
        for p in _problems(frame)
    ]
    if any(finding.severity == "error" and finding.code in FATAL for finding in found):
        return None, found
    try:
        return _view_of_frame(file, index, frame), found
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
    lacking = _lacking(frame)
    if lacking:
        yield lacking
        return
    yield from _size_problems(frame)
    yield from _intrinsic_problems(frame)
    yield from _matrix_problems(frame)
    yield from _pose_problems(frame["w2c"])


def _lacking(frame: Any) -> _Problem | None:
    """What an entry lacks to be looked at any further."""
    if not isinstance(frame, dict):
        text = f"expected an object with {', '.join(_KEYS)}, got {short(frame)}"
        return _Problem("missing-key", text, advice="Write one object a view.")
    missing = ", ".join(key for key in _KEYS if key not in frame)
    return _Problem("missing-key", f"missing {missing}; expected {', '.join(_KEYS)}") if missing else None


def _size_problems(frame: Mapping[str, Any]) -> Iterator[_Problem]:
    for key in "wh":
        value = frame[key]
        if not _is_finite(value) or value != int(value) or value < 1:
            yield _Problem("bad-size", f"{key}: expected a whole number of pixels, got {short(value)}")


def _intrinsic_problems(frame: Mapping[str, Any]) -> Iterator[_Problem]:
    lost = [key for key in _NUMBERS if not _is_finite(frame[key])]
    if lost:
        text = ", ".join(f"{key} = {short(frame[key])}" for key in lost) + ": expected finite numbers"
        yield _Problem("not-finite", text)
        return
    fx, fy, cx, cy = (float(frame[key]) for key in _NUMBERS)
    if fx <= 0 or fy <= 0:
        text = f"expected positive focal lengths in pixels, got fx = {fx:g}, fy = {fy:g}"
        yield _Problem("bad-focal", text, min(fx, fy))
        return
    if cx == 0 and cy == 0:
        yield _Problem("principal-lost", "cx = cy = 0: the principal point lies in the image's corner")
    elif _is_finite(frame["w"]) and _is_finite(frame["h"]) and not (0 <= cx <= frame["w"] and 0 <= cy <= frame["h"]):
        text = f"the principal point ({cx:.1f}, {cy:.1f}) lies outside the {frame['w']} x {frame['h']} image"
        yield _Problem("principal-outside", text)
    yield from _field_problems(frame["w"], fx, fy, cx, cy)
    if abs(fx / fy - 1) > _SQUARE:
        yield _Problem("pixels-not-square", f"fx / fy = {fx / fy:.4f}: pixels are not square", fx / fy)


def _field_problems(width: Any, fx: float, fy: float, cx: float, cy: float) -> Iterator[_Problem]:
    """Focal lengths that no pinhole image has, by the numbers alone."""
    if not _is_finite(width) or width < 1:
        return
    field = math.degrees(2 * math.atan(width / (2 * fx)))
    if max(fx, fy) < _LARGEST_SHARE and max(abs(cx), abs(cy)) < _LARGEST_SHIFT < width:
        half = max(abs(cx), abs(cy)) < 0.25  # from the middle, as PyTorch3D counts; from the corner it is about 0.5
        unit = (
            f"half the image's width: multiply by {width / 2:g}"
            if half
            else f"the image's width: multiply by {width:g}"
        )
        text = f"fx = {fx:g}, cx = {cx:g} for a {width:g} px image (a field of view of {field:.0f} degrees)"
        yield _Problem("focal-units", f"{text}: intrinsics are in units of {unit}", field)
    elif not _FIELDS_DEG[0] <= field <= _FIELDS_DEG[1]:
        text = f"fx = {fx:g} for a {width:g} px image: a field of view of {field:.3g} degrees"
        yield _Problem("field-of-view", text, field)


def _matrix_problems(frame: Mapping[str, Any]) -> Iterator[_Problem]:
    for key in _MATRIX_KEYS:
        if key not in frame or frame[key] is None:
            continue
        K = _matrix(frame[key])
        if K.shape != (3, 3) or not np.isfinite(K).all():
            text = f"{key}: expected 3 rows of 3 finite numbers, got {short(frame[key])}"
            yield _Problem("k-shape", text, advice="Write K as [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], or leave it out.")
        elif K[2, :2].any() or K[1, 0] != 0 or K[2, 2] != 1:
            turned = " It is transposed: the principal point is in its last row." if K[2, :2].any() else ""
            text = f"{key}: expected upper triangular with last row 0 0 1, got {K.tolist()}.{turned}"
            yield _Problem("k-shape", text)
        elif all(_is_finite(frame[n]) for n in _NUMBERS):
            four = np.array([frame[n] for n in _NUMBERS], dtype=np.float64)
            if not np.allclose(four, [K[0, 0], K[1, 1], K[0, 2], K[1, 2]], rtol=1e-6):
                text = f"{key} says fx fy cx cy = {[K[0, 0], K[1, 1], K[0, 2], K[1, 2]]}, the keys {four.tolist()}"
                yield _Problem("k-shape", text, advice="Only one of the two is read by a loader: make them agree.")


def _pose_problems(value: Any) -> Iterator[_Problem]:
    T = _matrix(value)
    if T.shape != (4, 4):
        yield _Problem("pose-shape", f"w2c: expected 4 rows of 4 numbers, got {short(value)}")
        return
    if not np.isfinite(T).all():
        yield _Problem("not-finite", "w2c holds NaN or infinity", advice="Find where the calibration lost its numbers.")
        return
    if (np.abs(T[3] - _LAST_ROW) > 1e-9).any():
        hint = "; the translation is in the last row: transposed?" if T[3, :3].any() else ""
        yield _Problem("pose-shape", f"w2c: expected a last row of 0 0 0 1, got {T[3].tolist()}{hint}")
        return
    R = T[:3, :3]
    det, off = rotation_error(R)
    if det < 0 and off <= _ROUNDED:
        yield _Problem("mirrored", f"w2c: det R = {det:.3f}, expected +1: the camera is mirrored", det)
    elif off > _ROUNDED:
        text = f"w2c: R is no rotation (det {det:.3g}, |R R^T - 1| = {off:.2g}, expected below {_ROUNDED:g})"
        yield _Problem("not-rotation", text, off)


def same_cameras(sample: str, cameras: list[Camera]) -> list[Finding]:
    """Views that state an earlier view's camera: same intrinsics and same pose. One was copied over the other.

    One finding a view, for the first that it equals: pairs of 1,000 equal views would be half a million. One in all
    where all views state one pose.
    """
    if len(cameras) < 2:
        return []
    numbers = np.array([[*camera.T_cam_world[:3].ravel().tolist(), camera.fx, camera.cx] for camera in cameras])
    near = np.abs(numbers - numbers[:1]) <= _SAME_POSE * (np.abs(numbers).max(axis=0) + 1e-300)
    if len(cameras) > 2 and near[:, :12].all():  # of two views, one pose is a pair, or two images from one place
        what = "camera" if near.all() else "pose"
        text = f"all {len(cameras)} views state one {what}, first written for {cameras[0].name}"
        advice = "Write each view's own pose: an exporter wrote one for all."
        return [Finding.of("same-camera", text, camera=cameras[0].name, sample=sample, advice=advice)]
    reach = np.abs(numbers).max(axis=0) + 1e-300
    out: list[Finding] = []
    for b in range(1, len(cameras)):
        equal = (np.abs(numbers[:b] - numbers[b]) <= _SAME_POSE * reach).all(axis=1)
        if equal.any():
            text = f"{cameras[int(equal.argmax())].name} and {cameras[b].name} state one and the same camera"
            out.append(Finding.of("same-camera", text, camera=cameras[b].name, sample=sample))
    return out


def find_facelift(folder: Path) -> list[Path]:
    """Never found unasked: such a file is one sample of a dataset, not the rig of a recording."""
    return []


FORMAT = RigFormat(read_facelift, find_facelift, ("opencv_cameras.json",))
