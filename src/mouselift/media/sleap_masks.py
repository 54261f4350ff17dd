"""Segmentation masks in SLEAP's labels (.slp, as sleap-io 0.9 writes them): run lengths in HDF5, along the rows.

One file holds one video or several; a video's file name tells the camera. Frames count from 0 in the video. Where a
person has drawn masks in a frame, predicted ones there are left aside.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.array_types import Array
from mouselift.errors import MaskError, UnreachableError
from mouselift.hdf5_file import h5py_for
from mouselift.media.annotations import AnnotatedImage, Shape, annotated_masks
from mouselift.media.mask_stack import MaskStack
from mouselift.media.polygons import from_runs

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
        with UnreachableError.reading(self.path):
            self._open = self._open or _h5py(self.path).File(self.path, "r")
            data = self._open["mask_rle"][place[0] : place[1]]
        return from_runs(np.frombuffer(data.tobytes(), dtype="<u4").tolist(), width, height).T


def videos_of(path: Path) -> list[str]:
    """The ends of the videos' paths. MaskError where the file is none of SLEAP's."""
    with UnreachableError.reading(path), _opened(path) as file:
        try:
            names = [json.loads(text)["filename"] for text in file["videos_json"][:]]
        except (KeyError, ValueError, TypeError) as error:
            raise MaskError(f"{path}: expected SLEAP's labels with videos: {error!r}") from None
    firsts = [name[0] if isinstance(name, list) else name for name in names]
    return ["/".join(str(name).replace("\\", "/").split("/")[-_TOLD:]) for name in firsts]


def open_sleap(path: Path, belongs: Callable[[str], bool], chosen: int | str | None = None) -> MaskStack:
    """One camera's masks. belongs: whether a video's name is this camera's; chosen: `mask_object`, a track or category.

    MaskError where the file has no masks of the camera, or masks of a part or another resolution of the image.
    """
    videos = videos_of(path)
    own = [index for index, name in enumerate(videos) if belongs(name)]
    if len(own) != 1:
        raise MaskError(f"{path}: expected one video of this camera, found {len(own)} among {', '.join(videos)}")
    with UnreachableError.reading(path), _opened(path) as file:
        if "masks" not in file:
            raise MaskError(f"{path}: SLEAP's labels without segmentation masks; keypoints make no masks")
        table = file["masks"][:]
        tracks = [json.loads(text)[1] for text in file["tracks_json"][:]] if "tracks_json" in file else []
        categories = [_text(text) for text in file["mask_categories"][:]] if "mask_categories" in file else []
    fields = table.dtype.names
    if "scale_x" in fields:
        moved = [table[key] != value for key, value in _WHOLE.items()]
        if np.any(moved):
            raise MaskError(
                f"{path}: masks cover a part of the image, or have another resolution; in sleap-io, save "
                "mask.resampled(height, width) of each"
            )
    images: dict[int, list[tuple[bool, Shape]]] = {}
    for index in np.flatnonzero(table["video"] == own[0]):
        row = table[index]
        track = tracks[row["track"]] if 0 <= row["track"] < len(tracks) else None
        category = categories[index] if index < len(categories) and categories[index] else "mask"
        shape = Shape(category, track, (int(row["rle_start"]), int(row["rle_end"])))
        drawn = "is_predicted" not in fields or not row["is_predicted"]
        images.setdefault(int(row["frame_idx"]), []).append((drawn, shape))
    if not images:
        raise MaskError(f"{path}: no segmentation mask of {videos[own[0]]}")
    of_camera = table[table["video"] == own[0]]
    if len(sizes := {(int(w), int(h)) for w, h in zip(of_camera["width"], of_camera["height"], strict=True)}) > 1:
        raise MaskError(f"{path}: masks of one camera have several sizes: {sorted(sizes)}")
    size = sizes.pop()
    kept = {number: AnnotatedImage(f"frame {number}", *size, _shapes(found)) for number, found in images.items()}
    return annotated_masks(path, kept, _RunLengths(path), "SLEAP's masks", chosen, from_zero=True)


def _shapes(found: list[tuple[bool, Shape]]) -> tuple[Shape, ...]:
    """Of one frame: a person's, where there are any."""
    by_hand = tuple(shape for drawn, shape in found if drawn)
    return by_hand or tuple(shape for _, shape in found)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _opened(path: Path) -> Any:
    library = _h5py(path)
    with UnreachableError.reading(path), path.open("rb"):
        pass  # h5py gives OSError for damage too
    try:
        return library.File(path, "r")
    except OSError as error:
        raise MaskError(f"{path}: cannot be read as SLEAP's labels: {error}") from None


def _h5py(path: Path) -> Any:
    return h5py_for(path, "SLEAP's labels", ", or save arrays by sleap-io (docs/guides/masks.md)")
