"""Interpolation: how colours between source pixels are found, chosen by measurement (benchmarks/warp_quality.py).

OpenCV's remap is exact in position only where it reads linearly (OpenCV 5; OpenCV 4 rounds to 1/32 of a
pixel). Its cubic kernel (a = -3/4) moves a mark by up to 0.05 px at scale 1, its Lanczos costs ten times
as much. So the region is first brought to a grid twice as fine by separable filters, and read there linearly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import UInt8

from mouselift.array_types import Array, ImageRGBA

Interpolation = Literal["linear", "cubic", "quintic"]
DEFAULT_INTERPOLATION: Interpolation = "quintic"

# Values half-way between samples, exact for polynomials of degree 3 (Keys 1981, a = -1/2) and 5.
_HALF_WAY: dict[str, np.ndarray] = {
    "cubic": np.array([-1.0, 9.0, 9.0, -1.0]) / 16,
    "quintic": np.array([3.0, -25.0, 150.0, 150.0, -25.0, 3.0]) / 256,
}
REACH = 5  # source pixels that any of the filters looks beyond a position, compensation included

# From this scale on one sample a pixel is nearest to the truth; below, the mean of several, read linearly.
_SINGLE_FROM = 0.65
_SAMPLES_PER = 0.7  # samples a pixel and side = this / scale, rounded up
# Linear reading of the fine grid loses a little sharpness: wanted as a prefilter where the image is minified,
# undone by a second difference of _GAIN from scale 1 on, fading in between.
_GAIN, _FULL_GAIN, _NO_GAIN = 0.125, 1.0, 0.7


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
        """For a local scale of `scale` output pixels per source pixel."""
        if scale < _SINGLE_FROM:
            return cls(interpolation, False, 0.0, int(np.ceil(_SAMPLES_PER / scale)), footprint(scale))
        gain = _GAIN * float(np.clip((scale - _NO_GAIN) / (_FULL_GAIN - _NO_GAIN), 0.0, 1.0))
        return cls(interpolation, interpolation != "linear", gain, 1, 0.0)

    def positions(self, low: int, high: int) -> np.ndarray:
        """Output positions of the samples of pixels low .. high - 1, in order."""
        within = ((np.arange(self.samples) + 0.5) / self.samples - 0.5) * self.footprint
        return (np.arange(low, high)[:, None] + 0.5 + within).ravel()


def footprint(scale: float) -> float:
    """Side, in output pixels, of the box that an output pixel averages where the image is minified.

    sqrt(1 - scale^2): a source pixel has already averaged the scene over `scale` output pixels, and this
    box brings the variance of both together to that of one output pixel. 0 from scale 1 on.
    """
    return float(np.sqrt(max(0.0, 1 - scale**2)))


def fine_grid(region: ImageRGBA, sampling: Sampling) -> UInt8[Array, "h2 w2 4"]:
    """[h, w, 4] -> [2h, 2w, 4]: sample (j, i) of the region lands at (2j, 2i).

    Outside the region everything is zero. In the coordinates of pixel centres at integers, positions double.
    """
    at, between = _phases(sampling.interpolation, sampling.gain)
    h, w = region.shape[:2]
    out = np.empty((h, 2, w, 2), dtype=np.int32)
    for j, (kernel_y, anchor_y) in enumerate((at, between)):
        row = []
        for kernel_x, anchor_x in (at, between):
            # Single precision inside, rounded and clipped once at the end.
            plane = cv2.sepFilter2D(
                region, -1, kernel_x, kernel_y, anchor=(anchor_x, anchor_y), borderType=cv2.BORDER_CONSTANT
            )
            # Four bytes seen as one number, so that pixels interleave in one pass.
            row.append(np.asarray(plane, dtype=np.uint8).view(np.int32)[..., 0])
        out[:, j] = cv2.merge(row)
    return out.reshape(2 * h, 2 * w).view(np.uint8).reshape(2 * h, 2 * w, 4)


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
