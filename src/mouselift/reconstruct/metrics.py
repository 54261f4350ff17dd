"""Figures of one rendered view against its prepared image: PSNR, SSIM and IoU, on the subject first.

Foreground: the pixels whose alpha in the prepared image is above 0.5. Whole-image figures are
flattered by an empty background: where the animal covers 2-5 % of the frame they lie 10-13 dB above those of the
foreground. What a render adds outside the foreground lowers IoU and the whole-image figures only.

Both images lie on the same background and are clamped to 0..1 before any figure.
PSNR: -10 log10 of the mean squared difference over pixels and channels, range 1.
SSIM: Wang et al. 2004: Gaussian window of 11 x 11 pixels, sigma 1.5, K 0.01 and 0.03, range 1, windows that lie wholly
inside the image, mean of the three channels. The foreground's is the mean of that map over foreground pixels: the
images stay as they are, so the outline counts too. (Greying both images outside instead, and averaging over
the whole frame, would mostly compare grey with grey.)
IoU: of the pixels above 0.5 in both alphas.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mouselift.array_types import Bool, Float
from mouselift.reconstruct.record import FIGURES
from mouselift.render.base import Colour

Distance = Callable[[Float[Tensor, "3 h w"], Float[Tensor, "3 h w"]], float]  # LPIPS, of two images in 0..1

PSNR_LIMIT = 100.0  # dB; equal images score this, not infinity, so that means exist. 8-bit rounding gives 59 dB
FOREGROUND = 0.5  # alpha above which a pixel is the subject's
WINDOW, SIGMA = 11, 1.5  # pixels
K1, K2 = 0.01, 0.03
_BACKGROUND_TOLERANCE = 2 / 255  # levels by which a resampled background may be off


@dataclass(frozen=True)
class ViewScores:
    """One view's figures. NaN: undefined, because the prepared image has no subject, or no mask at all."""

    foreground_psnr: float  # dB
    foreground_ssim: float  # -1..1
    iou: float  # 0..1
    psnr: float  # dB, the whole image
    ssim: float
    lpips: float | None  # the whole image; less is nearer; None without weights


def view_scores(
    colour: Float[Tensor, "3 h w"],
    alpha: Float[Tensor, "h w"],
    target: Float[Tensor, "4 h w"],
    background: Colour,
    lpips: Distance | None = None,
) -> ViewScores:
    """Scores a render (`render.base.Rendering`) against a prepared view (one of `data.sample.Sample.image`).

    colour: over `background`. target: colours over `background` (not straight), and alpha; 0..1.
    A target without any transparent pixel has no mask: its foreground figures and IoU are NaN, never those of the
    whole image. So are those of a target without subject, except IoU, which is 0 where something is drawn.
    ValueError where the target lies on another background than the render, or is smaller than the window of SSIM.
    """
    wanted, mask = target[:3].double().clamp(0, 1), target[3] > FOREGROUND
    _check_background(wanted, target[3], background)
    got = colour.detach().to(wanted).clamp(0, 1)
    similarity = ssim_map(got, wanted)
    known = bool((target[3] < 1).any())  # else there is no mask
    inside = mask & known
    edge = WINDOW // 2
    return ViewScores(
        psnr_of((got - wanted)[:, inside]),
        _mean(similarity[inside[edge:-edge, edge:-edge]]),
        overlap(alpha.detach().to(target.device) > FOREGROUND, mask) if known else math.nan,
        psnr_of(got - wanted),
        _mean(similarity),
        None if lpips is None else lpips(got.float(), wanted.float()),
    )


def known_figures(scores: ViewScores) -> dict[str, float]:
    """Those that are defined, for a `ViewRecord`."""
    values = {figure: getattr(scores, figure) for figure in FIGURES}
    return {figure: value for figure, value in values.items() if value is not None and not math.isnan(value)}


def psnr_of(difference: Float[Tensor, "3 ..."]) -> float:
    """dB for a range of 1, at most `PSNR_LIMIT`; NaN of no pixel."""
    squared = float(difference.double().square().mean())
    if math.isnan(squared):
        return math.nan
    return min(PSNR_LIMIT, -10 * math.log10(squared)) if squared > 0 else PSNR_LIMIT


def overlap(a: Bool[Tensor, "h w"], b: Bool[Tensor, "h w"]) -> float:
    """Intersection over union; NaN of two empty masks."""
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else math.nan


def ssim_map(a: Float[Tensor, "3 h w"], b: Float[Tensor, "3 h w"]) -> Float[Tensor, "rows columns"]:
    """Structural similarity at every pixel at least 5 from the border, mean of the channels: [h - 10, w - 10].

    Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004, equation 13; moments with the window's weights, which sum to
    1. float64: the variances are differences of nearly equal numbers. ValueError for an image below 11 pixels.
    """
    if min(a.shape[1:]) < WINDOW:
        raise ValueError(f"ssim_map: expected at least {WINDOW} x {WINDOW} pixels, got {a.shape[2]} x {a.shape[1]}")
    x, y = a.double(), b.double()
    means = _windowed(torch.cat([x, y, x * x, y * y, x * y]))
    mu_x, mu_y, xx, yy, xy = means.split(3)
    variance_x, variance_y, covariance = xx - mu_x**2, yy - mu_y**2, xy - mu_x * mu_y
    c1, c2 = K1**2, K2**2
    top = (2 * mu_x * mu_y + c1) * (2 * covariance + c2)
    return (top / ((mu_x**2 + mu_y**2 + c1) * (variance_x + variance_y + c2))).mean(dim=0)


def _windowed(planes: Float[Tensor, "n h w"]) -> Float[Tensor, "n rows columns"]:
    """Means under the Gaussian window, where it fits: a separable window, so along columns, then along rows."""
    half = WINDOW // 2
    weights = [math.exp(-((k - half) ** 2) / (2 * SIGMA**2)) for k in range(WINDOW)]
    for axis in (1, 2):
        size = planes.shape[axis] - 2 * half
        out = planes.narrow(axis, half, size) * (weights[half] / sum(weights))
        for k in range(half):  # a fifth of the time that conv2d takes in float64
            pair = planes.narrow(axis, k, size) + planes.narrow(axis, WINDOW - 1 - k, size)
            out.add_(pair, alpha=weights[k] / sum(weights))
        planes = out
    return planes


def _mean(values: Float[Tensor, "..."]) -> float:
    return float(values.mean()) if values.numel() else math.nan


def _check_background(wanted: Float[Tensor, "3 h w"], alpha: Float[Tensor, "h w"], background: Colour) -> None:
    """A render on white against an image on grey would be scored without a word."""
    clear = wanted[:, alpha == 0]
    if not clear.numel():
        return
    expected = torch.tensor(background, dtype=clear.dtype, device=clear.device)[:, None]
    off = float((clear - expected).abs().max())
    if off > _BACKGROUND_TOLERANCE:
        raise ValueError(
            f"view_scores: expected a target on the render's background {background}, got one that is off by {off:.3f} "
            "where it is transparent; load the sample with that background"
        )
