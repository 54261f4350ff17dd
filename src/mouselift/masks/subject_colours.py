"""What the subject looks like to one camera, learned from the recording itself.

Two histograms a class, as likelihoods: (brightness, brightness minus background) and the two colour
differences to the background. Classes: the subject; its mirror image in the floor; the background,
changed by whatever (reflections, shadows, light, passers-by) and unchanged. Nothing is assumed about
dark or bright subjects.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Float64

from mouselift.array_types import Array, Mask
from mouselift.masks.changes import Changes

_BINS = 32
_SMOOTH = 0.8  # bins
_FLOOR = 1e-4  # likelihood of a colour never met, spread over all bins
_COLOUR_WEIGHT = 0.7  # brightness and colour are not independent: the second counts less
_SUBJECT, _MIRROR, _CHANGED, _UNCHANGED = range(4)
_ENOUGH = 500  # pixels that a class needs


LogRatios = Float32[Array, "2 bins"]  # of two classes, by bin of either histogram


@dataclass(frozen=True, eq=False)
class ColourModel:
    """What tells the subject from the background, and from its own mirror image."""

    subject: LogRatios  # log p(pixel | subject) - log p(pixel | background, changed or not)
    mirror: LogRatios | None  # log p(pixel | mirror image) - log p(pixel | subject); None: the floor mirrors too little
    low: float  # the narrowest range of levels that holds half of the subject
    high: float


def log_ratio(ratios: LogRatios, changes: Changes) -> Float32[Array, "h w"]:
    """By pixel."""
    brightness, colour = _bins(changes)
    raw = ratios[0][brightness] + np.float32(_COLOUR_WEIGHT) * ratios[1][colour]
    return np.asarray(cv2.GaussianBlur(raw, (0, 0), _SMOOTH), dtype=np.float32)


class ColourTally:
    """Counts pixels of known class, image by image."""

    def __init__(self) -> None:
        self._counts = np.zeros((4, 2, _BINS**2))  # by class and kind of histogram
        self._levels = np.zeros(256)

    def add(self, changes: Changes, subject: Mask, mirror: Mask, background: Mask) -> None:
        """Pixels in no mask are of unknown class and not counted; changed ones of `mirror` show the mirror image."""
        bins, changed = _bins(changes), changes.changed
        steady = background & ~changed & ~changes.uncovered
        classes = (subject & changed, mirror & changed, background & changed, steady)
        for row, chosen in enumerate(classes):
            for kind, pixels in enumerate(bins):
                self._counts[row, kind] += np.bincount(pixels[chosen], minlength=_BINS**2)
        self._levels += np.bincount(changes.luma[classes[_SUBJECT]], minlength=256)

    def model(self) -> ColourModel | None:
        """None with too few pixels of the subject."""
        if self._levels.sum() < _ENOUGH:
            return None
        low, high = _narrowest_half(self._levels)
        likely = [np.stack([_likelihood(tally) for tally in kinds]) for kinds in self._counts]
        subject = np.log(likely[_SUBJECT] / (0.5 * (likely[_CHANGED] + likely[_UNCHANGED]))).astype(np.float32)
        mirror = None
        if self._counts[_MIRROR, 0].sum() >= _ENOUGH:
            mirror = np.log(likely[_MIRROR] / likely[_SUBJECT]).astype(np.float32)
        return ColourModel(subject, mirror, low, high)


def _narrowest_half(counts: np.ndarray) -> tuple[float, float]:
    """Ends of the narrowest range of levels that holds half of the counts: shine and pale parts stay outside."""
    share = np.concatenate([[0.0], counts.cumsum() / counts.sum()])
    ends = np.searchsorted(share, share + 0.5 - 1e-12)
    good = ends < len(share)
    start = int(np.where(good, ends - np.arange(len(share)), len(share)).argmin())
    return float(start), float(ends[start] - 1)


def _likelihood(tally: Float64[Array, " bins"]) -> Float64[Array, " bins"]:
    """Smoothed shares, none of them zero."""
    smooth = cv2.GaussianBlur(tally.reshape(_BINS, _BINS), (0, 0), _SMOOTH, borderType=cv2.BORDER_CONSTANT).ravel()
    total = smooth.sum()
    return (smooth / total if total else 0.0 * smooth) + _FLOOR / _BINS


def _bins(changes: Changes) -> tuple[np.ndarray, np.ndarray]:
    """[h, w] histogram bins: by (brightness, brightness minus background), by the two colour differences."""
    difference = changes.luma.astype(np.int16) - changes.lit + 256
    brightness = (changes.luma >> 3).astype(np.int16) * _BINS + (difference >> 4)
    near = (changes.away.astype(np.int16) - 64).clip(0, 127) >> 2
    return brightness, near[..., 0] * _BINS + near[..., 1]
