"""What the subject looks like to one camera, learned from the recording itself.

Two histograms a class, as likelihoods: (brightness, brightness minus background) and the two colour
differences to the background. Classes: the subject; its mirror image in the floor; the background,
changed by whatever (reflections, shadows, light, passers-by) and unchanged. Nothing is assumed about
dark or bright subjects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32

from mouselift.array_types import Array, Mask
from mouselift.masks.changes import Changes

_BINS = 32
_SMOOTH = 0.8  # bins
_FLOOR = 1e-4  # likelihood of a colour never met, spread over all bins
_COLOUR_WEIGHT = 0.7  # brightness and colour are not independent: the second counts less
_SUBJECT, _MIRROR, _CHANGED, _UNCHANGED = range(4)
_ENOUGH = 500  # pixels that a class needs


class LogRatio(NamedTuple):
    """Log-likelihood ratios of two classes by histogram bin."""

    by_brightness: Float32[Array, " bins"]
    by_colour: Float32[Array, " bins"]

    def of(self, changes: Changes) -> Float32[Array, "h w"]:
        raw = self.by_brightness[_brightness_bins(changes)]
        raw = raw + np.float32(_COLOUR_WEIGHT) * self.by_colour[_colour_bins(changes)]
        return np.asarray(cv2.GaussianBlur(raw, (0, 0), _SMOOTH), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class ColourModel:
    """What tells the subject from the background, and from its own mirror image."""

    subject: LogRatio  # log p(pixel | subject) - log p(pixel | background, changed or not)
    mirror: LogRatio | None  # log p(pixel | mirror image) - log p(pixel | subject); None: the floor mirrors too little
    low: float  # the narrowest range of levels that holds half of the subject
    high: float


@dataclass
class ColourTally:
    """Counts pixels of known class, image by image."""

    brightness: np.ndarray = field(default_factory=lambda: np.zeros((4, _BINS * _BINS)))
    colour: np.ndarray = field(default_factory=lambda: np.zeros((4, _BINS * _BINS)))
    levels: np.ndarray = field(default_factory=lambda: np.zeros(256))

    def add(self, changes: Changes, subject: Mask, mirror: Mask, background: Mask) -> None:
        """Pixels in no mask are of unknown class and not counted; changed ones of `mirror` show the mirror image."""
        by_brightness, by_colour = _brightness_bins(changes), _colour_bins(changes)
        changed = changes.changed
        steady = background & ~changed & ~changes.uncovered
        classes = (subject & changed, mirror & changed, background & changed, steady)
        for row, chosen in enumerate(classes):
            self.brightness[row] += np.bincount(by_brightness[chosen], minlength=_BINS**2)
            self.colour[row] += np.bincount(by_colour[chosen], minlength=_BINS**2)
        self.levels += np.bincount(changes.luma[classes[_SUBJECT]], minlength=256)

    def model(self) -> ColourModel | None:
        """None with too few pixels of the subject."""
        if self.levels.sum() < _ENOUGH:
            return None
        low, high = _narrowest_half(self.levels)
        b, c = _likelihoods(self.brightness), _likelihoods(self.colour)
        subject = LogRatio(
            _log(b[_SUBJECT], 0.5 * (b[_CHANGED] + b[_UNCHANGED])),
            _log(c[_SUBJECT], 0.5 * (c[_CHANGED] + c[_UNCHANGED])),
        )
        mirror = None
        if self.brightness[_MIRROR].sum() >= _ENOUGH:
            mirror = LogRatio(_log(b[_MIRROR], b[_SUBJECT]), _log(c[_MIRROR], c[_SUBJECT]))
        return ColourModel(subject, mirror, low, high)


def _narrowest_half(counts: np.ndarray) -> tuple[float, float]:
    """Ends of the narrowest range of levels that holds half of the counts: shine and pale parts stay outside."""
    share = np.concatenate([[0.0], counts.cumsum() / counts.sum()])
    ends = np.searchsorted(share, share + 0.5 - 1e-12)
    good = ends < len(share)
    start = int(np.where(good, ends - np.arange(len(share)), len(share)).argmin())
    return float(start), float(ends[start] - 1)


def _likelihoods(counts: np.ndarray) -> np.ndarray:
    """[class, bin] smoothed shares, none of them zero."""
    likelihood = np.empty_like(counts)
    for row, tally in enumerate(counts):
        smooth = cv2.GaussianBlur(tally.reshape(_BINS, _BINS), (0, 0), _SMOOTH, borderType=cv2.BORDER_CONSTANT).ravel()
        total = smooth.sum()
        likelihood[row] = (smooth / total if total else 0.0) + _FLOOR / _BINS
    return likelihood


def _log(above: np.ndarray, below: np.ndarray) -> Float32[Array, " bins"]:
    return np.log(above / below).astype(np.float32)


def _brightness_bins(changes: Changes) -> np.ndarray:
    difference = changes.luma.astype(np.int16) - changes.lit + 256
    return (changes.luma >> 3).astype(np.int16) * _BINS + (difference >> 4)


def _colour_bins(changes: Changes) -> np.ndarray:
    near = (changes.away.astype(np.int16) - 64).clip(0, 127) >> 2
    return near[..., 0] * _BINS + near[..., 1]
