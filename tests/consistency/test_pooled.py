"""One change per camera over several samples: a tenth of a per cent is found, exact samples stay silent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mouselift.consistency.hypotheses import deviations
from mouselift.consistency.pooled import Pool
from mouselift.dataset.sample import Sample
from mouselift.geometry.outlines import outline_of
from mouselift.geometry.tangent_planes import tangent_planes
from mouselift.synthetic import faults

TIMES = (0.5, 1.3, 2.1, 3.4)


def pool_of(samples: list[Sample]) -> Pool:
    pool = Pool(samples[0].names)
    for sample in samples:
        outlines = [outline_of(view.alpha) for view in sample.views]
        found = tangent_planes([view.camera for view in sample.views], outlines)
        pool.add(sample.names, found, deviations(found, outlines))
    return pool


def test_exact_samples_are_silent_and_small_faults_are_not(make_exact: Callable[..., Sample]) -> None:
    exact = [make_exact(time) for time in TIMES]
    silent = pool_of(exact).verdict()
    assert silent is not None
    assert not silent.guilty
    rng = np.random.default_rng(0)
    scaled = pool_of([faults.view_scale(s, rng, scale=1.003, view=2).sample for s in exact]).verdict()
    assert scaled is not None
    assert scaled.guilty
    assert scaled.camera == exact[0].names[2]
    assert scaled.change[0] == pytest.approx(np.log(1.003), abs=1e-3)
    assert scaled.samples == len(TIMES)


def test_pools_add_up(make_exact: Callable[..., Sample]) -> None:
    samples = [faults.view_shift(make_exact(t), np.random.default_rng(1), pixels=0.5, view=4).sample for t in TIMES]
    whole, first = pool_of(samples), pool_of(samples[:2])
    first.merge(pool_of(samples[2:]))
    one, two = whole.verdict(), first.verdict()
    assert one is not None
    assert two is not None
    assert one.camera == two.camera == samples[0].names[4]
    assert one.score == pytest.approx(two.score)
    assert Pool(["a"]).verdict() is None
    with pytest.raises(ValueError, match="expected the cameras"):
        first.merge(Pool(["a"]))
