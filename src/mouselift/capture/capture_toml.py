"""The file `capture.toml`: read strictly, written whole, edited in place.

Format: docs/reference/capture-toml.md. Paths in the file are relative to it; in `CaptureSpec` they are absolute.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from mouselift.atomic import write_first, write_whole
from mouselift.capture.timeline import Runs
from mouselift.dataset.collection import CAPTURE_FILE
from mouselift.errors import CaptureError, check_name, why_not
from mouselift.foreign import first_few, repeated, short, toml_of, writable
from mouselift.limits import CALIBRATION_BYTES, LARGEST_NUMBER, limited_bytes
from mouselift.ranges import FRAMES

FORMAT = 1
UNITS = ("um", "mm", "cm", "m", "normalised", "unknown")
_TOP_KEYS = (
    "format",
    "unit",
    "up",
    "floor",
    "jumps",
    "numbering",
    "keypoints",
    "keypoints_offset",
    "dataset",
    "rig",
    "camera",
)
NUMBERINGS = ("common", "own")
_RIG_KEYS = ("file", "format", "variant", "unused")
_MEDIA_KEYS = (
    "video",
    "images",
    "mask",
    "frame_offset",
    "crop_offset",
    "as_stored",
    "mask_object",
    "mask_first",
    "image_runs",
)
_CAMERA_KEYS = ("name", *_MEDIA_KEYS, "rig_name")
_AXES = {
    sign + axis: tuple((-1.0 if sign == "-" else 1.0) * (axis == other) for other in "xyz")
    for sign in "+-"
    for axis in "xyz"
}


@dataclass(frozen=True)
class CameraEntry:
    """One [[camera]] table."""

    name: str
    video: Path | None = None
    images: Path | None = None
    mask: Path | None = None
    frame_offset: int = 0
    crop_offset: tuple[int, int] | None = None  # None: not said, the image is the whole calibrated sensor
    rig_name: str | None = None  # None: the same as `name`
    mask_object: int | str | None = None  # the subject's value in its masks: a number, or a colour "#rrggbb"
    mask_first: int | None = None  # number of the first image's mask, where a folder of masks leaves it open
    as_stored: bool = False  # orientation tags and pixel aspect of this camera's files are left aside
    image_runs: Runs = ()  # which image shows which frame, where images were lost


@dataclass(frozen=True)
class CaptureSpec:
    """What a capture.toml says, paths made absolute. `up`: world direction, or None where the file does not say."""

    unit: str
    up: tuple[float, float, float] | None
    rig_file: Path | None = None
    rig_format: str | None = None
    rig_variant: str | None = None
    unused: tuple[str, ...] = ()  # cameras of the rig that are left out on purpose
    cameras: tuple[CameraEntry, ...] = ()
    floor: float | None = None
    jumps: tuple[int, ...] = ()
    dataset: Path | None = None
    numbering: str | None = None  # of image folders: the same in all cameras, or each camera's own; None: not said
    keypoints: Path | None = None  # 3D points of the animal, by another tool
    keypoints_offset: int = 0  # their file's frame number = frame on the common timeline + keypoints_offset


def capture_file(path: Path) -> Path:
    """The capture.toml meant by `path`: that file, or the folder that holds it."""
    file = path / CAPTURE_FILE if path.is_dir() else path
    if not file.is_file():
        raise CaptureError(
            f"{path}: expected a folder that holds {CAPTURE_FILE}, or that file; `mouselift init FOLDER` writes one"
        )
    return file.resolve()


def read_spec(file: Path) -> CaptureSpec:
    """A capture.toml, checked key by key. CaptureError names file, table and key."""
    try:
        content = toml_of(limited_bytes(file, CALIBRATION_BYTES))
    except OSError as error:
        raise CaptureError(f"{file}: cannot be read: {why_not(error)}") from None
    except ValueError as error:
        raise CaptureError(f"{file}: not valid TOML: {error}") from None
    top = _Table(file, "", content, _TOP_KEYS)
    version = top.integer("format", required=True)
    if version != FORMAT:
        raise CaptureError(
            f"{file}: format: expected {FORMAT}, got {version}; this mouselift reads format {FORMAT} only"
        )
    unit = top.text("unit", required=True)
    if unit not in UNITS:
        raise CaptureError(f"{file}: unit: expected one of {', '.join(UNITS)}, got {unit!r}")
    dataset, numbering = top.path("dataset"), top.text("numbering")
    if numbering not in (None, *NUMBERINGS):
        raise CaptureError(f"{file}: numbering: expected {' or '.join(NUMBERINGS)}, got {numbering!r}")
    tables = content.get("camera", [])
    if not isinstance(tables, list):
        raise CaptureError(f"{file}: camera: expected tables [[camera]] (two brackets), one a camera")
    cameras = tuple(_camera(file, index, table) for index, table in enumerate(tables))
    names = [camera.name for camera in cameras]
    twice = sorted(repeated(names))
    if twice:
        raise CaptureError(
            f"{file}: [[camera]] name: expected every name once, got {first_few(twice, 4)} more than once"
        )
    if dataset is not None and ("rig" in content or cameras):
        raise CaptureError(f"{file}: dataset: a dataset brings its own cameras; expected no [rig] and no [[camera]]")
    if dataset is None and "rig" not in content:
        raise CaptureError(f"{file}: expected a table [rig] with file and format (or `dataset = ...`), found neither")
    keypoints, keypoints_offset = top.path("keypoints"), top.integer("keypoints_offset") or 0
    if keypoints_offset and keypoints is None:
        raise CaptureError(f"{file}: keypoints_offset: expected keypoints = ... beside it, found none")
    rig = _Table(file, "[rig] ", content.get("rig", {}), _RIG_KEYS)
    if dataset is None and len(cameras) < 2:
        raise CaptureError(f"{file}: expected at least 2 tables [[camera]], found {len(cameras)}")
    return CaptureSpec(
        unit=unit,
        up=top.up(),
        rig_file=rig.path("file", required=dataset is None),
        rig_format=rig.text("format", required=dataset is None),
        rig_variant=rig.text("variant"),
        unused=rig.items("unused", "a list of names", _is_text) or (),
        cameras=cameras,
        floor=top.number("floor"),
        jumps=tuple(sorted(set(top.items("jumps", "a list of frame numbers", _is_count) or ()))),
        dataset=dataset,
        numbering=numbering,
        keypoints=keypoints,
        keypoints_offset=keypoints_offset,
    )


def write_capture_toml(
    file: Path, spec: CaptureSpec, *, comments: Sequence[str] = (), force: bool = False
) -> Path | None:
    """Write `spec` as a capture.toml, whole or not at all. `comments` go to its head.

    Where another one was there, and `force` is set, that is kept beside it (capture.toml.1, .2, ...): its new path.

    Paths below the file's folder become relative; those reached over `..` too, unless only the root is shared.
    CaptureError: the file exists and `force` is not set.
    """
    if file.exists() and not force:
        raise CaptureError(f"{file}: exists already and is kept as it is; use --force to overwrite it")
    document = tomlkit.document()
    for line in comments:
        document.add(tomlkit.comment(writable(" ".join(line.splitlines()))))  # names of files hold anything
    if comments:
        document.add(tomlkit.nl())
    document.update(
        _without_defaults(
            file, spec, ("unit", "up", "floor", "jumps", "numbering", "keypoints", "keypoints_offset", "dataset")
        )
    )
    if spec.rig_file is not None:
        rig = {"file": _written(file, spec.rig_file), "format": spec.rig_format, "variant": spec.rig_variant}
        rig["unused"] = list(spec.unused) or None
        document["rig"] = {key: value for key, value in rig.items() if value is not None}
    if spec.cameras:
        tables = tomlkit.aot()
        for camera in spec.cameras:
            table = tomlkit.table()
            table.update(_without_defaults(file, camera, _CAMERA_KEYS))
            tables.append(table)
        document["camera"] = tables
    data = tomlkit.dumps(document).encode()
    kept = _set_aside(file, data) if file.exists() else None
    write_whole(file, data, replace=True)
    return kept


def _set_aside(file: Path, data: bytes) -> Path | None:
    """A copy of what is there, under the first name that is free; None where it is `data`."""
    there = file.read_bytes()
    if there == data:
        return None
    copies = (file.with_name(f"{file.name}.{number}") for number in count(1))
    return next(copy for copy in copies if write_first(copy, there))


def _by_name(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The camera tables of a file that need not be right."""
    tables = content.get("camera")
    entries = [entry for entry in tables if isinstance(entry, dict)] if isinstance(tables, list) else []
    return {str(entry.get("name")): entry for entry in entries}


