"""What a static camera sees without the subject, learned from the whole recording.

The samples are spread evenly over the recording, so memory does not grow with its length.

1. Start: per pixel the tightest quarter of the samples (`tightest`): the background stands
   still; even a resting animal breathes and shifts. Regions in which another level is frequent too take
   the level that leaves the weaker edge around the region, and around each part of it: the background goes on across.
2. Rounds: every sample is compared with the background, in its own light (`light_gain`). Changed regions are
   closed and filled. Where a filled region is *equal* to the background inside a changed surrounding, the
   background shows the subject there (a hole); where a region's outline is an edge of the background
   rather than of the sample, the region is a ghost. Pixels that are mostly such take their background
   from the samples that differ, the others from the samples without the subject.
3. Pixels with almost no free sample are `uncovered`: filled in from around, and never evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from mouselift.array_types import Array, Bool, Levels, Mask, UInt8
from mouselift.errors import MaskError
from mouselift.masks.changes import Background, YuvImage, doubled, halved, light_gain, relit, yuv_image
from mouselift.masks.volume import filled
from mouselift.media.images import Image
from mouselift.progress import Step, unheard

_TIGHT_SHARE = 0.25
_ROUNDS = 3
# Progress, in the time of reading one image. CPU seconds for mouse_cylinder, CameraE: 48 images read 4.1, the start
# 0.5, three rounds 0.6 each, the full size 1.0.
_A_PART = 8
LEARNING_STEPS = (2 + _ROUNDS) * _A_PART
_CHANGE = 14  # levels: smaller differences are never a change
_NOISE_FACTOR = 3.0  # times the pixel's own spread
_OFTEN = 0.08  # share of the samples from which on a second level of a pixel counts
_SMALLEST = 40  # half-size pixels of a changed region that counts
_GHOST_EDGE = 1.2  # the background's edge along an outline is this much stronger than the sample's: a ghost
_FEW = 3  # free samples that a background needs
_STRIP = 64  # rows worked on at a time at full size
_SORTED_ROWS = 32  # rows sorted at a time: what is in hand stays in the cache

Stack = UInt8[Array, "n h w"]
_SQUARE3, _SQUARE5, _SQUARE7 = (np.ones((k, k), dtype=np.uint8) for k in (3, 5, 7))


def learn_background(images: Iterable[Image | None], where: str, step: Step = unheard) -> Background:
    """From images spread over one camera's recording (None: missing, left out); at most 255 of them.

    `where` names the camera in messages; `step` hears of `LEARNING_STEPS`, besides those of the images. Raises
    MaskError with fewer than 8 images, or sizes that differ.
    """
    luma, chroma = _collect(images, where)
    small = np.stack([halved(image) for image in luma])
    level, threshold = _start(small)
    step(_A_PART)
    free = np.ones(small.shape, dtype=bool)
    few = np.zeros(level.shape, dtype=bool)
    for left in reversed(range(_ROUNDS)):
        free, few, swapped = _free_samples(small, level, threshold)
        level = _settled(quantile(small, 0.5, free), few)
        step(_A_PART)
        if swapped < _SMALLEST:
            step(_A_PART * left)
            break
    free = _near(small, level, free, threshold)
    found = _full_size(luma, chroma, free, few)
    step(_A_PART)
    return found


def _collect(images: Iterable[Image | None], where: str) -> tuple[np.ndarray, np.ndarray]:
    kept: list[YuvImage] = []
    for image in images:
        if image is None:
            continue
        kept.append(yuv_image(image))
        if kept[-1].luma.shape != kept[0].luma.shape:
            sizes = ["{1}x{0}".format(*image.luma.shape) for image in (kept[0], kept[-1])]
            raise MaskError(f"{where}: expected images of one size, {sizes[0]}, got {sizes[1]}")
    if len(kept) < 8:
        raise MaskError(
            f"{where}: expected at least 8 readable images to learn the background from, got {len(kept)}; "
            "use a longer recording, or give masks"
        )
    return np.stack([k.luma for k in kept]), np.stack([k.chroma for k in kept])


def _start(small: np.ndarray) -> tuple[Levels, Levels]:
    """(level, threshold of a change). Where two levels are frequent, whole regions take the one that fits around."""
    level, width = tightest(small, _TIGHT_SHARE)
    threshold = np.maximum(_CHANGE, _NOISE_FACTOR * width).clip(0, 255).astype(np.uint8)
    away = np.stack([cv2.absdiff(sample, level) > threshold for sample in small])
    twofold = away.sum(axis=0) >= max(_FEW, _OFTEN * len(small))
    other = np.where(twofold, quantile(small, 0.5, away), level).astype(np.uint8)
    darker, brighter = np.minimum(level, other), np.maximum(level, other)
    closed = cv2.morphologyEx(twofold.view(np.uint8), cv2.MORPH_CLOSE, _SQUARE5)
    for window, region, ring in _connected(cv2.morphologyEx(closed, cv2.MORPH_OPEN, _SQUARE3)):
        seams = [float(_edges(choice[window])[ring].mean()) for choice in (darker, brighter)]
        chosen = darker if seams[0] < seams[1] else brighter
        level[window][region] = _pieced(level[window], chosen[window], region, threshold[window])[region]
    return level, threshold


def _pieced(level: Levels, chosen: Levels, region: Mask, threshold: Levels) -> Levels:
    """`chosen` in the region, but `level` in those parts on whose outline it leaves the weaker edge.

    A subject that is in part brighter and in part darker than the background makes the darker levels of a region and
    the brighter ones a mixture of both.
    """
    out = np.where(region, chosen, level)
    apart = (cv2.absdiff(out, level) > threshold).view(np.uint8)
    for window, part, ring in _connected(cv2.morphologyEx(apart, cv2.MORPH_CLOSE, _SQUARE3)):
        kept, taken = (float(_edges(choice[window])[ring].mean()) for choice in (level, out))
        if kept < taken:
            out[window][part] = level[window][part]
    return out


def _connected(regions: np.ndarray) -> Iterator[tuple[tuple[slice, slice], Mask, Mask]]:
    """(window, region in it, ring along the region's outline) of each connected region that counts."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(regions)
    for label in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[label])
        if area >= _SMALLEST:
            window = (slice(max(y - 4, 0), y + h + 4), slice(max(x - 4, 0), x + w + 4))
            region = (labels[window] == label).astype(np.uint8)
            yield window, region.astype(bool), cv2.dilate(region, _SQUARE3) != cv2.erode(region, _SQUARE3)


