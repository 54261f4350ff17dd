"""Subjects of 23 to 31 px: masks as rough as real ones are no wrong cameras, and wrong ones are seen, or it is
said how far off they may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import faults
from mouselift.consistency.cameras import check_sample
from mouselift.consistency.hidden_fault import hidden_fault_px
from mouselift.consistency.rough_masks import finest_rough_noise
from mouselift.dataset.sample import Sample
from mouselift.synthetic.mask_noise import MaskNoise

RNG = np.random.default_rng
SIZE = 128


def rough(sample: Sample, seed: int) -> Sample:
    noise = MaskNoise()
    views = [replace(view, alpha=noise.apply(view.alpha, (seed, k))) for k, view in enumerate(sample.views)]
    return replace(sample, views=tuple(views))


@pytest.fixture(scope="module")
def small(make_exact: Callable[..., Sample]) -> list[Sample]:
    return [make_exact(time, "canonical", SIZE) for time in (0.5, 1.3, 2.1)]


def test_rough_masks_blame_no_camera(small: list[Sample]) -> None:
    """Five of twelve samples were blamed while masks that leave less than 0.6 px counted as exact."""
    assert not any(check_sample(rough(sample, seed)).faulty for sample in small for seed in range(2))


def test_cameras_of_other_crops_are_seen_under_rough_masks(small: list[Sample]) -> None:
    for seed, sample in enumerate(small[:2]):
        assert check_sample(faults.FAULTS["legacy"](rough(sample, seed), RNG(seed)).sample).faulty


def test_exact_masks_show_five_per_cent(small: list[Sample]) -> None:
    assert all(check_sample(faults.view_scale(s, RNG(0), scale=1.05, view=2).sample).faulty for s in small[:2])


def test_a_shift_that_passes_is_within_what_is_said(small: list[Sample]) -> None:
    """A mean over all planes said 1.1 px of a camera that was off by 3 px."""
    for seed, sample in enumerate(small[:2]):
        check = check_sample(faults.view_shift(rough(sample, seed), RNG(seed), pixels=3.0, view=1).sample)
        assert check.faulty or check.too_rough or (check.hidden_px or 0.0) >= 3.0


def test_what_hides_is_the_shift_of_one_view_and_three_sigma(small: list[Sample]) -> None:
    planes = check_sample(small[0]).tangency.planes
    shift = planes.jacobian()[:, 1] @ np.array([0.0, 0.0, 4.0])
    shifted = replace(planes, angle=shift * np.sqrt((planes.gradient**2).sum(axis=(1, 2))))
    assert hidden_fault_px(replace(planes, angle=0 * planes.angle)) == 0.0
    assert hidden_fault_px(shifted) >= 4.0 - 1e-9  # of view 1; others explain a part of it
    assert hidden_fault_px(replace(planes, angle=2 * planes.angle)) == pytest.approx(2 * hidden_fault_px(planes))
    without = replace(planes, first=np.where(planes.first == 0, 1, planes.first))
    assert hidden_fault_px(without) == np.inf  # view 0 has no plane


def test_what_counts_as_rough_grows_with_the_subject() -> None:
    assert finest_rough_noise(20.0) == finest_rough_noise(10.0) == pytest.approx(0.08)
    assert finest_rough_noise(100.0) == pytest.approx(0.3)
