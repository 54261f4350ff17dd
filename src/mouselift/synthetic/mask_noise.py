"""What is wrong with real masks, each as a function of a mask and a seed; cameras and colours stay exact.

Masks are soft (0 background .. 255 animal), of any resolution, up in the image being up in the world. Amounts are
shares of the subject's size, the root of its area: on `mouse_cylinder` that is 99 px of the source. Outlines there
disagree by 1.5 to 1.7 px in the median, at feet and belly by 1.5 times as much as at the trunk, and one view in six
lacks the tail's tip (docs/evidence/mask-quality.md). The defaults disagree as much: benchmarks/mask_noise.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mouselift.array_types import Array, Float32, Levels
from mouselift.geometry.outlines import HALF_LEVEL

_THIN = 0.11  # of the subject's size: half the width of what counts as thin (tail, feet)
_LOW = 0.16  # of the subject's size: above the lowest pixels of each column, where the floor and the feet are
_LEGS = 0.3  # of the subject's size: how far feet are from the body
_EDGE = 1.0  # px: deviation of the blur by which an outline is moved; it moves at most twice as far


@dataclass(frozen=True)
class MaskNoise:
    """How often and how much. The default is as measured; `None` in its place means exact masks."""

    grown: float = 0.009  # deviation of the outline as a whole, of the subject's size
    wavy: float = 0.008  # deviation along the outline
    feet: float = 0.035  # deviation along the outline near the floor
    floor: float = 0.25  # share of the views in which floor under the belly is taken for the animal
    tail_tip: float = 0.16  # of the views in which the tail's tip is missing
    limb: float = 0.05  # of the views in which another thin part is missing
    hole: float = 0.05  # of the views with a hole
    hard: float = 0.5  # of the views whose edges are hard

    def apply(self, mask: Levels, seed: int | Sequence[int]) -> Levels:
        """The mask as a segmentation would leave it. An empty one stays empty."""
        rng = np.random.default_rng(seed)
        draws, each = rng.uniform(size=5), [int(k) for k in rng.integers(2**31, size=8)]
        out = mask
        if draws[0] < self.tail_tip:
            out = without_tail_tip(out, each[0])
        if draws[1] < self.limb:
            out = without_limb(out, each[1])
        if draws[2] < self.floor:
            out = with_floor(out, each[2])
        size = subject_size(mask)
        out = grown(out, self.grown * size * float(rng.standard_normal()))
        out = wavy(out, each[3], self.wavy * size)
        out = ragged_feet(out, each[4], self.feet * size)
        if draws[3] < self.hole:
            out = with_hole(out, each[5])
        return hard_edges(out) if draws[4] < self.hard else out


def subject_size(mask: Levels) -> float:
    """Root of the area, px."""
    return float(np.sqrt(mask.sum(dtype=np.int64) / 255))


def grown(mask: Levels, pixels: float) -> Levels:
    """The outline moved outwards (inwards where negative), at most two pixels."""
    return _moved(mask, np.float32(pixels))


def wavy(mask: Levels, seed: int, pixels: float) -> Levels:
    """The outline moved by a smooth random amount of that deviation, which changes along it."""
    size = subject_size(mask)
    return _moved(mask, np.float32(pixels) * _smooth_noise(mask, seed, 0.15 * size)) if size else mask


def ragged_feet(mask: Levels, seed: int, pixels: float) -> Levels:
    """Near the floor the outline is moved by a random amount of that deviation, which changes quickly along it.

    Not at the tail: farther from the body than legs reach, real masks are as good as at the trunk.
    """
    size = subject_size(mask)
    if not size:
        return mask
    noise = _smooth_noise(mask, seed, max(0.06 * size, 1.2))
    reach = 2 * round(_LEGS * size) + 1
    legs = np.asarray(cv2.dilate(_body(mask), np.ones((reach, reach), np.uint8))) > 0
    return _moved(mask, np.float32(pixels) * noise * _low_band(mask, _LOW * size) * legs)


def with_floor(mask: Levels, seed: int) -> Levels:
    """Floor between the feet, under belly and tail, is taken for the animal, in patches."""
    size = subject_size(mask)
    reach = max(3, 2 * round(0.35 * size) + 1)
    closed = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((1, reach), np.uint8)), dtype=np.uint8)
    above = np.maximum.accumulate(mask, axis=0)  # the animal is above
    under = np.minimum(closed, above).astype(np.float32) * (_low_band(closed, 2 * _LOW * size) > 0)
    patches = np.clip(0.5 + 2.0 * (_smooth_noise(mask, seed, 0.12 * size) + 0.3), 0.0, 1.0)
    return np.maximum(mask, np.rint(under * patches).astype(np.uint8)) if size else mask


def without_tail_tip(mask: Levels, seed: int) -> Levels:
    """The end of the longest thin part is missing: 5 to 35 % of its reach from the body."""

    def end(parts: list[np.ndarray], far: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        longest = max(parts, key=lambda part: float(far[part].max()))
        return longest & (far > rng.uniform(0.65, 0.95) * float(far[longest].max()))

    return _without(mask, seed, end)


def without_limb(mask: Levels, seed: int) -> Levels:
    """A thin part that is not the longest is missing; masks that have none stay as they are."""

    def limb(parts: list[np.ndarray], far: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        rest = sorted(parts, key=lambda part: float(far[part].max()))[:-1]
        return rest[int(rng.integers(len(rest)))] if rest else np.zeros_like(parts[0])

    return _without(mask, seed, limb)


def with_hole(mask: Levels, seed: int) -> Levels:
    """One oval hole of 3 to 10 % of the subject's size in radius."""
    rng, size = np.random.default_rng(seed), subject_size(mask)
    inside = np.flatnonzero(mask.reshape(-1) >= HALF_LEVEL)
    if not len(inside):
        return mask
    row, column = divmod(int(inside[int(rng.integers(len(inside)))]), mask.shape[1])
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]].astype(np.float32)
    across, along = size * rng.uniform(0.03, 0.10, 2)
    turn = rng.uniform(0.0, np.pi)
    u = (np.cos(turn) * (x - column) + np.sin(turn) * (y - row)) / max(across, 0.6)
    v = (np.cos(turn) * (y - row) - np.sin(turn) * (x - column)) / max(along, 0.6)
    left = np.clip((np.hypot(u, v) - 1) * min(across, along) + 0.5, 0.0, 1.0)
    return np.rint(mask * left).astype(np.uint8)


