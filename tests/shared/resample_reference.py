"""The slow and obvious twin of `execute`: double precision, the camera model at every sample, no tricks.

Each output pixel is the mean over `samples` x `samples` points of a box (`filters.footprint`), each read from
the premultiplied image with a 10 x 10 windowed sinc. What `warp_view` does fast is compared with this.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array, ImageRGB, Levels, Points2
from mouselift.framing.plan import ViewPlan
from mouselift.geometry.camera import Reframe
from mouselift.prepare.resample import footprint

_LOBES = 5  # of the Lanczos window: 10 x 10 source pixels a sample

ReferenceRGBA = Float64[Array, "s s 4"]  # 0..255, not rounded


def reference_view(
    plan: ViewPlan, rgb: ImageRGB, mask: Levels, samples: int = 8, box: float | None = None
) -> ReferenceRGBA:
    """The output image of one view with *premultiplied* alpha, 0..255, before any rounding.

    rgb, mask: the whole source image. box: side of the averaged box in output pixels, `filters.footprint` by
    default. Divide the colours by alpha / 255 for straight ones.
    """
    alpha = mask[..., None] / 255.0
    source = np.concatenate([rgb * alpha, 255.0 * alpha], axis=2)
    size = plan.target.width
    x, y = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    centres = np.stack([x.ravel(), y.ravel()], axis=1)
    width = footprint(plan.scale) if box is None else box
    offsets = ((np.arange(samples) + 0.5) / samples - 0.5) * width if width > 0 else np.zeros(1)
    total = np.zeros((size * size, 4))
    for dy in offsets:
        for dx in offsets:
            total += windowed_sinc(source, plan.reframe.to_source(centres + np.array([dx, dy])))
    mean = (total / len(offsets) ** 2).reshape(size, size, 4)
    mean[..., 3] = mean[..., 3].clip(0.0, 255.0)
    # A premultiplied colour lies between nothing and its alpha; the sinc's ringing does not know that.
    mean[..., :3] = mean[..., :3].clip(0.0, mean[..., 3:])
    return mean


def windowed_sinc(source: Float64[Array, "h w c"], positions: Points2) -> Float64[Array, "n c"]:
    """Values at pixel positions (centres at + 0.5); zero outside the image and where the position is NaN."""
    height, width = source.shape[:2]
    out = np.zeros((len(positions), source.shape[2]))
    # NaN compares false: it is outside.
    good = ((positions > -_LOBES) & (positions < np.array([width, height]) + _LOBES)).all(axis=1)
    at = positions[good] - 0.5
    first = np.floor(at).astype(int) - _LOBES + 1
    wx, wy = _weights(at[:, 0] - first[:, 0]), _weights(at[:, 1] - first[:, 1])
    value = np.zeros((len(at), source.shape[2]))
    for j in range(2 * _LOBES):
        for i in range(2 * _LOBES):
            column, row = first[:, 0] + i, first[:, 1] + j
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            weight = wx[inside, i] * wy[inside, j]
            value[inside] += weight[:, None] * source[row[inside], column[inside]]
    out[good] = value
    return out


def _weights(from_first: np.ndarray) -> np.ndarray:
    """[n, taps], summing to one: Lanczos weights of the samples 0 .. taps - 1 for a position in their middle."""
    d = from_first[:, None] - np.arange(2 * _LOBES)
    weights = np.where(np.abs(d) < _LOBES, np.sinc(d) * np.sinc(d / _LOBES), 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


def scale_at(reframe: Reframe, source_pixel: Points2) -> float:
    """Output pixels per source pixel at one source pixel (square root of the area ratio)."""
    step = np.array([[0.5, 0.0], [-0.5, 0.0], [0.0, 0.5], [0.0, -0.5]])
    moved = reframe.to_target(source_pixel + step)
    a, b = moved[0] - moved[1], moved[2] - moved[3]
    return float(np.sqrt(abs(a[0] * b[1] - a[1] * b[0])))
