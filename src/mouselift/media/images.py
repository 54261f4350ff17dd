"""What every source of images looks like from outside (videos, prepared datasets), and the plainest: image folders.

A source delivers `FrameSet`s in ascending order: all views of one instant, each with its camera, its
mask and its image. Images convert colours on demand and only in the region asked for.
"""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import cv2
import numpy as np

from mouselift.array_types import Array, ImageRGB, Levels
from mouselift.atomic import visible
from mouselift.errors import CaptureError, MaskError, UnreachableError, VideoError
from mouselift.geometry.camera import Camera
from mouselift.limits import IMAGE_BYTES, check_image_size, limited_bytes
from mouselift.media.decoding import decoded_upright, size_of
from mouselift.media.numbered_names import numbers_of
from mouselift.media.orientation import UPRIGHT, Box, Orientation, of_image

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
TIFF_SUFFIXES = (".tif", ".tiff")
_SUBFILE = 254  # TIFF's tag NewSubfileType: 1 for previews
_TRIED = 20  # damaged files at the beginning of a folder
_PALETTE = b"\3"  # colour type of a PNG
_READ_AGAIN = 1 << 22  # bytes


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

    def blocks(self, frames: Sequence[int]) -> list[Sequence[int]]:
        """`frames` (ascending) cut into runs that can be read apart at no extra decoding (at key frames)."""
        ...

    def read(self, frames: Sequence[int], images: bool = True) -> Iterator[FrameSet]:
        """The asked frames in ascending order; with `images=False` masks only (`image` is None)."""
        ...


@dataclass(frozen=True, eq=False)
class ArrayImage:
    """A decoded image file: [h, w, 3] RGB."""

    colours: ImageRGB

    @property
    def width(self) -> int:
        return self.colours.shape[1]

    @property
    def height(self) -> int:
        return self.colours.shape[0]

    def rgb(self, box: Box | None = None) -> ImageRGB:
        x0, y0, x1, y1 = box if box is not None else (0, 0, self.width, self.height)
        return np.ascontiguousarray(self.colours[y0:y1, x0:x1])


class NumberedImages(ABC):
    """One camera's images, or masks, by number, whatever holds them.

    `first` is the smallest number found; a complete run of images counts from it (tools number from
    0 or from 1), while masks that cover only some frames keep the numbers that they carry.
    """

    path: Path
    width: int
    height: int
    positional: bool = False  # numbers are places in a file, which names none
    from_zero: bool = False  # numbers are places in the recording, and 0 is its first image
    rate: ClassVar[float] = 0.0  # frames per second: not known

    @property
    @abstractmethod
    def numbers(self) -> Collection[int]: ...

    @property
    @abstractmethod
    def orientation(self) -> Orientation: ...

    @abstractmethod
    def read(self, number: int) -> Array | None:
        """None where there is no such image, or it is damaged. UnreachableError where it cannot be read now."""

    @property
    def held(self) -> Collection[int]:
        """Those of `numbers` that come with an image: annotation files list images without a mask too."""
        return self.numbers

    @property
    def frames(self) -> int:
        return len(self.numbers)

    @property
    def first(self) -> int:
        return min(self.numbers)

    @property
    def last(self) -> int:
        return max(self.numbers)

    @property
    def complete(self) -> bool:
        return self.last - self.first + 1 == self.frames


@dataclass(frozen=True, eq=False)
class ImageFolder(NumberedImages):
    """Files whose names carry the number: `numbers_of`."""

    path: Path
    files: dict[int, Path]
    width: int
    height: int
    as_stored: bool = False  # EXIF's orientation is left aside
    masks: bool = False  # read by `read_values`

    @property
    def numbers(self) -> Collection[int]:
        return self.files.keys()

    def read(self, number: int) -> Array | None:
        path = self.files.get(number)
        if path is None:
            return None
        try:
            if self.masks:
                return read_values(path, self.as_stored, self.files[self.first])
            return read_image(path, self.as_stored)
        except UnreachableError:
            raise
        except VideoError:
            require_readable(path)  # the folder listed it: only what is there and damaged is missing
            return None

    @property
    def orientation(self) -> Orientation:
        """Of the first image. Each image is turned by its own."""
        return UPRIGHT if self.as_stored else of_image(_content(self.files[self.first]))

    @classmethod
    def scan(
        cls, path: Path, as_stored: bool = False, masks: bool = False, only: Collection[str] | None = None
    ) -> ImageFolder:
        """Raises CaptureError where the folder is missing, empty, or its names do not number the images.

        only: names of the files that count, where a folder holds several cameras' images.
        """
        with UnreachableError.reading(path):
            if not path.is_dir():
                raise CaptureError(f"{path}: no such image folder; expected the folder that capture.toml names")
            images = visible(
                p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and (only is None or p.name in only)
            )
        if not images:
            raise CaptureError(f"{path}: expected images ({', '.join(sorted(IMAGE_SUFFIXES))}), found none")
        _check_names(path, images)
        files = dict(zip(numbers_of(str(path), [image.stem for image in images], marked=masks), images, strict=True))
        height, width = _first_sound(files, read_values if masks else read_image, as_stored).shape[:2]
        return cls(path, files, width, height, as_stored, masks)


