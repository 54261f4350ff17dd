"""Masks in NumPy's files, as SAM 2, XMem and Cutie scripts save them: .npy and .npz, one file a camera.

| what is in the file                        | what it is                                                     |
|--------------------------------------------|----------------------------------------------------------------|
| one array [T, h, w] (or [T, 1, h, w])      | frame 0 .. T-1; bool, or values whose meaning is asked as of PNGs |
| one array [T, n, h, w], or {object: [T, h, w]} | n objects: `mask_object` chooses                           |
| {frame: [h, w]} (or [1, h, w], [n, h, w])  | the frame is the number in the array's name                    |
| {camera: [T, h, w]}                        | all cameras' masks in one file                                 |

Nothing is unpickled. One frame is in memory at a time: .npy and stored members of .npz are mapped, deflated members are
read as a stream, which frames in ascending order never rewind.
"""

from __future__ import annotations

import math
import re
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mouselift.array_types import Array
from mouselift.errors import CaptureError, MaskError, MouseliftError, UnreachableError
from mouselift.foreign import npy_header, short, short_text
from mouselift.limits import IMAGE_PIXELS, check_image_size
from mouselift.media.mask_stack import MaskStack, choose_object
from mouselift.media.numbered_names import numbers_of

ARRAY_SUFFIXES = (".npy", ".npz")
_SKIPPED_AT_ONCE = 1 << 20  # bytes
_FRAME_VALUES = 4 * IMAGE_PIXELS  # objects and pixels
_FRAME_NUMBERS = re.compile(r"frames?_?(i|idxs?|index|indexes|indices|ids?|nums?|numbers?|nos?|names?)?", re.I)
_NO_FRAMES = re.compile(r"area|size|score|conf|iou|obj|track|label|class|categ|count", re.IGNORECASE)
_NAMED_MASKS = re.compile(r"(^|[_\-. ])(masks?|seg(mentation)?s?)([_\-. ]|$)", re.IGNORECASE)
_CHANNELS = 4  # a last axis no longer than this is colour, no width
_SAVE = "np.savez_compressed(FILE, masks=masks) with masks [T, h, w] of bool or uint8"


@dataclass(frozen=True)
class _Header:
    """One array of a file: where it lies and what it is."""

    name: str  # of the member; "" in a .npy
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    start: int  # byte of its first value, in the member
    file_start: int | None  # the same in the file; None where the member is deflated


@dataclass
class _Frames:
    """Frames of one array [T, ..., h, w], of which `index` picks the object."""

    path: Path
    header: _Header
    first: dict[int, int] | None = None  # frame number -> place; None: they are the same
    index: int | None = None
    _open: Any = field(default=None, repr=False)  # the mapped array, or a stream and its place

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}

    def _close(self) -> None:
        if isinstance(self._open, list):
            self._open[0].close()

    __del__ = _close

    def read(self, number: int) -> Array | None:
        place = number if self.first is None else self.first.get(number, -1)
        if not 0 <= place < self.header.shape[0]:
            return None
        where = f"{self.path}: frame {number}"
        said = f"{where}: array {self.header.name or self.path.name}"
        with UnreachableError.reading(self.path), _undamaged(said):
            frame = self._mapped()[place] if self.header.file_start is not None else self._streamed(place, where)
        return _as_mask(where, frame if self.index is None else frame[self.index])

    def _mapped(self) -> Array:
        if self._open is None:
            h = self.header
            self._open = np.memmap(self.path, h.dtype, "r", h.file_start or 0, h.shape, "F" if h.fortran else "C")
        return self._open

    def _streamed(self, place: int, where: str) -> Array:
        """The frame at `place`; the stream goes on from the last one, or starts again for an earlier one."""
        size = math.prod(self.header.shape[1:]) * self.header.dtype.itemsize
        if self._open is None or self._open[1] > place:
            self._close()
            with zipfile.ZipFile(self.path) as file:  # the stream keeps it open
                self._open = [file.open(self.header.name), 0]
            _take(self._open[0], self.header.start)
        stream, now = self._open
        _take(stream, (place - now) * size)
        data = stream.read(size)
        if len(data) < size:
            raise MaskError(f"{where}: array {self.header.name}: the file ends early; save the masks again")
        self._open[1] = place + 1
        return np.frombuffer(data, self.header.dtype).reshape(self.header.shape[1:])


@dataclass
class _Members:
    """One array a frame."""

    path: Path
    names: dict[int, str]  # frame number -> member
    index: int | None = None
    _open: Any = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}

    def __del__(self) -> None:
        if self._open is not None:
            self._open.close()

    def read(self, number: int) -> Array | None:
        name = self.names.get(number)
        if name is None:
            return None
        where = f"{self.path}: array {name}"
        with UnreachableError.reading(self.path), _undamaged(where):
            self._open = self._open or zipfile.ZipFile(self.path)
            with self._open.open(name) as stream:
                frame = np.lib.format.read_array(stream, allow_pickle=False)
        frame = frame.reshape(-1, *frame.shape[-2:])
        return _as_mask(where, frame[self.index or 0])


