"""Masks as real segmentations leave them: lossy edges, a missing tail, grown by pixels, holes. Cameras stay exact."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from mouselift.array_types import Levels
from mouselift.dataset.sample import Sample
from mouselift.geometry.outlines import HALF_LEVEL

_FLOOR = 8  # of 255: as prepare.resample.ALPHA_FLOOR, below it lies what compression leaves around a subject


@dataclass(frozen=True)
class Roughness:
    """What is done to the masks of a sample; None: left alone."""

    quality: tuple[int, int] | None = (25, 70)  # JPEG quality of the alpha, drawn a view: lossy edges
    grown_px: tuple[float, float] | None = (2.0, 5.0)  # one view's mask is this much too fat
    tail_lost: float = 1.0  # probability that one (other) view lacks the tail and other thin parts
    holes: int = 2  # a view, of 3 to 8 px radius


def roughen(
    sample: Sample, rng: np.random.Generator, what: Roughness | None = None
) -> tuple[Sample, tuple[int, ...], dict[str, float]]:
    """(the sample, the views whose masks were grown or lost their tail, values "grown_px" and the two views)."""
    what = what if what is not None else Roughness()
    order = rng.permutation(len(sample.views)).tolist()
    grown, tailless = order[0], order[1 % len(order)]
    lose_tail = bool(rng.uniform() < what.tail_lost)
    values: dict[str, float] = {}
    views = list(sample.views)
    for k, view in enumerate(sample.views):
        alpha = view.alpha
        if what.grown_px is not None and k == grown:
            values |= {"grown_px": float(rng.uniform(*what.grown_px)), "grown_view": float(k)}
            alpha = grow(alpha, values["grown_px"])
        if lose_tail and k == tailless:
            values["tailless_view"] = float(k)
            alpha = without_thin_parts(alpha)
        alpha = with_holes(alpha, what.holes, rng)
        if what.quality is not None:
            alpha = lossy(alpha, int(rng.integers(what.quality[0], what.quality[1] + 1)))
        views[k] = replace(view, alpha=alpha)
    spoiled = tuple(sorted({int(values[key]) for key in ("grown_view", "tailless_view") if key in values}))
    return replace(sample, views=tuple(views)), spoiled, values


def grow(alpha: Levels, pixels: float) -> Levels:
    """The outline moved outwards by `pixels`, its softness kept: by the distance to the half level."""
    inside = (alpha >= HALF_LEVEL).astype(np.uint8)
    if not inside.any():
        return alpha
    outside = np.asarray(cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))
    # Pixels next to the outline are 1 from it by this measure, half a pixel in truth.
    soft = np.clip(pixels - (outside - 0.5) + 0.5, 0.0, 1.0)
    return np.maximum(alpha, np.rint(255 * soft).astype(np.uint8))


def without_thin_parts(alpha: Levels) -> Levels:
    """The largest part that is left when all thinner than about an eighth of the subject's size is gone: no tail."""
    inside = (alpha >= HALF_LEVEL).astype(np.uint8)
    radius = max(2, round(0.06 * float(np.sqrt(inside.sum()))))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    opened = np.asarray(cv2.morphologyEx(inside, cv2.MORPH_OPEN, disc), dtype=np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    if count < 2:
        return alpha
    largest = 1 + int(np.asarray(stats)[1:, cv2.CC_STAT_AREA].argmax())
    body = (np.asarray(labels) == largest).astype(np.uint8)
    # The soft rim of what stays: everything within two pixels of it.
    near = np.asarray(cv2.dilate(body, np.ones((5, 5), np.uint8))) > 0
    return np.where(near, alpha, np.uint8(0))


def with_holes(alpha: Levels, count: int, rng: np.random.Generator) -> Levels:
    """Round holes of 3 to 8 px at random places of the subject."""
    places = np.flatnonzero(alpha.reshape(-1) >= HALF_LEVEL)
    if count == 0 or len(places) == 0:
        return alpha
    out = alpha.copy()
    for place in rng.choice(places, count).tolist():
        cv2.circle(out, (place % alpha.shape[1], place // alpha.shape[1]), int(rng.integers(3, 9)), (0,), cv2.FILLED)
    return out


def lossy(alpha: Levels, quality: int) -> Levels:
    """Through a JPEG: 8 x 8 blocks of a cosine transform, as in video; then the floor of `prepare`."""
    data = cv2.imencode(".jpg", alpha, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    levels = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
    return np.where(levels >= _FLOOR, levels, np.uint8(0))
