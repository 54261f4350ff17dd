"""Masks in NumPy's files, one file a frame, as Grounded SAM 2 and other scripts save them: `mask_00012.npy`, [h, w]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mouselift.array_types import Array
from mouselift.errors import CaptureError, MaskError
from mouselift.media.array_masks import open_arrays, shape_of
from mouselift.media.mask_stack import MaskStack
from mouselift.media.numbered_names import numbers_of

SUFFIX = ".npy"


@dataclass(frozen=True)
class _Files:
    """One file a frame."""

    files: Mapping[int, Path]

    def read(self, number: int) -> Array | None:
        path = self.files.get(number)
        return None if path is None else open_arrays(path, one_frame=True).read(0)


def frame_files(folder: Sequence[Path]) -> list[Path]:
    """Those among a folder's files that hold a frame each; none where they hold whole recordings. By the first one."""
    arrays = [path for path in folder if path.suffix.lower() == SUFFIX]
    if len(arrays) < 2:
        return []
    try:
        shape = shape_of(arrays[0])
    except MaskError:  # said where it is opened
        return []
    return arrays if len(shape) == 2 else []  # [1, h, w] is a recording of one frame, too


def open_array_files(folder: Path, files: Sequence[Path]) -> MaskStack:
    """The masks of `frame_files`. MaskError where names do not number them, or the first cannot be read."""
    try:
        numbers = numbers_of(str(folder), [path.stem for path in files], marked=True)
    except CaptureError as error:
        raise MaskError(str(error)) from None
    kept = dict(sorted(zip(numbers, files, strict=True)))
    first = open_arrays(next(iter(kept.values())), one_frame=True)
    words = f"one {SUFFIX} a frame, {len(kept)} frames numbered {min(kept)} to {max(kept)}"
    return MaskStack(folder, first.width, first.height, tuple(kept), _Files(kept), words)