def shape_of(path: Path) -> tuple[int, ...]:
    """Of the array in a .npy. MaskError as `open_arrays`."""
    with UnreachableError.reading(path):
        return _headers(path)[0].shape


def array_names(path: Path) -> list[str]:
    """Of the arrays that may be masks in a .npz; none of a .npy. MaskError as `open_arrays`."""
    with UnreachableError.reading(path):
        return [_key(header) for header in _headers(path) if len(header.shape) >= 2 and header.name]


def open_arrays(
    path: Path,
    chosen: int | str | None = None,
    belongs: Callable[[str], bool] = lambda name: False,
    one_frame: bool = False,
) -> MaskStack:
    """The masks of a .npy or .npz. chosen: `mask_object`; belongs: whether an array's name is this camera's, where one
    file holds all cameras'; one_frame: a .npy holds one mask, [h, w] or [1, h, w]. MaskError for what is no masks, or
    none that can be read."""
    with UnreachableError.reading(path):
        headers = _headers(path)
    large = [h for h in headers if len(h.shape) >= 2]
    shared = [h for h in large if belongs(_key(h))]
    large = _masks_among(shared or large)
    if not large:
        there = ", ".join(f"{_key(h)} {list(h.shape)}" for h in headers[:8]) or "nothing"
        raise MaskError(f"{path}: expected masks, [T, h, w]; holds {there}")
    shapes = {h.shape for h in large}
    if len(shapes) > 1:
        there = ", ".join(f"{_key(h)} {list(h.shape)}" for h in large[:6])
        raise MaskError(f"{path}: expected arrays of one shape, got {there}; save the masks alone: {_SAVE}")
    for header in large:
        _check_type(path, header)
    if one_frame:
        large = [replace(large[0], shape=(1, *large[0].shape[-2:]))]
        return _of_stacks(path, large, None, chosen)
    frames = _one_a_frame(path, large)
    if frames is not None:
        stack, places = _of_members(path, large, frames, chosen), None
    else:
        places = _told_numbers(path, headers, large[0].shape[0])
        stack = _of_stacks(path, large, None if places is None else places[1], chosen)
    used = {h.name for h in large} | ({places[0].name} if places is not None else set())
    unused = [_key(h) for h in headers if h.name not in used and not (shared and len(h.shape) >= 2)]
    words = stack.words + (f", numbered by {_key(places[0])}" if places is not None else "")
    return replace(stack, words=words + (f"; not used: {', '.join(unused)}" if unused else ""))


def _masks_among(arrays: list[_Header]) -> list[_Header]:
    """Without what lies beside masks and is none: boxes, points, colours, logits, and what a name tells from masks.

    All of them where none can be masks, so that it is said why.
    """
    possible = [h for h in arrays if h.shape[-1] > _CHANNELS and h.dtype.kind in "biu"] or arrays
    named = [h for h in possible if _NAMED_MASKS.search(_key(h))]
    return named if len({h.shape for h in possible}) > 1 and len({h.shape for h in named}) == 1 else possible


def _one_a_frame(path: Path, arrays: Sequence[_Header]) -> list[int] | None:
    """Frame numbers, where each array is one frame; None where each is a whole recording of one object.

    Objects are fewer than frames: that tells {frame: [objects, h, w]} from {object: [frames, h, w]}.
    """
    shape, count = arrays[0].shape, len(arrays)
    if len(shape) > 2 and (count == 1 or shape[0] > count):
        return None
    try:
        numbers = numbers_of(str(path), [_key(h) for h in arrays], marked=True)
    except CaptureError as error:
        if len(shape) > 2 and shape[0] > 1:
            return None
        if path.suffix.lower() == ".npy":
            raise MaskError(
                f"{path}: one mask of shape {list(shape)}: expected all frames of a camera, [T, h, w], or a folder a "
                "camera with a file a frame, each named by its number"
            ) from None
        raise MaskError(f"{error}; or save one array: {_SAVE}") from None
    if len(shape) > 2 and shape[0] == count:
        raise MaskError(
            f"{path}: {count} arrays of shape {list(shape)}: either {count} frames of as many objects, or the reverse; "
            f"save each object's masks alone: {_SAVE}"
        )
    return numbers


def _of_members(path: Path, arrays: Sequence[_Header], numbers: Sequence[int], chosen: int | str | None) -> MaskStack:
    shape = arrays[0].shape
    height, width = _size(path, shape)
    objects = math.prod(shape[:-2])
    index, question, one = _index(path, objects, chosen)
    names = {number: h.name for number, h in zip(numbers, arrays, strict=True)}
    kept = dict(sorted(names.items()))
    words = f"one array a frame, {len(kept)} frames numbered {min(kept)} to {max(kept)}"
    return MaskStack(path, width, height, tuple(kept), _Members(path, kept, index), words, False, one, question)


