"""Masks as levels from 0 to 255, read by what their values mean (`mask_values`); what means nothing there is refused.

What values mean is told from a few masks of a recording. Read by that, a frame that was labelled by hand with 1 is
empty among masks of 255, and another animal of 128 is half of the subject. So each mask that is read as opacity is
compared with what filled areas in those looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache, reduce

import cv2
import numpy as np

from mouselift.array_types import Array, ImageRGB, Int64, Levels, Mask, UInt8
from mouselift.errors import MaskError
from mouselift.foreign import first_few
from mouselift.media.images import as_levels, eight_bits
from mouselift.media.video_image import VideoImage, looked_up

COLOUR = 1 << 24  # marks a code as a colour
COLOURED = 24  # levels between a pixel's channels: less is grey, whatever a codec did
_SHOWN = 8  # values that a message lists
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


@dataclass(frozen=True)
class MaskValues:
    """How one camera's masks are read.

    code: the subject's grey level, index of a coloured palette, or 1 << 24 | 0xRRGGBB. None: levels are opacity, of
    which `top` is opaque; coloured ones are read by their brightest channel.
    """

    code: int | None = None
    chosen: bool = False  # by the user: other values are other objects
    top: int = 255
    coloured: bool = False
    flat: bool = False  # the colours of what is opaque tell objects, not the alpha
    alpha: bool = False  # of a video: it is the mask
    inverted: bool = False  # the subject is what has no value
    words: str = "opacity"
    known: Known | None = field(default=None, compare=False)  # of masks read as opacity; None: they are not compared

    def levels(self, found: VideoImage | Array) -> Levels:
        """[h, w] 0 background .. 255 subject. MaskError where an object shows that none of the masks looked at had."""
        if self.alpha and isinstance(found, VideoImage):
            found = found.alpha()
        levels = self._marked(found)
        return np.subtract(255, levels, dtype=np.uint8) if self.inverted else levels

    def _marked(self, found: VideoImage | Array) -> Levels:
        """255 for what has a value."""
        if self.code is not None:
            codes = codes_of(found.luma() if isinstance(found, VideoImage) else found, self.flat)
            others = [] if self.chosen else [value for value in filling_values(codes) if value != self.code]
            if others:
                raise MaskError(
                    f"the subject seemed to be {named(self.code)}, but here {listed(others)} fills an area too; say "
                    "which object is the subject: mask_object = N for this camera in capture.toml"
                )
            return np.where(codes == self.code, 255, 0).astype(np.uint8)
        if self.coloured:
            colours = found.rgb() if isinstance(found, VideoImage) else np.ascontiguousarray(found[:, :, :3])
            other = None if self.known is None else self.known.strange_colour(colours)
            self._refuse([] if other is None else [colour_code(np.array(other))])
            return np.asarray(cv2.LUT(brightest(colours), curve(self.top)))
        if isinstance(found, VideoImage):
            plain = found.frame.format.name == "gray" and self.top == 255
            if self.known is None:
                return found.luma() if plain else found.luma(curve=curve(self.top))
            levels = found.luma()
            self._refuse(self.known.strange(levels))
            return levels if plain else looked_up(levels, curve(self.top))
        image = eight_bits(found)
        levels = as_levels(image)
        if self.known is not None:
            opaque = image.ndim == 3 and (image.shape[2] == 3 or int(image[:, :, 3].min()) == 255)
            if opaque and not self.known.lossy and are_coloured([image[:, :, :3]]):
                self._refuse([value for value in filling_values(codes_of(image)) if value >= COLOUR])
            self._refuse(self.known.strange(levels))
        return levels if self.top == 255 else np.asarray(cv2.LUT(levels, curve(self.top)))

    def _refuse(self, strange: Sequence[int]) -> None:
        """MaskError where there are any."""
        if strange:
            raise MaskError(
                f"{listed(strange)} fills an area here, and in none of the masks that told what values mean "
                f"({self.words}). Another object, or another meaning? Export all masks of the recording in one way, "
                "with the subject alone, or as labels (then mask_object = N for this camera in capture.toml chooses)"
            )


OPACITY = MaskValues()


def are_outlines(masks: Sequence[Mask]) -> bool:
    """Whether masks are lines round a subject: what they enclose is several times what they cover, in all of them."""
    found: list[bool] = []
    for mask in masks:
        drawn = np.zeros(mask.shape, dtype=np.uint8)
        edges, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, edges, -1, 1, cv2.FILLED)
        found.append(bool(cv2.countNonZero(drawn) > _ENCLOSED * np.count_nonzero(mask)))
    return bool(found) and all(found)


def same_around(values: Array) -> Array:
    """[h, w] bool: where a pixel's eight neighbours have its value too. Of no 32 bit integers: OpenCV compares none."""
    return np.asarray(cv2.erode(values, AROUND) == cv2.dilate(values, AROUND))