def _check_names(folder: Path, images: Sequence[Path]) -> None:
    """CaptureError for one image in two formats, and for files of several images, of which one would be read."""
    first: dict[str, Path] = {}
    for path in images:
        other = first.setdefault(path.stem, path)
        if other is not path:
            raise CaptureError(
                f"{folder}: {other.name} and {path.name}: two files for one image; move those of one format away"
            )
    if images[0].suffix.lower() in TIFF_SUFFIXES and _has_pages(images[0]):
        raise CaptureError(
            f"{images[0]}: holds several images (pages), of which one a file is read; write them as single files, or "
            "masks as arrays: np.save(FILE, tifffile.imread(STACK))"
        )


def _has_pages(path: Path) -> bool:
    """Whether a TIFF holds a second image that is no preview of the first."""
    from PIL import Image as Pillow

    try:
        with UnreachableError.reading(path), Pillow.open(path) as image:
            image.seek(1)
            return not int(image.getexif().get(_SUBFILE, 0)) & 1
    except UnreachableError:
        raise
    except (EOFError, SyntaxError, TypeError, ValueError):
        return False


def _first_sound(files: Mapping[int, Path], read: Callable[[Path, bool], Array], as_stored: bool) -> Array:
    """The first image that can be decoded; VideoError of the first file where none of a few can."""
    failed: VideoError | None = None
    for number in sorted(files)[:_TRIED]:
        try:
            return read(files[number], as_stored)
        except UnreachableError:
            raise
        except VideoError as error:
            failed = failed or error
    assert failed is not None
    raise failed


def read_image(path: Path, as_stored: bool = False) -> Array:
    """An image, channels in RGB(A) order, turned as its EXIF says. Raises VideoError where it cannot be decoded.

    as_stored: leave EXIF aside.
    """
    image = _decoded(path, _content(path), as_stored)
    if image.dtype != np.uint8:
        raise VideoError(f"{path}: expected 8 bits a channel, got {image.dtype}; convert it first")
    return image


def read_values(path: Path, as_stored: bool = False, first: Path | None = None) -> Array:
    """A mask file's values: as `read_image`, but 16 bits stay, and of a coloured palette it is the indices.

    Indices are what tools mean by their palettes; of a grey one, or one whose first colour is not black, it is colours.
    first: another mask of the same camera. MaskError where its palette numbers the colours otherwise.
    """
    data = _content(path)
    if (found := _indexed(path, data)) is not None:
        indices, colours = found
        if first is not None and first != path:
            _check_palette(path, indices, colours, first)
        return indices if as_stored else of_image(data).shown(indices)
    values = _decoded(path, data, as_stored)
    if values.dtype not in (np.uint8, np.uint16):
        raise VideoError(f"{path}: expected 8 or 16 bits a channel, got {values.dtype}; convert it first")
    return values


def _indexed(path: Path, data: bytes) -> tuple[Array, Array] | None:
    """Indices [h, w] and palette [n, 3] of a PNG whose indices are labels; None of any other image."""
    if data[12:16] != b"IHDR" or data[25:26] != _PALETTE or _fades(data):
        return None
    from PIL import Image as Pillow

    _check_size(path, data)
    try:
        with Pillow.open(io.BytesIO(data)) as image:
            colours = np.array(image.getpalette("RGB")).reshape(-1, 3)
            indices = np.asarray(image) if len(colours) and not colours[0].any() else None
    except (OSError, SyntaxError, ValueError) as error:  # the last of a palette that is too long
        raise VideoError(f"{path}: cannot be decoded as an image ({error})") from None
    if not len(colours):
        raise VideoError(f"{path}: cannot be decoded as an image: it has indices and no palette")
    return (indices, colours) if indices is not None and np.ptp(colours, axis=1).any() else None


def _check_palette(path: Path, indices: Array, colours: Array, first: Path) -> None:
    """MaskError where a colour in use has another number than in `first`: programs that make PNGs smaller drop colours
    that an image does not use and number the others anew, so that one number is another object in each image."""
    with UnreachableError.reading(first):
        wanted = _palette_of(first, first.stat().st_mtime_ns)
    for index in np.unique(indices[indices > 0]).tolist():
        colour = tuple(colours[index].tolist()) if index < len(colours) else (0, 0, 0)
        if colour in wanted[1:] and (index >= len(wanted) or wanted[index] != colour):
            raise MaskError(
                f"{path}: its palette has number {index} for the colour #{bytes(colour).hex()}, which is number "
                f"{wanted.index(colour, 1)} in {first.name}: was it numbered anew where the file was made smaller? "
                "Export all masks of a camera with one palette, or as grey labels"
            )


