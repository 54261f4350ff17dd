"""From YUV planes to colours, in a region only, with the samples where the standard puts them.

Chroma of 4:2:0 video is sited at the left luma column and midway between two rows (MPEG-2 and H.264
default). It is interpolated bilinearly from there; nearest-neighbour chroma, the usual shortcut,
shifts colours by up to a pixel against the outline.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import UInt8

from mouselift.array_types import Array
from mouselift.media.frames import Box

# Kr, Kb of the colour matrices (ITU-R BT.601 and BT.709), by FFmpeg's number of the colour space.
_WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
_BT601 = 6  # what FFmpeg and OpenCV assume for untagged video


@lru_cache(maxsize=16)
def rgb_from_yuv(colorspace: int, full_range: bool) -> Array:
    """[3, 4] affine map from (Y, U, V) levels to RGB levels."""
    kr, kb = _WEIGHTS.get(colorspace, _WEIGHTS[_BT601])
    kg = 1 - kr - kb
    chroma = np.array([[0.0, 2 * (1 - kr)], [-2 * kb * (1 - kb) / kg, -2 * kr * (1 - kr) / kg], [2 * (1 - kb), 0.0]])
    y_gain, c_gain, black = (1.0, 1.0, 0.0) if full_range else (255 / 219, 255 / 224, 16.0)
    linear = np.concatenate([np.full((3, 1), y_gain), chroma * c_gain], axis=1)
    return np.concatenate([linear, linear @ [[-black], [-128.0], [-128.0]]], axis=1).astype(np.float32)


@lru_cache(maxsize=2)
def full_range_levels(full_range: bool) -> UInt8[Array, "256"]:
    """Look-up table from luma samples to levels 0..255."""
    y = np.arange(256, dtype=np.float64)
    return (y if full_range else np.clip(np.round((y - 16) * 255 / 219), 0, 255)).astype(np.uint8)


def region_rgb(
    y: UInt8[Array, "h w"], u: UInt8[Array, "ch cw"], v: UInt8[Array, "ch cw"], box: Box, matrix: Array
) -> UInt8[Array, "rows columns 3"]:
    """Colours of `box` of a 4:2:0 image; the same values whatever the box."""
    x0, y0, x1, y1 = box
    # One more chroma sample on every side, so that a region's edge interpolates as the whole image would.
    cx0, cy0 = max(x0 // 2 - 1, 0), max(y0 // 2 - 1, 0)
    cx1, cy1 = min((x1 + 1) // 2 + 1, u.shape[1]), min((y1 + 1) // 2 + 1, u.shape[0])
    part = (slice(y0 - 2 * cy0, y1 - 2 * cy0), slice(x0 - 2 * cx0, x1 - 2 * cx0))
    chroma = (_upsampled(plane[cy0:cy1, cx0:cx1])[part] for plane in (u, v))
    yuv = cv2.merge([y[y0:y1, x0:x1], *chroma])
    return np.asarray(cv2.transform(yuv, matrix), dtype=np.uint8)


def _upsampled(plane: UInt8[Array, "ch cw"]) -> UInt8[Array, "h w"]:
    """Twice the size, rows midway between samples, columns on them: luma (i, j) reads chroma (i / 2, (j - 0.5) / 2).

    Indices count from the first sample's centre. Two passes of 8 bits: a quarter of the time of one warp.
    """
    rows, columns = plane.shape
    tall = np.asarray(cv2.resize(plane, (columns, 2 * rows), interpolation=cv2.INTER_LINEAR))
    right = np.concatenate([tall[:, 1:], tall[:, -1:]], axis=1)
    between = cv2.addWeighted(tall, 0.5, right, 0.5, 0.0)
    return np.asarray(cv2.merge([tall, between])).reshape(2 * rows, 2 * columns)
