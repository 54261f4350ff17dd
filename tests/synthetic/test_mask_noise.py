"""Each kind of noise does to a mask what it says, by the amount that it says, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from mouselift.array_types import Levels
from mouselift.synthetic.body import Pose
from mouselift.synthetic.mask_noise import (
    MaskNoise,
    grown,
    hard_edges,
    ragged_feet,
    subject_size,
    wavy,
    with_floor,
    with_hole,
    without_limb,
    without_tail_tip,
)
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import markerless_rig, scaled_rig


@pytest.fixture(scope="module")
def mask() -> Levels:
    """A mouse from the side, its tail to the left, walking: about 60 px of body."""
    rig = scaled_rig(markerless_rig(), 0.25)
    posed = Mouse(detail=0.4).posed(Pose(x=70.0, y=52.0, heading=0.6, stride=22.0, gait=0.3))
    mask = render_silhouette(posed.mesh, rig.cameras[5])
    y, x = mask.nonzero()
    return mask[y.min() - 8 : y.max() + 8, x.min() - 8 : x.max() + 8].copy()


def area(mask: Levels) -> float:
    return float(mask.sum()) / 255


def outline(mask: Levels) -> float:
    """Length of the outline in px: the total variation of the soft mask, less the grid's 4 / pi."""
    levels = mask.astype(float) / 255
    return float(np.abs(np.diff(levels, axis=0)).sum() + np.abs(np.diff(levels, axis=1)).sum()) * np.pi / 4


@pytest.mark.parametrize("pixels", [-1.0, -0.4, 0.5, 1.0])
def test_the_outline_moves_by_as_much(pixels: float) -> None:
    y, x = np.mgrid[:120, :120] + 0.5
    disc = np.rint(255 * np.clip(30.5 - np.hypot(x - 61.3, y - 58.9), 0, 1)).astype(np.uint8)
    radius = np.sqrt(area(grown(disc, pixels)) / np.pi)
    assert radius - np.sqrt(area(disc) / np.pi) == pytest.approx(pixels, abs=0.12)


def test_no_noise_changes_nothing(mask: Levels) -> None:
    nothing = MaskNoise(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    np.testing.assert_array_equal(nothing.apply(mask, 3), mask)
    np.testing.assert_array_equal(grown(mask, 0.0), mask)
    assert not MaskNoise().apply(np.zeros_like(mask), 1).any()


def test_equal_seeds_give_equal_masks(mask: Levels) -> None:
    noise = MaskNoise()
    np.testing.assert_array_equal(noise.apply(mask, (4, 5)), noise.apply(mask, (4, 5)))
    assert len({noise.apply(mask, seed).tobytes() for seed in range(8)}) == 8


def test_wavy_outlines_wave_and_keep_their_area(mask: Levels) -> None:
    changes = np.array([area(wavy(mask, seed, 0.8)) - area(mask) for seed in range(12)])
    assert np.abs(changes).mean() / outline(mask) < 0.35  # not fat or thin as a whole
    moved = np.abs(wavy(mask, 1, 0.8).astype(float) - mask).sum() / 255 / outline(mask)
    assert 0.3 < moved < 0.9  # the mean of |N(0, 0.8)| is 0.64


def test_ragged_feet_leave_the_back_alone(mask: Levels) -> None:
    changed = (np.abs(ragged_feet(mask, 2, 1.5).astype(int) - mask) > 60).nonzero()[0]
    rows = np.flatnonzero((mask > 127).any(axis=1))
    assert len(changed) > 15
    assert changed.min() > rows.min() + 0.35 * np.ptp(rows)


def test_floor_is_added_below_the_animal_only(mask: Levels) -> None:
    added = [with_floor(mask, seed).astype(int) - mask for seed in range(6)]
    assert all(a.min() == 0 for a in added)
    sizes = np.array([(a > 127).sum() for a in added])
    assert sizes.mean() > 12
    assert len(set(sizes.tolist())) > 1
    y, x = (added[int(sizes.argmax())] > 127).nonzero()
    assert ((mask > 127).cumsum(axis=0)[y, x] > 0).all()  # the animal is above each pixel


def test_the_end_of_the_tail_is_missing(mask: Levels) -> None:
    columns = np.flatnonzero((mask > 127).any(axis=0))
    for seed in range(6):
        lost = mask.astype(int) - without_tail_tip(mask, seed)
        assert lost.min() == 0
        x = (lost > 127).nonzero()[1]
        assert 2 <= len(x) < 0.12 * area(mask)
        ends = x.min() - columns.min(), columns.max() - x.max()
        assert min(ends) <= 1  # at the end
        assert np.ptp(x) < 0.5 * np.ptp(columns)


def test_a_limb_is_missing_and_the_tail_is_not(mask: Levels) -> None:
    lost = [(mask.astype(int) - without_limb(mask, seed)) > 127 for seed in range(6)]
    tip = (mask.astype(int) - without_tail_tip(mask, 0)) > 127
    assert any(part.any() for part in lost)
    assert not any((part & tip).any() for part in lost)


def test_a_hole_is_inside_and_edges_become_hard(mask: Levels) -> None:
    lost = (mask.astype(int) - with_hole(mask, 1)) > 127
    assert 3 <= lost.sum() < 0.05 * area(mask)
    assert set(np.unique(hard_edges(mask)).tolist()) == {0, 255}
    assert abs(area(hard_edges(mask)) - area(mask)) < 0.02 * area(mask)


def test_tips_are_missing_as_often_as_in_real_masks(mask: Levels) -> None:
    """84 % of real masks reach the tip (docs/evidence/mask-quality.md); outlines are off by 1 to 2 % of the size."""
    noise = MaskNoise(grown=0.0, wavy=0.0, feet=0.0, floor=0.0, limb=0.0, hole=0.0, hard=0.0)
    whole = np.mean([np.array_equal(noise.apply(mask, seed), mask) for seed in range(80)])
    assert 0.76 < whole < 0.92
    noise = MaskNoise(floor=0.0, tail_tip=0.0, limb=0.0, hole=0.0, hard=0.0)
    off = [np.abs(noise.apply(mask, s).astype(float) - mask).sum() / 255 / outline(mask) for s in range(30)]
    assert 0.007 < np.mean(off) / subject_size(mask) < 0.027


@pytest.mark.parametrize("change", [without_tail_tip, without_limb])
def test_a_mirrored_mask_loses_the_mirrored_part(mask: Levels, change: Callable[[Levels, int], Levels]) -> None:
    for seed in range(8):
        mirrored = np.ascontiguousarray(mask[:, ::-1])
        np.testing.assert_array_equal(change(mirrored, seed)[:, ::-1], change(mask, seed))


def test_an_even_kernel_is_noticed() -> None:
    mask = np.zeros((9, 9), np.uint8)
    with pytest.raises(AssertionError, match="a kernel of 2 x 2 moves the mask"):
        cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((2, 2), np.uint8))
    with pytest.raises(AssertionError, match="a kernel of 1 x 4 moves the mask"):
        cv2.dilate(mask, kernel=np.ones((1, 4), np.uint8))
    assert not cv2.dilate(cv2.erode(mask, np.ones((2, 2)), anchor=(1, 1)), np.ones((2, 2)), anchor=(0, 0)).any()
