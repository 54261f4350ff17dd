"""A subject of many levels: where it may look like the background, and where the background is seen for sure.

A black animal on a grey floor has the floor's level nowhere: where the image shows no change, there is no subject. A
white animal's lit back is brighter than a floor and its belly darker, so that somewhere between it is no change. There
a view that shows none says little: what counts is how often the subject has that level, and whether the image is as
near to the background as the background is to itself.

* How often: levels of the subject, each weighed by how much of the subject lay before a background on which it could
  be told. Where a part of the subject would be no change, no change is no evidence against it;
* but where the residuals over a few pixels are no larger than the camera's noise, it is the background that is seen, in
  all its light or in a shadow's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mouselift.array_types import Array, Float32, Float64, Mask
from mouselift.masks.changes import Changes, compared_with

# Chosen on seed 11 (white animals, hard shadow and dark floor; brown; agouti, hooded) and 12 (white, soft shadow) of
# benchmarks/mask_shadows.py and 21 frames of mouse_cylinder (docs/evidence/mask-quality.md).
# Levels that hold half of the subject, median over cameras. Black: 13 to 22; agouti 30, brown 40, white 60 to 90.
_MANY = 25.0
_MAY = 0.05  # share of the subject: where so much of it would be no change, faint changes do not speak against it
_ALIKE = 0.25  # where so much of it would be no change, nothing does
_SMOOTH = 6.0  # levels
_LEAST_EXPOSED = 0.05  # share of the subject: levels that fewer pixels could have shown count as so many
_WITHIN = 1.28  # deviations within which 80 % of normal noise lies, as `Changes.spread` says it
_QUIETEST = 1.5  # levels: no camera's noise is smaller
_WINDOW = (5, 5)  # pixels whose residuals are taken together
_STEADY = 2.0  # deviations: residuals over a window that are the background's own
_SINGLE = 2.5  # the same, of single pixels beside such windows
_UNEVEN = 0.04  # of the light: a shadow's share is known so well
_PART = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))  # smaller steady parts lie within the subject


@dataclass(frozen=True, eq=False)
class SubjectLevels:
    """How the subject's levels are distributed in one camera."""

    below: Float64[Array, "257"]  # share of the subject that is darker than each level
    untold: float  # share of it that is no change before the backgrounds that it was seen on

    def hidden(self, changes: Changes) -> Float32[Array, "h w"]:
        """The share of it that would be no change of brightness, by pixel."""
        low = np.ceil(changes.lit - changes.unit).clip(0, 256).astype(np.int16)
        high = np.floor(changes.lit + changes.unit).clip(-1, 255).astype(np.int16) + 1
        share = self.below.astype(np.float32)
        return share[high] - share[low]

    def alike(self, changes: Changes) -> Mask:
        """Where the background is so often what the subject looks like that a view says nothing."""
        return self.hidden(changes) > _ALIKE

    def undecided(self, changes: Changes, share: Float32[Array, "h w"] | None = None) -> Mask:
        """Where the subject may look like the background, in all light or in a share of it, and neither is surely seen.

        What has changed is meant too: it is for others to say whether that is the subject.
        """
        noise = np.maximum(changes.spread * np.float32(1 / _WITHIN), np.float32(_QUIETEST))
        steady, alone = _own_residuals(changes, noise, 0.0)
        may = self.hidden(changes) > _MAY
        if share is not None:
            shaded = compared_with(changes, share)
            for own, there in zip((steady, alone), _own_residuals(shaded, noise, _UNEVEN), strict=True):
                own |= there & (share < 1)
            may |= self.hidden(shaded) > _MAY
        parts = cv2.morphologyEx(steady.view(np.uint8), cv2.MORPH_OPEN, _PART)
        beside = cv2.dilate(parts, np.ones(_WINDOW, np.uint8)).astype(bool) & alone
        return may & ~(parts.astype(bool) | beside)


def _own_residuals(changes: Changes, noise: Float32[Array, "h w"], uneven: float) -> tuple[Mask, Mask]:
    """Where residuals are the background's own: over windows, and of single pixels; uneven: share of its light."""
    residual = changes.luma.astype(np.float32) - changes.lit
    slack = np.float32(uneven) * changes.lit
    together, around = (np.sqrt(cv2.blur(x * x, _WINDOW)) for x in (residual, noise))
    return together < _STEADY * around + slack, np.abs(residual) < _SINGLE * noise + slack


class LevelTally:
    """Counts levels of the subject, image by image."""

    def __init__(self) -> None:
        self._seen = np.zeros(256)
        self._blind = np.zeros(257)  # differences along levels of the pixels on which each would be no change
        self._pixels = 0

    def add(self, changes: Changes, subject: Mask) -> None:
        """subject: pixels that show it, changed or not."""
        own = subject & ~changes.uncovered
        lit, unit = changes.lit[own].astype(np.float32), changes.unit[own]
        self._seen += np.bincount(changes.luma[own & (changes.bright > 1)], minlength=256)
        for end, sign in ((np.ceil(lit - unit).clip(0, 256), 1), (np.floor(lit + unit).clip(-1, 255) + 1, -1)):
            self._blind += sign * np.bincount(end.astype(np.int64), minlength=257)
        self._pixels += int(own.sum())

    def levels(self) -> SubjectLevels | None:
        """None where no pixel was counted. Each level's count over how many pixels could have shown it."""
        if not self._seen.any():
            return None
        exposed = self._pixels - self._blind.cumsum()[:256]
        share = self._seen / np.maximum(exposed, _LEAST_EXPOSED * self._pixels)
        smooth = cv2.GaussianBlur(share.reshape(1, -1), (0, 0), _SMOOTH, borderType=cv2.BORDER_REPLICATE).ravel()
        smooth /= smooth.sum()
        untold = float(smooth @ (self._pixels - exposed)) / self._pixels
        return SubjectLevels(np.concatenate([[0.0], smooth.cumsum()]), untold)


def of_many_levels(widths: Sequence[float]) -> bool:
    """By the ranges of levels that hold half of the subject, a camera each."""
    return len(widths) > 0 and float(np.median(widths)) > _MANY
