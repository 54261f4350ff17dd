"""How well one explanation fits a sample's tangent planes when masks may lack parts: a likelihood that forgives them.

A plane either agrees to the noise or one of its two views lacks the part that the other touches (a tail): the
residual's sign says which of the two. Planes that one view lacks are cheap together once that view is said to lack
parts; a plane alone costs more; a plane that agrees earns more, the less noise there is. The noise is the least that
the explanation needs. So a camera that brings ten planes into agreement beats a mask that excuses them one by one, and
one that would have to bend to three lost planes does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from jaxtyping import Float64, Int64

from mouselift.array_types import Array
from mouselift.geometry.tangent_planes import TangentPlanes

_NOISES = np.array([1.0, 1.4, 2.0, 2.8, 4.0, 5.7, 8.0, 11.3, 16.0, 32.0, 64.0])  # times the deviation of exact masks
_RANGE_PX = 40.0  # of what a view lacks; longer tails are as likely
_LACKS = 0.3  # share of a view's planes that are lost once it lacks parts
_STRAY = 0.01  # share of planes that are lost in a view that lacks none
_LACKING_COST = 3.0  # log-likelihood a view that lacks parts
_TRIPLES = 150  # of planes, that start the search for one view's camera
_ROUNDS = 4  # of refinement
_KEPT = 3  # starts that are refined


@dataclass(frozen=True, eq=False)
class PlaneResiduals:
    """A sample's tangent planes in units of their expected deviations on exact masks."""

    z: Float64[Array, " m"]
    spread_px: Float64[Array, " m"]
    lacking_if_positive: Int64[Array, " m"]  # the view that lacks a part where the residual is above 0
    lacking_if_negative: Int64[Array, " m"]
    views: int

    @classmethod
    def of(cls, planes: TangentPlanes, spread: Float64[Array, " m"]) -> PlaneResiduals:
        outer = planes.side == 1
        positive = np.where(outer, planes.second, planes.first)
        negative = np.where(outer, planes.first, planes.second)
        return cls(planes.residual / spread, spread, positive, negative, planes.views)


@dataclass(frozen=True, eq=False)
class Explained:
    """One explanation at its best values."""

    likelihood: float  # log, up to a constant common to all explanations of one sample
    values: Float64[Array, " p"]  # of its columns
    noise: float  # times the deviation of exact masks
    lacking: tuple[int, ...]  # views that lack parts
    lost: int  # planes that do not agree
    strays: int  # of them, those of no lacking view


def likelihoods(
    residuals: PlaneResiduals, z: Float64[Array, "n m"]
) -> tuple[Float64[Array, " n"], Float64[Array, " n"]]:
    """(log-likelihood at the best noise, that noise) of n explanations that leave the residuals z."""
    total, noise = np.full(len(z), -np.inf), np.ones(len(z))
    lacks = np.where(z > 0, residuals.lacking_if_positive, residuals.lacking_if_negative)
    slot = (np.arange(len(z))[:, None] * residuals.views + lacks).ravel()
    stray, lost = _lost(residuals, _STRAY), _lost(residuals, _LACKS)
    for sigma in _NOISES:
        fine = -0.5 * (z / sigma) ** 2 - np.log(sigma)
        alone, together = np.maximum(fine, stray), np.maximum(fine, lost)
        saved = np.bincount(slot, (together - alone).ravel(), len(z) * residuals.views).reshape(len(z), residuals.views)
        here = alone.sum(axis=1) + np.maximum(saved - _LACKING_COST, 0.0).sum(axis=1)
        better = here > total
        total, noise = np.where(better, here, total), np.where(better, sigma, noise)
    return total, noise


def _lost(residuals: PlaneResiduals, share: float) -> Float64[Array, " m"]:
    """Log density of a lost plane's residual, in units of `PlaneResiduals.z`, less that of a normal deviate's peak."""
    return np.log(share / _RANGE_PX * residuals.spread_px * np.sqrt(2 * np.pi))


