"""How an image differs from its camera's background, in the image's own light."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from mouselift.array_types import Array, Levels, Mask
from mouselift.geometry.outlines import HALF_LEVEL
from mouselift.masks.background import Background
from mouselift.masks.yuv_images import YuvImage, halved, light_gain, relit
from mouselift.media.frames import Box

_CHANGE = 12.0  # levels of brightness: smaller differences are no change
_CONTRAST = 0.12  # of the background's level: glare, blooming and codecs halo a dark subject on a bright ground
_COLOUR = 14.0  # levels of colour difference, likewise: chroma is coarse and smeared by codecs
_NOISE_FACTOR = 3.0  # times the pixel's own spread


class Changes(NamedTuple):
    """Brightness and colour of image and background, one grid."""

    luma: Levels  # [h, w]
    lit: Levels  # [h, w] the background, in the image's light
    away: UInt8[Array, "h w 2"]  # 128 + chroma difference to the background
    bright: Float32[Array, "h w"]  # brightness difference in units of what counts as a change: above 1 is one
    colour: Float32[Array, "h w"]  # colour difference, likewise
    uncovered: Mask  # [h, w] the background is not known here

    @property
    def changed(self) -> Mask:
        return (self.bright > 1) | (self.colour > 1)


class Comparer:
    """Compares one camera's images with its background, at half size or in a region at full size."""

    def __init__(self, background: Background, window: Box | None = None) -> None:
        """`window`: the part of the half-size map that `half` fills (the whole by default)."""
        self.background = background
        self._small = halved(background.luma)
        self._small_spread = halved(background.spread)
        self._small_uncovered = halved(background.uncovered.astype(np.uint8) * np.uint8(255)) >= HALF_LEVEL
        height, width = self._small.shape
        self.window = window if window is not None else (0, 0, width, height)

    def half(self, image: YuvImage) -> Changes:
        """The window at half size."""
        x0, y0, x1, y1 = self.window
        at = np.s_[y0:y1, x0:x1]
        small = halved(image.luma[2 * y0 : 2 * y1, 2 * x0 : 2 * x1])
        lit = relit(self._small, light_gain(image.luma, self.background.luma), self.window)
        chroma, before = image.chroma[at], self.background.chroma[at]
        return _changes(small, lit, chroma, before, self._small_spread[at], self._small_uncovered[at])

    def region(self, image: YuvImage, box: Box) -> Changes:
        """A box (x0, y0, x1, y1) with even corners, at full size."""
        x0, y0, x1, y1 = box
        at = np.s_[y0:y1, x0:x1]
        lit = relit(self.background.luma, light_gain(image.luma, self.background.luma), box)
        chroma, before = (enlarged(c, box) for c in (image.chroma, self.background.chroma))
        back = self.background
        return _changes(image.luma[at], lit, chroma, before, back.spread[at], back.uncovered[at])

    def whole(self, mask: Mask) -> Bool[Array, "rows columns"]:
        """A map of the window's size as one of the half-size image's; nothing outside."""
        x0, y0, x1, y1 = self.window
        out = np.zeros(self._small.shape, dtype=bool)
        out[y0:y1, x0:x1] = mask
        return out


def enlarged(half: np.ndarray, box: Box) -> np.ndarray:
    """A full-size box with even corners from a half-size map, interpolated."""
    x0, y0, x1, y1 = box
    small = half[y0 // 2 : (y1 + 1) // 2, x0 // 2 : (x1 + 1) // 2]
    rows, columns = small.shape[:2]
    return np.asarray(cv2.resize(small, (columns * 2, rows * 2), interpolation=cv2.INTER_LINEAR))[: y1 - y0, : x1 - x0]


def _changes(
    luma: Levels,
    lit: Levels,
    chroma: UInt8[Array, "h w 2"],
    before: UInt8[Array, "h w 2"],
    spread: Levels,
    uncovered: Mask,
) -> Changes:
    unit = np.maximum(spread * np.float32(_NOISE_FACTOR), lit * np.float32(_CONTRAST))
    np.maximum(unit, np.float32(_CHANGE), out=unit)
    brightness = np.asarray(cv2.divide(cv2.absdiff(luma, lit), unit, dtype=cv2.CV_32F), dtype=np.float32)
    apart = cv2.absdiff(chroma, before)
    colour = np.maximum(apart[..., 0], apart[..., 1]) / np.float32(_COLOUR)
    brightness[uncovered] = 0
    colour[uncovered] = 0
    away = np.asarray(cv2.addWeighted(chroma, 1.0, before, -1.0, 128.0), dtype=np.uint8)
    return Changes(luma, lit, away, brightness, colour, uncovered)
