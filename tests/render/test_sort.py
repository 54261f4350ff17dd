"""Sorting by depth: exactly, whatever the depths, and stable."""

from __future__ import annotations

import numpy as np
import pytest

from mouselift.render.cpu import front_to_back

RNG = np.random.default_rng(3)
CASES = {
    "usual": RNG.uniform(0.2, 4.0, 5000),
    "one unit in the last place apart": 2.7 + np.spacing(2.7) * RNG.permutation(3000),
    "far apart": 10.0 ** RNG.uniform(-0.6, 300, 2000),
    "many equal": RNG.integers(1, 20, 4000).astype(np.float64),
    "all equal": np.full(100, 1.5),
    "one": np.array([2.0]),
    "none": np.empty(0),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("unseen", [0.0, 0.3, 1.0])
def test_like_a_stable_sort(case: str, unseen: float) -> None:
    depths = CASES[case].copy()
    depths[RNG.random(len(depths)) < unseen] = -1.0
    seen = np.flatnonzero(depths >= 0)
    want = seen[np.argsort(depths[seen], kind="stable")]
    np.testing.assert_array_equal(front_to_back(depths), want)
    np.testing.assert_array_equal(depths[front_to_back(depths)], np.sort(depths[seen]))


def test_float32_would_not_do() -> None:
    """Depths that float32 cannot tell apart: sorted in float32 they keep the wrong order."""
    depths = CASES["one unit in the last place apart"]
    assert not np.array_equal(front_to_back(depths), np.argsort(depths.astype(np.float32), kind="stable"))