def explained(residuals: PlaneResiduals, columns: Float64[Array, "m p"], starts: Float64[Array, "n p"]) -> Explained:
    """The likeliest values of `columns` (d z / d value): refined from the likeliest of some starts."""
    score, noise = likelihoods(residuals, residuals.z - starts @ columns.T)
    order = np.argsort(-score)[:_KEPT]
    best, value, sigma = float(score[order[0]]), starts[order[0]], float(noise[order[0]])
    for start in order if columns.shape[1] else ():
        values, level = starts[start], float(noise[start])
        for _ in range(_ROUNDS):
            agree = ~_parts(residuals, residuals.z - columns @ values, level)[0]
            if int(agree.sum()) < columns.shape[1]:
                break
            values = np.linalg.lstsq(columns[agree], residuals.z[agree], rcond=None)[0]
            found, levels = likelihoods(residuals, (residuals.z - columns @ values)[None])
            level = float(levels[0])
            if found[0] > best:
                best, value, sigma = float(found[0]), values, level
    lost, lacking = _parts(residuals, residuals.z - columns @ value, sigma)
    strays = lost & ~np.isin(_lacks(residuals, residuals.z - columns @ value), lacking)
    return Explained(best, value, sigma, tuple(lacking), int(lost.sum()), int(strays.sum()))


def _lacks(residuals: PlaneResiduals, z: Float64[Array, " m"]) -> Int64[Array, " m"]:
    return np.where(z > 0, residuals.lacking_if_positive, residuals.lacking_if_negative)


def _parts(residuals: PlaneResiduals, z: Float64[Array, " m"], sigma: float) -> tuple[np.ndarray, list[int]]:
    """(whether each plane is lost, the views that lack parts)."""
    fine = -0.5 * (z / sigma) ** 2 - np.log(sigma)
    stray, lost = _lost(residuals, _STRAY), _lost(residuals, _LACKS)
    lacks = _lacks(residuals, z)
    saved = np.bincount(lacks, np.maximum(fine, lost) - np.maximum(fine, stray), residuals.views)
    lacking = [int(k) for k in np.flatnonzero(saved > _LACKING_COST)]
    return np.asarray(np.where(np.isin(lacks, lacking), lost, stray) > fine), lacking


def starts_of(columns: Float64[Array, "m p"], z: Float64[Array, " m"]) -> Float64[Array, "n p"]:
    """Values that bring p planes into agreement, for many choices of p planes; no change; and the least squares."""
    p = columns.shape[1]
    if p == 0:
        return np.zeros((1, 0))
    rows = np.flatnonzero(np.abs(columns).sum(axis=1) > 0)
    plain = np.linalg.lstsq(columns, z, rcond=None)[0]
    chosen = _choices(rows, p)
    if len(chosen) == 0:
        return np.stack([plain, np.zeros(p)])
    A, b = columns[chosen], z[chosen]
    size = np.maximum(np.linalg.norm(A, axis=1, keepdims=True), 1e-12)
    sound = np.abs(np.linalg.det(A / size)) > 1e-4
    values = np.linalg.solve((A / size)[sound], b[sound][..., None])[..., 0] / size[sound][:, 0]
    return np.concatenate([plain[None], np.zeros((1, p)), values])


def _choices(rows: Sequence[int] | np.ndarray, p: int) -> np.ndarray:
    """At most _TRIPLES choices of p rows, spread evenly over all."""
    every = np.array(list(combinations(np.asarray(rows).tolist(), p)), dtype=np.intp).reshape(-1, p)
    step = np.linspace(0, len(every) - 1, min(len(every), _TRIPLES)).round().astype(np.intp)
    return every[step] if len(every) else every


def without_a_view(residuals: PlaneResiduals) -> tuple[float, int]:
    """(log-likelihood, view) of "one view's camera is wrong, whatever it is": all its planes lost, to either side."""
    found: list[tuple[float, int]] = []
    for k in range(residuals.views):
        own = (residuals.lacking_if_positive == k) | (residuals.lacking_if_negative == k)
        rest = replace(
            residuals, z=residuals.z[~own], spread_px=residuals.spread_px[~own],
            lacking_if_positive=residuals.lacking_if_positive[~own],
            lacking_if_negative=residuals.lacking_if_negative[~own],
        )  # fmt: skip
        found.append((float(likelihoods(rest, rest.z[None])[0][0]) + float(_lost(residuals, 0.5)[own].sum()), k))
    return max(found)
