"""Which cameras stand out together: those without whom all the others agree.

Two cameras whose images were exchanged contradict everyone, so half of the pairs of any right camera may be bad, too:
comparing one camera with the rest names none, or one of the two. Here whole sets are compared: cameras are left out,
the one in most contradictions first, until no two of the rest contradict each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.geometry.outline_mismatch import LEAST_PX, ROUGH_PX
from mouselift.masks.quality import rounded_median

# Rates: `python benchmarks/inspect_limits.py` (docs/evidence/inspect-rates.md).
GROSS_RATIO = 6.0  # each one's mismatch with the rest over the rest's own
GROSS_SHARE = 0.6  # of the instants in which each of them is farther from the rest than any of the rest


class CamerasApart(msgspec.Struct, frozen=True):
    """Two cameras or more that contradict all the others, while these agree among themselves."""

    cameras: tuple[str, ...]
    px: float  # median |residual| of the pairs of one of them with one of the rest
    rest_px: float  # of the pairs of the rest


def cameras_apart(names: Sequence[str], residuals: Float64[Array, "n v v 2"]) -> CamerasApart | None:
    """None: no two or more stand out so grossly, or they are more than half of the cameras, so that any set might be.

    residuals: |pixels| of each view's tangent points from the tangent planes of another, by instant; NaN: says nothing.
    """
    pairs = _pair_medians(residuals)
    rest = _without_contradictions(pairs)
    apart = [view for view in range(len(names)) if view not in rest]
    if not 2 <= len(apart) <= len(rest):
        return None
    among = rounded_median(_known(residuals[:, rest][:, :, rest]), 4)
    if among is None or (len(rest) == 2 and among > LEAST_PX):  # one pair that agrees a little does so by chance
        return None
    limit = max(ROUGH_PX, GROSS_RATIO * max(among, LEAST_PX))
    own = [rounded_median(_known(_between(residuals, [view], rest)), 4) for view in apart]
    if any(px is None or px <= limit for px in own) or _share_outside(residuals, apart, rest) < GROSS_SHARE:
        return None
    px = rounded_median(_known(_between(residuals, apart, rest)), 4)
    assert px is not None  # of each of them it is known
    return CamerasApart(tuple(names[view] for view in apart), px, among)


def _pair_medians(residuals: Float64[Array, "n v v 2"]) -> Float64[Array, "v v"]:
    """Both ways and over all instants; NaN where nothing is known."""
    count = residuals.shape[1]
    medians = np.full((count, count), np.nan)
    for a in range(count):
        for b in range(a):
            known = _known(_between(residuals, [a], [b]))
            if len(known):
                medians[a, b] = medians[b, a] = np.median(known)
    return medians


def _without_contradictions(pairs: Float64[Array, "v v"]) -> list[int]:
    """The cameras that are left when no pair of them contradicts; of equal counts the larger sum goes first."""
    left = list(range(len(pairs)))
    while True:
        own = pairs[np.ix_(left, left)]
        counts = (own > ROUGH_PX).sum(axis=1)  # NaN contradicts nothing
        if not counts.any():
            return left
        del left[max(range(len(left)), key=lambda k: (counts[k], np.nansum(own[k])))]


def _share_outside(residuals: Float64[Array, "n v v 2"], apart: Sequence[int], rest: Sequence[int]) -> float:
    """Of the instants in which something is known: each of `apart` is farther from the rest than any of the rest."""
    outside = []
    for instant in residuals[:, None]:
        far = [_median(_between(instant, [view], rest)) for view in apart]
        near = [_median(_between(instant, [view], rest)) for view in rest]
        if not (np.isnan(far).all() or np.isnan(near).all()):
            outside.append(bool(np.nanmin(far) > np.nanmax(near)))
    return float(np.mean(outside)) if outside else 0.0


def _between(residuals: Float64[Array, "n v v 2"], some: Sequence[int], others: Sequence[int]) -> Float64[Array, " k"]:
    """Of the pairs of one of `some` with one of `others`, both ways."""
    ways = residuals[:, some][:, :, others], residuals[:, others][:, :, some]
    return np.concatenate([way.ravel() for way in ways])


def _known(pixels: Float64[Array, "*any"]) -> Float64[Array, " k"]:
    return pixels[np.isfinite(pixels)]


def _median(pixels: Float64[Array, "*any"]) -> float:
    known = _known(pixels)
    return float(np.median(known)) if len(known) else float("nan")