def _of_stacks(
    path: Path, arrays: Sequence[_Header], places: Sequence[int] | None, chosen: int | str | None
) -> MaskStack:
    shape = arrays[0].shape
    if len(shape) not in (3, 4):
        raise MaskError(f"{path}: expected masks, [T, h, w], got shape {list(shape)}; save them so: {_SAVE}")
    height, width = _size(path, shape)
    array, question, one, index = arrays[0], None, False, None
    if len(arrays) > 1:
        name, question = choose_object(path, [_key(h) for h in arrays], chosen)
        array, one = next(h for h in arrays if _key(h) == name), True
    if len(shape) == 4 and (shape[1] == 1 or len(arrays) > 1):
        if shape[1] > 1:
            raise MaskError(f"{path}: {len(arrays)} arrays of shape {list(shape)}: expected [T, h, w] an object")
        index = 0
    elif len(shape) == 4:
        index, question, one = _index(path, shape[1], chosen)
    if array.fortran and array.file_start is None:
        raise MaskError(
            f"{path}: array {_key(array)} is deflated in Fortran's order, so that no frame can be read alone; save "
            "np.ascontiguousarray(masks)"
        )
    first = None if places is None else {number: k for k, number in enumerate(places)}
    numbers = range(shape[0]) if first is None else sorted(first)
    words = f"array {_key(array) or path.name} {list(shape)} of {array.dtype}"
    reader = _Frames(path, array, first, index)
    return MaskStack(path, width, height, numbers, reader, words, places is None, one, question)


def _told_numbers(path: Path, headers: Sequence[_Header], count: int) -> tuple[_Header, list[int]] | None:
    """The array of frame numbers that lies beside the masks, one a mask; ascending, where its name says less.

    MaskError where an array that says what it is, or counts the masks in another order than theirs, cannot be used.
    """
    found: list[tuple[_Header, list[int]]] = []
    for header in headers:
        key = _key(header)
        named = _FRAME_NUMBERS.fullmatch(key) is not None
        size = math.prod(header.shape)
        row = bool(header.shape) and size == max(header.shape) and header.dtype.kind in "iufUS"
        if row and named and size != count:
            raise MaskError(f"{path}: array {key}: {size} frame numbers for {count} masks")
        if not row or size != count:
            continue
        numbers = _whole_numbers(path, header)
        once = numbers is not None and len(set(numbers)) == count and min(numbers) >= 0
        if named and not once:
            shown = "none" if numbers is None else short(numbers)
            raise MaskError(f"{path}: array {key}: expected frame numbers, each once, from 0 on; got {shown}")
        if numbers is None or not once:
            continue
        if named or ("frame" in key.lower() and numbers == sorted(numbers)):
            found.append((header, numbers))
        elif not _NO_FRAMES.search(key) and _counts_otherwise(numbers):
            raise MaskError(
                f"{path}: array {key} counts the masks from {min(numbers)} to {max(numbers)} in another order than "
                "theirs: if these are their frame numbers, name it frame_idx; else save the masks without it"
            )
    if len(found) > 1 and any(numbers != found[0][1] for _, numbers in found):
        there = ", ".join(_key(header) for header, _ in found)
        raise MaskError(f"{path}: {there} number the masks differently; save one of them")
    return found[0] if found else None


def _counts_otherwise(numbers: Sequence[int]) -> bool:
    """Whether they are 0 .. n-1 or 1 .. n in another order."""
    first = min(numbers)
    return first in (0, 1) and list(numbers) != sorted(numbers) == list(range(first, first + len(numbers)))


def _whole_numbers(path: Path, header: _Header) -> list[int] | None:
    """Of an array of whole numbers, or of names that each carry one; None of any other."""
    with (
        UnreachableError.reading(path),
        _undamaged(f"{path}: array {_key(header)}"),
        zipfile.ZipFile(path) as file,
        file.open(header.name) as stream,
    ):
        values = np.lib.format.read_array(stream, allow_pickle=False).ravel()
    if values.dtype.kind in "US":
        names = [value.decode("latin-1") if isinstance(value, bytes) else value for value in values.tolist()]
        stems = [PurePosixPath(name.replace("\\", "/")).stem for name in names]
        try:
            return numbers_of(str(path), stems)
        except CaptureError:
            return None
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.rint(values)) & (abs(values) < 1e9)).all():
        return None
    return [int(value) for value in values.tolist()]


