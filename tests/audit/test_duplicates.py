"""Twins are found, poses that merely resemble each other are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mouselift.audit.leaks import ALIKE, Likeness, duplicate_samples, likeness, nearest_likeness
from mouselift.dataset.sample import Sample


def like(sample: Sample, digest: int = 0) -> Likeness:
    return likeness([view.alpha for view in sample.views], range(digest, digest + len(sample.views)))


def test_same_bytes_are_one_finding() -> None:
    cells = np.zeros(64, dtype=np.uint8)
    seen = [Likeness((1, 2), cells), Likeness((1, 3), cells), Likeness((1, 2), cells), Likeness((), cells[:0])]
    found = duplicate_samples(["a", "b", "c", "d"], seen)
    assert [f.code for f in found] == ["duplicate-sample"]
    assert found[0].sample == "c"
    assert found[0].value == 1
    assert "c repeats a" in found[0].message
    assert duplicate_samples(["a", "b"], seen[:2]) == []


def test_a_pose_resembles_itself_and_not_another(make_exact: Callable[..., Sample]) -> None:
    """0.01 s later the mouse has hardly moved; a second later it has."""
    now, next_frame, later = (like(make_exact(time)) for time in (0.5, 0.51, 1.5))
    distance, place = nearest_likeness([next_frame], [later, now])
    assert place == [1]
    assert distance[0] < ALIKE
    distance, _ = nearest_likeness([later], [now, next_frame])
    assert distance[0] > 2 * ALIKE


def test_alike_though_encoded_again(make_exact: Callable[..., Sample]) -> None:
    sample = make_exact(0.5)
    noisy = [np.clip(v.alpha + np.random.default_rng(0).integers(-3, 4, v.alpha.shape), 0, 255) for v in sample.views]
    again = likeness([alpha.astype(np.uint8) for alpha in noisy], range(6))
    assert nearest_likeness([again], [like(sample)])[0][0] < ALIKE


def test_only_equal_numbers_of_views_compare() -> None:
    one = Likeness((1,), np.full(64, 9, dtype=np.uint8))
    two = Likeness((1, 2), np.full(128, 9, dtype=np.uint8))
    distance, place = nearest_likeness([one, two], [two])
    assert place == [None, 0]
    assert distance.tolist() == [np.inf, 0.0]


def test_distance_is_in_levels() -> None:
    a = Likeness((1,), np.zeros(64, dtype=np.uint8))
    b = Likeness((2,), np.full(64, 7, dtype=np.uint8))
    assert nearest_likeness([a], [b])[0][0] == pytest.approx(7.0)
