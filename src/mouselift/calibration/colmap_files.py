"""COLMAP's sparse models as files: `cameras`, `images` and `rigs`, as text or binary (little endian).

Formats: colmap.github.io, "Output Format" (3.13, 4.2). Every count is compared with the bytes that follow. The 2D
points of an image are passed over; `frames` and `points3D` hold nothing that a calibration needs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.calibration.rig import content_of
from mouselift.errors import CalibrationError
from mouselift.foreign import numbers, short
from mouselift.limits import SCENE_BYTES

MODELS = {  # the number in binary files: name, how many parameters
    0: ("SIMPLE_PINHOLE", 3),
    1: ("PINHOLE", 4),
    2: ("SIMPLE_RADIAL", 4),
    3: ("RADIAL", 5),
    4: ("OPENCV", 8),
    5: ("OPENCV_FISHEYE", 8),
    6: ("FULL_OPENCV", 12),
    7: ("FOV", 5),
    8: ("SIMPLE_RADIAL_FISHEYE", 4),
    9: ("RADIAL_FISHEYE", 5),
    10: ("THIN_PRISM_FISHEYE", 12),
    11: ("RAD_TAN_THIN_PRISM_FISHEYE", 16),
}
_LONGEST_NAME = 4096
_CAMERA = "CAMERA"  # the type of a sensor; others are no cameras


@dataclass(frozen=True)
class Intrinsics:
    """A line of `cameras`. size: width, height."""

    model: str
    size: tuple[int, int]
    parameters: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Image:
    """A line of `images`. pose: qw qx qy qz tx ty tz, world to camera."""

    name: str
    camera: int
    pose: np.ndarray


@dataclass(frozen=True, eq=False)
class Model:
    """What one folder holds. `rigs`: of each rig, its cameras' poses (rig to camera); None where a pose is missing."""

    cameras: dict[int, Intrinsics]
    images: list[Image]
    rigs: list[dict[int, np.ndarray | None]]
    suffix: str


def model_suffix(folder: Path) -> str | None:
    """.bin or .txt of a folder with both `cameras` and `images`; binary files first, as COLMAP reads them."""
    for suffix in (".bin", ".txt"):
        if all((folder / f"{name}{suffix}").is_file() for name in ("cameras", "images")):
            return suffix
    return None


def read_model(folder: Path) -> Model:
    """CalibrationError names the file and what is wrong with it."""
    suffix = model_suffix(folder)
    if suffix is None:
        raise CalibrationError(f"{folder}: expected a COLMAP model: cameras.bin and images.bin, or .txt of both")
    out: dict[str, Any] = {}
    for name, text, binary in (
        ("cameras", _text_cameras, _binary_cameras),
        ("images", _text_images, _binary_images),
        ("rigs", _text_rigs, _binary_rigs),
    ):
        file = folder / f"{name}{suffix}"
        if name == "rigs" and not file.is_file():  # of COLMAP before 3.12
            out[name] = []
            continue
        data = content_of(file, SCENE_BYTES)
        try:
            out[name] = text(data.decode("utf-8")) if suffix == ".txt" else binary(_Bytes(data))
        except ValueError as error:
            raise CalibrationError(f"{file}: not a readable file of COLMAP: {error}") from None
    return Model(out["cameras"], out["images"], out["rigs"], suffix)


def _lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _text_cameras(text: str) -> dict[int, Intrinsics]:
    out: dict[int, Intrinsics] = {}
    for words in _lines(text):
        if len(words) < 5:
            raise ValueError(f"expected CAMERA_ID MODEL WIDTH HEIGHT PARAMS, got {short(' '.join(words))}")
        _add(out, int(words[0]), words[1], (int(words[2]), int(words[3])), _floats(words[4:]))
    return out


def _text_images(text: str) -> list[Image]:
    """Two lines an image: its pose and its 2D points, where the second may be empty."""
    out: list[Image] = []
    lines = iter(text.splitlines())
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split(maxsplit=9)
        if len(words) != 10:
            raise ValueError(f"expected IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, got {short(line)}")
        out.append(Image(words[9].strip(), int(words[8]), _pose(_floats(words[1:8]))))
        points = next(lines, "").split()
        if len(points) % 3 or not all(_is_number(word) for word in points[-3:]):
            raise ValueError(
                f"image {out[-1].name!r}: expected a line of its 2D points after it (three numbers a point, or an "
                f"empty line), got {short(' '.join(points[:12]))}"
            )
    return out


