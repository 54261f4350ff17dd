"""Are keypoints those of a few frames earlier or later than the masks? A file's numbering is easily off by some frames.

At each instant the points of the frames about it are laid on its masks, and the offset at which they stick out least is
found over all instants together. While the animal rests all offsets fit alike, so instants say something as it moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mouselift.array_types import Array, Float64, Levels
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import HALF_LEVEL
from mouselift.keypoints.keypoints import Keypoints
from mouselift.keypoints.on_mask import box_and_length, outside_by

REACH = 10  # frames tried on either side
MIN_INSTANTS = 10
# Standard errors over instants between two offsets' means, from `python benchmarks/keypoint_lag.py`.
_SURE = 5.0  # between 0 and the best: to say that the numbering is off
_CLEAR = 2.5  # between an offset and the best: below, it may be meant as well
_FAR = 0.3  # of the silhouette's length, the square root of its area: a point farther outside counts as this far


@dataclass(frozen=True)
class KeypointLag:
    """The masks of frame n show the keypoints that the file has at n + `best`."""

    best: int
    low: int  # between these the keypoints fit as well, or hardly worse
    high: int
    sigmas: float  # standard errors between `best` and 0
    instants: int

    @property
    def off(self) -> bool:
        """Whether the numbering is another one."""
        return self.sigmas >= _SURE

    @property
    def alike(self) -> str:
        """Which offsets the masks do not tell apart."""
        one = self.low == self.high
        span = f"{self.best:+d}" if one else f"{self.low:+d} to {self.high:+d}"
        more = " or more" if REACH in (-self.low, self.high) else ""
        return f"{span}{more} {'alone fits' if one else 'fit alike'}"


@dataclass
class KeypointLagTally:
    """Instants added one by one; each says how far the keypoints of frames about it lie outside its masks."""

    keypoints: Keypoints
    rows: list[Float64[Array, " o"]] = field(default_factory=list)

    def add(self, frame: int, cameras: Sequence[Camera], masks: Sequence[Levels | None]) -> None:
        """Nothing of an instant where the file lacks one of the frames about it."""
        window = [self.keypoints.at(frame + offset) for offset in range(-REACH, REACH + 1)]
        points = np.array([at for at in window if at is not None])
        if len(points) < len(window):
            return
        whole = np.isfinite(points).all(axis=(0, 2))  # the same points at every offset
        if not whole.any():
            return
        views = [
            _outside(camera, mask, points[:, whole])
            for camera, mask in zip(cameras, masks, strict=True)
            if mask is not None and mask.max(initial=0) >= HALF_LEVEL
        ]
        seen = np.concatenate([np.empty((len(window), 0)), *views], axis=1)
        if seen.size:
            self.rows.append(seen.mean(axis=1))

    def found(self) -> KeypointLag | None:
        """None of fewer than 10 instants."""
        if len(self.rows) < MIN_INSTANTS:
            return None
        rows = np.stack(self.rows)
        best = int(rows.mean(axis=0).argmin())
        sigmas = _standard_errors(rows - rows[:, [best]])
        near = np.flatnonzero(sigmas < _CLEAR) - REACH
        return KeypointLag(best - REACH, int(near[0]), int(near[-1]), round(float(sigmas[REACH]), 1), len(rows))


def _outside(camera: Camera, mask: Levels, points: Float64[Array, "o k 3"]) -> Float64[Array, "o m"]:
    """By offset, of the points that stay inside the image: how far outside the mask, in lengths of the silhouette."""
    height, width = mask.shape
    pixels = camera.project(points.reshape(-1, 3)).reshape(*points.shape[:2], 2)
    with np.errstate(invalid="ignore"):
        inside = ((pixels >= 0) & (pixels < [width, height])).all(axis=(0, 2))
    (x, y, w, h), length = box_and_length(mask)
    pad = int(_FAR * length) + 2
    left, top = max(x - pad, 0), max(y - pad, 0)
    seen = pixels[:, inside] - [left, top]
    away = outside_by(mask[top : y + h + pad, left : x + w + pad], seen.reshape(-1, 2)).reshape(seen.shape[:2])
    return np.minimum(np.nan_to_num(away / length, nan=_FAR), _FAR)


def _standard_errors(differences: Float64[Array, "n o"]) -> Float64[Array, " o"]:
    """Mean over its standard error, by column; 0 where all instants are alike."""
    error = differences.std(axis=0, ddof=1) / np.sqrt(len(differences))
    mean = differences.mean(axis=0)
    return np.divide(mean, error, out=np.zeros_like(mean), where=error > 0)
