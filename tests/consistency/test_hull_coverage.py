"""The hull of all views covers exact silhouettes wholly; wrong cameras, masks and matrices are seen and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import process_time

import numpy as np
import pytest

import faults
from hull_reference import covered
from mouselift.consistency.hull_coverage import COVERAGE, HullCoverage, coverage_findings, hull_coverage
from mouselift.dataset.sample import Sample
from mouselift.geometry.outlines import HALF_LEVEL
from mouselift.geometry.visual_hull import carve

RNG = np.random.default_rng


def of(sample: Sample) -> HullCoverage:
    return hull_coverage([view.camera for view in sample.views], [view.alpha for view in sample.views])


@pytest.mark.parametrize("preset", ["per-sample", "per-view", "canonical"])
def test_exact_samples_are_covered(preset: str, make_exact: Callable[..., Sample]) -> None:
    sample = make_exact(2.1, preset)
    found = of(sample)
    assert found.least > 0.999
    assert found.faulty_view is None
    assert coverage_findings(sample, found) == ()


def test_slow_twin_is_covered_less_and_no_more(exact: Sample) -> None:
    """The twin asks cell centres and loses thin parts; what it covers, the fast one covers too."""
    spoiled = faults.view_shift(exact, RNG(0), pixels=25.0, view=1).sample
    cameras = [view.camera for view in spoiled.views]
    masks = [view.alpha >= HALF_LEVEL for view in spoiled.views]
    hull = carve(cameras, masks, np.zeros(3), 0.9, 96)
    slow = np.array([covered(hull, camera, mask) for camera, mask in zip(cameras, masks, strict=True)])
    fast = of(spoiled).coverage
    assert (fast >= slow - 0.01).all()
    assert np.abs(fast - slow).max() < 0.15
    assert abs(int(fast.argmin()) - int(slow.argmin())) == 0


@pytest.mark.parametrize("fault", ["mirrored", "scaled", "shifted"])
@pytest.mark.parametrize("view", [0, 3])
def test_a_wrong_view_is_named(fault: str, view: int, exact: Sample) -> None:
    spoiled = {
        "mirrored": lambda: faults.mirrored_view(exact, RNG(1), view=view),
        "scaled": lambda: faults.view_scale(exact, RNG(1), scale=0.75, view=view),
        "shifted": lambda: faults.view_shift(exact, RNG(1), pixels=40.0, view=view),
    }[fault]().sample
    found = of(spoiled)
    assert found.least < COVERAGE
    assert found.faulty_view == view
    (finding,) = coverage_findings(spoiled, found)
    assert finding.camera == exact.views[view].name
    assert finding.severity == "error"
    assert coverage_findings(spoiled, found, rough=True)[0].severity == "warning"
    assert coverage_findings(spoiled, found, cut=True) == ()


@pytest.mark.parametrize("fault", ["r_transposed", "c2w_for_w2c", "opengl_axes", "k_transposed", "swapped_views"])
def test_wrong_conventions_are_not_covered(fault: str, exact: Sample) -> None:
    assert of(faults.FAULTS[fault](exact, RNG(2)).sample).least < 0.9


def test_views_without_masks(exact: Sample) -> None:
    empty = replace(exact.views[2], alpha=np.zeros_like(exact.views[2].alpha))
    sample = replace(exact, views=(*exact.views[:2], empty, *exact.views[3:]))
    found = of(sample)
    assert np.isnan(found.coverage[2])
    assert found.least > 0.999
    assert np.isnan(hull_coverage([exact.views[0].camera], [exact.views[0].alpha]).least)
    with pytest.raises(ValueError, match="one alpha"):
        hull_coverage([exact.views[0].camera], [])


def test_speed(exact: Sample) -> None:
    """At least ten six-view samples a second and core; measured 24. The limit allows for a loaded machine."""
    start = process_time()
    for _ in range(3):
        of(exact)
    assert (process_time() - start) / 3 < 0.4
