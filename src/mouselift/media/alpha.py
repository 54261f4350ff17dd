"""The alpha of an image file and nothing else, fast: silhouettes are all that an audit reads of most datasets.

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

from mouselift.array_types import ImageRGB, Levels
from mouselift.errors import DatasetError
from mouselift.media.images import eight_bits
from mouselift.media.png import SIGNATURE, content_of, up_filtered_steps

_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


@dataclass(frozen=True, eq=False)
class AlphaImage:
    """An image's alpha and identity. `alpha` is None where the file has no such channel."""

    width: int
    height: int
    alpha: Levels | None
    digest: int  # equal for equal files; 64 bits of checksum and length


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
    return AlphaImage(image.shape[1], image.shape[0], alpha, digest)


def read_colours(path: Path) -> ImageRGB:
    """The colours of one image file, as stored: not composited. DatasetError as `read_alpha`."""
    image = _decoded(content_of(path), path)
    if image.ndim == 2:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB))
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB))


def up_filtered_alpha(data: bytes) -> Levels | None:
    """Alpha of a PNG as `up_filtered_steps` takes it; None for every other file, damaged ones too."""
    steps = up_filtered_steps(data)
    if steps is None:
        return None
    height, width = steps.shape[0], steps.shape[1] // 4
    # No reshape without a copy: each row starts one byte, its filter's number, after the last one's end.
    pixels = np.lib.stride_tricks.as_strided(steps, (height, width, 4), (steps.strides[0], 4, 1))
    return _summed_down(np.asarray(cv2.extractChannel(pixels, 3)))


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
    if not data.startswith(SIGNATURE):
        return data
    parts, at = [SIGNATURE], len(SIGNATURE)
    while at + 12 <= len(data):
        end = at + 12 + struct.unpack(">I", data[at : at + 4])[0]
        if data[at + 4 : at + 8] in _PIXEL_CHUNKS:
            parts.append(data[at:end])
        at = end
    return b"".join(parts)
