"""Slow changes of the light: a door opens, a lamp warms up, the exposure drifts.

An image is compared with the background only after the background was brought to the image's
light: a smooth field of gains. The ratio's medians in tiles, then the medians of 5 x 5 tiles: a subject
leaves them alone as long as it fills less than half of such a window.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from mouselift.array_types import Array, Levels
from mouselift.media.frames import Box

_SHRINK = 8  # pixels a cell: ratios are formed of means over cells
_TILE = 8  # cells a tile: 64 x 64 pixels
_WINDOW = 5  # tiles: 320 pixels
_FLOOR = 8.0  # levels added to both sides, so that black pixels have a ratio
_LIMIT = 2.0  # gains beyond this factor are no change of light


def light_gain(luma: Levels, background: Levels) -> Float32[Array, "rows columns"]:
    """Gain per tile that brings `background` to the light of `luma`; 1 = same light. Rows x columns of 64 px tiles."""
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
