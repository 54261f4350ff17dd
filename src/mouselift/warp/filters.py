"""Interpolation: how colours between source pixels are found, chosen by measurement (benchmarks/warp_quality.py).

OpenCV's remap is exact in position only for linear interpolation (OpenCV 5; OpenCV 4 rounds to 1/32 of
a pixel), its cubic kernel bends a ramp by up to 0.05 px, and its Lanczos costs ten times as much. So the
region is first brought to a grid twice as fine by separable filters, and read there linearly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

Interpolation = Literal["linear", "cubic", "lanczos"]
DEFAULT_INTERPOLATION: Interpolation = "lanczos"

# Values half-way between samples. cubic: Keys 1981 (a = -1/2). lanczos: the 8-point half-band filter, exact for
# polynomials of degree 7.
_HALF_WAY: dict[str, np.ndarray] = {
    "cubic": np.array([-1.0, 9.0, 9.0, -1.0]) / 16,
    "lanczos": np.array([-5.0, 49.0, -245.0, 1225.0, 1225.0, -245.0, 49.0, -5.0]) / 2048,
}
REACH = 6  # source pixels that any of the filters looks beyond a position, compensation included

_FINE_FROM = 0.5  # output px per source px: below, more samples a pixel say more than a finer grid
_FULL_GAIN = 1.0  # scale from which the linear reading's loss of sharpness is compensated in full
_NO_GAIN = 0.8  # and below which it serves as the prefilter
_GAIN = 0.125  # second difference that undoes the mean loss of linear reading on the fine grid
_SINGLE_FROM = 0.9  # scale from which one sample a pixel is enough
_SAMPLES_PER = 0.7  # samples a pixel and side = this / scale, rounded up


@dataclass(frozen=True)
class Sampling:
    """How one view is read."""

    interpolation: Interpolation
    fine: bool  # through the grid twice as fine
    gain: float  # compensation on that grid
    samples: int  # a side, averaged into one output pixel
    footprint: float  # output pixels that the samples spread over

    @classmethod
    def of(cls, scale: float, interpolation: Interpolation) -> Sampling:
        """For a local scale of `scale` output pixels per source pixel.

        footprint = sqrt(1 - scale^2): a source pixel has already averaged the scene over `scale` output
        pixels; a box this wide brings the variance of both together to one output pixel's.
        """
        footprint = float(np.sqrt(max(0.0, 1 - scale**2)))
        samples = 1 if scale >= _SINGLE_FROM else max(2, int(np.ceil(_SAMPLES_PER / scale)))
        fine = interpolation != "linear" and scale >= _FINE_FROM
        gain = _GAIN * float(np.clip((scale - _NO_GAIN) / (_FULL_GAIN - _NO_GAIN), 0.0, 1.0)) if samples == 1 else 0.0
        return cls(interpolation, fine, gain, samples, footprint if samples > 1 else 0.0)

    def positions(self, low: int, high: int) -> np.ndarray:
        """Output positions of the samples of pixels low .. high - 1, in order."""
        within = ((np.arange(self.samples) + 0.5) / self.samples - 0.5) * self.footprint
        return (np.arange(low, high)[:, None] + 0.5 + within).ravel()


def fine_grid(region: np.ndarray, sampling: Sampling) -> np.ndarray:
    """[h, w, 4] single precision -> [2h, 2w, 4] 8 bit: sample (j, i) of the region lands at (2j, 2i).

    Outside the region everything is zero. In the coordinates of pixel centres at integers, positions double.
    """
    at, between = _phases(sampling.interpolation, sampling.gain)
    h, w = region.shape[:2]
    out = np.empty((h, 2, w, 2), dtype=np.int32)
    for j, (kernel_y, anchor_y) in enumerate((at, between)):
        row = []
        for kernel_x, anchor_x in (at, between):
            plane = cv2.sepFilter2D(
                region, -1, kernel_x, kernel_y, anchor=(anchor_x, anchor_y), borderType=cv2.BORDER_CONSTANT
            )
            # Four bytes seen as one number, so that pixels interleave in one pass.
            row.append(saturated(plane).view(np.int32)[..., 0])
        out[:, j] = cv2.merge(row)
    return out.reshape(2 * h, 2 * w).view(np.uint8).reshape(2 * h, 2 * w, 4)


def saturated(values: np.ndarray) -> np.ndarray:
    """To 8 bit, rounded and clipped."""
    return cv2.add(values, (0.0, 0.0, 0.0, 0.0), dtype=cv2.CV_8U)


_Phase = tuple[np.ndarray, int]  # taps, and which of them lies at the sample before


def _phases(interpolation: str, gain: float) -> tuple[_Phase, _Phase]:
    """The fine grid's values at samples and half-way between them: half-way filter, then (-g, 1 + 2g, -g)."""
    between = _HALF_WAY[interpolation]
    half = len(between) // 2
    odd = (1 + 2 * gain) * between
    odd[half - 1 : half + 1] -= gain
    # Without compensation the samples stay themselves: no need to filter them.
    even, middle = np.ones(1), 0
    if gain > 0.0:
        even, middle = np.zeros(2 * half + 1), half
        even[half] = 1 + 2 * gain
        even[:-1] -= gain * between
        even[1:] -= gain * between
    return (even.astype(np.float32), middle), (odd.astype(np.float32), half - 1)
