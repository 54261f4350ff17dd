"""Detection: exact samples are silent, small faults are found and the right view named, rough masks are told apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import faults
from mouselift.consistency.cameras import CameraCheck, check_cameras
from mouselift.consistency.hypotheses import choose_hypothesis
from mouselift.consistency.outline_noise import NOISE_PX
from mouselift.dataset.sample import Sample
from mouselift.geometry.outlines import outline_of
from rough_masks import Roughness

RNG = np.random.default_rng
TIMES = (0.5, 1.3, 2.1, 3.4)


def check(sample: Sample) -> CameraCheck:
    return check_cameras(sample, [outline_of(view.alpha, 0.01) for view in sample.views])


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("preset", ["per-sample", "canonical"])
def test_exact_samples_are_silent(time: float, preset: str, make_exact: Callable[..., Sample]) -> None:
    found = check(make_exact(time, preset))
    assert found.hypothesis.kind == "none"
    assert found.findings == ()
    assert found.judged
    assert not found.faulty
    assert found.hypothesis.noise_px < 3 * NOISE_PX


@pytest.mark.parametrize("view", range(6))
@pytest.mark.parametrize("fault", ["half a per cent", "one pixel", "half a pixel", "eight per cent", "thirty pixels"])
def test_one_view_is_found_and_named(fault: str, view: int, make_exact: Callable[..., Sample]) -> None:
    sample, rng = make_exact(1.3), RNG(view)
    injected = {
        "half a per cent": lambda: faults.view_scale(sample, rng, scale=1.005, view=view),
        "one pixel": lambda: faults.view_shift(sample, rng, pixels=1.0, view=view),
        "half a pixel": lambda: faults.view_shift(sample, rng, pixels=0.5, view=view),
        "eight per cent": lambda: faults.view_scale(sample, rng, scale=1.08, view=view),
        "thirty pixels": lambda: faults.view_shift(sample, rng, pixels=30.0, view=view),
    }[fault]()
    found = check(injected.sample)
    assert found.faulty
    assert found.hypothesis.kind == "view"
    assert found.hypothesis.view == view
    finding = found.findings[0]
    assert (finding.code, finding.camera) == ("tangency", sample.views[view].name)
    assert finding.value is not None
    assert finding.limit is not None
    assert finding.value > finding.limit
    s, dx, dy = found.hypothesis.change
    values = injected.values
    # First order: good for small changes, rough for large ones (the diagnosis fits those).
    moved = float(np.hypot(values.get("dx", 0.0), values.get("dy", 0.0)))
    scale = values.get("scale", 1.0)
    assert np.exp(s) == pytest.approx(scale, abs=0.004 + 0.15 * abs(scale - 1) + 0.004 * moved)
    if "dx" in values:
        miss = float(np.hypot(dx - values["dx"], dy - values["dy"]))
        assert miss < 0.4 + 0.1 * float(np.hypot(values["dx"], values["dy"]))


@pytest.mark.parametrize("sign", [-0.5, 0.5])
@pytest.mark.parametrize("time", TIMES)
def test_half_a_pixel_in_all_views(sign: float, time: float, make_exact: Callable[..., Sample]) -> None:
    found = check(faults.half_pixel_all(make_exact(time), RNG(0), pixels=sign).sample)
    assert found.hypothesis.kind == "all"
    assert found.faulty


@pytest.mark.parametrize("k1", [-0.2, 0.1])
@pytest.mark.parametrize("time", TIMES)
def test_a_lens_that_was_left_is_told_with_its_k1(time: float, k1: float, make_exact: Callable[..., Sample]) -> None:
    """It moves the subject's pixels by 2 to 8 px, but leaves less than a scale or a shift would have to."""
    exact, injected = make_exact(time), faults.lens_left(make_exact(time), RNG(0), k1=k1)
    found = check(injected.sample)
    assert found.faulty
    assert found.hypothesis.kind == "lens"
    value, sigma = found.hypothesis.k1
    assert 0.003 < sigma < 0.03
    assert value == pytest.approx(k1, abs=2 * sigma)
    assert f"k1 = {value:.2f} +- {sigma:.2f}" in found.findings[0].message
    before, after = check(exact).hypothesis, found.hypothesis
    assert before.kind == "none"
    assert before.best[3] < 0.5 * before.limits[3] < 0.5 * after.best[3]
    # So little of it that k1 is half of what the limit is passed by: no finding.
    small = check(faults.lens_left(exact, RNG(0), k1=0.5 * k1 * np.sqrt(after.limits[3] / after.best[3])).sample)
    assert small.findings == ()


def test_a_grown_mask_is_not_a_lens(make_exact: Callable[..., Sample]) -> None:
    what = Roughness(grown_px=(1.5, 1.5), tail_lost=0.0, holes=0)
    found = [check(faults.rough(make_exact(time), RNG(1), what=what).sample).hypothesis.kind for time in TIMES]
    assert "lens" not in found


@pytest.mark.parametrize(
    "fault", ["r_transposed", "c2w_for_w2c", "swapped_views", "centre_moved", "k_transposed", "anisotropic", "legacy"]
)
def test_gross_faults_never_pass(fault: str, exact: Sample) -> None:
    found = check(faults.FAULTS[fault](exact, RNG(3)).sample)
    assert found.faulty or not found.judged


@pytest.mark.parametrize("time", TIMES)
def test_a_grown_mask_is_not_a_wrong_camera(time: float, make_exact: Callable[..., Sample]) -> None:
    """Told as what it is, with how much; a real fault beside it is still found."""
    what = Roughness(grown_px=(4.0, 4.0), tail_lost=0.0)
    injected = faults.rough(make_exact(time), RNG(1), what=what)
    found = check(injected.sample)
    assert found.hypothesis.kind == "masks"
    assert found.rough
    assert not found.faulty
    masks = found.hypothesis.masks
    assert masks is not None
    assert masks.fat_view == injected.values["grown_view"]
    assert masks.fat_px == pytest.approx(4.0, abs=0.5)
    other = (injected.views[0] + 2) % 6
    both = check(faults.view_shift(injected.sample, RNG(2), pixels=6.0, view=other).sample)
    assert both.hypothesis.kind == "view"
    assert both.hypothesis.view == other


def test_too_few_planes_is_unknown_never_a_pass(exact: Sample) -> None:
    blank = np.zeros_like(exact.views[0].alpha)
    views = tuple(replace(v, alpha=blank) if k > 1 else v for k, v in enumerate(exact.views))
    found = check(replace(exact, views=views))
    assert found.hypothesis.kind == "unknown"
    assert not found.judged
    assert [finding.code for finding in found.findings] == ["tangency-unknown"]


def test_one_plane_alone_decides_nothing(exact: Sample) -> None:
    """A single tangent point off by pixels (an ear that one mask lacks) blames no camera of the exact sample."""
    found = check(exact)
    planes = found.tangency.planes
    angle = planes.angle.copy()
    angle[4] += 1.5 * float(np.linalg.norm(planes.gradient[4]))
    assert choose_hypothesis(replace(planes, angle=angle), found.outlines).kind in ("none", "masks")
