"""What every source of images looks like from outside: videos, image folders, prepared datasets.

A source delivers `FrameSet`s in ascending order: all views of one instant, each with its camera, its
mask and its image. Images convert colours on demand and only in the region asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mouselift.array_types import ImageRGB, Levels
from mouselift.geometry.camera import Camera

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels, half open

_TRAILING_DIGITS = re.compile(r"(\d+)$")


def number_of(name: str) -> int | None:
    """The number at the end of a sample's name: its source frame, in what `prepare` makes."""
    match = _TRAILING_DIGITS.search(name)
    return None if match is None else int(match.group(1))


@runtime_checkable  # for the run-time type checks of the tests
class Image(Protocol):
    """One decoded image."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    def rgb(self, box: Box | None = None) -> ImageRGB:
        """Colours of a region (of the whole image by default); the same values whatever the region."""
        ...


@dataclass(frozen=True, eq=False)
class ViewFrame:
    """One camera at one instant."""

    camera: Camera  # of this image: crop offsets applied, this project's pixel convention
    image: Image | None  # None: the frame is missing in this camera's recording
    mask: Levels | None  # 0 background .. 255 subject, of the image's size; None: no mask for this frame
    where: str  # file, camera and frame, for messages


@dataclass(frozen=True, eq=False)
class FrameSet:
    """All views of one instant."""

    frame: int  # on the first camera's timeline
    views: tuple[ViewFrame, ...]


@runtime_checkable
class FrameSource(Protocol):
    """A recording, readable in order. Picklable: workers open their own files."""

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names, in the order of `FrameSet.views`."""
        ...

    @property
    def frames(self) -> Sequence[int]:
        """The frames there are, ascending; a camera may lack some of them."""
        ...

    @property
    def rate(self) -> float:
        """Frames per second; 0 where it is not known."""
        ...

    def blocks(self, frames: Sequence[int]) -> list[list[int]]:
        """`frames` (ascending) cut into runs that can be read apart at no extra decoding (at key frames)."""
        ...

    def read(self, frames: Sequence[int], images: bool = True) -> Iterator[FrameSet]:
        """The asked frames in ascending order; with `images=False` masks only (`image` is None)."""
        ...
