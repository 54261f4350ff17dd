"""An image as brightness and colour planes: what background, evidence and colour models work on."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from mouselift.array_types import Array, Levels
from mouselift.media.frames import Image
from mouselift.media.video import VideoImage

_PLANAR = ("yuv420p", "yuvj420p")


class Planes(NamedTuple):
    """Brightness at full size, the two colour differences at half size (128 = grey)."""

    luma: Levels  # [h, w]
    chroma: UInt8[Array, "hh hw 2"]  # hh = ceil(h / 2), hw = ceil(w / 2)


def image_planes(image: Image) -> Planes:
    """Planes of a whole image; a 4:2:0 video's own planes where there are any (20 times cheaper than by RGB)."""
    if isinstance(image, VideoImage) and image.frame.format.name in _PLANAR:
        return Planes(image.luma(), _chroma_planes(image))
    ycc = np.asarray(cv2.cvtColor(image.rgb(), cv2.COLOR_RGB2YCrCb), dtype=np.uint8)
    return Planes(np.ascontiguousarray(ycc[..., 0]), halved(ycc[..., 1:]))


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
