"""What the values of masks mean: tools write 0/1, 0/255, label maps, palettes, colours and opacity, and never say so.

A few masks of each camera, spread over the recording, are looked at when a capture is opened. Values that fill areas
are told from values that only lie on edges: a value *fills* where a pixel's eight neighbours have it too.

* One filling value besides the background: it is the subject, whatever its number or colour. A value 255 that lies on
  its edges only is the border that PASCAL VOC and others draw between objects.
* Several: objects. Which of them is the subject is asked (`mask_object` in capture.toml), never assumed.
* Levels up to opaque, soft or not: opacity, taken as it is, or by the level that fills areas where that is below 255.
* A subject along the whole border of the image is the background: asked, too (`mask_object = 0`: 0 is the subject).
* A mask that holds what none of those looked at had is refused where it is read (`mask_levels`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import reduce

import cv2
import numpy as np

from mouselift.array_types import Array, Int64, Levels, UInt8
from mouselift.capture.mask_levels import (
    AROUND,
    COLOUR,
    COLOURED,
    FILLED,
    NEAR,
    NOISE,
    OPACITY,
    RIPPLE_HIGH,
    RIPPLE_LOW,
    SOFT,
    Known,
    MaskValues,
    are_coloured,
    are_outlines,
    brightest,
    codes_of,
    colour_code,
    cropped,
    filling_values,
    flat_around,
    listed,
    most_opaque,
    named,
)
from mouselift.errors import MaskError
from mouselift.media.images import ImageFolder, NumberedImages, as_rgb, eight_bits, is_lossy
from mouselift.media.mask_stack import MaskStack
from mouselift.media.video import VideoReader
from mouselift.media.video_image import VideoImage, plane
from mouselift.media.video_index import VideoInfo
from mouselift.sampling import evenly_spaced

_LOOKED_AT = 6  # images a camera; in a video at most as many places
_OPAQUE = 192  # of 255, a level that some part of every usable soft mask reaches: at half of it subjects end
_MOST_OBJECTS = 32  # filling values of a label map; more are the plateaus of a soft mask
_FEW = 16  # different values in all: no lossy codec leaves so few
_DARK, _GREY = 10, 5  # luma and distance of chroma from 128 below which no channel reaches COLOURED: 10 + 2.15 * 5
_HALF = 128  # from here on a pixel is the subject's
_BLACK = 16  # and below, of the brightness that video of limited range stores
_MOSTLY = 0.97  # of what fills areas must lie there, or there are several objects
_RIPPLES = 6  # values that fill nothing, near 0 or 255: H.264 at crf 2 leaves 9 and more, label maps hardly one
_VOID = 255  # PASCAL VOC's border between objects
_WHOLE = 250  # levels from here on are opaque: rounding of soft masks
_BORDER = 0.9  # of the image's outermost pixels, in every mask: no subject that a camera frames covers them


EMPTY = MaskValues(words="opacity; nothing is marked in those looked at")


def look_at_masks(where: str, media: VideoInfo | NumberedImages, chosen: int | str | None = None) -> MaskValues:
    """What the values of one camera's masks mean, from a few of them. chosen: `mask_object` of capture.toml.

    MaskError where several objects compete and none was chosen, the chosen one is not there, the subject is nowhere
    opaque, or it is along the whole border of every image; it names the values found.
    """
    one_object = isinstance(media, MaskStack) and media.one_object
    if isinstance(media, MaskStack) and media.question is not None:
        raise MaskError(media.question)
    wanted = None if chosen is None or one_object else _code_of(where, chosen)
    inverted = wanted == 0
    wanted = None if inverted else wanted
    looked: Sequence[VideoImage | Array]
    if isinstance(media, VideoInfo):
        reader = VideoReader(media)
        each = (reader.glimpse(n) or next(reader.read([n]))[1] for n in _places(media))
        looked = frames = [frame for frame in each if frame is not None]
        reader.close()
        values = _of_video(where, frames, wanted)
    else:
        read = [media.read(number) for number in evenly_spaced(sorted(media.held), _LOOKED_AT)]
        looked = images = [image for image in read if image is not None]
        if isinstance(media, ImageFolder) and is_lossy(media.files[media.first]) and wanted is None:
            values = _of_photographs(where, images)
        else:
            values = _of_values(where, images, wanted)
    if inverted:
        values = replace(values, inverted=True, words=f"0 is the subject (mask_object); the rest: {values.words}")
    _check_border(where, values, looked)
    return values


def _of_video(where: str, frames: Sequence[VideoImage], wanted: int | None) -> MaskValues:
    alphas = [frame.alpha() for frame in frames if frame.has_alpha]
    if len(alphas) == len(frames) and any(int(alpha.min()) < 255 for alpha in alphas):
        pictures = [frame.frame.to_ndarray(format="rgba") for frame in frames]
        _check_transparent(where, pictures)
        if _has_flat_colours(pictures):
            raise MaskError(
                f"{where}: what is opaque in the video is painted in several colours, as objects are, and its alpha "
                "does not tell them apart. Export the subject alone, or PNGs (then mask_object chooses)"
            )
        values = _of_values(where, alphas, wanted)
        return replace(values, alpha=True, words=f"the video's alpha: {values.words}")
    lumas = [frame.luma() for frame in frames]
    images = [_lit_part(frame, luma) for frame, luma in zip(frames, lumas, strict=True)]
    used = sum((np.bincount(cropped(luma).ravel(), minlength=256) for luma in lumas), np.zeros(256))
    if not used[1:].any():
        stored = {int(level) for frame in frames for level in np.unique(plane(frame.frame, 0))} if frames else set()
        if 1 < len(stored) <= _FEW and max(stored) <= _BLACK:
            raise MaskError(
                f"{where}: the video stores levels {listed(sorted(stored))}, which all mean black in its range of 16 "
                "to 235; export the subject as 255"
            )
    if np.count_nonzero(used[1:]) <= _FEW and not are_coloured(images):
        return _of_values(where, lumas, wanted)
    if wanted is not None:
        raise MaskError(f"{where}: mask_object: this video was compressed with loss, which mixes values; export PNGs")
    return _of_lossy(where, images)


def _of_photographs(where: str, looked: Sequence[Array]) -> MaskValues:
    """Of JPEGs, whose values are near those that were meant."""
    highest = max((int(image.max()) for image in looked), default=0)
    if 0 < highest <= RIPPLE_LOW:
        raise MaskError(
            f"{where}: the subject is nowhere opaque: levels found are 0 to {highest} of 255, in JPEGs, which keep "
            "no labels. Export PNGs, or masks whose subject is 255"
        )
    return _of_lossy(where, [as_rgb(cropped(image)) for image in looked])


def _check_border(where: str, values: MaskValues, looked: Sequence[VideoImage | Array]) -> None:
    """MaskError where the subject covers the border of all images, or all masks are lines."""
    alone = replace(values, known=None)
    each = [alone.levels(image) for image in looked]
    rings = [np.concatenate([m[0], m[-1], m[1:-1, 0], m[1:-1, -1]]) for m in each if int(m.max()) >= _HALF]
    if not rings or min(float((ring >= _HALF).mean()) for ring in rings) < _BORDER:
        if not are_outlines([solid for m in each if (solid := m >= _HALF).any()]):
            return
        raise MaskError(f"{where}: the masks are lines round a subject ({values.words}): fill them (cv2.drawContours)")
    empty = all(bool((m >= _HALF).all()) for m in each if int(m.max()) >= _HALF)
    advice = (
        "Do they hold a mask, and is it in their values and not in a transparency that was lost?"
        if empty or values.inverted
        else "If background and subject are exchanged, say mask_object = 0 for this camera in capture.toml"
    )
    raise MaskError(
        f"{where}: the subject covers {'all of the image' if empty else 'the whole border of the image'} in each of "
        f"{len(rings)} masks looked at ({values.words}). {advice}"
    )


def _places(video: VideoInfo) -> list[int]:
    """Frames spread over a video, at access points where one is near: there one image is decoded, and no other."""
    spread = evenly_spaced(range(video.frames), _LOOKED_AT)
    nearest = [int(video.keys[np.abs(video.keys - place).argmin()]) for place in spread]
    near = (video.frames - 1) / (_LOOKED_AT - 1) / 2  # half of their distance: each place has its own
    return [k if abs(k - p) < near else p for k, p in zip(nearest, spread, strict=True)]


def _of_values(where: str, looked: Sequence[Array], wanted: int | None) -> MaskValues:
    """Of masks without loss (or nearly so: PNGs made from a lossy video)."""
    flat = _has_flat_colours(looked)
    each = [codes_of(cropped(image), flat) for image in looked]
    seen = {int(v) for codes in each for v in _values(codes)}
    if wanted is None and len(seen) > _FEW and any(image.dtype == np.uint16 for image in looked):
        return _of_values(where, [eight_bits(image) for image in looked], None)  # opacity in 16 bits, as it is read
    counts: Counter[int] = Counter()
    for codes in each:
        counts.update(filling_values(codes))
    filling = sorted(counts)
    if wanted is not None:
        if wanted not in filling:
            there = listed(filling) or "none"
            raise MaskError(f"{where}: mask_object = {named(wanted)} fills no area; values that do: {there}")
        if len(seen) > _FEW and wanted == max(seen) < COLOUR and all(value > wanted - NEAR for value in filling):
            words = f"opacity, opaque at {wanted} (mask_object)"
            return MaskValues(top=min(wanted, 255), words=words)
        return MaskValues(wanted, chosen=True, flat=flat, words=f"{named(wanted)} is the subject (mask_object)")
    if len(seen) > _FEW and max(seen) >= COLOUR and not _one_bright_colour(filling):
        return _of_lossy(where, [as_rgb(eight_bits(cropped(image))) for image in looked])
    if not filling:
        _check_transparent(where, looked)
        return replace(OPACITY, known=Known((255,))) if seen else replace(EMPTY, known=Known((255,), noise=0))
    highest = filling[-1]
    edges = len(seen) > _FEW or (len(seen) - len(filling) >= _RIPPLES and highest >= RIPPLE_HIGH)
    ripples = edges and all(v <= RIPPLE_LOW or v >= RIPPLE_HIGH for v in filling) and highest <= 255
    if len(filling) > 1 and not ripples and len(filling) <= _MOST_OBJECTS and not _one_plateau(counts, seen):
        raise MaskError(
            f"{where}: several values fill areas: {listed(filling)}; which of these objects is the subject? Say "
            f"mask_object = {named(filling[0])} (or another of them) for this camera in capture.toml"
        )
    deep = any(image.dtype == np.uint16 for image in looked)  # 255 of 65535 is no opacity, but a label
    if len(filling) == 1 and (highest != 255 or deep):
        if seen == {highest}:
            return MaskValues(highest, flat=flat, words=f"0 and {named(highest)}: {named(highest)} is the subject")
        if highest >= COLOUR:
            top = max(highest >> 16 & 255, highest >> 8 & 255, highest & 255)
            known = Known(lossy=True, top=top, colour=(highest >> 16 & 255, highest >> 8 & 255, highest & 255))
            return MaskValues(top=top, coloured=True, words=f"opacity of the colour {named(highest)}", known=known)
        if seen == {highest, _VOID} and highest < _OPAQUE:
            words = f"{named(highest)} is the subject; {_VOID} lies on edges only and is taken for a border"
            return MaskValues(highest, chosen=True, words=words)
    if highest <= 255 and max(seen) < _OPAQUE:
        raise MaskError(
            f"{where}: the subject is nowhere opaque: levels found are 0 to {max(seen)} of 255, and {listed(filling)} "
            f"fill areas. Export masks whose subject is 255, or say mask_object = {highest}"
        )
    if highest <= 255 and max(seen) < _WHOLE and _one_plateau(counts, seen):
        top = counts.most_common(1)[0][0]
        return MaskValues(top=top, words=f"opacity, opaque at {top}", known=Known(tuple(filling), top=top))
    levels = tuple(value for value in filling if value <= 255)
    return replace(OPACITY, known=Known(levels, hard=seen == {255}))


def _check_transparent(where: str, looked: Sequence[Array]) -> None:
    """MaskError where alpha hides all of every mask, and not all colours are the same: they are the mask, perhaps."""
    hidden = [i[:, :, :3] for i in looked if i.ndim == 3 and i.shape[2] == 4 and not i[:, :, 3].any()]
    if hidden and len(hidden) == len(looked) and any(int(np.ptp(colours, axis=(0, 1)).max()) for colours in hidden):
        raise MaskError(
            f"{where}: everything is transparent (alpha is 0 in each of {len(hidden)} masks looked at), and colours "
            "differ below it. Export the masks without alpha, or with an alpha that is 255 on the subject"
        )


def _one_plateau(counts: Counter[int], seen: Collection[int]) -> bool:
    """Whether levels rise to about one, which fills nearly all areas: soft masks whose subject is below 255."""
    top, _ = counts.most_common(1)[0]
    near = sum(count for value, count in counts.items() if abs(value - top) <= SOFT)
    return len(seen) > _FEW and max(seen) <= top + SOFT and near >= _MOSTLY * counts.total()


def _one_bright_colour(filling: Sequence[int]) -> bool:
    return len(filling) == 1 and max(filling[0] >> 16 & 255, filling[0] >> 8 & 255, filling[0] & 255) > RIPPLE_LOW


def _has_flat_colours(looked: Sequence[Array]) -> bool:
    """Whether what is opaque is painted in several plain colours: then these tell objects, and alpha only background.

    Cut-outs of photographs have no plain areas: there alpha alone is the mask.
    """
    cut = [i for i in looked if i.ndim == 3 and i.shape[2] == 4 and i[:, :, 3].min() < 255]
    inside, counts, together = 0, Counter[int](), False
    for image in cut:
        opaque = most_opaque(image)
        inside += int(cv2.erode(opaque.view(np.uint8), AROUND).sum())
        found = filling_values(codes_of(image, flat=True))
        counts.update(found)
        # What is half transparent may have another colour in each image: overlays of one object drawn at random.
        together = together or len(found) > 1 or (bool(found) and bool((image[:, :, 3] == 255).any()))
    return together and 1 < len(counts) <= _FEW and counts.total() >= _MOSTLY * inside


def _of_lossy(where: str, looked: Sequence[UInt8[Array, "_ _ 3"]]) -> MaskValues:
    """Of frames of a video that a lossy codec blurred, or their parts that are not black."""
    flat = [flat_around(image) for image in looked]
    areas = [[c[f & (brightest(i) > RIPPLE_LOW)] for c in cv2.split(i)] for i, f in zip(looked, flat, strict=True)]
    # Channel by channel: numpy is ten times as slow over an axis of three.
    channels = [np.concatenate(parts).astype(np.int16) for parts in zip(*areas, strict=True)]
    if not channels or len(channels[0]) < FILLED:
        dark = max((int(brightest(i)[f].max()) for i, f in zip(looked, flat, strict=True) if f.any()), default=0)
        if NOISE < dark <= RIPPLE_LOW:
            raise MaskError(
                f"{where}: the subject is nowhere opaque: what fills areas has levels up to {dark} of 255, which lossy "
                "codecs leave by themselves. Export masks whose subject is 255"
            )
        return replace(EMPTY if dark <= NOISE else OPACITY, known=Known(lossy=True))
    strongest = reduce(np.maximum, channels)
    top = int(np.bincount(strongest, minlength=256).argmax())
    inside = np.abs(strongest - top) <= NEAR
    colour = np.array([np.median(c[inside]) for c in channels])
    alike = reduce(np.logical_and, [np.abs(c - m) <= 2 * NEAR for c, m in zip(channels, colour, strict=True)], inside)
    if alike.mean() < _MOSTLY:
        raise MaskError(
            f"{where}: the masks hold more than one level or colour: {alike.mean():.0%} of the areas are about "
            f"{named(colour_code(colour))}. Export one object, white on black, or PNGs (then mask_object chooses)"
        )
    coloured = bool(colour.max() - colour.min() > COLOURED)
    if not coloured and top >= RIPPLE_HIGH:
        return replace(OPACITY, known=Known(lossy=True))
    opaque = named(colour_code(colour) if coloured else top)
    red, green, blue = (round(float(v)) for v in colour)
    known = Known(lossy=True, top=top, colour=(red, green, blue) if coloured else None)
    return MaskValues(top=top, coloured=coloured, words=f"opacity, opaque at {opaque}", known=known)


def _values(codes: Array) -> Int64[Array, " n"]:
    """What is not background, each once."""
    return np.unique(codes[codes > 0].astype(np.int64))


def _lit_part(image: VideoImage, luma: Levels) -> UInt8[Array, "rows columns 3"]:
    """Colours of the part of a frame outside which every channel is below COLOURED: subjects are small."""
    if image.frame.format.name not in ("yuv420p", "yuvj420p"):
        return image.rgb()
    colours = [plane(image.frame, k) for k in (1, 2)]
    if min(int(c.min()) for c in colours) < 128 - _GREY or max(int(c.max()) for c in colours) > 128 + _GREY:
        return image.rgb()
    rows, columns = (np.flatnonzero(luma.max(axis=axis) > _DARK) for axis in (1, 0))
    if not rows.size:
        return image.rgb((0, 0, 1, 1))
    x0, y0, x1, y1 = columns[0] - 1, rows[0] - 1, columns[-1] + 2, rows[-1] + 2  # with neighbours
    return image.rgb((max(int(x0), 0), max(int(y0), 0), min(int(x1), image.width), min(int(y1), image.height)))


def _code_of(where: str, chosen: int | str) -> int:
    if isinstance(chosen, int):
        return chosen
    digits = chosen.removeprefix("#")
    if len(digits) != 6 or not all(c in "0123456789abcdefABCDEF" for c in digits):
        raise MaskError(f'{where}: mask_object: expected a number or a colour such as "#800000", got {chosen!r}')
    return COLOUR | int(digits, 16)
