"""Where the searches of candidates begin and which minimum is kept: all candidates in step with one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mouselift.array_types import Array, Float64, Int64
from mouselift.diagnosis.candidate import Candidate, Change
from mouselift.diagnosis.least_squares import LEAST_DECREASE, NOISE_PX, STEPS, Solution, minimise_many
from mouselift.geometry.camera_arrays import AT_ONCE, CameraArrays, ConvexOutlines, linearised

ROBUST_PX = 0.5  # residuals well above this are outliers once the fit has arrived
_ARRIVED_PX = 0.3  # a search that leaves less than this has found the minimum, and needs no second start
_PLACED_PX = 0.08  # the same for views that all lost scale and shift: wrong minima come near, with so many unknowns
_GRADUAL_PX = (8.0, 2.0, ROBUST_PX)  # scales of the robust loss, from coarse to fine
_PLAIN_PX = (np.inf, ROBUST_PX)
_FAR = (-0.7, -0.525, -0.35, -0.175, 0.175, 0.35, 0.525, 0.7)  # of a single value: a factor of two each way
_QUICK_STEPS, _QUICK_DECREASE = 15, 1e-2
# Relative decrease of the cost that ends a step on the way (a scale that another follows), and a search before it is
# known whether it leads anywhere; the best ones are then finished to `LEAST_DECREASE`.
_WAY_DECREASE, _SEARCH_DECREASE = 1e-3, 1e-4
_FINISHED = 2.0  # times the least residual of all candidates, up to which a search is finished
_SAME_COST, _SAME_VALUES = 1e-2, 0.02  # relative; share of the prior's deviations: searches that have met
_SEARCH_MISSING_PX = 0.5  # a missing row counts as this between starts of one candidate, in the fit's own robust loss

Problem = Sequence[tuple[CameraArrays, ConvexOutlines]]  # one a sample


def search(
    candidates: Sequence[Candidate], applied: Sequence[Problem], deviations: Sequence[np.ndarray], quick: bool
) -> list[Solution]:
    """The best parameters of every candidate. applied: the problem under its reading; deviations: of its prior."""
    batch = _Batch.of(candidates, applied, deviations, quick)
    zero = [np.zeros(candidate.parameters) for candidate in candidates]
    everyone = list(range(len(candidates)))
    best = batch.descend(everyone, zero, _PLAIN_PX)

    def open_above(px: float) -> list[int]:
        return [n for n in everyone if _loss_left(best[n]) > px**2]

    at = [n for n in open_above(_ARRIVED_PX) if candidates[n].start is not None]
    for n, found in zip(at, batch.descend(at, [_guess(candidates[n], applied[n]) for n in at], _PLAIN_PX), strict=True):
        best[n] = min(best[n], found, key=_cost)
    # Far away, planes touch few other corners: of one value, the likeliest of some is a second start.
    at = [n for n in open_above(_ARRIVED_PX) if candidates[n].parameters == 1]
    tried = [np.array([value]) for _ in at for value in _FAR]
    seen = batch.descend([n for n in at for _ in _FAR], tried, (ROBUST_PX,), steps=0)
    parts = [seen[k * len(_FAR) : (k + 1) * len(_FAR)] for k in range(len(at))]
    far = batch.descend(at, [min(part, key=_cost_with_missing).x for part in parts], _PLAIN_PX)
    for n, found in zip(at, far, strict=True):
        best[n] = min(best[n], found, key=_cost_with_missing)
    if quick:
        return best
    at = open_above(_ARRIVED_PX)  # parts that masks lack, perhaps: outliers from the start
    for n, found in batch.descend_gradually([*at, *at], [*(best[n].x for n in at), *(zero[n] for n in at)]):
        best[n] = min(best[n], found, key=_cost)
    means = zero.copy()
    for n in open_above(_PLACED_PX):
        starts = candidates[n].starts
        if starts is not None and len(applied[n]) == 1:
            guesses = starts(*applied[n][0])
            for guess, found in zip(
                guesses, batch.descend([n] * len(guesses), guesses, _PLAIN_PX, guesses), strict=True
            ):
                if _cost_with_missing(found) < _cost_with_missing(best[n]):
                    best[n], means[n] = found, guess
    least = min((_loss_left(each) for each in best), default=0.0)
    at = open_above(0.0) if least == 0 else [n for n in everyone if _loss_left(best[n]) <= _FINISHED**2 * least]
    finished = batch.descend(at, [best[n].x for n in at], (ROBUST_PX,), [means[n] for n in at], least=LEAST_DECREASE)
    for n, found in zip(at, finished, strict=True):
        best[n] = found
    return best


def _guess(candidate: Candidate, applied: Problem) -> np.ndarray:
    assert candidate.start is not None
    return np.median([candidate.start(cameras, outlines) for cameras, outlines in applied], axis=0)


def _cost(found: Solution) -> float:
    return found.cost


def _loss_left(found: Solution) -> float:
    """Mean square of what is left, outliers bounded."""
    return found.cost / max(len(found.residuals), 1)


def _cost_with_missing(found: Solution) -> float:
    """Cost, with a price on rows that the search lost (subjects pushed behind cameras, epipoles into outlines)."""
    return found.cost + _SEARCH_MISSING_PX**2 * int((found.residuals == 0.0).sum())


@dataclass(frozen=True, eq=False)
class _Batch:
    """Candidates with their parameters padded to one number, whose residuals are taken together."""

    sizes: tuple[int, ...]  # parameters of every candidate
    prior: Float64[Array, "b k"]  # information; 1 for parameters that are padding
    samples: tuple[tuple[CameraArrays, ConvexOutlines, Change], ...]  # b v cameras, changes [b, v, 7, k]
    quick: bool

    @classmethod
    def of(
        cls, candidates: Sequence[Candidate], applied: Sequence[Problem], deviations: Sequence[np.ndarray], quick: bool
    ) -> _Batch:
        sizes = tuple(len(each) for each in deviations)
        prior = np.ones((len(sizes), max(sizes, default=0)))
        for n, each in enumerate(deviations):
            prior[n, : len(each)] = (NOISE_PX / each) ** 2
        samples = []
        for problems in zip(*applied, strict=True):
            cameras = [each for each, _ in problems]
            changes = [Change.of(candidate, each) for candidate, each in zip(candidates, cameras, strict=True)]
            samples.append((CameraArrays.joined(cameras), problems[0][1], Change.stacked(changes)))
        return cls(sizes, prior, tuple(samples), quick)

    def descend(
        self,
        which: Sequence[int],
        starts: Sequence[np.ndarray],
        scales: tuple[float, ...],
        means: Sequence[np.ndarray] | None = None,
        steps: int | None = None,
        least: float | None = None,
    ) -> list[Solution]:
        """A search of candidate which[n] from starts[n], through the scales of the robust loss; means of the prior.

        steps: at most, of each scale; 0 leaves the starts as they are. least: relative decrease that ends the last one.
        """
        if not which:
            return []
        candidates, x = np.array(which), self._padded(starts)
        mean = np.zeros_like(x) if means is None else self._padded(means)
        most, decrease = (_QUICK_STEPS, _QUICK_DECREASE) if self.quick else (STEPS, _SEARCH_DECREASE)
        decrease = decrease if least is None else least

        def evaluate(x: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            parts = [np.s_[k : k + AT_ONCE] for k in range(0, len(at), AT_ONCE)]
            found = [self._evaluate(x[part], candidates[at[part]]) for part in parts]
            return np.concatenate([r for r, _ in found]), np.concatenate([J for _, J in found])

        found: list[Solution] = []
        for number, scale in enumerate(scales, start=1):
            enough = decrease if number == len(scales) else max(decrease, _WAY_DECREASE)
            found = minimise_many(
                evaluate, x, self.prior[candidates], mean, scale, most if steps is None else steps, enough
            )
            x = np.array([each.x for each in found])
        return [each.first(self.sizes[n]) for n, each in zip(which, found, strict=True)]

    def descend_gradually(self, which: Sequence[int], starts: Sequence[np.ndarray]) -> list[tuple[int, Solution]]:
        """(candidate, search) through scales from coarse to fine; of searches that meet early, one goes on."""
        coarse = self.descend(which, starts, _GRADUAL_PX[:1], least=_WAY_DECREASE)
        kept: list[int] = []
        for n, found in enumerate(coarse):
            own = [coarse[k] for k in kept if which[k] == which[n]]
            if not any(self._met(which[n], found, other) for other in own):
                kept.append(n)
        fine = self.descend([which[k] for k in kept], [coarse[k].x for k in kept], _GRADUAL_PX[1:])
        return [(which[k], found) for k, found in zip(kept, fine, strict=True)]

    def _met(self, candidate: int, a: Solution, b: Solution) -> bool:
        """Whether two searches of one candidate are at one place."""
        deviations = NOISE_PX / np.sqrt(self.prior[candidate, : self.sizes[candidate]])
        near = bool((np.abs(a.x - b.x) <= _SAME_VALUES * deviations).all())
        return near and abs(a.cost - b.cost) <= _SAME_COST * max(a.cost, b.cost)

    def _padded(self, values: Sequence[np.ndarray]) -> Float64[Array, "n k"]:
        out = np.zeros((len(values), self.prior.shape[1]))
        for row, value in zip(out, values, strict=True):
            row[: len(value)] = value
        return out

    def _evaluate(
        self, x: Float64[Array, "a k"], which: Int64[Array, " a"]
    ) -> tuple[Float64[Array, "a n"], Float64[Array, "a n k"]]:
        r_all, J_all = [], []
        for cameras, outlines, changes in self.samples:
            views = len(outlines)
            change, slope = changes.take(which).at(x)
            chosen = cameras.take((which[:, None] * views + np.arange(views)).ravel())
            r, J, _ = linearised(chosen.moved(change.reshape(-1, 7)), outlines)
            r_all.append(r.reshape(len(x), -1))
            J_all.append(J.reshape(len(x), -1, 7 * views) @ slope.reshape(len(x), 7 * views, -1))
        return np.concatenate(r_all, axis=1), np.concatenate(J_all, axis=1)
