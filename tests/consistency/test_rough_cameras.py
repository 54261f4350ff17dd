"""Cameras under rough masks: what masks excuse, and what they must not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

import faults
from mouselift.array_types import Levels
from mouselift.audit.sample import compare_views
from mouselift.consistency.cameras import CameraCheck, check_cameras
from mouselift.consistency.rough_masks import least_stretched
from mouselift.dataset.sample import Sample
from mouselift.geometry.outlines import outline_of
from rough_masks import Roughness

RNG = np.random.default_rng
TIMES = (0.5, 1.3, 2.1, 3.4)
TAILLESS = Roughness(grown_px=None)


def check(sample: Sample) -> CameraCheck:
    return check_cameras(sample, [outline_of(view.alpha, 0.01) for view in sample.views])


def ragged_views(sample: Sample, seed: int = 0) -> Sample:
    """Every mask lacks discs of 4 to 12 px around half of its hull's corners: no two views lack the same."""
    rng = RNG(seed)

    def bitten(alpha: Levels) -> Levels:
        out = alpha.copy()
        outline = outline_of(alpha)
        assert outline is not None
        for at in outline.convex[rng.uniform(size=len(outline.convex)) < 0.5]:
            cv2.circle(out, (int(at[0]), int(at[1])), int(rng.integers(4, 13)), (0,), cv2.FILLED)
        return out

    return replace(sample, views=tuple(replace(view, alpha=bitten(view.alpha)) for view in sample.views))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("time", TIMES)
def test_a_view_without_its_tail_blames_no_camera(time: float, seed: int, make_exact: Callable[..., Sample]) -> None:
    found = check(faults.rough(make_exact(time), RNG(seed), what=TAILLESS).sample)
    assert found.hypothesis.kind in ("none", "masks")
    assert not found.faulty


@pytest.mark.parametrize("time", TIMES)
def test_a_camera_is_found_beside_a_lost_tail(time: float, make_exact: Callable[..., Sample]) -> None:
    rough = faults.rough(make_exact(time), RNG(1), what=TAILLESS)
    other = (int(rough.values["tailless_view"]) + 2) % 6
    for spoiled in (
        faults.view_shift(rough.sample, RNG(2), pixels=4.0, view=other),
        faults.view_scale(rough.sample, RNG(2), scale=1.05, view=other),
    ):
        found = check(spoiled.sample)
        assert found.hypothesis.kind == "view"
        assert found.hypothesis.view == other


@pytest.mark.parametrize("view", range(6))
@pytest.mark.parametrize("scale", [1.01, 1.02, 1 / 1.02])
def test_a_scale_is_not_excused_by_a_fat_mask(scale: float, view: int, make_exact: Callable[..., Sample]) -> None:
    found = check(faults.view_scale(make_exact(2.1), RNG(0), scale=scale, view=view).sample)
    assert found.hypothesis.kind == "view"
    assert found.hypothesis.view == view


def test_what_a_fat_mask_explains_less_well_is_said(make_exact: Callable[..., Sample]) -> None:
    said = 0
    for view in range(6):
        found = check(faults.view_scale(make_exact(2.1), RNG(0), scale=1.02, view=view).sample)
        said += "too fat, which explains it less well" in found.findings[0].message
        assert not found.rough
    assert said > 0


@pytest.mark.parametrize("fault", ["mirrored_view", "copied_calibration", "anisotropic", "swapped_views"])
@pytest.mark.parametrize("time", TIMES)
def test_masks_do_not_excuse_what_no_mask_does(fault: str, time: float, make_exact: Callable[..., Sample]) -> None:
    found = check(faults.FAULTS[fault](make_exact(time), RNG(4)).sample)
    assert found.faulty


def test_one_stretch_of_all_images_is_told_from_rags(exact: Sample) -> None:
    stretched = check(faults.anisotropic(exact, RNG(0), ratio=1.2).sample).tangency.planes
    assert least_stretched(stretched) < 0.5
    rags = check(ragged_views(exact)).tangency.planes
    assert least_stretched(rags) > 0.8


def test_ragged_masks_pass_with_a_warning_and_exchanged_cameras_fail(make_exact: Callable[..., Sample]) -> None:
    """Of four samples, one may fail (a change of all cameras can explain rags by chance); exchanged ones all do."""
    passed = 0
    for seed, time in enumerate(TIMES):
        rags = ragged_views(make_exact(time), seed)
        seen = compare_views(rags)
        if seen.check.by_opened:
            assert seen.judged
            assert not seen.check.faulty
            (rough,) = seen.check.findings
            assert (rough.code, rough.severity) == ("masks-rough", "warning")
            assert rough.value is not None
            assert rough.limit is not None
            assert rough.value > rough.limit  # so that the worst sample comes first
            passed += 1
        exchanged = [rags.views[1].camera, rags.views[0].camera, *(view.camera for view in rags.views[2:])]
        views = tuple(replace(view, camera=c) for view, c in zip(rags.views, exchanged, strict=True))
        assert check(replace(rags, views=views)).faulty
    assert passed >= 3


@pytest.mark.parametrize("size", [64, 160])
def test_tiny_subjects_blame_no_camera(size: int, make_exact: Callable[..., Sample]) -> None:
    for time in (0.2, 1.1, 2.4):
        sample = make_exact(time, "per-sample", size)
        assert not check(sample).faulty
    swapped = check(faults.swapped_views(sample, RNG(0)).sample)
    assert swapped.faulty or not swapped.judged
    assert swapped.faulty == (size == 160)