def _free_samples(small: np.ndarray, level: Levels, threshold: Levels) -> tuple[np.ndarray, Mask, int]:
    """(free [n, h, w], few [h, w], pixels whose background was the subject)."""
    edges = _edges(level)
    free = np.empty(small.shape, dtype=bool)
    changed = np.empty(small.shape, dtype=bool)
    subject = np.zeros(level.shape, dtype=np.int32)
    mistaken = np.zeros(level.shape, dtype=np.int32)
    for i, sample in enumerate(small):
        lit = relit(level, light_gain(sample, level))
        changed[i] = cv2.absdiff(sample, lit) > threshold
        real, ghost = _regions(changed[i], sample, edges)
        subject += real & changed[i]
        mistaken += (real & ~changed[i]) | ghost
        free[i] = cv2.dilate(real.view(np.uint8), _SQUARE5) == 0
    swap = (mistaken > subject) & (mistaken >= max(_FEW, len(small) // 16))
    swap = cv2.morphologyEx(swap.view(np.uint8), cv2.MORPH_CLOSE, _SQUARE5).astype(bool)
    free[:, swap] = changed[:, swap]
    few = free.sum(axis=0) < _FEW
    free[:, few] = True
    return free, few, int(swap.sum())


def _regions(changed: Mask, sample: Levels, background_edges: np.ndarray) -> tuple[Mask, Mask]:
    """Changed regions, closed and filled: (those of the sample, ghosts of the background)."""
    opened = cv2.morphologyEx(changed.view(np.uint8), cv2.MORPH_OPEN, _SQUARE3)
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, _SQUARE7)
    real, ghost = np.zeros(changed.shape, dtype=bool), np.zeros(changed.shape, dtype=bool)
    for window, region, ring in _connected(filled(closed.view(bool)).view(np.uint8)):
        own = _edges(sample[window])[ring].mean()
        target = ghost if background_edges[window][ring].mean() > _GHOST_EDGE * own else real
        target[window] |= region
    return real, ghost


def _edges(image: Levels) -> np.ndarray:
    smooth = cv2.GaussianBlur(image, (0, 0), 1.0)
    return cv2.magnitude(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))


