"""Files of images, fast: PNGs written, and of any file what is asked for, colours or alpha alone.

PNGs are written with UP-filtered rows and zlib-ng's deflate. The same image gives the same bytes with one build of
zlib-ng; other builds may give other bytes and the same image. Silhouettes are all that an audit reads of most datasets:
a PNG whose rows are all UP-filtered (ours are) is inflated and the differences are summed, of the alpha bytes alone
where colours are not asked for.
Every other file is decoded by OpenCV. Format: W3C, "Portable Network Graphics", third edition, 2025.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from zlib_ng import zlib_ng

from mouselift.array_types import Array, ImageRGB, ImageRGBA, Levels, UInt8
from mouselift.errors import DatasetError, UnreachableError
from mouselift.limits import IMAGE_BYTES, IMAGE_PIXELS, check_image_size, limited_bytes
from mouselift.media.decoding import SIGNATURE, decoded, size_of
from mouselift.media.images import eight_bits
from mouselift.media.orientation import UPRIGHT, Orientation, of_image, turned_by_opencv

Pixels = UInt8[Array, "h w"] | UInt8[Array, "h w c"]  # grey, or RGB (c = 3), or straight RGBA (c = 4)

_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # channels -> the standard's number
_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA"}  # the standard's number -> Pillow's name; others have RGBA
_RGBA = 6  # the number of the last
_UP = 2  # the filter that stores a row's difference to the row above
_HEAD, _TAIL = len(SIGNATURE) + 25, 12  # bytes of signature and IHDR chunk; of the IEND chunk
# isal takes half the time, but one image in some thousand came out with other bytes than before (same pixels).
# UP-filtered rows repeat bytes or do not: looking for runs only finds as much, in two thirds of the time.
_LEVEL, _WINDOW_BITS, _MEMORY = 2, 15, 9


def encode_png(image: Pixels) -> bytes:
    """8 bit grey, RGB or straight RGBA -> PNG. Colours under alpha 0 become zero: nobody sees them, all pay for them.

    ValueError for another number of channels or an empty image.
    """
    height, width = image.shape[:2]
    channels = image.shape[2] if image.ndim == 3 else 1
    if channels not in _COLOUR_TYPES or height == 0 or width == 0:
        raise ValueError(f"encode_png: expected [h, w], [h, w, 3] or [h, w, 4], not empty; got shape {image.shape}")
    shown = _blanked(image) if channels == 4 else image
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    deflate = zlib_ng.compressobj(_LEVEL, zlib_ng.DEFLATED, _WINDOW_BITS, _MEMORY, zlib_ng.Z_RLE)
    data = deflate.compress(_filtered(shown.reshape(height, width * channels))) + deflate.flush()
    return b"".join([SIGNATURE, _chunk(b"IHDR", header), _chunk(b"IDAT", data), _chunk(b"IEND", b"")])


def decode_png(data: bytes, where: str) -> ImageRGBA:
    """PNG bytes -> straight RGBA; an image without alpha is opaque. `where` names the file in messages.

    16 bit channels (Blender writes them) become 8 bit, rounded: v / 257.
    DatasetError where the bytes are no PNG or are cut short.
    """
    if not data.startswith(SIGNATURE) or not data.endswith(_chunk(b"IEND", b"")):
        raise DatasetError(f"{where}: expected a whole PNG file, got {len(data)} bytes that are none or are cut short")
    image = decoded(data)
    if image is None:
        raise DatasetError(f"{where}: expected a PNG file that can be decoded, got {_reason(data)}")
    image = eight_bits(image)
    if image.ndim == 2:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGBA))
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGBA))


def up_filtered_steps(data: bytes) -> UInt8[Array, "h stride"] | None:
    """Rows [h, 4 w] of differences to the row above, of an 8 bit RGBA PNG with one IDAT chunk and UP-filtered rows.

    None for every other file, damaged ones too. The checksums of the chunk and of the deflate stream are verified.
    """
    if len(data) < _HEAD + 12 + _TAIL or not data.startswith(SIGNATURE):
        return None
    width, height, bits, colour, *rest = struct.unpack(">IIBBBBB", data[16:29])
    (length,) = struct.unpack(">I", data[_HEAD : _HEAD + 4])
    end = _HEAD + 8 + length  # of the chunk's data; its checksum follows
    whole = len(data) == end + 4 + _TAIL and data[_HEAD + 4 : _HEAD + 8] == b"IDAT" and data[-8:-4] == b"IEND"
    if not whole or (bits, colour, rest) != (8, _RGBA, [0, 0, 0]) or not 0 < width * height <= IMAGE_PIXELS:
        return None
    if zlib_ng.crc32(memoryview(data)[_HEAD + 4 : end]) != struct.unpack(">I", data[end : end + 4])[0]:
        return None
    stride = 4 * width + 1
    stream = zlib_ng.decompressobj()
    try:  # one byte more shows whether there is more: a chunk of a megabyte may hold a gigabyte
        raw = stream.decompress(memoryview(data)[_HEAD + 8 : end], stride * height + 1)
    except zlib_ng.error:  # pyright: ignore[reportGeneralTypeIssues] - the stub gives it no base class
        return None
    if len(raw) != stride * height or not stream.eof:
        return None
    rows = np.frombuffer(raw, dtype=np.uint8).reshape(height, stride)
    return rows[:, 1:] if (rows[:, 0] == _UP).all() else None


def read_png(path: Path) -> ImageRGBA:
    """A PNG file -> straight RGBA. Errors as `decode_png` and `content_of`."""
    return decode_png(content_of(path, "a readable PNG file"), str(path))


def content_of(path: Path, expected: str = "a readable image") -> bytes:
    """A file's bytes. DatasetError, with what was expected, where it is none; UnreachableError where it cannot be read
    now."""
    try:
        return limited_bytes(path, IMAGE_BYTES)
    except OSError as error:
        UnreachableError.on_outage(path, error)
        raise DatasetError(f"{path}: expected {expected}, got: {error.strerror or error}") from None
    except ValueError as error:  # a pipe, or larger than images are
        raise DatasetError(f"{path}: {error}") from None


@dataclass(frozen=True, eq=False)
class AlphaImage:
    """An image's alpha and identity. `alpha` is None where the file has no such channel."""

    width: int
    height: int
    alpha: Levels | None
    digest: int  # equal for equal files; 64 bits of checksum and length
    mode: str = "RGBA"  # as Pillow calls it: loaders that ask for RGBA see no alpha in other modes
    orientation: Orientation = UPRIGHT  # that viewers apply and loaders do not; `alpha` is as stored


