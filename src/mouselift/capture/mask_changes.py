"""Masks that hold something else than those that were looked at: 1 among masks of 255, an animal that comes in later.

What values mean is told from a few masks of a recording (`mask_values`). Read by that, a frame that was labelled by
hand with 1 is empty among masks of 255, and another animal of 128 is half of the subject. So each mask that is read as
opacity is compared with what filled areas in those looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from mouselift.array_types import Array, ImageRGB, Levels, Mask, UInt8

AROUND = np.ones((3, 3), dtype=np.uint8)  # a pixel and its neighbours
FILLED = 16  # pixels that a value fills in one mask: fewer are chance (corners of soft edges)
# Lossy codecs leave ripples near 0 and 255 around a mask's edge; between the two the edge is kept soft.
RIPPLE_LOW, RIPPLE_HIGH = 32, 223
NEAR = 24  # levels about the commonest one, in a mask that a lossy codec blurred
NOISE = 8  # levels that a lossy codec leaves where nothing is
SOFT = 6  # levels about the plateau of a soft mask
_BELOW = 0.75  # of what is opaque: less is no subject of another confidence
_PART = 0.1  # of what is filled: an animal of a third of the subject's length has as much
_BLURRED = 64  # pixels of a level of its own: below, a corner of a blurred edge
_ENCLOSED = 2.0  # times the pixels of a line; no animal encloses as much as it covers, however it curls
_BETWEEN = 0.25  # of the opaque pixels are at the edge of a subject 16 pixels wide, blurred over two


@dataclass(frozen=True)
class Known:
    """What fills areas in the masks that were looked at.

    levels: without loss, each of them; hard: and no other level was seen; noise: levels that may be where nothing is.
    lossy: a codec blurred them; `top` is opaque, or `colour` (RGB), where they are coloured.
    """

    levels: tuple[int, ...] = ()
    hard: bool = False
    noise: int = NOISE
    lossy: bool = False
    top: int = 255
    colour: tuple[int, int, int] | None = None

    def strange(self, levels: Levels) -> Sequence[int]:
        """Levels that fill an area in this mask, in none of those looked at, and are not the subject's."""
        return _blurred(levels, self.top) if self.lossy else _exact(levels, self)

    def strange_colour(self, colours: ImageRGB) -> tuple[int, int, int] | None:
        """The colour that fills a part of this mask and is not `colour`."""
        return None if self.colour is None else _other_colour(colours, self.colour)


def are_outlines(masks: Sequence[Mask]) -> bool:
    """Whether masks are lines round a subject: what they enclose is several times what they cover, in all of them."""
    found: list[bool] = []
    for mask in masks:
        drawn = np.zeros(mask.shape, dtype=np.uint8)
        edges, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, edges, -1, 1, cv2.FILLED)
        found.append(bool(cv2.countNonZero(drawn) > _ENCLOSED * np.count_nonzero(mask)))
    return bool(found) and all(found)


def same_around(levels: Levels) -> Array:
    """[h, w] bool: where a pixel's eight neighbours have its value too."""
    return np.asarray(cv2.erode(levels, AROUND) == cv2.dilate(levels, AROUND))


def _exact(levels: Levels, known: Known) -> Sequence[int]:
    table = _unknown(known.levels, known.hard, known.top)
    levels = _lit(levels, 0)
    if not levels.size or cv2.countNonZero(cv2.LUT(levels, table)) < FILLED:
        return []
    counts = np.bincount(levels[same_around(levels)], minlength=256)
    counts[0] = 0
    filling = np.flatnonzero(counts >= FILLED)
    new = [int(value) for value in filling if table[value]]
    if known.hard or not new:
        return new
    if filling[-1] < _BELOW * known.top:  # nothing is opaque
        return [value for value in new if value > known.noise]
    new = [value for value in new if value > RIPPLE_LOW]
    return new if counts[new].sum() > _PART * counts[filling].sum() else []


@lru_cache(maxsize=64)
def _unknown(known: tuple[int, ...], hard: bool, top: int) -> UInt8[Array, "256"]:
    """1 for each level that was not there."""
    every = np.arange(256)
    near = [np.abs(every - level) <= (0 if hard else SOFT) for level in known]
    unknown = ~np.any([every == 0, *near], axis=0)
    return (unknown if hard else unknown & (every < _BELOW * top)).astype(np.uint8)


def _blurred(levels: Levels, top: int) -> Sequence[int]:
    low, high = RIPPLE_LOW * top / 255, RIPPLE_HIGH * top / 255
    levels = _lit(levels, low)
    if not levels.size:
        return []
    full = _count(levels, high)
    if _count(levels, low) - full < max(_BLURRED, _BETWEEN * full):
        return []
    flat = cv2.subtract(cv2.dilate(levels, AROUND), cv2.erode(levels, AROUND)) <= NEAR
    subject = int(np.count_nonzero(flat & (levels >= _BELOW * top)))
    other = levels[flat & (levels > low) & (levels < _BELOW * top)]
    return [int(np.median(other))] if len(other) > max(_BLURRED, _PART * (len(other) + subject)) else []


def _lit(levels: Levels, above: int | float) -> UInt8[Array, "rows columns"]:
    """The part outside which nothing is above a level, with its neighbours: subjects are small."""
    rows = np.flatnonzero(levels.max(axis=1) > above)
    if not rows.size:
        return levels[:0]
    part = levels[max(int(rows[0]) - 1, 0) : int(rows[-1]) + 2]
    columns = np.flatnonzero(part.max(axis=0) > above)
    return np.ascontiguousarray(part[:, max(int(columns[0]) - 1, 0) : int(columns[-1]) + 2])


def _count(levels: Levels, above: int | float) -> int:
    return cv2.countNonZero(cv2.threshold(levels, above, 1, cv2.THRESH_BINARY)[1])


def _other_colour(colours: ImageRGB, wanted: Sequence[int]) -> tuple[int, int, int] | None:
    x, y, w, h = cv2.boundingRect((brightest(colours) > RIPPLE_LOW).view(np.uint8))
    if w * h < _BLURRED:
        return None
    part = np.ascontiguousarray(colours[y : y + h, x : x + w])
    flat = brightest(cv2.subtract(cv2.dilate(part, AROUND), cv2.erode(part, AROUND))) <= NEAR
    filled = part[flat & (brightest(part) > RIPPLE_LOW)]
    away = filled[np.abs(filled.astype(np.int16) - np.array(wanted, np.int16)).max(axis=1) > 2 * NEAR]
    if len(away) <= max(_BLURRED, _PART * len(filled)):
        return None
    red, green, blue = (int(v) for v in np.median(away, axis=0))
    return red, green, blue


def brightest(image: ImageRGB) -> Levels:
    """Of the three channels; a maximum over an axis of three takes numpy ten times as long."""
    red, green, blue = cv2.split(image)
    return np.asarray(cv2.max(cv2.max(red, green), blue))


@lru_cache(maxsize=64)
def curve(top: int) -> UInt8[Array, "256"]:
    """Levels to opacity, a lossy codec's ripples removed; `top` is opaque."""
    low, high = RIPPLE_LOW * top / 255, RIPPLE_HIGH * top / 255
    return np.clip(np.round((np.arange(256) - low) * 255.0 / (high - low)), 0, 255).astype(np.uint8)
