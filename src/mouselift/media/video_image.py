"""A decoded image of a video: colours and brightness, made in the region that is asked for.

The samples lie where the standard puts them: chroma of 4:2:0 video is sited at the left luma column and midway
between two rows (MPEG-2 and H.264 default) and interpolated bilinearly from there. Nearest-neighbour chroma, the usual
shortcut, shifts colours by up to a pixel against the outline.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from av.video.frame import VideoFrame

from mouselift.array_types import Array, ImageRGB, Levels, UInt8
from mouselift.media.orientation import UPRIGHT, Box, Orientation

_FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG
# Kr, Kb of the colour matrices (ITU-R BT.601 and BT.709), by FFmpeg's number of the colour space.
_WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
_BT601 = 6  # what FFmpeg and OpenCV assume for untagged video


@dataclass(frozen=True, eq=False)
class VideoImage:
    """A decoded image; planes stay as the decoder left them until a region is asked for."""

    frame: VideoFrame
    orientation: Orientation = UPRIGHT

    @property
    def width(self) -> int:
        return self._size[0]

    @property
    def height(self) -> int:
        return self._size[1]

    @property
    def _size(self) -> tuple[int, int]:
        return self.orientation.size((self.frame.width, self.frame.height))

    def _stored_box(self, box: Box | None) -> Box:
        return self.orientation.stored_box(box if box is not None else (0, 0, *self._size), self._size)

    @property
    def _full_range(self) -> bool:
        return self.frame.format.name.startswith("yuvj") or self.frame.color_range == _FULL_RANGE

    def rgb(self, box: Box | None = None) -> ImageRGB:
        x0, y0, x1, y1 = stored = self._stored_box(box)
        if self.frame.format.name in ("yuv420p", "yuvj420p"):
            y, u, v = (plane(self.frame, i) for i in range(3))
            colours = region_rgb(y, u, v, stored, rgb_from_yuv(int(self.frame.colorspace), self._full_range))
        else:
            colours = self.frame.to_ndarray(format="rgb24")[y0:y1, x0:x1]
        return self.orientation.shown(colours)

    @property
    def has_alpha(self) -> bool:
        return any(component.is_alpha for component in self.frame.format.components)

    def alpha(self) -> Levels:
        """Opacity levels 0..255, of a format that `has_alpha`."""
        return self.orientation.shown(self.frame.to_ndarray(format="rgba")[:, :, 3])

    def luma(self, box: Box | None = None, curve: UInt8[Array, "256"] | None = None) -> Levels:
        """Brightness levels 0..255 (the Y plane, brought to full range), then through `curve` where given."""
        x0, y0, x1, y1 = self._stored_box(box)
        name = self.frame.format.name
        if name.startswith("yuv") and self.frame.format.components[0].bits == 8:
            levels = full_range_levels(self._full_range)
            part = looked_up(plane(self.frame, 0)[y0:y1, x0:x1], levels if curve is None else curve[levels])
        else:
            grey = plane(self.frame, 0) if name == "gray" else self.frame.to_ndarray(format="gray")
            part = np.asarray(grey[y0:y1, x0:x1], dtype=np.uint8)
            part = part if curve is None else curve[part]
        return self.orientation.shown(part)


def looked_up(plane: np.ndarray, table: UInt8[Array, "256"]) -> Levels:
    """table[plane]. Where the table maps the darkest levels to 0 (masks), only the rest's box is looked up."""
    dark = int(np.argmax(table > 0))  # levels below give 0
    if dark == 0:
        return np.asarray(cv2.LUT(plane, table))
    out = np.zeros(plane.shape, dtype=np.uint8)
    rows, columns = np.flatnonzero(plane.max(axis=1) >= dark), np.flatnonzero(plane.max(axis=0) >= dark)
    if rows.size:
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        out[box] = cv2.LUT(plane[box], table)
    return out


def plane(frame: VideoFrame, index: int) -> np.ndarray:
    """[h, w] a planar frame's own memory: 0 luma, 1 and 2 the colour differences (u, v)."""
    own = frame.planes[index]
    return np.frombuffer(memoryview(own), dtype=np.uint8).reshape(own.height, own.line_size)[:, : own.width]


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
