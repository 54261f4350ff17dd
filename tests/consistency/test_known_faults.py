"""Half a pixel and a lens have sizes: whether they are likelier than nothing is asked, not how much they explain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import faults
from exact_samples import make_sample
from mouselift.consistency import hypotheses
from mouselift.consistency.cameras import check_sample
from mouselift.consistency.hypotheses import KnownFault, known_fault
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.explain import diagnose, explain, problem_of
from other_rigs import ring_rig

_TIPS = [np.arange(4)]  # planes at one tip


@pytest.fixture(scope="module")
def on_an_arc() -> Callable[[float], Sample]:
    """Six views of 256 px at one elevation, on 120 degrees: they say little of a shift of all views."""
    rig = ring_rig(6, (20.0,), jitter_deg=2.0, seed=13, span_deg=120.0)
    return lambda instant: make_sample(instant, "canonical", 256, rig)


def found(z: np.ndarray, columns: np.ndarray, floor: float = 1.0) -> KnownFault | None:
    def variance(own: np.ndarray) -> np.ndarray:
        return (own**2).sum(axis=0)  # independent residuals

    return known_fault(z, columns, columns.T @ columns, floor, variance, lambda: _TIPS)


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
