"""Images as brightness and colour, whole and at half size, and the light in which they were taken.

Slow changes of the light (a door opens, a lamp warms up, the exposure drifts) are no changes of the scene: before an
image is compared with the background, the background is brought to the image's light by a smooth field of gains.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from mouselift.array_types import Array, Levels
from mouselift.media.frames import Box, Image
from mouselift.media.video import VideoImage

_PLANAR = ("yuv420p", "yuvj420p")
_SHRINK = 8  # pixels a cell: ratios are formed of means over cells
_TILE = 8  # cells a tile: 64 x 64 pixels
_WINDOW = 5  # tiles: 320 pixels
_FLOOR = 8.0  # levels added to both sides, so that black pixels have a ratio
_LIMIT = 2.0  # gains beyond this factor are no change of light


class YuvImage(NamedTuple):
    """Brightness at full size, the two colour differences at half size (128 = grey)."""

    luma: Levels  # [h, w]
    chroma: UInt8[Array, "hh hw 2"]  # hh = ceil(h / 2), hw = ceil(w / 2)


def yuv_image(image: Image) -> YuvImage:
    """Of a whole image; a 4:2:0 video's own planes where there are any (20 times cheaper than by RGB)."""
    if isinstance(image, VideoImage) and image.frame.format.name in _PLANAR:
        return YuvImage(image.luma(), _chroma_planes(image))
    ycc = np.asarray(cv2.cvtColor(image.rgb(), cv2.COLOR_RGB2YCrCb), dtype=np.uint8)
    return YuvImage(np.ascontiguousarray(ycc[..., 0]), halved(ycc[..., 1:]))


def _chroma_planes(image: VideoImage) -> UInt8[Array, "hh hw 2"]:
    v, u = (
        np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in (image.frame.planes[2], image.frame.planes[1])
    )
    return np.stack([v, u], axis=-1)


def half_size(height: int, width: int) -> tuple[int, int]:
    """(rows, columns) of the half-size grid: half-size pixel (j, i) covers full-size (2j .. 2j+1, 2i .. 2i+1)."""
    return (height + 1) // 2, (width + 1) // 2


def halved(image: np.ndarray) -> np.ndarray:
    """Means over 2 x 2 blocks, the last row or column repeated where the size is odd: no shift of centres."""
    height, width = image.shape[:2]
    rows, columns = half_size(height, width)
    if (rows * 2, columns * 2) != (height, width):
        image = cv2.copyMakeBorder(image, 0, rows * 2 - height, 0, columns * 2 - width, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA))


def doubled(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """A half-size map at full size, every pixel repeated 2 x 2, cut to (height, width)."""
    return mask.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]


def light_gain(luma: Levels, background: Levels) -> Float32[Array, "rows columns"]:
    """Gain per tile of 64 x 64 px that brings `background` to the light of `luma`; 1 = same light.

    The ratio's medians in tiles, then the medians of 5 x 5 tiles: a subject leaves them alone as long as it fills less
    than half of such a window.
    """
    height, width = luma.shape
    size = (max(width // _SHRINK, 1), max(height // _SHRINK, 1))
    now, then = (cv2.resize(x, size, interpolation=cv2.INTER_AREA).astype(np.float32) for x in (luma, background))
    ratio = (now + _FLOOR) / (then + _FLOOR)
    rows, columns = -(-size[1] // _TILE), -(-size[0] // _TILE)
    padded = np.pad(ratio, ((0, rows * _TILE - size[1]), (0, columns * _TILE - size[0])), mode="edge")
    cells = padded.reshape(rows, _TILE, columns, _TILE).transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    gain = np.median(cells, axis=-1).clip(1 / _LIMIT, _LIMIT).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(cv2.medianBlur(gain, _WINDOW), (0, 0), 1.0), dtype=np.float32)


def relit(
    background: Levels, gain: Float32[Array, "rows columns"], box: Box | None = None
) -> UInt8[Array, "box_h box_w"]:
    """`background`, or a box of it, in the light that `gain` (of `light_gain`) describes."""
    height, width = background.shape
    x0, y0, x1, y1 = box if box is not None else (0, 0, width, height)
    across, down = gain.shape[1] / width, gain.shape[0] / height
    # Tiles are centred at (tile + 0.5); cv2 counts pixels by integer centres.
    to_tile = np.array([[across, 0, (x0 + 0.5) * across - 0.5], [0, down, (y0 + 0.5) * down - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    field = cv2.warpAffine(gain, to_tile, (x1 - x0, y1 - y0), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    part = background[y0:y1, x0:x1]
    lit = cv2.multiply(cv2.addWeighted(part, 1.0, part, 0.0, _FLOOR, dtype=cv2.CV_32F), field)
    return np.asarray(cv2.addWeighted(lit, 1.0, lit, 0.0, -_FLOOR, dtype=cv2.CV_8U), dtype=np.uint8)