def read_alpha(path: Path) -> AlphaImage:
    """The alpha of one image file; 16 bits become 8, rounded. DatasetError where it cannot be read or decoded."""
    data = content_of(path)
    digest = zlib_ng.crc32(data) | (len(data) & 0xFFFFFFFF) << 32
    alpha = up_filtered_alpha(data)
    if alpha is not None:
        return AlphaImage(alpha.shape[1], alpha.shape[0], alpha, digest)
    image = _decoded(data, path)
    has_alpha = image.ndim == 3 and image.shape[2] == 4
    alpha = np.asarray(cv2.extractChannel(image, 3)) if has_alpha else None
    mode = _mode(data) if has_alpha else "RGB"
    # OpenCV and Pillow both turn TIFFs when they decode, and nothing else.
    orientation = UPRIGHT if turned_by_opencv(data) else of_image(data)
    return AlphaImage(image.shape[1], image.shape[0], alpha, digest, mode, orientation)


def _mode(data: bytes) -> str:
    """Pillow's name for the stored channels."""
    if data.startswith(SIGNATURE):
        return _MODES.get(data[25], "RGBA")
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return image.mode


def read_colours(path: Path) -> ImageRGB:
    """As `read_rgb_alpha`, without the alpha."""
    return read_rgb_alpha(path)[0]


