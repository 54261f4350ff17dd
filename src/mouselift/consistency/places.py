"""In how many places do the samples of one rig show the subject?

A mask errs alike as long as the subject stands where it stood: the background behind it, its shadow, its pose are the
same. So a hundred samples of one place say no more of cameras than one does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mouselift.consistency.sample_planes import SamplePlanes

_APART = 0.5  # of the subject's size (square root of its area), in some view


def distinct_places(samples: Sequence[SamplePlanes]) -> int:
    """The largest number that one pass finds of samples no two of which show the subject nearer than half its size.

    Directions in which views see it are compared, in units of its size there. Samples whose outlines say nothing count
    as one place together.
    """
    towards, reach = np.array([one.towards for one in samples]), np.array([one.reach for one in samples])
    kept: list[int] = []
    for number in range(len(samples)):
        away = np.linalg.norm(towards[number] - towards[kept], axis=2) / np.fmin(reach[number], reach[kept])
        if not kept or (np.fmax.reduce(away, axis=1, initial=-np.inf) >= _APART).all():
            kept.append(number)
    return len(kept)