def _text_rigs(text: str) -> list[dict[int, np.ndarray | None]]:
    out: list[dict[int, np.ndarray | None]] = []
    for words in _lines(text):
        rest = iter(words[2:])
        try:
            rig: dict[int, np.ndarray | None] = {}
            for index in range(int(words[1])):
                kind, sensor = next(rest), int(next(rest))
                pose: np.ndarray | None = _pose((1, 0, 0, 0, 0, 0, 0))
                if index:
                    pose = _pose(_floats([next(rest) for _ in range(7)])) if int(next(rest)) else None
                if kind == _CAMERA:
                    rig[sensor] = pose
            out.append(rig)
        except (StopIteration, IndexError):
            raise ValueError(f"a rig's line is cut short: {short(' '.join(words))}") from None
    return out


class _Bytes:
    """Reads numbers one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, layout: str) -> tuple[Any, ...]:
        size = struct.calcsize(f"<{layout}")
        self.skip(size)
        return struct.unpack_from(f"<{layout}", self._data, self._at - size)

    def skip(self, size: int) -> None:
        if size > len(self._data) - self._at:
            raise ValueError(f"{size:,} bytes are said at byte {self._at:,}, {len(self._data) - self._at:,} follow")
        self._at += size

    def count(self, least: int) -> int:
        """How many entries follow, of `least` bytes or more each."""
        (count,) = self.take("Q")
        if count > (len(self._data) - self._at) // least:
            raise ValueError(f"{count:,} entries are said, {len(self._data) - self._at:,} bytes follow")
        return count

    def name(self) -> str:
        end = self._data.find(b"\0", self._at, self._at + _LONGEST_NAME)
        if end < 0:
            raise ValueError("an image's name does not end")
        name = self._data[self._at : end].decode("utf-8")
        self._at = end + 1
        return name


def _binary_cameras(data: _Bytes) -> dict[int, Intrinsics]:
    out: dict[int, Intrinsics] = {}
    for _ in range(data.count(24)):
        camera, kind, width, height = data.take("IiQQ")
        if kind not in MODELS:
            raise ValueError(f"camera {camera}: camera model number {kind} is not known here")
        model, count = MODELS[kind]
        _add(out, camera, model, (width, height), data.take(f"{count}d"))
    return out


def _binary_images(data: _Bytes) -> list[Image]:
    out: list[Image] = []
    for _ in range(data.count(73)):
        _, *pose, camera = data.take("I7dI")
        out.append(Image(data.name(), camera, _pose(pose)))
        data.skip(24 * data.count(24))
    return out


def _binary_rigs(data: _Bytes) -> list[dict[int, np.ndarray | None]]:
    out: list[dict[int, np.ndarray | None]] = []
    for _ in range(data.count(8)):
        _, count = data.take("II")
        rig: dict[int, np.ndarray | None] = {}
        for index in range(count):
            kind, sensor = data.take("iI")
            pose: np.ndarray | None = _pose((1, 0, 0, 0, 0, 0, 0))
            if index:
                pose = _pose(data.take("7d")) if data.take("B")[0] else None
            if kind == 0:
                rig[sensor] = pose
        out.append(rig)
    return out


def _add(out: dict[int, Intrinsics], camera: int, model: str, size: tuple[int, int], parameters: Any) -> None:
    if camera in out:
        raise ValueError(f"camera {camera} stands twice")
    values = numbers(parameters, (None,), f"camera {camera}").tolist()
    expected = dict(MODELS.values()).get(model)
    if expected is not None and len(values) != expected:
        raise ValueError(f"camera {camera}: {model} has {expected} parameters, got {len(values)}")
    out[camera] = Intrinsics(model, size, tuple(values))


def _pose(values: Any) -> np.ndarray:
    return numbers(values, (7,), "pose")


def _floats(words: list[str]) -> list[float]:
    return [float(word) for word in words]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