def hard_edges(mask: Levels) -> Levels:
    """All or nothing, divided at one half."""
    return np.where(mask >= HALF_LEVEL, np.uint8(255), np.uint8(0))


def _moved(mask: Levels, pixels: Float32[Array, "h w"] | np.float32) -> Levels:
    """Each piece of outline moved outwards by `pixels`, at most two; 0 changes nothing.

    A straight edge under a Gaussian blur reads Phi(d / sigma) at d pixels inside it, so the blurred mask says how far
    the outline is; Phi is nearly the logistic function of 1.702 d (Bowling et al. 2009, to 0.01). What that distance
    makes of the mask at 0 px is taken off again, so that thin parts stay.
    """
    moved = np.clip(pixels, -2 * _EDGE, 2 * _EDGE)
    if not np.any(moved) or not mask.any():
        return mask
    levels = mask.astype(np.float32) / 255
    blurred = np.asarray(cv2.GaussianBlur(levels, (0, 0), _EDGE)).clip(1e-4, 1 - 1e-4)
    inside = np.log(blurred / (1 - blurred)) * np.float32(_EDGE / 1.702)
    change = np.clip(inside + moved + 0.5, 0.0, 1.0) - np.clip(inside + 0.5, 0.0, 1.0)
    return np.rint(255 * np.clip(levels + change, 0.0, 1.0)).astype(np.uint8)


def _smooth_noise(mask: Levels, seed: int, scale: float) -> Float32[Array, "h w"]:
    """Noise of mean 0 and deviation 1 that changes over `scale` pixels."""
    height, width = mask.shape
    step = max(scale, 1.0)
    nodes = (int(np.ceil(height / step)) + 3, int(np.ceil(width / step)) + 3)
    coarse = np.random.default_rng(seed).standard_normal(nodes, dtype=np.float32)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32) / step + 1, np.arange(height, dtype=np.float32) / step + 1)
    # cubic interpolation of independent nodes has a deviation of about 0.83 in the mean
    return np.asarray(cv2.remap(coarse, x.astype(np.float32), y.astype(np.float32), cv2.INTER_CUBIC)) / 0.83


def _low_band(mask: Levels, height: float) -> Float32[Array, "h w"]:
    """1 from `height` above the lowest pixel of each column down, 0 higher, soft over a pixel; 0 where the mask is not.

    The lowest pixels count within the neighbouring columns too, and only where they are in the picture's lower half of
    the subject: a raised head has no floor under it.
    """
    solid = mask >= HALF_LEVEL
    rows = np.arange(mask.shape[0], dtype=np.float32)[:, None]
    lowest = np.where(solid, rows, -1.0).max(axis=0)
    some = lowest >= 0
    if not some.any():
        return np.zeros(mask.shape, dtype=np.float32)
    middle = 0.5 * (rows[solid.any(axis=1)].min() + lowest.max())
    near = np.asarray(cv2.dilate(lowest[None], np.ones((1, 3), np.uint8)))[0]
    band = np.clip(rows - (near - height) + 0.5, 0.0, 1.0) * (near >= middle)
    return np.asarray(band, dtype=np.float32)


def _without(
    mask: Levels, seed: int, chosen: Callable[[list[np.ndarray], np.ndarray, np.random.Generator], np.ndarray]
) -> Levels:
    """The mask less what `chosen` takes of its thin parts, given their distances from the body."""
    solid, body = (mask >= HALF_LEVEL).astype(np.uint8), _body(mask)
    if not body.any():
        return mask
    count, labels = cv2.connectedComponents(solid & (1 - body), connectivity=8)
    numbered = np.asarray(labels)
    parts = [numbered == k for k in range(1, count) if int((numbered == k).sum()) >= 2]
    if not parts:
        return mask
    far = np.asarray(cv2.distanceTransform(1 - body, cv2.DIST_L2, 3))
    gone = chosen(parts, far, np.random.default_rng(seed)).astype(np.uint8)
    rim = np.asarray(cv2.dilate(gone, np.ones((3, 3), np.uint8))) > 0
    kept = (solid & (1 - gone)) > 0
    return np.where(rim & ~kept, np.uint8(0), mask)


def _body(mask: Levels) -> Levels:
    """1 in the subject without its thin parts."""
    radius = max(1, round(_THIN * subject_size(mask)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    solid = (mask >= HALF_LEVEL).astype(np.uint8)
    return np.asarray(cv2.morphologyEx(solid, cv2.MORPH_OPEN, disc), dtype=np.uint8)