def changed_keys(before: Path, after: Path) -> list[str]:
    """Keys of a capture.toml that another one lacks or has otherwise; nothing of a file that is no TOML."""
    try:
        old, new = (toml_of(limited_bytes(file, CALIBRATION_BYTES)) for file in (before, after))
    except ValueError:
        return []
    tables = [("", old, new)]
    if isinstance(old.get("rig"), dict):
        tables.append(("[rig] ", old["rig"], new.get("rig", {})))
    cameras = _by_name(new)
    tables += [(f"[[camera]] {name} ", entry, cameras.get(name, {})) for name, entry in _by_name(old).items()]
    return [
        f"{where}{key}"
        for where, had, has in tables
        for key in had
        if key not in ("rig", "camera") and had[key] != has.get(key)
    ]


def set_masks(capture_path: Path, masks: Mapping[str, Path]) -> None:
    """Set `mask` of the named cameras in a capture.toml; comments and everything else stay. Written atomically.

    CaptureError where a name has no [[camera]] table; then nothing is written.
    """
    file = capture_file(capture_path)
    read_spec(file)
    document = _document(file)
    tables = {str(table["name"]): table for table in document.get("camera", [])}
    strange = sorted(set(masks) - set(tables))
    if strange:
        raise CaptureError(f"{file}: no [[camera]] named {', '.join(strange)}; it has {', '.join(tables) or 'none'}")
    for name, mask in masks.items():
        tables[name]["mask"] = _written(file, mask.resolve())
    write_whole(file, tomlkit.dumps(document).encode(), replace=True)


