"""Masks in COCO's JSON: polygons, run lengths, compressed ones; as CVAT, Roboflow, Label Studio and scripts write them.

One file holds one camera or all: `file_name` of its images names camera and frame. An image without annotations has no
mask: tools list images that nobody annotated in the same way as empty ones. The file's text is read once a process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mouselift.array_types import Array
from mouselift.errors import CaptureError, MaskError, UnreachableError
from mouselift.foreign import json_of, numbers, short, short_text, whole_numbers
from mouselift.limits import JSON_BYTES, check_image_size, limited_bytes
from mouselift.media.annotations import AnnotatedImage, Shape, annotated_masks
from mouselift.media.mask_stack import MaskStack
from mouselift.media.numbered_names import numbers_of
from mouselift.media.polygons import filled, from_runs, is_traced, traced
from mouselift.sampling import evenly_spaced

_HASH = re.compile(r"\.rf\.\w+$")  # behind the name, by Roboflow: cam1_000012_png.rf.3f2a1b.jpg
_SPECKS = (2, 4)  # numbers of one or two corners, as a tracer gives single pixels beside the subject
_COMPARED = 6  # annotated images of a camera whose boxes are looked at
_INSIDE = 0.5  # of a mask in its box; all of it where the two are of one image
_TRACKS = ("track_id", "instance_id", "object_id")  # who an annotation shows; CVAT's stand among `attributes`


class NotCocoError(MaskError):
    """Another kind of JSON."""


def drawn(segmentation: Any, height: int, width: int) -> Array:
    """[h, w] bool of COCO's `segmentation`: a list of polygons, or run lengths with their size. ValueError."""
    if isinstance(segmentation, dict):
        size = list(segmentation["size"])
        if size != [height, width]:
            raise ValueError(f"size {size}, its image is [{height}, {width}]")
        return from_runs(segmentation["counts"], height, width)
    out = np.zeros((height, width), dtype=bool)
    whole = [p for p in segmentation if not (isinstance(p, list) and len(p) in _SPECKS)] or segmentation
    outlines = any(is_traced(polygon) for polygon in whole)
    for polygon in whole:
        out |= (traced if outlines else filled)(polygon, height, width)
    if np.count_nonzero(out) <= 1:  # shares of an image's sides cover one pixel where they hold its middle
        _check_inside(whole, height, width)
    return out


def _check_inside(polygons: Sequence[Any], height: int, width: int) -> None:
    """ValueError for polygons that lie beside their image, or in shares of it: no mask of an empty image."""
    xy = np.concatenate([np.asarray(polygon, dtype=np.float64).reshape(-1, 2) for polygon in polygons])
    (left, top), (right, bottom) = xy.min(axis=0), xy.max(axis=0)
    shares = min(left, top) >= 0 and max(right, bottom) <= 1 and max(width, height) > 1
    if shares or left >= width or top >= height or right <= 0 or bottom <= 0:
        raise ValueError(
            f"x from {left:g} to {right:g}, y from {top:g} to {bottom:g} show nothing in an image "
            f"of {width}x{height}: shares of its sides, or of another image? Coordinates are in pixels"
        )


def open_coco(path: Path, belongs: Callable[[str], bool], chosen: int | str | None = None) -> MaskStack:
    """One camera's masks. belongs: whether a `file_name` is this camera's; chosen: `mask_object`.

    MaskError where the file is no COCO, no image is the camera's, sizes differ, or objects cannot be told apart.
    """
    every = read_coco(path)
    own = [image for image in every if belongs(image.name)]
    if not own:
        there = ", ".join(image.name for image in every[:3]) or "none"
        raise MaskError(f"{path}: names no image of this camera; expected its name in file_name, found {there}")
    names = [_HASH.sub("", PurePosixPath(image.name.replace("\\", "/")).stem) for image in own]
    try:
        told = numbers_of(str(path), names, marked=True)
    except CaptureError as error:
        raise MaskError(str(error)) from None
    images = dict(zip(told, own, strict=True))
    _check_boxes(path, own)
    return annotated_masks(path, images, drawn, "COCO annotations", chosen)


