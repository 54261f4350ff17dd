"""Evenly spaced choices keep order and ends, and never repeat an item."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mouselift.sampling import evenly_spaced, some_combinations


@given(st.integers(0, 200), st.integers(1, 60))
def test_order_ends_and_number(total: int, count: int) -> None:
    chosen = evenly_spaced(range(total), count)
    assert len(chosen) == min(total, count)
    assert chosen == sorted(set(chosen))
    if total and count > 1:
        assert (chosen[0], chosen[-1]) == (0, total - 1)


def test_steps_differ_by_one_at_most() -> None:
    chosen = evenly_spaced(range(101), 11)
    assert chosen == list(range(0, 101, 10))


def test_no_item_of_many_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        evenly_spaced([1, 2], 0)


@given(st.integers(0, 9), st.integers(0, 4), st.integers(1, 40))
def test_combinations_are_those_of_a_list(n: int, size: int, count: int) -> None:
    assert some_combinations(n, size, count) == evenly_spaced(list(combinations(range(n), size)), count)


def test_combinations_of_many_are_not_listed() -> None:
    assert some_combinations(100_000, 3, 3)[-1] == (99_997, 99_998, 99_999)
