"""Masks as they come: specks go, soft edges stay."""

from __future__ import annotations

import numpy as np

from mouselift.prepare.sample import subject_mask


def soft_disc(h: int = 120, w: int = 160, x: float = 60.0, y: float = 50.0, r: float = 20.0) -> np.ndarray:
    j, i = np.mgrid[:h, :w] + 0.5
    return (np.clip(r - np.hypot(i - x, j - y) + 0.5, 0, 1) * 255).round().astype(np.uint8)


def test_clean_mask_is_untouched() -> None:
    mask = soft_disc()
    subject = subject_mask(mask, 0.01)
    assert subject is not None
    assert subject.mask is mask
    assert np.allclose(subject.silhouette.centroid, [[60, 50]], atol=0.02)


def test_speck_goes_and_soft_edge_stays() -> None:
    mask = soft_disc()
    noisy = mask.copy()
    noisy[100:102, 140:142] = 255
    subject = subject_mask(noisy, 0.01)
    assert subject is not None
    assert np.array_equal(subject.mask, mask)
    assert noisy[100, 140] == 255, "the caller's mask is not changed"


def test_large_second_part_stays() -> None:
    two = np.maximum(soft_disc(), soft_disc(x=120, y=90, r=8))
    subject = subject_mask(two, 0.01)
    assert subject is not None
    assert np.array_equal(subject.mask, two)


def test_faint_mask_counts_as_empty() -> None:
    assert subject_mask(np.full((20, 20), 100, np.uint8), 0.01) is None
    assert subject_mask(np.zeros((20, 20), np.uint8), 0.01) is None