def _document(file: Path) -> tomlkit.TOMLDocument:
    """To be edited: with its comments. CaptureError for what only this parser does not take."""
    try:
        return tomlkit.parse(file.read_text(encoding="utf-8-sig"))
    except (TOMLKitError, ValueError) as error:
        raise CaptureError(f"{file}: not valid TOML: {error}") from None


def _camera(file: Path, index: int, content: Any) -> CameraEntry:
    name = content.get("name") if isinstance(content, dict) else None
    table = _Table(file, f"[[camera]] {name!r} " if name else f"[[camera]] number {index + 1} ", content, _CAMERA_KEYS)
    corner = "[x, y], whole pixels from the sensor's top-left corner, not negative"
    runs = "a list of [frame, image, count], whole numbers that are not negative"
    entry = CameraEntry(
        name=table.text("name", required=True),
        video=table.path("video"),
        images=table.path("images"),
        mask=table.path("mask"),
        frame_offset=table.integer("frame_offset") or 0,
        crop_offset=table.items("crop_offset", corner, _is_count, 2),
        as_stored=table.switch("as_stored"),
        mask_object=table.value("mask_object"),
        mask_first=table.integer("mask_first"),
        rig_name=table.text("rig_name"),
        image_runs=tuple(tuple(run) for run in table.items("image_runs", runs, _is_run) or ()),
    )
    if entry.image_runs and entry.frame_offset:
        raise CaptureError(f"{table.where}: frame_offset and image_runs say the same; expected one of them")
    if (entry.video is None) == (entry.images is None):
        found = "both" if entry.video is not None else "neither"
        raise CaptureError(f"{table.where}: expected either video (a file) or images (a folder), got {found}")
    return entry


