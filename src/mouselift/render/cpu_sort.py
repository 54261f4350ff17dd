"""Compiled sorting by depth."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from mouselift.render.cpu_project import COMPILE

_BITS = 11  # a digit
_DIGITS = 6  # 66 bits hold a float64


@njit(**COMPILE)
@no_type_check
def order_by(depths):
    """Indices of the depths (float64) that are not negative, in their order, exactly; equal depths keep theirs.

    Radix sort: positive floats have the order of their bits. Digits that all share are passed over.
    """
    mask = np.uint64((1 << _BITS) - 1)
    bits, keys, other_keys = depths.view(np.uint64), np.empty(len(depths), np.uint64), np.empty(len(depths), np.uint64)
    here, there = np.empty(len(depths), np.int32), np.empty(len(depths), np.int32)
    starts = np.zeros((_DIGITS, 1 << _BITS), np.int32)
    count = 0
    for i in range(len(depths)):
        if depths[i] < 0:
            continue
        key = bits[i]
        keys[count], here[count] = key, i
        count += 1
        for digit in range(_DIGITS):
            starts[digit, (key >> np.uint64(_BITS * digit)) & mask] += 1
    for digit in range(_DIGITS):
        places, shift = starts[digit], np.uint64(_BITS * digit)
        if count == 0 or places[(keys[0] >> shift) & mask] == count:
            continue
        total = 0
        for value in range(1 << _BITS):
            size = places[value]
            places[value] = total
            total += size
        for i in range(count):
            value = (keys[i] >> shift) & mask
            place = places[value]
            places[value] = place + 1
            other_keys[place], there[place] = keys[i], here[i]
        keys, other_keys = other_keys, keys
        here, there = there, here
    return here[:count]
