"""A tail in one view: its outline at the half level between the tail and what is beside it.

The curve in space (`tail_curve`) tells where to look. Across it, profiles of the difference to the background tell
the middle and both edges, to fractions of a pixel. Where this view shows nothing, the curve itself is drawn, as wide
as tails are: the other views have seen it.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from mouselift.array_types import Array, Float64, Mask, Points2, Points3, UInt8
from mouselift.geometry.camera import Camera
from mouselift.masks.changes import Changes
from mouselift.media.orientation import Box

# Widths in sizes of the subject, from the body to the tip: a mouse's tail is 3.4 to 1.6 mm wide at a size of 100 mm.
_NOMINAL = (0.017, 0.008)  # half of the width
_WIDEST = (0.026, 0.014)
_STEP = 0.0045  # sizes: between samples of a profile; about a pixel where the subject is 230 px long, never less
_REACH = 12  # samples on each side of the curve
_OFF = 4.0  # samples: how far from the curve the middle is likely to be
_SIGN = 2.5  # samples about the curve that tell whether the tail is brighter or darker
_SEEN = 0.35  # of what counts as a change: fainter profiles tell nothing
_LEAST = 0.35  # of the nominal width
_CAP = 2.0  # of a change: clearer profiles count no more for the middle
_UNSEEN = 0.1  # weight of a profile that tells nothing
_SUBPIXEL = 4  # bits of a polygon's corners

Profiles = Float64[Array, "m k"]


def draw_tail(mask: Mask, changes: Changes, box: Box, camera: Camera, curve: Points3, size: float) -> Mask:
    """`mask` with the tail. All in `box` of the full-size image; curve: world; size: of the subject, world units."""
    pixels = camera.project(curve)
    if not np.isfinite(pixels).all():
        return mask
    scale = camera.focal / camera.depth(curve) * size  # pixels that the subject's size has, by point
    step = np.maximum(scale * _STEP, 1.0)  # pixels
    along = np.gradient(gaussian_filter1d(pixels, 2.0, axis=0), axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    across *= step[:, None]
    left, right = _edges(_profiles(changes, box, pixels, across), scale / step)
    return _filled(mask, pixels + left[:, None] * across - box[:2], pixels + right[:, None] * across - box[:2])


def _profiles(changes: Changes, box: Box, pixels: Points2, across: Points2) -> Profiles:
    """Differences to the background across the curve, above what is beside it; smoothed along it; tail positive."""
    difference = ((changes.luma.astype(np.float32) - changes.lit) / changes.unit).clip(-6, 6)
    difference = cv2.GaussianBlur(difference, (0, 0), 0.7)
    offsets = np.arange(-_REACH, _REACH + 1.0)
    at = pixels[:, None] + offsets[:, None] * across[:, None]
    at = (at - box[:2] - 0.5).astype(np.float32)  # cv2 counts integer centres
    seen = cv2.remap(difference, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    seen = gaussian_filter1d(seen.astype(np.float64), 1.5, axis=0)
    seen -= np.median(seen[:, [0, 1, 2, -3, -2, -1]], axis=1, keepdims=True)
    sign = np.sign((seen * np.exp(-0.5 * (offsets / _SIGN) ** 2)).sum(axis=1))
    sign = np.where(gaussian_filter1d(sign, 3.0) < 0, -1.0, 1.0)
    return seen * sign[:, None]


def _edges(profiles: Profiles, size: Float64[Array, " m"]) -> tuple[Float64[Array, " m"], Float64[Array, " m"]]:
    """Both edges from the curve, by point; these and the subject's size in samples."""
    count = len(profiles)
    offsets = np.arange(-_REACH, _REACH + 1.0)
    top = (profiles * np.exp(-0.5 * (offsets / _OFF) ** 2)).argmax(axis=1)
    peak = profiles[np.arange(count), top]
    seen = peak > _SEEN
    weight = np.where(seen, np.minimum(peak, _CAP), _UNSEEN)
    middle = gaussian_filter1d(np.where(seen, offsets[top], 0.0) * weight, 3.0) / gaussian_filter1d(weight, 3.0)
    nominal, widest = (np.linspace(*ends, count) * size for ends in (_NOMINAL, _WIDEST))
    start = np.round(middle).astype(np.int64).clip(-_REACH, _REACH) + _REACH
    near = np.stack([profiles[np.arange(count), (start + k).clip(0, 2 * _REACH)] for k in (-1, 0, 1)])
    half = near.max(axis=0) / 2
    found: list[np.ndarray] = []
    for side in (-1, 1):
        width = np.abs(_crossing(profiles, start, side, half) - _REACH - middle)
        width = np.where(seen, width.clip(_LEAST * nominal, widest), nominal)
        found.append(middle + side * gaussian_filter1d(width, 2.0))
    return found[0], found[1]


def _crossing(profiles: Profiles, start: np.ndarray, side: int, half: Float64[Array, " m"]) -> Float64[Array, " m"]:
    """Where each profile falls to `half`, from `start` to one side; the last sample where it never does."""
    last = profiles.shape[1] - 1
    found = np.full(len(profiles), last if side > 0 else 0, dtype=np.float64)
    open_ = np.ones(len(profiles), dtype=bool)
    rows = np.arange(len(profiles))
    for k in range(last):
        here, there = (start + side * k).clip(0, last), (start + side * (k + 1)).clip(0, last)
        a, b = profiles[rows, here], profiles[rows, there]
        falls = open_ & (b <= half) & (here != there)
        share = ((a - half) / np.maximum(a - b, 1e-9)).clip(0, 1)
        found = np.where(falls, here + side * share, found)
        open_ &= ~falls
    return found


def _filled(mask: Mask, left: Points2, right: Points2) -> Mask:
    """The mask with the strip between two lines where its middle is not in it yet; pixels of the box."""
    rows, columns = np.floor((left + right).T[::-1] / 2).astype(np.int64)
    inside = (rows >= 0) & (columns >= 0) & (rows < mask.shape[0]) & (columns < mask.shape[1])
    known = np.zeros(len(left), dtype=bool)
    known[inside] = mask[rows[inside], columns[inside]]
    # cv2 also fills the pixels that a polygon's sides touch: half a pixel too much.
    inward = 0.5 * (right - left) / np.maximum(np.linalg.norm(right - left, axis=1, keepdims=True), 1.0)
    left, right = left + inward, right - inward
    corners = np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1) - 0.5  # cv2 counts integer centres
    fixed = np.round(corners * 2**_SUBPIXEL).astype(np.int32)[~(known[:-1] & known[1:])]
    drawn: UInt8[Array, "h w"] = mask.astype(np.uint8)
    for quad in fixed:
        cv2.fillConvexPoly(drawn, quad, 1, cv2.LINE_8, _SUBPIXEL)
    return drawn.astype(bool)
