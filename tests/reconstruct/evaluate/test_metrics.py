"""Figures against slow twins, closed forms, and faults that they must notice."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from mouselift.reconstruct.metrics import PSNR_LIMIT, ViewScores, overlap, psnr_of, ssim_map, view_scores

WHITE = (1.0, 1.0, 1.0)
SIDE = 64


def disc(x: float = 32.0, y: float = 30.0, radius: float = 14.0) -> Tensor:
    """[4, SIDE, SIDE]: a textured disc on white with a soft edge, and its alpha; pixel centres at +0.5."""
    j, i = torch.meshgrid(torch.arange(SIDE) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")
    alpha = (radius + 0.5 - torch.hypot(i - x, j - y)).clamp(0, 1)
    u, v = (i - x) / 3, (j - y) / 4
    straight = 0.5 + 0.4 * torch.stack([torch.sin(u), torch.cos(v), torch.sin(u + v)])
    return torch.cat([straight * alpha + 1 - alpha, alpha[None]])


def scored(render: Tensor, target: Tensor) -> ViewScores:
    return view_scores(render[:3], render[3], target, WHITE)


def ssim_twin(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[h - 10, w - 10], window by window in float64."""
    at = np.arange(11) - 5
    window = np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    h, w = a.shape[1] - 10, a.shape[2] - 10
    out = np.zeros((h, w))
    for row in range(h):
        for column in range(w):
            values = []
            for x, y in zip(a, b, strict=True):
                p, q = x[row : row + 11, column : column + 11], y[row : row + 11, column : column + 11]
                mp, mq = (window * p).sum(), (window * q).sum()
                vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
                c = (window * (p - mp) * (q - mq)).sum()
                values.append((2 * mp * mq + 1e-4) * (2 * c + 9e-4) / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4)))
            out[row, column] = np.mean(values)
    return out


def test_ssim_is_that_of_the_slow_twin() -> None:
    a, b = disc()[:3], disc(33.0, 30.5)[:3]
    expected = ssim_twin(a.double().numpy(), b.double().numpy())
    assert np.abs(ssim_map(a, b).numpy() - expected).max() < 1e-9


def test_ssim_with_scipys_filter() -> None:
    """Another's Gaussian: truncated after 5 pixels (3.5 sigma), cropped to where it fits."""
    a, b = (part[:3].double().numpy() for part in (disc(), disc(31.0, 31.5)))

    def mean(x: np.ndarray) -> np.ndarray:
        return np.stack([ndimage.gaussian_filter(plane, 1.5, truncate=3.5) for plane in x])[:, 5:-5, 5:-5]

    ma, mb = mean(a), mean(b)
    va, vb, c = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    expected = ((2 * ma * mb + 1e-4) * (2 * c + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))).mean(axis=0)
    assert np.abs(ssim_map(torch.tensor(a), torch.tensor(b)).numpy() - expected).max() < 1e-9


def test_known_noise_gives_known_psnr() -> None:
    target = disc()
    inside = target[3] > 0.5
    render = target.clone()
    render[:3] = (target[:3] - 0.05 * inside).clamp(0, 1)  # 0.05 everywhere inside: 26.02 dB there
    found = scored(render, target)
    assert found.foreground_psnr == pytest.approx(-20 * math.log10(0.05), abs=0.01)
    share = float(inside.float().mean())
    assert found.psnr == pytest.approx(-20 * math.log10(0.05) - 10 * math.log10(share), abs=0.01)
    noise = 0.1 * torch.randn(3, 200, 200, generator=torch.Generator().manual_seed(0))
    assert psnr_of(noise) == pytest.approx(20.0, abs=0.05)


def test_equal_images_are_perfect_and_finite() -> None:
    found = scored(disc(), disc())
    assert astuple(found)[:5] == (PSNR_LIMIT, pytest.approx(1.0), 1.0, PSNR_LIMIT, pytest.approx(1.0))


def test_iou_of_known_discs() -> None:
    one, two = disc(radius=10.0), disc(radius=20.0)
    assert scored(one, two).iou == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("fault", ["half a pixel", "one per cent", "transposed"])
def test_faults_lower_every_figure(fault: str) -> None:
    faulty = {
        "half a pixel": disc(32.5, 30.5),
        "one per cent": disc(32.32, 30.3, 14.14),
        "transposed": disc().transpose(1, 2),
    }[fault]
    found = scored(faulty, disc())
    with pytest.raises(AssertionError):
        assert astuple(found)[:5] == astuple(scored(disc(), disc()))[:5]
    assert found.foreground_psnr < 40
    assert found.foreground_ssim < 0.999
    assert found.iou < 1
    assert found.foreground_psnr < found.psnr  # the background flatters


def test_further_is_worse() -> None:
    found = [scored(disc(32 + shift), disc()) for shift in (0.0, 0.25, 0.5, 1.0, 2.0)]
    for name in ("foreground_psnr", "foreground_ssim", "iou", "psnr", "ssim"):
        values = [getattr(score, name) for score in found]
        assert values == sorted(values, reverse=True), name
        assert values[0] > values[-1]


def test_what_is_drawn_outside_costs_iou_and_whole_image_only() -> None:
    target, render = disc(), disc()
    render[:3, 50:60, 4:14] = 0.0
    render[3, 50:60, 4:14] = 1.0
    found = scored(render, target)
    assert found.foreground_psnr == PSNR_LIMIT
    assert found.iou < 0.9
    assert found.psnr < 25


def test_the_background_is_no_part_of_foreground_ssim() -> None:
    """Greying both outside the mask would score a blank render well."""
    blank = torch.ones(4, SIDE, SIDE)
    blank[3] = 0.0
    found = scored(blank, disc(radius=6.0))
    assert found.foreground_ssim < 0.3
    assert found.ssim > 0.7
    assert found.iou == 0.0


def test_colours_beyond_white_are_clamped() -> None:
    target = disc()
    target[:3] = target[:3].round()
    render = target.clone()
    render[:3] = torch.where(target[:3] > 0.5, target[:3] + 3.0, target[:3] - 2.0)
    assert scored(render, target).psnr == PSNR_LIMIT


def test_no_mask_and_no_subject_have_no_foreground_figures() -> None:
    opaque = disc()
    opaque[3] = 1.0
    found = scored(disc(), opaque)
    assert [math.isnan(value) for value in astuple(found)[:5]] == [True, True, True, False, False]
    empty = torch.ones(4, SIDE, SIDE)
    empty[3] = 0.0
    found = scored(empty, empty)
    assert [math.isnan(value) for value in astuple(found)[:5]] == [True, True, True, False, False]
    assert scored(disc(), empty).iou == 0.0
    assert math.isnan(overlap(empty[3] > 0, empty[3] > 0))


def test_another_background_is_refused() -> None:
    with pytest.raises(ValueError, match=r"on the render's background \(0.0, 0.0, 0.0\)"):
        view_scores(disc()[:3], disc()[3], disc(), (0.0, 0.0, 0.0))


def test_too_small_a_image_is_refused() -> None:
    small = disc()[:, 20:30, 20:44]
    with pytest.raises(ValueError, match="expected at least 11 x 11 pixels, got 24 x 10"):
        scored(small, small)


def test_lpips_gets_the_clamped_images() -> None:
    def distance(a: Tensor, b: Tensor) -> float:
        assert float(a.max()) <= 1
        return float((a - b).abs().mean())

    render = disc() * 1.5
    found = view_scores(render[:3], render[3], disc(), WHITE, distance)
    assert found.lpips is not None
    assert found.lpips > 0
