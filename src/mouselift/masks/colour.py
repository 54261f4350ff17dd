"""What the subject looks like to one camera, learned from the recording itself.

Two histograms a class, as likelihoods: (brightness, brightness minus background) and the two colour
differences to the background. Classes: the subject; the background, unchanged; the background changed
by reflections, shadows, light and passers-by. Nothing is assumed about dark or bright subjects.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import Float32

from mouselift.core.types import Array, Mask
from mouselift.masks.evidence import Evidence

_BINS = 32
_SMOOTH = 0.8  # bins
_FLOOR = 1e-4  # likelihood of a colour never met, spread over all bins
_COLOUR_WEIGHT = 0.7  # brightness and colour are not independent: the second counts less
_SUBJECT, _CHANGED, _UNCHANGED = range(3)
_ENOUGH = 500  # pixels a class needs


@dataclass(frozen=True, eq=False)
class ColourModel:
    """Log-likelihood ratios by histogram bin, and the narrowest range of levels that holds half of the subject."""

    by_brightness: Float32[Array, "bins"]
    by_colour: Float32[Array, "bins"]
    low: float  # levels
    high: float

    def ratio(self, evidence: Evidence) -> Float32[Array, "h w"]:
        """log p(pixel | subject) - log p(pixel | background, changed or not)."""
        raw = self.by_brightness[_brightness_bins(evidence)]
        raw = raw + np.float32(_COLOUR_WEIGHT) * self.by_colour[_colour_bins(evidence)]
        return np.asarray(cv2.GaussianBlur(raw, (0, 0), _SMOOTH), dtype=np.float32)


@dataclass
class ColourTally:
    """Counts pixels of known class, picture by picture."""

    brightness: np.ndarray = field(default_factory=lambda: np.zeros((3, _BINS * _BINS)))
    colour: np.ndarray = field(default_factory=lambda: np.zeros((3, _BINS * _BINS)))
    levels: np.ndarray = field(default_factory=lambda: np.zeros(256))

    def add(self, evidence: Evidence, subject: Mask, background: Mask) -> None:
        """Pixels in neither mask are of unknown class and not counted."""
        by_brightness, by_colour = _brightness_bins(evidence), _colour_bins(evidence)
        changed = evidence.changed
        classes = (subject & changed, background & changed, background & ~changed & ~evidence.uncovered)
        for row, chosen in enumerate(classes):
            self.brightness[row] += np.bincount(by_brightness[chosen], minlength=_BINS**2)
            self.colour[row] += np.bincount(by_colour[chosen], minlength=_BINS**2)
        self.levels += np.bincount(evidence.luma[classes[_SUBJECT]], minlength=256)

    def model(self) -> ColourModel | None:
        """None with too few pixels of the subject."""
        if self.levels.sum() < _ENOUGH:
            return None
        low, high = _narrowest_half(self.levels)
        return ColourModel(_log_ratio(self.brightness), _log_ratio(self.colour), low, high)


def _narrowest_half(counts: np.ndarray) -> tuple[float, float]:
    """Ends of the narrowest range of levels that holds half of the counts: shine and pale parts stay outside."""
    share = np.concatenate([[0.0], counts.cumsum() / counts.sum()])
    ends = np.searchsorted(share, share + 0.5 - 1e-12)
    good = ends < len(share)
    start = int(np.where(good, ends - np.arange(len(share)), len(share)).argmin())
    return float(start), float(ends[start] - 1)


def _log_ratio(counts: np.ndarray) -> Float32[Array, "bins"]:
    likelihood = np.empty_like(counts)
    for row, tally in enumerate(counts):
        smooth = cv2.GaussianBlur(tally.reshape(_BINS, _BINS), (0, 0), _SMOOTH, borderType=cv2.BORDER_CONSTANT).ravel()
        total = smooth.sum()
        likelihood[row] = (smooth / total if total else 0.0) + _FLOOR / _BINS
    other = 0.5 * (likelihood[_CHANGED] + likelihood[_UNCHANGED])
    return np.log(likelihood[_SUBJECT] / other).astype(np.float32)


def _brightness_bins(evidence: Evidence) -> np.ndarray:
    difference = evidence.luma.astype(np.int16) - evidence.lit + 256
    return (evidence.luma >> 3).astype(np.int16) * _BINS + (difference >> 4)


def _colour_bins(evidence: Evidence) -> np.ndarray:
    near = (evidence.away.astype(np.int16) - 64).clip(0, 127) >> 2
    return near[..., 0] * _BINS + near[..., 1]
