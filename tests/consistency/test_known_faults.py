"""Half a pixel and a lens have sizes: whether they are likelier than nothing is asked, not how much they explain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import faults
from exact_samples import make_sample
from mouselift.consistency import hypotheses, known_faults
from mouselift.consistency.cameras import check_sample
from mouselift.consistency.known_faults import KNOWN_FAULTS, KnownFault, known_fault
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.explain import Seen, diagnose, explain, problem_of
from other_rigs import ring_rig

_TIPS = [np.arange(4)]  # planes at one tip


@pytest.fixture(scope="module")
def on_an_arc() -> Callable[[float], Sample]:
    """Six views of 256 px at one elevation, on 120 degrees: they say little of a shift of all views."""
    rig = ring_rig(6, (20.0,), jitter_deg=2.0, seed=13, span_deg=120.0)
    return lambda instant: make_sample(instant, "canonical", 256, rig)


def found(z: np.ndarray, columns: np.ndarray, floor: float = 1.0) -> KnownFault | None:
    def covariance(kept: slice) -> np.ndarray:
        return np.eye(len(z))[kept, kept]  # independent residuals

    return known_fault(z, columns @ KNOWN_FAULTS.T, floor, covariance, _TIPS)


def spread(strength: float) -> np.ndarray:
    """Columns [40, 3] of shifts and k1, of equal share in all planes but in turns."""
    columns = np.zeros((40, 3))
    columns[0::2, 0] = columns[1::2, 2] = strength
    return columns


@pytest.mark.parametrize("sign", [1, -1])
def test_half_a_pixel_is_told_from_nothing_and_from_a_quarter(sign: int) -> None:
    columns = spread(2.0)
    fault = found(sign * 0.5 * columns[:, 0], columns)
    assert fault is not None
    assert (fault.kind, fault.change) == ("all", (0.0, 0.5 * sign, 0.5 * sign))
    assert found(np.zeros(40), columns) is None
    assert found(sign * 0.2 * columns[:, 0], columns) is None  # nearer to nothing


def test_a_lens_is_found_by_its_own_sign_only() -> None:
    columns = spread(10.0)
    fault = found(-0.15 * columns[:, 2], columns)
    assert fault is not None
    assert fault.kind == "lens"
    assert found(0.15 * columns[:, 2], columns) is None  # pincushion: not what lenses leave


def test_a_lens_has_any_size_that_lenses_have() -> None:
    """Where a k1 of -0.1 hardly shows, -0.3 does; where it shows well, half of it is none that anyone left."""
    hardly, well = spread(2.5), spread(9.0)
    fault = found(-0.3 * hardly[:, 2], hardly)
    assert fault is not None
    assert fault.kind == "lens"
    assert found(-0.1 * hardly[:, 2], hardly) is None
    assert found(-0.055 * well[:, 2], well) is None
    assert found(-0.1 * well[:, 2], well) is not None


def test_no_fault_on_the_word_of_one_tip_or_under_rough_masks() -> None:
    columns = spread(2.0)
    z = 0.5 * columns[:, 0]
    assert found(z, columns, floor=16.0) is None
    z = np.where(np.arange(40) < 4, 20 * z, 0.0)  # planes of `_TIPS`
    assert z @ columns[:, 0] > 0.5 * columns[:, 0] @ columns[:, 0]
    assert found(z, columns) is None


def test_planes_that_err_alike_count_once() -> None:
    """All that say it share one error: they are one measurement, and no surer than that."""
    columns, alike = spread(0.8), np.arange(40) % 2 == 0

    def asked(shared: float) -> KnownFault | None:
        own = np.eye(40) + shared * np.outer(alike, alike)
        z, known = 0.5 * columns[:, 0], columns @ KNOWN_FAULTS.T
        return known_fault(z, known, 1.0, lambda kept: own[kept, kept], _TIPS)

    assert asked(0.0) is None
    columns = spread(2.0)
    assert asked(0.0) is not None
    assert asked(1.0) is None


def test_ratios_without_some_planes_are_those_of_the_others() -> None:
    rng = np.random.default_rng(0)
    z, column, mix = rng.normal(size=12), rng.normal(size=12), rng.normal(size=(12, 30))
    covariance, tip = mix @ mix.T / 30, np.array([2, 3, 7])
    products, squares = known_faults._products(z, column, np.linalg.inv(covariance), [tip])
    for row, gone in enumerate([np.array([], int), *np.arange(12)[:, None], tip]):
        kept = np.setdiff1d(np.arange(12), gone)
        weights = np.linalg.solve(covariance[np.ix_(kept, kept)], column[kept])
        assert products[row] == pytest.approx(weights @ z[kept])
        assert squares[row] == pytest.approx(weights @ column[kept])


def test_of_very_many_planes_some_are_asked() -> None:
    asked, count = list[slice](), 2500
    columns = np.zeros((count, 3))
    columns[:, 0] = 0.5

    def covariance(kept: slice) -> np.ndarray:
        asked.append(kept)
        return np.eye(len(range(count)[kept]))

    tips = [np.arange(4), np.array([1, 2]), np.arange(0, count, 3)]  # the last: all that are asked
    z, known = 0.5 * columns[:, 0], columns @ KNOWN_FAULTS.T
    found = known_fault(z, known, 1.0, covariance, tips[:2])
    assert asked == [slice(None, None, 3)]
    assert found is not None
    assert found.score == pytest.approx(834 / (1 + known_faults._OWN_SHARE) * 0.5**2 * 0.5**2 / 2)
    assert known_fault(z, known, 1.0, covariance, tips) is None


def test_a_lens_that_the_check_has_found_is_named_though_a_fit_hardly_needs_it(
    on_an_arc: Callable[[float], Sample],
) -> None:
    lens = faults.lens_left(on_an_arc(4.4), np.random.default_rng(1), k1=-0.2).sample
    problem, seen = [problem_of(lens)], Seen("lens", None)
    alone, told = explain(problem, lens.names).cause, explain(problem, lens.names, seen=seen).cause
    assert alone is not None
    assert told is not None
    assert (alone.code, told.code) == ("unexplained", "lens-left")
    # Where values of single views fit far better, it stays among the causes that are given.
    scaled = faults.view_scale(on_an_arc(4.4), np.random.default_rng(1), view=2, scale=1.02).sample
    problem = [problem_of(scaled)]
    alone, told = explain(problem, scaled.names).cause, explain(problem, scaled.names, seen=seen).cause
    assert alone is not None
    assert told is not None
    assert alone.code == told.code == "view-scale"
    assert ("lens-left" in alone.ambiguous_with, "lens-left" in told.ambiguous_with) == (False, True)


def test_what_explains_too_little_by_itself_is_named(
    on_an_arc: Callable[[float], Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such samples had passed."""
    half = faults.half_pixel_all(on_an_arc(44.6), np.random.default_rng(1)).sample
    lens = faults.lens_left(on_an_arc(29.4), np.random.default_rng(1), k1=-0.15).sample
    for sample, kind, code in ((half, "all", "all-half-pixel"), (lens, "lens", "lens-left")):
        check = check_sample(sample)
        assert (check.hypothesis.kind, check.faulty) == (kind, True)
        cause = diagnose(sample).cause
        assert cause is not None
        assert code == cause.code or code in cause.ambiguous_with
    alone = explain([problem_of(half)], half.names).cause  # without the check's word, which knows every plane's noise
    assert alone is not None
    assert alone.code == "unexplained"
    monkeypatch.setattr(hypotheses, "known_fault", lambda *_: None)
    assert not check_sample(half).faulty
    assert not check_sample(lens).faulty


def test_exact_samples_have_no_fault_of_a_known_size(on_an_arc: Callable[[float], Sample]) -> None:
    for instant in (2.2, 9.0, 12.4, 29.4):
        assert check_sample(on_an_arc(instant)).hypothesis.kind == "none"
