"""Annotated images, each with shapes of one or several objects, as a stack of masks of one object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.array_types import Array
from mouselift.errors import MaskError
from mouselift.foreign import short_text
from mouselift.media.mask_stack import MaskStack, choose_object

Draw = Callable[[Any, int, int], Array]  # a shape's content, height, width -> [h, w] bool; ValueError


class NothingMarkedError(MaskError):
    """A file lists images of the camera, and none is annotated."""


@dataclass(frozen=True)
class Shape:
    category: str
    track: str | None
    content: Any  # for `Draw`
    box: Any = None  # what the file says beside it, x y width height


@dataclass(frozen=True)
class AnnotatedImage:
    name: str
    width: int
    height: int
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class _Shapes:
    """Masks drawn on demand."""

    path: Path
    images: Mapping[int, AnnotatedImage]
    draw: Draw
    wanted: str
    by_track: bool

    def of(self, image: AnnotatedImage) -> list[Any]:
        """The contents of what is wanted."""
        return [s.content for s in image.shapes if (s.track if self.by_track else s.category) == self.wanted]

    def read(self, number: int) -> Array | None:
        image = self.images.get(number)
        if image is None or not (shapes := self.of(image)):
            return None
        out = np.zeros((image.height, image.width), dtype=bool)
        for shape in shapes:
            try:
                out |= self.draw(shape, image.height, image.width)
            except (ValueError, TypeError, KeyError) as error:
                words = f"{self.path}: {image.name}: segmentation cannot be read: {short_text(error)}"
                raise MaskError(words) from None
        return np.where(out, np.uint8(255), np.uint8(0))


def annotated_masks(
    path: Path,
    images: Mapping[int, AnnotatedImage],
    draw: Draw,
    what: str,
    chosen: int | str | None,
    from_zero: bool = False,
) -> MaskStack:
    """One camera's masks. images: by frame number; what: for `init`; chosen: `mask_object`; from_zero: as a stack's.

    Objects are tracks where every shape has one, else categories. MaskError where sizes differ;
    NothingMarkedError where nothing is drawn.
    """
    sizes = sorted({(image.width, image.height) for image in images.values()})
    if len(sizes) > 1:
        there = ", ".join(f"{w}x{h}" for w, h in sizes)
        raise MaskError(f"{path}: images of one camera have several sizes: {there}")
    shapes = [shape for image in images.values() for shape in image.shapes]
    if not shapes:
        raise NothingMarkedError(f"{path}: none of this camera's {len(images)} images has a segmentation")
    categories = {shape.category for shape in shapes}
    by_track = all(shape.track is not None for shape in shapes) and str(chosen) not in categories
    kind = "tracks" if by_track else "categories"
    objects = {str(shape.track) for shape in shapes} if by_track else categories
    name, question = choose_object(path, sorted(objects, key=lambda o: (len(o), o)), chosen, kind)
    images = dict(sorted(images.items()))
    reader = _Shapes(path, images, draw, name, by_track)
    held = [number for number, image in images.items() if reader.of(image)]
    twice = next((image.name for image in images.values() if len(reader.of(image)) > 1), None)
    if question is None and chosen is None and twice is not None:
        question = (
            f"{path}: {twice} has several annotations of {name!r}: one subject in parts, or several subjects? If "
            f'parts, say mask_object = "{name}" for this camera in capture.toml; else give each its own category or '
            "track_id"
        )
    words = f"{what} of {name!r} in {len(held)} of {len(images)} images"
    words += "; the others count as without a mask" if len(held) < len(images) else ""
    return MaskStack(
        path, *sizes[0], tuple(images), reader, words, False, True, question, marked=held, from_zero=from_zero
    )