def flat_around(image: ImageRGB) -> Array:
    """[h, w] bool: where a pixel and its neighbours differ by no more than a lossy codec makes them."""
    return np.asarray(brightest(cv2.subtract(cv2.dilate(image, AROUND), cv2.erode(image, AROUND))) <= NEAR)


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
    opaque = filling[-1] >= _BELOW * known.top
    new = [value for value in new if value > (RIPPLE_LOW if opaque else known.noise)]
    # A network that is less sure of an image gives it many levels, of which some fill a patch by chance.
    if not new or counts[filling].sum() <= _PART * _count(levels, min(new) // 2):
        return []
    return new if not opaque or counts[new].sum() > _PART * counts[filling].sum() else []


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
    filled = part[flat_around(part) & (brightest(part) > RIPPLE_LOW)]
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


def codes_of(image: Array, flat: bool = False) -> Int64[Array, "h w"]:
    """One number a pixel: its grey level or index; 1 << 24 | 0xRRGGBB of a colour; the alpha where that varies.

    flat: the colour of what is opaque in place of the alpha.
    """
    if image.ndim == 3 and image.shape[2] == 4 and image[:, :, 3].min() < 255:
        if flat:
            return np.where(most_opaque(image), codes_of(image[:, :, :3]), 0)
        return image[:, :, 3].astype(np.int64)
    if image.ndim == 3:
        red, green, blue = (image[:, :, k].astype(np.int64) for k in range(3))
        grey = np.array_equal(red, green) and np.array_equal(green, blue)
        return green if grey else np.where(red + green + blue > 0, COLOUR | red << 16 | green << 8 | blue, 0)
    return image.astype(np.int64)


def most_opaque(image: Array) -> Mask:
    """Of an image with alpha: where it has most of it. Overlays that let the image shine through reach no 255."""
    alpha = image[:, :, 3]
    return np.asarray((alpha == alpha.max()) & (alpha > 0))


def filling_values(codes: Int64[Array, "h w"]) -> dict[int, int]:
    """Values that at least FILLED pixels share with all their neighbours, and how many do; ascending."""
    codes = cropped(codes)
    if not codes.size:
        return {}
    inner = codes[same_around(codes.astype(np.float64)) & (codes > 0)]
    values, counts = np.unique(inner, return_counts=True)
    return {int(value): int(count) for value, count in zip(values, counts, strict=True) if count >= FILLED}


def cropped(image: Array) -> Array:
    """The part that is not 0, with its neighbours; subjects are small. Empty where all is 0."""
    channels = cv2.split(image) if image.ndim == 3 else [image]
    x, y, w, h = cv2.boundingRect((reduce(np.maximum, channels) > 0).view(np.uint8))
    return image[max(y - 1, 0) : y + h + 1, max(x - 1, 0) : x + w + 1] if w else image[:0, :0]


def are_coloured(images: Sequence[UInt8[Array, "_ _ 3"]]) -> bool:
    for image in images:
        red, green, blue = cv2.split(image)
        spread = cv2.subtract(cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue))
        if int(spread.max()) > COLOURED:
            return True
    return False


def colour_code(colour: Array) -> int:
    red, green, blue = (round(float(v)) for v in colour)
    return COLOUR | red << 16 | green << 8 | blue


def named(code: int) -> str:
    return str(code) if code < COLOUR else f'"#{code - COLOUR:06x}"'


def listed(codes: Sequence[int]) -> str:
    return first_few([named(code) for code in codes], _SHOWN)
