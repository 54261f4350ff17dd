"""The alpha of a picture file and nothing else, fast: silhouettes are all that an audit reads of most datasets.

A PNG whose rows are all stored as differences to the row above (ours are) is inflated and the differences are summed
for the alpha bytes only. Every other file is decoded by OpenCV. Format: W3C, "Portable Network Graphics", third
edition, 2025.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from zlib_ng import zlib_ng

from mouselift.core.types import ImageRGB, Levels
from mouselift.errors import DatasetError
from mouselift.io.images import eight_bits

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGBA, _UP = 6, 2  # the standard's numbers of the colour type and of the filter
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_BAND = 16  # rows summed side by side; 8 to 32 take the same time, one row after the other takes four times as long
_HEAD = len(_SIGNATURE) + 25  # signature and the IHDR chunk


@dataclass(frozen=True, eq=False)
class AlphaPicture:
    """A picture's alpha and identity. `alpha` is None where the file has no such channel."""

    width: int
    height: int
    alpha: Levels | None
    digest: int  # equal for equal files; 64 bits of checksum and length


def read_alpha(path: Path) -> AlphaPicture:
    """The alpha of one picture file; 16 bits become 8, rounded. DatasetError where it cannot be read or decoded."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: expected a readable picture, got: {error.strerror or error}") from None
    digest = zlib_ng.crc32(data) | (len(data) & 0xFFFFFFFF) << 32
    alpha = up_filtered_alpha(data)
    if alpha is not None:
        return AlphaPicture(alpha.shape[1], alpha.shape[0], alpha, digest)
    image = _decoded(data, path)
    has_alpha = image.ndim == 3 and image.shape[2] == 4
    alpha = np.asarray(cv2.extractChannel(image, 3)) if has_alpha else None
    return AlphaPicture(image.shape[1], image.shape[0], alpha, digest)


def read_colours(path: Path) -> ImageRGB:
    """The colours of one picture file, as stored: not composited. DatasetError as `read_alpha`."""
    try:
        image = _decoded(path.read_bytes(), path)
    except OSError as error:
        raise DatasetError(f"{path}: expected a readable picture, got: {error.strerror or error}") from None
    if image.ndim == 2:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB))
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB))


def up_filtered_alpha(data: bytes) -> Levels | None:
    """Alpha of an 8 bit RGBA PNG with one IDAT chunk and UP-filtered rows; None for every other file, damaged ones too.

    The checksums of the chunk and of the deflate stream are both verified.
    """
    if len(data) < _HEAD + 24 or not data.startswith(_SIGNATURE):
        return None
    width, height, bits, colour, *rest = struct.unpack(">IIBBBBB", data[16:29])
    (length,) = struct.unpack(">I", data[_HEAD : _HEAD + 4])
    end = _HEAD + 8 + length
    if (bits, colour, rest) != (8, _RGBA, [0, 0, 0]) or len(data) != end + 16 or data[-8:-4] != b"IEND":
        return None
    if data[_HEAD + 4 : _HEAD + 8] != b"IDAT" or width * height == 0:
        return None
    body = memoryview(data)[_HEAD + 8 : end]
    if zlib_ng.crc32(memoryview(data)[_HEAD + 4 : end]) != struct.unpack(">I", data[end : end + 4])[0]:
        return None
    stride = 4 * width + 1
    try:
        raw = zlib_ng.decompress(body, bufsize=stride * height)
    except zlib_ng.error:  # pyright: ignore[reportGeneralTypeIssues] - the stub gives it no base class
        return None
    if len(raw) != stride * height:
        return None
    rows = np.frombuffer(raw, dtype=np.uint8).reshape(height, stride)
    if (rows[:, 0] != _UP).any():
        return None
    pixels = np.lib.stride_tricks.as_strided(rows[:, 1:], (height, width, 4), (stride, 4, 1))  # no reshape without copy
    return _summed_down(np.asarray(cv2.extractChannel(pixels, 3)))


def _summed_down(steps: Levels) -> Levels:
    """Cumulative sums down the columns, modulo 256: bands of rows at once, then each band on top of the one above."""
    height, width = steps.shape
    bands = -(-height // _BAND)
    out = np.pad(steps, ((0, bands * _BAND - height), (0, 0))) if height % _BAND else steps
    banded = out.reshape(bands, _BAND, width)
    for row in range(1, _BAND):
        np.add(banded[:, row], banded[:, row - 1], out=banded[:, row])
    for band in range(1, bands):
        np.add(banded[band], banded[band - 1, -1], out=banded[band])
    return out[:height]


def _decoded(data: bytes, path: Path) -> np.ndarray:
    shown = _without_extras(data)
    image = cv2.imdecode(np.frombuffer(shown, dtype=np.uint8), cv2.IMREAD_UNCHANGED) if shown else None
    if image is None:
        raise DatasetError(f"{path}: cannot be decoded as an image ({len(data)} bytes); empty, truncated or no image?")
    if image.dtype not in (np.uint8, np.uint16):
        raise DatasetError(f"{path}: expected 8 or 16 bits a channel, got {image.dtype}")
    return eight_bits(np.asarray(image))


def _without_extras(data: bytes) -> bytes:
    """A PNG less the chunks that no pixel depends on: libpng complains on the terminal about Blender's EXIF."""
    if not data.startswith(_SIGNATURE):
        return data
    parts, at = [_SIGNATURE], len(_SIGNATURE)
    while at + 12 <= len(data):
        end = at + 12 + struct.unpack(">I", data[at : at + 4])[0]
        if data[at + 4 : at + 8] in _PIXEL_CHUNKS:
            parts.append(data[at:end])
        at = end
    return b"".join(parts)
