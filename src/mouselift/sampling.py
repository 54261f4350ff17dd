"""Evenly spaced choices: the one rule by which frames, samples and values are thinned out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def evenly_spaced(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items in their order, both ends included; all of them where there are no more.

    ValueError where `count` is below 1 and there are items.
    """
    if len(items) <= count:
        return list(items)
    if count < 1:
        raise ValueError(f"evenly_spaced: expected a count of at least 1, got {count}")
    return [items[k] for k in np.linspace(0, len(items) - 1, count).round().astype(int).tolist()]