@lru_cache(maxsize=64)
def _palette_of(path: Path, _changed: int) -> tuple[tuple[int, ...], ...]:
    """The colours of a mask whose indices are labels; none of another one."""
    try:
        found = _indexed(path, _content(path))
    except UnreachableError:
        raise
    except VideoError:  # said where it is read
        found = None
    return () if found is None else tuple(tuple(colour) for colour in found[1].tolist())


def _fades(data: bytes) -> bool:
    """Whether a PNG's palette has other transparent entries than its first, which is background."""
    at = data.find(b"tRNS", 0, max(data.find(b"IDAT"), 0))
    if at < 4:
        return False
    entries = data[at + 4 : at + 4 + int.from_bytes(data[at - 4 : at], "big")]
    return any(entry < 255 for entry in entries[1:])


def is_lossy(path: Path) -> bool:
    """Whether a file's format keeps values only about: JPEG, and WebP compressed so."""
    with UnreachableError.reading(path), path.open("rb") as handle:
        head = handle.read(16)
    return head.startswith(b"\xff\xd8") or (head[:4] == b"RIFF" and head[8:] == b"WEBPVP8 ")


def _content(path: Path) -> bytes:
    with UnreachableError.reading(path):
        try:
            return limited_bytes(path, IMAGE_BYTES) if path.is_file() else b""
        except ValueError as error:
            raise VideoError(f"{path}: cannot be decoded as an image: {error}") from None


def require_readable(path: Path, start: int = 0) -> None:
    """UnreachableError where the file cannot be read: at its ends, and from byte `start` on, where something failed."""
    with UnreachableError.reading(path), path.open("rb") as handle:
        end = handle.seek(0, os.SEEK_END)
        for place in (0, max(start, 0), max(end - 1, 0)):
            handle.seek(place)
            handle.read(_READ_AGAIN if place == start else 1)


def _decoded(path: Path, data: bytes, as_stored: bool) -> Array:
    image = decoded_upright(data, as_stored)
    if image is None:
        _check_size(path, data)
        raise VideoError(f"{path}: cannot be decoded as an image; missing, empty or truncated?")
    if image.ndim == 3:
        order = cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB
        image = np.asarray(cv2.cvtColor(image, order))
    return image


def _check_size(path: Path, data: bytes) -> None:
    """VideoError that says so where it is the size that no image has."""
    try:
        size = size_of(data)
    except ValueError:
        return
    try:
        check_image_size(*size)
    except ValueError as error:
        raise VideoError(f"{path}: cannot be decoded as an image: {error}") from None


def eight_bits(image: Array) -> Array:
    """16 bit levels as 8 bit ones, rounded: v / 257; 8 bit ones as they are."""
    return np.asarray(cv2.convertScaleAbs(image, alpha=1 / 257)) if image.dtype == np.uint16 else image


def as_rgb(image: Array) -> ImageRGB:
    """Grey or RGBA as RGB."""
    if image.ndim == 2:
        return np.repeat(image[:, :, None], 3, axis=2)
    return np.ascontiguousarray(image[:, :, :3])


def as_levels(image: Array) -> Levels:
    """A mask image's levels: its alpha where it has one that varies, else its green channel or its grey."""
    if image.ndim == 2:
        return image
    if image.shape[2] == 4 and image[:, :, 3].min() < 255:
        return np.ascontiguousarray(image[:, :, 3])
    return np.ascontiguousarray(image[:, :, 1])


def read_numbered(media: NumberedImages, numbers: Sequence[int]) -> Iterator[tuple[int, Array | None]]:
    """(number, image) in the order asked for; None where there is no such image or it is damaged.

    VideoError where an image has another size than the first; UnreachableError as `NumberedImages.read`.
    """
    for number in numbers:
        image = media.read(number)
        if image is not None and image.shape[:2] != (media.height, media.width):
            path = media.files[number] if isinstance(media, ImageFolder) else f"{media.path}: image {number}"
            turned = image.shape[:2] == (media.width, media.height)
            raise VideoError(
                f"{path}: is {image.shape[1]}x{image.shape[0]}, the first image of its folder is "
                f"{media.width}x{media.height}; all images of one camera must have one size"
                + ("; turned by another orientation tag (EXIF), or by none?" if turned else "")
            )
        yield number, image
