"""Do masks belong to their images, or to those before or behind? Told by the images, for nothing else shows it.

Masks that are all one image late agree with one another in all views, so that no comparison of views tells. A subject
differs from what is around it: an image is steep along the subject's outline. Where it is steeper along the outline of
a neighbouring image's mask, in most of the images looked at, the masks are of that one. A subject that rests says
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TypeVar

import cv2
import numpy as np

from mouselift.array_types import Array, Float64, Int64, Levels, Mask
from mouselift.capture.outline_steepness import MOST, TIMES, steepness_along
from mouselift.capture.tracks import CameraTracks, Track
from mouselift.capture.turned_images import luma_of
from mouselift.errors import MaskError
from mouselift.findings import Finding
from mouselift.geometry.outlines import HALF_LEVEL
from mouselift.media.images import NumberedImages, read_numbered
from mouselift.media.video import VideoReader
from mouselift.media.video_image import VideoImage
from mouselift.media.video_index import VideoInfo
from mouselift.sampling import evenly_spaced

T = TypeVar("T")
_Image = VideoImage | Array

_LOOKED_AT = 12  # images a camera
_FEWEST = 4  # of them with a subject, whole in the image
# Images that masks are off by: numbering from 1, images lost at the start. In steps, since at 100 images a second a
# subject hardly moves in one.
_LAGS = tuple(sign * lag for lag in (1, 2, 4, 8, 16) for sign in (1, -1))
_EXACT = 2  # lags up to here lie beside each other
_BEGINNING = 60  # images of a video with few access points, which are looked at in its beginning
# Pixels by which all masks of a camera may be too large or too small: networks' are, and outlines drawn by hand.
_GROWN = (0, 1, -1, 2, -2, 3, -3, 5, -5, 8, -8)


def mask_lags(tracks: Sequence[CameraTracks]) -> Iterator[Finding]:
    """For each camera whose masks fit other images than theirs."""
    for track in tracks:
        if track.masks is None:
            continue
        try:
            lag = _lag(track.images, track.masks)
        except MaskError:  # said where masks are read
            continue
        if lag is not None:
            about = "about " * (abs(lag) > _EXACT)
            where = f"{about}{abs(lag)} image{'s' * (abs(lag) > 1)} {'later' if lag > 0 else 'earlier'}"
            sign = "+" if lag > 0 else "-"
            text = (
                f"its masks ({track.masks.path.name}) fit the images {where}: by their outlines, the mask of frame n "
                f"is {about}that of frame n {sign} {abs(lag)}. Were they made on images that were extracted or "
                "numbered otherwise? Export them again, or name them by their images"
            )
            yield track.finding("masks-lag", text)


def _lag(images: Track, masks: Track) -> int | None:
    """By how many images the masks are early; None where their own images fit best, or nothing tells."""
    seen: list[tuple[Levels, list[Mask | None]]] = []
    for image, around in _looked_at(images, masks):
        here = around[0]
        if here is not None and image.shape == here.shape and here.any() and not here.all():
            seen.append((image, [around[lag] for lag in (0, *_LAGS)]))
    if len(seen) < _FEWEST:
        return None
    found = np.array([steepness_along(image, around) for image, around in seen])
    best = int(np.median(found[:, 1:] / np.maximum(found[:, :1], 1e-6), axis=0).argmax())
    if not _clear(found[:, 1 + best], found[:, 0]):
        return None
    # Outlines of masks that are too large lie beside the subject's, and those of other images cross it.
    pairs = [(image, (around[0], around[1 + best])) for image, around in seen]
    grown = np.array([[steepness_along(image, [_grow(m, by) for m in two]) for image, two in pairs] for by in _GROWN])
    own, other = (grown[np.median(grown[:, :, k], axis=1).argmax(), :, k] for k in (0, 1))
    return -_LAGS[best] if _clear(other, own) else None


def _clear(other: Float64[Array, " n"], own: Float64[Array, " n"]) -> bool:
    shares = other / np.maximum(own, 1e-6)
    return bool(own.any() and np.median(shares) >= TIMES and np.mean(shares > 1) >= MOST)


def _grow(mask: Mask | None, by: int) -> Mask | None:
    """By so many pixels on all sides; negative: made smaller."""
    if mask is None or not by:
        return mask
    around = np.ones((2 * abs(by) + 1,) * 2, np.uint8)
    return np.asarray((cv2.dilate if by > 0 else cv2.erode)(mask.view(np.uint8), around)).view(np.bool_)


def _looked_at(images: Track, masks: Track) -> Iterator[tuple[Levels, dict[int, Mask | None]]]:
    """(image, masks of its frame and those around it by their distance) at places spread over the recording."""
    held = np.fromiter(images.held, dtype=np.int64)
    held.sort()
    numbers = images.placed(held)
    places = _places(images, numbers)
    frames = held[np.isin(numbers, places)]
    wanted = np.unique(np.concatenate([frames + lag for lag in (0, *_LAGS)])) if frames.size else frames
    told = dict(zip(wanted.tolist(), masks.numbers(wanted.tolist()), strict=True))
    held_masks = sorted({number for number in told.values() if number >= 0})
    drawn = _read(masks.media, held_masks, lambda found: masks.values.levels(found) >= HALF_LEVEL)
    if not any(told[frame + lag] in drawn for frame in frames.tolist() for lag in _LAGS):
        return  # masks of every tenth image, say
    shown = _read(images.media, places, luma_of)
    for frame, number in zip(frames.tolist(), images.numbers(frames.tolist()), strict=True):
        if number in shown:
            yield shown[number], {lag: drawn.get(told[frame + lag]) for lag in (0, *_LAGS)}


def _places(images: Track, numbers: Int64[Array, " n"]) -> list[int]:
    """Images that are reached at little cost: at access points, where there are enough, else in the beginning."""
    inner = numbers[_EXACT:-_EXACT]
    if isinstance(images.media, VideoInfo):
        keys = np.intersect1d(inner, images.media.keys)
        inner = keys if len(keys) >= _LOOKED_AT else inner[:_BEGINNING]
    return evenly_spaced(inner.tolist(), _LOOKED_AT)


def _read(media: VideoInfo | NumberedImages, numbers: Sequence[int], seen: Callable[[_Image], T]) -> dict[int, T]:
    """What is seen of each image that is there."""
    if not isinstance(media, VideoInfo):
        return {n: seen(image) for n, image in read_numbered(media, numbers) if image is not None}
    with closing(VideoReader(media)) as reader:
        return {n: seen(image) for n, image in reader.read(numbers) if image is not None}
