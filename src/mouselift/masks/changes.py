"""Images as brightness and colour, whole and at half size, and how they differ from their camera's background.

Slow changes of the light (a door opens, a lamp warms up, the exposure drifts) are no changes of the scene: before an
image is compared with the background, the background is brought to the image's light by a smooth field of gains.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from mouselift.array_types import Array, Float32, Levels, Mask, UInt8
from mouselift.atomic import whole_file
from mouselift.errors import MaskError, UnreachableError
from mouselift.geometry.outlines import HALF_LEVEL
from mouselift.media.images import Image
from mouselift.media.orientation import Box
from mouselift.media.video_image import VideoImage, plane

_PLANAR = ("yuv420p", "yuvj420p")
_SHRINK = 8  # pixels a cell: ratios are formed of means over cells
_TILE = 8  # cells a tile: 64 x 64 pixels
_WINDOW = 5  # tiles: 320 pixels
_FLOOR = 8.0  # levels added to both sides, so that black pixels have a ratio
_LIMIT = 2.0  # gains beyond this factor are no change of light
_CHANGE = 12.0  # levels of brightness: smaller differences are no change
_CONTRAST = 0.12  # of the background's level: glare, blooming and codecs halo a dark subject on a bright ground
_COLOUR = 14.0  # levels of colour difference, likewise: chroma is coarse and smeared by codecs
_NOISE_FACTOR = 3.0  # times the pixel's own spread
_FORMAT = 1


class YuvImage(NamedTuple):
    """Brightness at full size, the two colour differences at half size (128 = grey)."""

    luma: Levels  # [h, w]
    chroma: UInt8[Array, "hh hw 2"]  # hh = ceil(h / 2), hw = ceil(w / 2)


def yuv_image(image: Image) -> YuvImage:
    """Of a whole image; a 4:2:0 video's own planes where there are any (20 times cheaper than by RGB)."""
    if isinstance(image, VideoImage) and image.orientation.as_stored and image.frame.format.name in _PLANAR:
        return YuvImage(image.luma(), np.stack([plane(image.frame, 2), plane(image.frame, 1)], axis=-1))
    ycc = np.asarray(cv2.cvtColor(image.rgb(), cv2.COLOR_RGB2YCrCb), dtype=np.uint8)
    return YuvImage(np.ascontiguousarray(ycc[..., 0]), halved(ycc[..., 1:]))


def halved(image: np.ndarray) -> np.ndarray:
    """Means over 2 x 2 blocks, the last row or column repeated where the size is odd: no shift of centres."""
    height, width = image.shape[:2]
    rows, columns = (height + 1) // 2, (width + 1) // 2
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


@dataclass(frozen=True, eq=False)
class Background:
    """One camera's image without the subject."""

    luma: Levels  # [h, w]
    chroma: UInt8[Array, "hh hw 2"]  # half size
    spread: Levels  # [h, w] levels that 80 % of the free samples stay within
    uncovered: Mask  # [h, w] never seen free: `luma` there is filled in from around
    samples: int  # images it was learned from

    def save(self, path: Path) -> None:
        """Whole or not at all. OutputError where it cannot be written."""
        with whole_file(path, replace=True) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, format=_FORMAT, **vars(self))
            file.flush()
            os.fsync(file.fileno())  # a run that goes on takes it as it is

    @classmethod
    def load(cls, path: Path) -> Background:
        """MaskError where the file is missing, damaged or of another version; UnreachableError where it cannot be read
        now."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                if int(data["format"]) != _FORMAT:
                    raise ValueError(f"expected format {_FORMAT}, got {int(data['format'])}")
                maps = (data["luma"], data["chroma"], data["spread"], data["uncovered"])
                return cls(*maps, samples=int(data["samples"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            UnreachableError.on_outage(path, error)
            raise MaskError(f"{path}: no usable background model ({error}); delete it and run again") from error


class Changes(NamedTuple):
    """Brightness and colour of image and background, one grid."""

    luma: Levels  # [h, w]
    lit: Levels  # [h, w] the background, in the image's light
    away: UInt8[Array, "h w 2"]  # 128 + chroma difference to the background
    bright: Float32[Array, "h w"]  # brightness difference in units of what counts as a change: above 1 is one
    unit: Float32[Array, "h w"]  # what counts as a change of brightness, levels
    colour: Float32[Array, "h w"]  # colour difference, as `bright`
    uncovered: Mask  # [h, w] the background is not known here
    before: UInt8[Array, "h w 2"]  # colour differences of the background; 128: grey
    spread: Levels  # levels that 80 % of the background's own images stay within

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

    def whole(self, part: np.ndarray) -> np.ndarray:
        """A map of the window's size as one of the half-size image's; zero outside."""
        x0, y0, x1, y1 = self.window
        out = np.zeros(self._small.shape, dtype=part.dtype)
        out[y0:y1, x0:x1] = part
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
    away = np.asarray(cv2.addWeighted(chroma, 1.0, before, -1.0, 128.0), dtype=np.uint8)
    return _measured(luma, lit, away, unit, cv2.absdiff(chroma, before), uncovered, before, spread)


def _measured(
    luma: Levels,
    lit: Levels,
    away: UInt8[Array, "h w 2"],
    unit: Float32[Array, "h w"],
    apart: UInt8[Array, "h w 2"],
    uncovered: Mask,
    before: UInt8[Array, "h w 2"],
    spread: Levels,
) -> Changes:
    brightness = np.asarray(cv2.divide(cv2.absdiff(luma, lit), unit, dtype=cv2.CV_32F), dtype=np.float32)
    colour = np.maximum(apart[..., 0], apart[..., 1]) / np.float32(_COLOUR)
    brightness[uncovered] = 0
    colour[uncovered] = 0
    return Changes(luma, lit, away, brightness, unit, colour, uncovered, before, spread)


def darkened(changes: Changes) -> Float32[Array, "h w"]:
    """The image's brightness as a share of the background's."""
    luma, lit = (cv2.addWeighted(x, 1.0, x, 0.0, _FLOOR, dtype=cv2.CV_32F) for x in (changes.luma, changes.lit))
    return np.asarray(cv2.divide(luma, lit), dtype=np.float32)


def compared_with(changes: Changes, share: Float32[Array, "h w"]) -> Changes:
    """The same image, compared with the background in a share of its light: darker, and greyer as much."""
    lit = np.rint((changes.lit + np.float32(_FLOOR)) * share - np.float32(_FLOOR)).clip(0, 255).astype(np.uint8)
    unit = np.maximum(changes.unit * share, np.float32(_CHANGE))
    greyer = (changes.before.astype(np.float32) - 128) * (1 - share)[..., None]
    away = np.rint(changes.away + greyer).clip(0, 255).astype(np.uint8)
    before = np.rint(changes.before - greyer).astype(np.uint8)
    apart = cv2.absdiff(away, np.full_like(away, 128))
    return _measured(changes.luma, lit, away, unit, apart, changes.uncovered, before, changes.spread)
