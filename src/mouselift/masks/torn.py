"""How torn a mask is: holes and bites in the trunk, which no animal has and no comparison of outlines sees.

Where the background was learned with the subject in it, the mask lacks those places, in every view others. What is left
agrees between the views, for it is the same body.
"""

from __future__ import annotations

import cv2
import numpy as np

from mouselift.array_types import Array, Bool

_SIDE = 64  # pixels to which the root of the mask's area is brought: the work and the measure do not depend on size
_WIDE = 0.1  # of that root: what is narrower is no trunk (tail, legs) when opened, and no gap between legs when closed
_SMALLEST = 20  # the root of the area below which pixels tear any outline
# Largest median of a camera that is sound. True masks of 40 synthetic mice and rats from eight cameras: 0.014 in the
# median of the cameras' medians, 0.033 at most; mouse_cylinder's, made by mouselift, 0.015 at most. Masks of a mouse
# that walked its own length in the whole recording, 0.014 to 0.10, three of eight cameras above.
GOOD_TORN = 0.05


def torn_share(mask: Bool[Array, "h w"]) -> float | None:
    """Holes and bites over the area of the trunk; None of a mask too small to tell."""
    size = float(np.sqrt(np.count_nonzero(mask)))
    if size < _SMALLEST:
        return None
    levels = mask.astype(np.uint8) * np.uint8(255)
    x, y, w, h = cv2.boundingRect(levels)
    scale = min(1.0, _SIDE / size)
    small = (max(1, round(w * scale)), max(1, round(h * scale)))
    levels = cv2.resize(levels[y : y + h, x : x + w], small, interpolation=cv2.INTER_AREA)
    radius = max(2, round(_WIDE * size * scale))
    around = np.pad((levels >= 128).astype(np.uint8), 2 * radius + 2)
    trunk = cv2.morphologyEx(around, cv2.MORPH_OPEN, _disc(radius // 2))
    whole = cv2.morphologyEx(trunk, cv2.MORPH_CLOSE, _disc(radius))
    outside = whole.copy()
    cv2.floodFill(outside, None, (0, 0), 2)  # what is left at 0 is enclosed: a hole wider than what is closed
    area = int(trunk.sum())
    return None if area == 0 else round(int((outside != 2).sum()) / area - 1, 4)


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