def read_rgb_alpha(path: Path) -> tuple[ImageRGB, Levels | None]:
    """The colours of one image file, as stored: not composited; its alpha, if any. DatasetError as `read_alpha`."""
    return rgb_alpha_of(content_of(path), path)


def rgb_alpha_of(data: bytes, path: Path) -> tuple[ImageRGB, Levels | None]:
    """`read_rgb_alpha` of a file's bytes; `path` for messages."""
    steps = up_filtered_steps(data)
    if steps is not None:
        shown = _summed_down(steps).reshape(len(steps), -1, 4)
        return np.asarray(cv2.cvtColor(shown, cv2.COLOR_RGBA2RGB)), np.asarray(cv2.extractChannel(shown, 3))
    image = _decoded(data, path)
    if image.ndim == 2:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)), None
    if image.shape[2] == 3:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)), None
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGRA2RGB)), np.asarray(cv2.extractChannel(image, 3))


def up_filtered_alpha(data: bytes) -> Levels | None:
    """Alpha of a PNG as `up_filtered_steps` takes it; None for every other file, damaged ones too."""
    steps = up_filtered_steps(data)
    if steps is None:
        return None
    return _summed_down(np.asarray(cv2.extractChannel(steps.reshape(len(steps), -1, 4), 3)))


def _blanked(image: np.ndarray) -> np.ndarray:
    """Straight RGBA with every pixel of alpha 0 all zero."""
    whole = np.ascontiguousarray(image).view("<u4")[..., 0]  # alpha is the highest byte
    hidden = whole - np.uint32(1) < np.uint32((1 << 24) - 1)  # 1 .. 2^24 - 1: zero itself wraps to the top
    return np.where(hidden, np.uint32(0), whole).astype("<u4").view(np.uint8) if hidden.any() else image


def _filtered(rows: np.ndarray) -> np.ndarray:
    """[h, 1 + n]: each row's filter number and its difference, modulo 256, to the row above."""
    out = np.empty((len(rows), rows.shape[1] + 1), dtype=np.uint8)
    out[:, 0] = _UP
    out[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=out[1:, 1:])
    return out


def _chunk(kind: bytes, data: bytes) -> bytes:
    return b"".join([struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib_ng.crc32(kind + data))])


def _summed_down(steps: Levels) -> Levels:
    """Cumulative sums down the columns, modulo 256. Nothing is summed outside the box of what is not zero.

    Hillis and Steele's scan: sums over 1, 2, 4, ... rows; nine passes over 512 rows, each at memory's speed, take a
    third of the time that sixteen bands of rows side by side took, and a seventh of one row after the other.
    """
    height, width = steps.shape
    x, y, w, h = cv2.boundingRect(steps)
    now = steps[y : y + h, x : x + w].ravel()
    other = np.empty_like(now)
    rows = 1
    while rows < h:
        other[: rows * w] = now[: rows * w]
        np.add(now[rows * w :], now[: -rows * w], out=other[rows * w :])
        now, other = other, now
        rows *= 2
    out = np.zeros((height, width), dtype=np.uint8)
    if h:
        summed = now.reshape(h, w)
        out[y : y + h, x : x + w] = summed
        out[y + h :, x : x + w] = summed[-1]  # rows without a difference repeat the last one
    return out


def _reason(data: bytes) -> str:
    try:
        check_image_size(*size_of(data))
    except ValueError as error:
        return f"{len(data)} bytes: {error}"
    return f"{len(data)} bytes: empty, truncated or damaged?"


def _decoded(data: bytes, path: Path) -> np.ndarray:
    image = decoded(data)
    if image is None:
        raise DatasetError(f"{path}: cannot be decoded as an image ({_reason(data)})")
    if image.dtype not in (np.uint8, np.uint16):
        raise DatasetError(f"{path}: expected 8 or 16 bits a channel, got {image.dtype}")
    return eight_bits(image)
