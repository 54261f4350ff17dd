"""Evenly spaced choices: the one rule by which frames, samples and values are thinned out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import comb
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def evenly_spaced(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items in their order, both ends included; all of them where there are no more.

    ValueError where `count` is below 1 and there are items.
    """
    if len(items) > count < 1:
        raise ValueError(f"evenly_spaced: expected a count of at least 1, got {count}")
    return [items[k] for k in _places(len(items), count)]


def some_combinations(n: int, size: int, count: int) -> list[tuple[int, ...]]:
    """`evenly_spaced` of all combinations of `size` out of 0 .. n - 1, in the order of itertools, without listing them.

    Of three out of 400 there are ten million.

    >>> some_combinations(5, 2, 3)
    [(0, 1), (1, 2), (3, 4)]
    """
    return [_combination(place, n, size) for place in _places(comb(n, size), count)]


def _places(total: int, count: int) -> list[int]:
    return list(range(total)) if total <= count else np.linspace(0, total - 1, count).round().astype(int).tolist()


def _combination(place: int, n: int, size: int) -> tuple[int, ...]:
    """The one at `place` in the order of itertools: those that begin with 0 come first, then those with 1."""
    chosen: list[int] = []
    for left in range(size, 0, -1):
        first = chosen[-1] + 1 if chosen else 0
        total = comb(n - first, left)  # less those that begin with k or later: how many begin earlier
        k = bisect_right(range(first, n), place, key=lambda k: total - comb(n - k, left)) + first - 1
        chosen.append(k)
        place -= total - comb(n - k, left)
    return tuple(chosen)
