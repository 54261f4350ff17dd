"""Masks in COCO's JSON: polygons, run lengths, compressed ones; as CVAT, Roboflow, Label Studio and scripts write them.

One file holds one camera or all: `file_name` of its images names camera and frame. An image without annotations has no
mask: tools list images that nobody annotated in the same way as empty ones. The file's text is read once a process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mouselift.array_types import Array
from mouselift.errors import CaptureError, MaskError, UnreachableError
from mouselift.media.mask_stack import MaskStack, choose_object
from mouselift.media.numbered_names import numbers_of
from mouselift.media.polygons import filled, from_runs

_HASH = re.compile(r"\.rf\.\w+$")  # behind the name, by Roboflow: cam1_000012_png.rf.3f2a1b.jpg
_TRACKS = ("track_id", "instance_id", "object_id")  # who an annotation shows; CVAT's stand among `attributes`


@dataclass(frozen=True)
class CocoShape:
    category: str
    track: str | None
    segmentation: Any  # `drawn`


@dataclass(frozen=True)
class CocoImage:
    file_name: str
    width: int
    height: int
    shapes: tuple[CocoShape, ...]


@dataclass(frozen=True)
class _Shapes:
    """Masks drawn from annotations, on demand."""

    path: Path
    images: Mapping[int, CocoImage]
    wanted: str
    by_track: bool

    def of(self, image: CocoImage) -> list[Any]:
        """The segmentations of what is wanted."""
        return [s.segmentation for s in image.shapes if (s.track if self.by_track else s.category) == self.wanted]

    def read(self, number: int) -> Array | None:
        image = self.images.get(number)
        if image is None:
            return None
        if not (shapes := self.of(image)):
            return None
        out = np.zeros((image.height, image.width), dtype=bool)
        for shape in shapes:
            try:
                out |= drawn(shape, image.height, image.width)
            except (ValueError, TypeError, KeyError) as error:
                raise MaskError(f"{self.path}: {image.file_name}: segmentation cannot be read: {error}") from None
        return np.where(out, np.uint8(255), np.uint8(0))


def drawn(segmentation: Any, height: int, width: int) -> Array:
    """[h, w] bool of COCO's `segmentation`: a list of polygons, or run lengths with their size. ValueError."""
    if isinstance(segmentation, dict):
        size = list(segmentation["size"])
        if size != [height, width]:
            raise ValueError(f"size {size}, its image is [{height}, {width}]")
        return from_runs(segmentation["counts"], height, width)
    out = np.zeros((height, width), dtype=bool)
    for polygon in segmentation:
        out |= filled(polygon, height, width)
    return out


def open_coco(path: Path, belongs: Callable[[str], bool], chosen: int | str | None = None) -> MaskStack:
    """One camera's masks. belongs: whether a `file_name` is this camera's; chosen: `mask_object`.

    MaskError where the file is no COCO, no image is the camera's, sizes differ, or objects cannot be told apart.
    """
    every = read_coco(path)
    own = [image for image in every if belongs(image.file_name)]
    if not own:
        there = ", ".join(image.file_name for image in every[:3]) or "none"
        raise MaskError(f"{path}: names no image of this camera; expected its name in file_name, found {there}")
    names = [_HASH.sub("", PurePosixPath(image.file_name.replace("\\", "/")).stem) for image in own]
    try:
        numbers = numbers_of(str(path), names)
    except CaptureError as error:
        raise MaskError(str(error)) from None
    sizes = sorted({(image.width, image.height) for image in own})
    if len(sizes) > 1:
        there = ", ".join(f"{w}x{h}" for w, h in sizes)
        raise MaskError(f"{path}: images of one camera have several sizes: {there}")
    shapes = [shape for image in own for shape in image.shapes]
    if not shapes:
        raise MaskError(f"{path}: none of this camera's {len(own)} images has a segmentation")
    categories = {shape.category for shape in shapes}
    by_track = all(shape.track is not None for shape in shapes) and str(chosen) not in categories
    kind = "tracks" if by_track else "categories"
    objects = {str(shape.track) for shape in shapes} if by_track else categories
    name, question = choose_object(path, sorted(objects, key=lambda o: (len(o), o)), chosen, kind)
    images = dict(sorted(zip(numbers, own, strict=True), key=lambda pair: pair[0]))
    reader = _Shapes(path, images, name, by_track)
    held = [number for number, image in images.items() if reader.of(image)]
    twice = next((image.file_name for image in images.values() if len(reader.of(image)) > 1), None)
    if question is None and chosen is None and twice is not None:
        question = (
            f"{path}: {twice} has several annotations of {name!r}: one subject in parts, or several subjects? If "
            f'parts, say mask_object = "{name}" for this camera in capture.toml; else give each its own category or '
            "track_id"
        )
    words = f"COCO annotations of {name!r} in {len(held)} of {len(own)} images"
    words += "; the others count as without a mask" if len(held) < len(own) else ""
    return MaskStack(path, *sizes[0], tuple(images), reader, words, one_object=True, question=question, marked=held)


def read_coco(path: Path) -> tuple[CocoImage, ...]:
    """The images of a whole file. MaskError where it is no COCO."""
    with UnreachableError.reading(path):
        state = path.stat()
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int, _size: int) -> tuple[CocoImage, ...]:
    with UnreachableError.reading(path):
        text = path.read_bytes()
    try:
        content = json.loads(text.decode("utf-8-sig"))
        listed, marks = content["images"], content["annotations"]
        categories = {c["id"]: str(c["name"]) for c in content.get("categories", [])}
    except (ValueError, KeyError, TypeError) as error:
        raise MaskError(f"{path}: expected COCO's JSON with images, annotations, categories: {error!r}") from None
    shapes: dict[Any, list[CocoShape]] = {}
    try:
        for mark in marks:
            if mark.get("segmentation"):
                category = categories.get(mark["category_id"], str(mark["category_id"]))
                shape = CocoShape(category, _track(mark), mark["segmentation"])
                shapes.setdefault(mark["image_id"], []).append(shape)
        return tuple(
            CocoImage(str(i["file_name"]), int(i["width"]), int(i["height"]), tuple(shapes.get(i["id"], ())))
            for i in listed
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MaskError(f"{path}: an image or annotation of this COCO file lacks {error}") from None


def _track(mark: Mapping[str, Any]) -> str | None:
    told: Sequence[Mapping[str, Any]] = (mark, mark.get("attributes") or {})
    return next((str(group[key]) for key in _TRACKS for group in told if group.get(key) is not None), None)