def _index(path: Path, objects: int, chosen: int | str | None) -> tuple[int | None, str | None, bool]:
    """Which of the objects along an axis; the question; whether it is one object's mask."""
    if objects == 1:
        return 0, None, False
    name, question = choose_object(path, [str(k) for k in range(objects)], chosen, "objects, counted from 0")
    return int(name), question, True


def _size(path: Path, shape: tuple[int, ...]) -> tuple[int, int]:
    if shape[-1] <= _CHANNELS or not all(shape):
        raise MaskError(f"{path}: expected masks [T, h, w], got shape {list(shape)}: move the last axis, or drop it")
    try:
        check_image_size(shape[-1], shape[-2])
        if math.prod(shape[:-2]) * shape[-1] * shape[-2] > _FRAME_VALUES * shape[0]:
            raise ValueError(f"a frame of more than {_FRAME_VALUES:,} values")
    except ValueError as error:
        raise MaskError(f"{path}: shape {short(list(shape))}: {error}") from None
    return shape[-2], shape[-1]


def _check_type(path: Path, header: _Header) -> None:
    if header.dtype.kind not in "biu":
        hint = "save masks > 0 of logits, masks > 0.5 of probabilities" if header.dtype.kind == "f" else _SAVE
        raise MaskError(
            f"{path}: array {_key(header) or 'masks'}: expected bool or whole numbers, got {header.dtype}; {hint}"
        )


def _as_mask(where: str, frame: Array) -> Array:
    """bool as 0 and 1; whole numbers as 8 bits, or as 16 where they are 16."""
    if frame.dtype == np.bool_:
        return frame.astype(np.uint8)
    if frame.dtype in (np.uint8, np.uint16):
        return np.array(frame, dtype=frame.dtype.newbyteorder("="))
    low, high = int(frame.min()), int(frame.max())
    if low < 0 or high > 255:
        remedy = "save masks > 0, if what is positive is the subject" if low < 0 else "save labels as uint16"
        raise MaskError(f"{where}: expected values from 0 to 255, got {low} to {high}; {remedy}")
    return frame.astype(np.uint8)


def _key(header: _Header) -> str:
    return header.name.removesuffix(".npy")


def _headers(path: Path) -> list[_Header]:
    """Of all arrays in a file. MaskError where it holds pickled objects, or is no such file."""
    pickled = (
        f"{path}: holds pickled objects, which may run code when they are read; in the program that made them, save "
        "arrays: np.savez_compressed(FILE, **{str(frame): mask for frame, mask in masks.items()})"
    )
    found: list[_Header] = []
    held: list[int] = []  # bytes of each
    with _undamaged(f"{path}: cannot be read as NumPy's {path.suffix}"):
        if path.suffix.lower() == ".npy":
            with path.open("rb") as stream:
                found.append(_header("", stream, 0))
            held.append(path.stat().st_size)
        else:
            with zipfile.ZipFile(path) as file, path.open("rb") as raw:
                for member in file.infolist():
                    if member.filename.endswith(".npy"):
                        with file.open(member) as stream:
                            found.append(_header(member.filename, stream, _start_of(raw, member)))
                        held.append(member.file_size)
    if any(header.dtype.hasobject for header in found):
        raise MaskError(pickled)
    names = [header.name for header in found]
    if len(set(names)) < len(names):
        raise MaskError(f"{path}: holds two arrays of one name; save it again")
    for header, size in zip(found, held, strict=True):
        end = header.start + math.prod(header.shape) * header.dtype.itemsize
        if size < end:
            raise MaskError(f"{path}: {_key(header) or 'it'} holds {size} bytes, its header says {end}; save it again")
    return found


@contextmanager
def _undamaged(where: str) -> Iterator[None]:
    """MaskError for what NumPy and zipfile raise of damaged files: nearly anything."""
    try:
        yield
    except (MouseliftError, OSError):
        raise
    except Exception as error:
        raise MaskError(f"{where}: damaged ({short_text(error)}); save the masks again") from None


def _header(name: str, stream: Any, file_start: int | None) -> _Header:
    shape, fortran, dtype = npy_header(stream)
    start = stream.tell()
    return _Header(name, shape, dtype, fortran, start, None if file_start is None else file_start + start)


def _start_of(raw: Any, member: zipfile.ZipInfo) -> int | None:
    """Byte of the file at which a stored member's content starts; None for a deflated one."""
    if member.compress_type != zipfile.ZIP_STORED:
        return None
    raw.seek(member.header_offset)
    name, extra = struct.unpack("<HH", raw.read(30)[26:])  # of the local header, which may differ from the directory's
    return member.header_offset + 30 + name + extra


def _take(stream: Any, count: int) -> None:
    """Skip `count` bytes."""
    while count > 0:
        data = stream.read(min(count, _SKIPPED_AT_ONCE))
        if not data:
            raise EOFError("the array ends early")
        count -= len(data)