class _Table:
    """One TOML table with typed access; unknown keys are refused at once."""

    def __init__(self, file: Path, label: str, content: Any, known: Sequence[str]) -> None:
        self.file, self.where = file, f"{file}: {label}".rstrip(" :")
        if not isinstance(content, dict):
            raise CaptureError(f"{self.where}: expected a table, got {content!r}")
        self.content: dict[str, Any] = content
        for key in content:
            if key not in known:
                close = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
                raise CaptureError(f"{self.where}: unknown key {key!r}; {hint}")

    def _wrong(self, key: str, expected: str) -> CaptureError:
        return CaptureError(f"{self.where}: {key}: expected {expected}, got {short(self.content.get(key))}")

    def _get(self, key: str, kinds: type | tuple[type, ...], expected: str, required: bool) -> Any:
        value = self.content.get(key)
        if value is None:
            if required:
                raise CaptureError(f"{self.where}: key {key!r} is missing; expected {expected}")
            return None
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise self._wrong(key, expected)
        return value

    def text(self, key: str, required: bool = False) -> Any:
        value = self._get(key, str, "a text", required)
        if value == "":
            raise self._wrong(key, "a text that is not empty")
        return value

    def items(
        self, key: str, expected: str, fits: Callable[[Any], bool], length: int | None = None
    ) -> tuple[Any, ...] | None:
        """A list whose members all fit."""
        value = self.content.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or length not in (None, len(value)) or not all(fits(item) for item in value):
            raise self._wrong(key, expected)
        return tuple(value)

    def path(self, key: str, required: bool = False) -> Path | None:
        value = self.text(key, required)
        if value is None:
            return None
        try:
            found = (self.file.parent / Path(value).expanduser()).resolve()
            found.exists()  # asks the system whether there can be such a name
        except RuntimeError:  # of Python, for both
            why = "its links lead in a circle, or nobody here has the name behind ~; write the path from the root"
        except OSError as error:
            why = why_not(error)
        except ValueError:
            why = "it holds a zero byte; write the path again"
        else:
            return found
        raise CaptureError(f"{self.where}: {key}: expected a path, got {short(value)}: {why}")

    def integer(self, key: str, required: bool = False) -> int | None:
        value = self._get(key, int, "a whole number", required)
        if value is not None and abs(value) > FRAMES:
            raise self._wrong(key, f"a whole number up to {FRAMES:,}")
        return value

    def number(self, key: str) -> float | None:
        value = self._get(key, (int, float), "a number", False)
        if value is not None and not abs(value) <= LARGEST_NUMBER:
            raise self._wrong(key, f"a finite number up to {LARGEST_NUMBER:g}")
        return None if value is None else float(value)

    def value(self, key: str) -> int | str | None:
        return self._get(key, (int, str), 'a number, or a colour such as "#800000"', False)

    def switch(self, key: str) -> bool:
        value = self.content.get(key, False)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def up(self) -> tuple[float, float, float] | None:
        value = self.content.get("up")
        expected = '"+z" (or another axis with its sign), or three numbers that are not all zero'
        if isinstance(value, str):
            found = _AXES.get(value.lower())
        else:
            found = self.items("up", expected, lambda v: type(v) in (int, float) and abs(v) <= LARGEST_NUMBER, 3)
        if value is None:
            return None
        if found is None or not any(found):
            raise self._wrong("up", expected)
        x, y, z = (float(v) for v in found)
        return x, y, z


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= FRAMES


def _is_run(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(_is_count(item) for item in value)


def _without_defaults(file: Path, value: CaptureSpec | CameraEntry, keys: Sequence[str]) -> dict[str, Any]:
    """The keys that differ from their default, as TOML values."""
    out: dict[str, Any] = {"format": FORMAT} if isinstance(value, CaptureSpec) else {}
    defaults = {field.name: field.default for field in fields(value)}
    for key in keys:
        item = getattr(value, key)
        if item is None or item == defaults[key]:
            continue
        if isinstance(item, Path):
            item = _written(file, item)
        elif key == "up":
            item = next((axis for axis, vector in _AXES.items() if vector == item), list(item))
        elif isinstance(item, tuple):
            item = [list(each) if isinstance(each, tuple) else each for each in item]
        out[key] = item
    return out


def _written(file: Path, target: Path) -> str:
    """`target` as it is written into `file`: relative unless the two share nothing but the root.

    OptionError for a name that no list of files can hold.
    """
    check_name(str(target))
    folder, target = file.parent.resolve(), target.resolve()
    common = os.path.commonpath([folder, target]) if folder.drive == target.drive else ""
    if not common or common == folder.anchor:
        return target.as_posix()
    return Path(os.path.relpath(target, folder)).as_posix()