def _check_boxes(path: Path, images: Sequence[AnnotatedImage]) -> None:
    """MaskError where most segmentations lie elsewhere than the boxes beside them say: one of the two is of no use.

    The boxes of other tools are read as they mean them: x y width height, two corners, or a middle and a size.
    """
    marked = [image for image in images if any(shape.box is not None for shape in image.shapes)]
    judged, strange = 0, list[str]()
    for image in evenly_spaced(marked, _COMPARED):
        for shape in image.shapes:
            try:
                mask = drawn(shape.content, image.height, image.width)
                x, y, w, h = numbers(shape.box, (4,)).tolist()
            except (ValueError, TypeError, KeyError):
                continue  # said where the mask is read
            if w <= 1 or h <= 1 or not mask.any():
                continue
            corners = ((x, y, x + w, y + h), (x, y, w, h), (x - w / 2, y - h / 2, x + w / 2, y + h / 2))
            rows, columns = np.nonzero(mask)
            inside = [
                ((columns + 1 >= x0) & (columns <= x1) & (rows + 1 >= y0) & (rows <= y1)).mean()
                for x0, y0, x1, y1 in corners
            ]
            judged += 1
            if max(inside) < _INSIDE:
                strange.append(
                    f"{image.name}: the segmentation covers x from {columns.min()} to {columns.max()} and y from "
                    f"{rows.min()} to {rows.max()}, its bbox says {short(shape.box)}"
                )
    if 2 * len(strange) > judged:
        raise MaskError(
            f"{path}: {strange[0]} ({len(strange)} of {judged} looked at disagree so). Run lengths that go along the "
            "rows (COCO's go down the columns: pycocotools takes np.asfortranarray(mask)), x and y exchanged, shares "
            "or per cent of the sides, or of an image of another size? Export the segmentations again, or drop bbox if "
            "they are right"
        )


def read_coco(path: Path) -> tuple[AnnotatedImage, ...]:
    """The images of a whole file. MaskError where it is no COCO."""
    with UnreachableError.reading(path):
        state = path.stat()
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int, _size: int) -> tuple[AnnotatedImage, ...]:
    try:
        with UnreachableError.reading(path):
            text = limited_bytes(path, JSON_BYTES)
        content = json_of(text)
        listed, marks = content["images"], content["annotations"]
        categories = {c["id"]: str(c["name"]) for c in content.get("categories", [])}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        words = f"{path}: expected COCO's JSON with images, annotations, categories: {short(error)}"
        raise NotCocoError(words) from None
    shapes: dict[Any, list[Shape]] = {}
    try:
        for mark in marks:
            if mark.get("segmentation"):
                category = categories.get(mark["category_id"], str(mark["category_id"]))
                shape = Shape(category, _track(mark), mark["segmentation"], mark.get("bbox"))
                shapes.setdefault(mark["image_id"], []).append(shape)
        _check_ids([(image["id"], image["file_name"]) for image in listed], list(shapes))
        return tuple(_image(image, shapes) for image in listed)
    except MaskError as error:
        raise MaskError(f"{path}: {error}") from None
    except (AttributeError, KeyError, TypeError) as error:
        raise MaskError(f"{path}: an image or annotation of this COCO file lacks {short_text(error)}") from None
    except ValueError as error:
        raise MaskError(f"{path}: an image of this COCO file: {error}") from None


def _check_ids(listed: Sequence[tuple[Any, Any]], drawn_on: Sequence[Any]) -> None:
    """MaskError where annotations belong to two images, or to none of those that are listed."""
    names: dict[Any, str] = {}
    for key, name in listed:
        if key in names:
            there = f"{short_text(names[key])} and {short_text(name)}"
            raise MaskError(f"two images have the id {key}: {there}; give each image of the file an id of its own")
        names[key] = str(name)
    if drawn_on and not any(key in names for key in drawn_on):
        first = short(listed[0][0]) if listed else "not there"
        raise MaskError(
            f"its annotations name images that it does not list: image_id {short(drawn_on[0])}, the first image's id "
            f"is {first}"
        )


def _image(entry: Mapping[str, Any], shapes: Mapping[Any, list[Shape]]) -> AnnotatedImage:
    """ValueError for a size that no image has."""
    width, height = whole_numbers([entry["width"], entry["height"]], name="width, height")
    check_image_size(width, height)
    return AnnotatedImage(str(entry["file_name"]), width, height, tuple(shapes.get(entry["id"], ())))


def _track(mark: Mapping[str, Any]) -> str | None:
    told: Sequence[Mapping[str, Any]] = (mark, mark.get("attributes") or {})
    return next((str(group[key]) for key in _TRACKS for group in told if group.get(key) is not None), None)
