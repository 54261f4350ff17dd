"""Segmentation masks in SLEAP's labels (.slp, as sleap-io 0.9 writes them): run lengths in HDF5, along the rows.

One file holds one video or several; a video's file name tells the camera. Frames count from 0 in the video. Where a
person has drawn masks in a frame, predicted ones there are left aside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.array_types import Array
from mouselift.errors import MaskError, UnreachableError
from mouselift.foreign import json_of, short, short_text, whole_numbers
from mouselift.hdf5_file import array_of, check_inside, h5py_for, is_dataset, member, opened, text_of
from mouselift.limits import MAT_BYTES, check_image_size
from mouselift.media.annotations import AnnotatedImage, Shape, annotated_masks
from mouselift.media.mask_stack import MaskStack
from mouselift.media.polygons import from_runs

_WHAT, _INSTEAD = "SLEAP's labels", ", or save arrays by sleap-io (docs/guides/masks.md)"
_COLUMNS = ("video", "frame_idx", "track", "width", "height", "rle_start", "rle_end")
_TOLD = 3  # parts of a video's path, from the end: session, camera, file
_WHOLE = {"scale_x": 1.0, "scale_y": 1.0, "offset_x": 0.0, "offset_y": 0.0}  # of a mask of the whole image


@dataclass
class _RunLengths:
    """Draws one mask from its bytes in the file."""

    path: Path
    _open: Any = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}

    def __call__(self, place: tuple[int, int], height: int, width: int) -> Array:
        first, last = place
        if not 0 <= last - first <= 4 * (height * width + 1):  # a run of each pixel alone
            raise ValueError(f"run lengths in bytes {first} to {last}, more than the image has pixels")
        with UnreachableError.reading(self.path):
            self._open = self._open or _h5py(self.path).File(self.path, "r")
            data = self._open["mask_rle"][first:last]
        return from_runs(np.frombuffer(data.tobytes(), dtype="<u4").tolist(), width, height).T


def videos_of(path: Path) -> list[str]:
    """The ends of the videos' paths. MaskError where the file is none of SLEAP's."""
    with _opened(path) as file:
        names = [json_of(text)["filename"] for text in _lines(file, "videos_json")]
    firsts = [name[0] if isinstance(name, list) and name else name for name in names]
    return [short_text("/".join(str(name).replace("\\", "/").split("/")[-_TOLD:]), 1000) for name in firsts]


def open_sleap(path: Path, belongs: Callable[[str], bool], chosen: int | str | None = None) -> MaskStack:
    """One camera's masks. belongs: whether a video's name is this camera's; chosen: `mask_object`, a track or category.

    MaskError where the file has no masks of the camera, or masks of a part or another resolution of the image.
    """
    videos = videos_of(path)
    own = [index for index, name in enumerate(videos) if belongs(name)]
    if len(own) != 1:
        raise MaskError(f"{path}: expected one video of this camera, found {len(own)} among {', '.join(videos)}")
    with _opened(path) as file:
        if "masks" not in file:
            raise MaskError(f"{path}: SLEAP's labels without segmentation masks; keypoints make no masks")
        table = array_of(member(file, "masks"), "masks", MAT_BYTES)
        fields = table.dtype.names or ()
        if missing := [key for key in _COLUMNS if key not in fields]:
            raise ValueError(f"masks lack the columns {', '.join(missing)}")
        columns = {key: np.array(whole_numbers(table[key], -1, 1 << 40, key), dtype=np.int64) for key in _COLUMNS}
        tracks = [str(json_of(text)[1]) for text in _lines(file, "tracks_json")] if "tracks_json" in file else []
        categories = [text_of(text) for text in _lines(file, "mask_categories")] if "mask_categories" in file else []
        _check_runs(member(file, "mask_rle"))
        own_rows = np.flatnonzero(columns["video"] == own[0])
        sizes = {(int(columns["width"][row]), int(columns["height"][row])) for row in own_rows}
        for size in sizes:
            check_image_size(*size)
    if "scale_x" in fields:
        moved = [table[key] != value for key, value in _WHOLE.items() if key in fields]
        if np.any(moved):
            raise MaskError(
                f"{path}: masks cover a part of the image, or have another resolution; in sleap-io, save "
                "mask.resampled(height, width) of each"
            )
    images: dict[int, list[tuple[bool, Shape]]] = {}
    for index in own_rows:
        row = {key: int(values[index]) for key, values in columns.items()}
        track = tracks[row["track"]] if 0 <= row["track"] < len(tracks) else None
        category = categories[index] if index < len(categories) and categories[index] else "mask"
        shape = Shape(category, track, (row["rle_start"], row["rle_end"]))
        drawn = "is_predicted" not in fields or not table["is_predicted"][index]
        images.setdefault(row["frame_idx"], []).append((drawn, shape))
    if not images:
        raise MaskError(f"{path}: no segmentation mask of {videos[own[0]]}")
    if len(sizes) > 1:
        raise MaskError(f"{path}: masks of one camera have several sizes: {sorted(sizes)}")
    size = sizes.pop()
    kept = {number: AnnotatedImage(f"frame {number}", *size, _shapes(found)) for number, found in images.items()}
    return annotated_masks(path, kept, _RunLengths(path), "SLEAP's masks", chosen, from_zero=True)


def _shapes(found: list[tuple[bool, Shape]]) -> tuple[Shape, ...]:
    """Of one frame: a person's, where there are any."""
    by_hand = tuple(shape for drawn, shape in found if drawn)
    return by_hand or tuple(shape for _, shape in found)


def _lines(file: Any, name: str) -> Iterator[str | bytes]:
    for line in array_of(member(file, name), name, MAT_BYTES).ravel():
        if not isinstance(line, str | bytes):
            raise ValueError(f"{name}: expected lines of text, got {short(line)}")
        yield line


def _check_runs(dataset: Any) -> None:
    """ValueError where the run lengths of all masks are no bytes of this file."""
    if not is_dataset(dataset) or dataset.dtype != np.uint8 or dataset.ndim != 1:
        raise ValueError("mask_rle: expected a row of bytes")
    check_inside(dataset, "mask_rle")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Its root group. MaskError for what is not as expected."""
    _h5py(path)
    with UnreachableError.reading(path), path.open("rb"):
        pass  # h5py gives OSError for damage too
    try:
        with opened(path, _WHAT, MaskError, _INSTEAD) as file:
            yield file
    except (AttributeError, IndexError) as error:  # JSON of another shape
        raise MaskError(f"{path}: cannot be read as {_WHAT}: {short_text(error)}") from None


def _h5py(path: Path) -> Any:
    return h5py_for(path, _WHAT, _INSTEAD)