def _settled(level: Levels, few: Mask) -> Levels:
    """Pixels without free samples take their surroundings' level."""
    if not few.any():
        return level
    return np.asarray(cv2.inpaint(level, few.view(np.uint8), 3, cv2.INPAINT_TELEA), dtype=np.uint8)


def _near(small: np.ndarray, level: Levels, free: np.ndarray, threshold: Levels) -> np.ndarray:
    """Free samples that fit the neighbourhood: single pixels that were decided wrongly follow their neighbours."""
    around = cv2.medianBlur(level, 7)
    lonely = cv2.absdiff(level, around) > np.maximum(threshold, _CHANGE)
    contested = cv2.dilate((free.sum(axis=0) < 0.9 * len(small)).view(np.uint8), _SQUARE3).astype(bool)
    lonely &= contested
    fitting = np.abs(small[:, lonely].astype(np.int16) - around[lonely]) <= threshold[lonely]
    free = free.copy()
    free[:, lonely] = np.where(fitting.sum(axis=0) >= _FEW, fitting, free[:, lonely])
    return free


def _full_size(luma: np.ndarray, chroma: np.ndarray, free: np.ndarray, few: Mask) -> Background:
    """Medians over the free samples, in strips to bound the memory."""
    count, height, width = luma.shape
    level, spread = np.empty((height, width), dtype=np.uint8), np.empty((height, width), dtype=np.uint8)
    for top in range(0, height, _STRIP):
        bottom = min(top + _STRIP, height)
        strip = np.ascontiguousarray(luma[:, top:bottom])
        valid = np.stack([doubled(f[top // 2 : (bottom + 1) // 2], bottom - top, width) for f in free])
        level[top:bottom] = quantile(strip, 0.5, valid)
        away = np.stack([cv2.absdiff(sample, level[top:bottom]) for sample in strip])
        spread[top:bottom] = quantile(away, 0.8, valid)
    colour = np.stack([quantile(np.ascontiguousarray(chroma[..., c]), 0.5, free) for c in (0, 1)], axis=-1)
    uncovered = doubled(few, height, width)
    if few.any():
        colour = np.stack([_settled(np.ascontiguousarray(colour[..., c]), few) for c in (0, 1)], axis=-1)
    return Background(_settled(level, uncovered), colour, spread, uncovered, count)


def quantile(stack: Stack, share: float, valid: Bool[Array, "n h w"]) -> Levels:
    """Per pixel the smallest level with more than `share` of the valid samples at or below it (share 0.5: a median).

    The level is found bit by bit from the top, counting samples below the trial value: eight passes of
    byte compares, ten times faster than sorting. Pixels with no valid sample answer 255. At most 255 samples.
    """
    count = len(stack)
    if not 0 < count < 256:
        raise ValueError(f"quantile: expected 1 to 255 samples, got {count}")
    shape = stack.shape[1:]
    rank = np.floor(valid.sum(axis=0, dtype=np.uint8) * share).astype(np.uint8)
    level = np.zeros(shape, dtype=np.uint8)
    below = np.empty(shape, dtype=bool)
    for bit in (128, 64, 32, 16, 8, 4, 2, 1):
        trial = level | np.uint8(bit)
        lower = np.zeros(shape, dtype=np.uint8)
        for i in range(count):
            np.less(stack[i], trial, out=below)
            np.logical_and(below, valid[i], out=below)
            np.add(lower, below.view(np.uint8), out=lower)
        level = np.where(lower <= rank, trial, level)
    return level


def tightest(stack: Stack, share: float) -> tuple[Levels, Levels]:
    """(level, width): middle and width of the narrowest interval that holds `share` of the samples, per pixel.

    What stands still makes a narrow interval; what comes, goes and breathes does not. (Shorth of
    Andrews et al., "Robust estimates of location", 1972, at a share below one half.)
    """
    count = len(stack)
    held = min(max(3, round(share * count)), count)
    level = np.empty_like(stack[0])
    width = np.empty_like(level)
    for top in range(0, stack.shape[1], _SORTED_ROWS):
        ordered = np.sort(stack[:, top : top + _SORTED_ROWS], axis=0)
        span = ordered[held - 1 :] - ordered[: count - held + 1]
        at = span.argmin(axis=0)[None]
        low = np.take_along_axis(ordered, at, axis=0)[0]
        width[top : top + _SORTED_ROWS] = np.take_along_axis(span, at, axis=0)[0]
        level[top : top + _SORTED_ROWS] = low + (span.min(axis=0) // 2)
    return level, width
