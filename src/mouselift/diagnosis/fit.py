"""The fit of one candidate to one sample, or to many that share its parameters.

Levenberg-Marquardt stands here by hand: scipy.optimize.least_squares has no prior, no weights to report and no way to
refuse a step whose Jacobian overflows, and a diagnosis makes some hundred fits of a few unknowns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array
from mouselift.diagnosis.candidate import Candidate, change_of
from mouselift.diagnosis.independence import measurements, shared_errors
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines, linearised, sampson_residuals, world_rays
from mouselift.geometry.triangulation import meeting_point

NOISE_PX = 0.1  # of a residual, clean masks: scale of the prior and floor of the score
ROBUST_PX = 0.5  # residuals well above this are outliers once the fit has arrived
_ARRIVED_PX = 0.3  # a search that leaves less than this has found the minimum, and needs no second start
_PLACED_PX = 0.08  # the same for views that all lost scale and shift: wrong minima come near, with so many unknowns
_GRADUAL_PX = (8.0, 2.0, ROBUST_PX)  # scales of the robust loss, from coarse to fine
_STEPS, _LEAST_DECREASE = 60, 1e-8  # of the search; relative decrease of the cost below which it has arrived
_FAR = (-0.7, -0.35, 0.35, 0.7)  # starts of a single value: a factor of two each way, on rings with cut subjects
_QUICK_STEPS, _QUICK_DECREASE = 15, 1e-2
_MISSING_PX = 4.0  # a missing row counts as a residual of this size
_SEARCH_MISSING_PX = 0.5  # the same between starts of one candidate, in the fit's own robust loss
_LIMIT_PX = 60.0  # larger residuals count as this

Problem = Sequence[tuple[CameraArrays, ConvexOutlines]]  # one a sample
Evaluate = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # parameters -> (residuals [n], Jacobian [n, k])


@dataclass(frozen=True)
class FitResidual:
    """Tangency residuals under some cameras, over all samples."""

    rms_px: float  # inf where there are no residuals
    typical_px: float  # 1.48 times the median: sigma, outliers aside
    loss: float  # mean robust loss a row, px^2, missing rows included
    rows: int
    measurements: float  # that the rows are worth (`independence`), missing ones included; counted where loss is small


@dataclass(frozen=True, eq=False)
class Fit:
    """A candidate with its best parameters."""

    candidate: Candidate
    x: Float64[Array, " k"]
    covariance: Float64[Array, "k k"]
    corrected: tuple[CameraArrays, ...]  # one a sample
    residual: FitResidual
    prior: Float64[Array, " k"]  # deviations of the parameters before any silhouette was seen, same units as x
    redundancy: float = 0.0  # measurements near the fit, less the numbers that they determine: 0 fits anything

    @property
    def rms_px(self) -> float:
        return self.residual.rms_px

    @property
    def score(self) -> float:
        """Like BIC: n log(loss + floor) + k log n + 2 log(options), n measurements. Smaller is better."""
        count = self.residual.measurements
        fixed = self.candidate.parameters * float(np.log(max(count, 2.0))) + 2 * float(np.log(self.candidate.options))
        return count * float(np.log(self.residual.loss + NOISE_PX**2)) + fixed


def fit(candidate: Candidate, problem: Problem, possible: int | None = None, quick: bool = False) -> Fit:
    """Fit by tangency from each start. possible: rows that other cameras give (default: those of these).

    quick: a few coarse steps, enough to tell candidates apart; parameters are rough, their covariance is not known.
    """
    applied = [(candidate.apply(cameras), outlines) for cameras, outlines in problem]
    x, prior = np.zeros(0), np.zeros(0)
    covariance, redundancy = np.zeros((0, 0)), 0.0
    if candidate.basis is not None:
        prior = _prior_deviations(candidate, applied[0][0])
        found = _search(candidate, applied, prior, quick)
        x, covariance = found.x, np.full((len(prior), len(prior)), np.nan)
        if not quick:
            covariance, redundancy = _evidence(candidate, applied, found, prior)
    corrected = tuple(undo(candidate, cameras, x) for cameras, _ in problem)
    residual = fit_residual(corrected, [outlines for _, outlines in applied], possible)
    return Fit(candidate, x, covariance, corrected, residual, prior, redundancy)


def undo(candidate: Candidate, cameras: CameraArrays, x: Float64[Array, " k"]) -> CameraArrays:
    """The cameras without the cause of parameters x."""
    applied = candidate.apply(cameras)
    return applied if candidate.basis is None else applied.moved(change_of(candidate, applied, x)[0])


def _prior_deviations(candidate: Candidate, cameras: CameraArrays) -> Float64[Array, " k"]:
    """Of the parameters: shifts in pixels, all others as they are."""
    assert candidate.basis is not None
    shifts = candidate.basis(cameras)[:, 2:4].any(axis=(0, 1))
    return np.array(candidate.prior_sigma) * np.where(shifts, float(cameras.size[0, 0]), 1.0)


def _search(candidate: Candidate, applied: Problem, deviations: Float64[Array, " k"], quick: bool) -> Solution:
    prior = (NOISE_PX / deviations) ** 2
    zero = np.zeros(len(deviations))
    evaluate = _evaluator(candidate, applied)
    steps, least = (_QUICK_STEPS, _QUICK_DECREASE) if quick else (_STEPS, _LEAST_DECREASE)

    def descend(start: np.ndarray, scales: tuple[float, ...], mean: np.ndarray = zero) -> Solution:
        solution = minimise(evaluate, start, prior, mean, scales[0], steps, least)
        for scale in scales[1:]:
            solution = minimise(evaluate, solution.x, prior, mean, scale, steps, least)
        return solution

    best = descend(zero, (np.inf, ROBUST_PX))
    if candidate.start is not None and _loss_left(best) > _ARRIVED_PX**2:
        guess = np.median([candidate.start(cameras, outlines) for cameras, outlines in applied], axis=0)
        best = min(best, descend(guess, (np.inf, ROBUST_PX)), key=lambda s: s.cost)
    if candidate.parameters == 1 and _loss_left(best) > _ARRIVED_PX**2:  # far away, planes touch few other corners
        far = [descend(np.array([value]), (np.inf, ROBUST_PX)) for value in _FAR]
        best = min([best, *far], key=_cost_with_missing)
    if not quick and _loss_left(best) > _ARRIVED_PX**2:  # parts that masks lack, perhaps: outliers from the start
        best = min(best, descend(best.x, _GRADUAL_PX), descend(zero, _GRADUAL_PX), key=lambda s: s.cost)
    if candidate.starts is not None and not quick and len(applied) == 1 and _loss_left(best) > _PLACED_PX**2:
        far = [descend(guess, (np.inf, ROBUST_PX), guess) for guess in candidate.starts(*applied[0])]
        best = min([best, *far], key=_cost_with_missing)
    return best


def _evidence(
    candidate: Candidate, applied: Problem, found: Solution, deviations: Float64[Array, " k"]
) -> tuple[Float64[Array, "k k"], float]:
    """(covariance of the parameters, measurements beyond the numbers that they determine).

    Rows that share outline points share their errors: `independence.shared_errors`. The noise of one point is what is
    left of all rows, and one measurement's worth of what clean masks have.
    """
    errors = [
        shared_errors(cameras.moved(change_of(candidate, cameras, found.x)[0]), outlines)
        for cameras, outlines in applied
    ]
    near = (found.weights > 0.5) & (found.residuals != 0.0)
    at, count = 0, 0.0
    for block in errors:
        own = near[at : at + len(block)]
        count += measurements(block[own][:, own])
        at += len(block)
    rank = int(np.linalg.matrix_rank(found.jacobian)) if found.jacobian.size else 0
    return found.covariance(errors, deviations), count - rank


def _loss_left(found: Solution) -> float:
    """Mean square of what is left, outliers bounded."""
    return found.cost / max(len(found.residuals), 1)


def _cost_with_missing(found: Solution) -> float:
    """Cost, with a price on rows that the search lost (subjects pushed behind cameras, epipoles into outlines)."""
    return found.cost + _SEARCH_MISSING_PX**2 * int((found.residuals == 0.0).sum())


def _evaluator(candidate: Candidate, applied: Problem) -> Evaluate:
    def evaluate(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        r_all, J_all = [], []
        for cameras, outlines in applied:
            change, slope = change_of(candidate, cameras, x)
            r, J, _ = linearised(cameras.moved(change), outlines)
            r_all.append(r)
            J_all.append(J.reshape(len(r), -1) @ slope.reshape(-1, slope.shape[2]))
        return np.concatenate(r_all), np.concatenate(J_all)

    return evaluate


def fit_residual(
    corrected: Sequence[CameraArrays], outlines: Sequence[ConvexOutlines], possible: int | None = None
) -> FitResidual:
    """How well cameras fit silhouettes. possible: rows that other cameras give; missing ones count against these."""
    found, clipped = [], 0  # rows that the image's border takes away are no candidate's doing
    for cameras, outline in zip(corrected, outlines, strict=True):
        r, corners = sampson_residuals(cameras, outline)
        found.append(r if in_front(cameras, outline) else np.full_like(r, np.nan))
        clipped += int((~corners.usable & outline.uninformative[corners.pair, corners.at].any(axis=1)).sum())
    known = [np.isfinite(r) for r in found]
    r = np.concatenate([each[use] for each, use in zip(found, known, strict=True)])
    missing = 0 if possible is None else max(possible - clipped - len(r), 0)
    rows = max(len(r) + missing, 1)
    if not len(r):
        return FitResidual(float("inf"), float("inf"), float(_robust(np.inf)), rows, float(rows))
    loss = float((_robust(r).sum() + missing * _robust(_MISSING_PX)) / rows)
    count = float(rows)
    if loss + NOISE_PX**2 < 1:  # from there on, fewer measurements would make the score better, not worse
        for cameras, outline, use in zip(corrected, outlines, known, strict=True):
            count += measurements(shared_errors(cameras, outline)[use][:, use]) - int(use.sum())
    return FitResidual(float(np.sqrt((r**2).mean())), float(1.4826 * np.median(np.abs(r))), loss, rows, max(count, 1.0))


def _robust(r: np.ndarray | float) -> np.ndarray | np.float64:
    """Quadratic below a pixel, then the logarithm: a tail that a mask lacks must not outvote all the rest."""
    return np.log1p(np.minimum(np.abs(r), _LIMIT_PX) ** 2)


def in_front(cameras: CameraArrays, outlines: ConvexOutlines) -> bool:
    """Whether the point where the silhouettes' rays meet lies in front of every camera that sees it."""
    _, world = world_rays(cameras, outlines)
    seen = np.flatnonzero(outlines.seen)
    if len(seen) < 2:
        return False
    d = world[seen].mean(axis=1)
    d = d / np.linalg.norm(d, axis=1, keepdims=True)
    try:
        point = meeting_point(cameras.centre[seen], d)
    except ValueError:  # parallel rays
        return False
    return bool((((point - cameras.centre[seen]) * d).sum(axis=1) > 0).all())


@dataclass(frozen=True, eq=False)
class Solution:
    """Parameters, and what they leave."""

    x: Float64[Array, " k"]
    cost: float  # sum of the robust loss, prior included
    residuals: Float64[Array, " n"]
    jacobian: Float64[Array, "n k"]
    weights: Float64[Array, " n"]  # of the robust loss at the solution
    converged: bool

    def covariance(
        self, errors: Sequence[Float64[Array, "m m"]], deviations: Float64[Array, " k"]
    ) -> Float64[Array, "k k"]:
        """Of the parameters, where the rows' errors are not independent.

        errors: covariance of the rows in units of one point's variance, block by block in the rows' order. deviations:
        of the prior. The estimate is x = A^-1 J^T W r with A = J^T W J + prior: its covariance is
        A^-1 (s^2 J^T W C W J + part of the prior) A^-1, and s^2 is the weighted sum of squares over its expectation.
        """
        info = (NOISE_PX / deviations) ** 2
        w, J = self.weights, self.jacobian
        M, at = np.zeros((len(self.x), len(self.x))), 0
        expected = 0.0
        for block in errors:
            here = slice(at, at + len(block))
            B = J[here] * w[here, None]
            M += B.T @ block @ B
            expected += float(w[here] @ np.diag(block))
            at += len(block)
        JWJ = (J * w[:, None]).T @ J
        inverse = np.linalg.pinv(JWJ + np.diag(info), hermitian=True)
        AM = inverse @ M
        expected += float(np.trace(JWJ @ AM @ inverse) - 2 * np.trace(AM))
        squares = float((w * self.residuals**2).sum())
        noise = (squares + NOISE_PX**2) / (max(expected, 0.0) + 1)
        return inverse @ (noise * M + np.diag((info * deviations) ** 2)) @ inverse


def minimise(
    evaluate: Evaluate,
    start: Float64[Array, " k"],
    prior: Float64[Array, " k"],
    mean: Float64[Array, " k"],
    robust_px: float = np.inf,
    steps: int = _STEPS,
    least_decrease: float = _LEAST_DECREASE,
) -> Solution:
    """argmin sum rho(r) + sum prior (x - mean)^2, with Cauchy's rho = s^2 log(1 + r^2/s^2); s = `robust_px`.

    `prior`: information (1 / sigma^2, in units of one squared pixel of residual), above zero wherever the residuals
    do not determine x. `least_decrease`: relative decrease of the cost that ends
    the search. Never worse than `start`.
    """
    x, damping = start.copy(), 1e-3
    r, J = evaluate(x)
    cost = _cauchy_loss(r, robust_px) + float(prior @ (x - mean) ** 2)
    converged = False
    for _ in range(steps):
        w = _cauchy_weights(r, robust_px)
        A = (J * w[:, None]).T @ J + np.diag(prior)
        b = (J * w[:, None]).T @ r + prior * (x - mean)
        scale = np.maximum(np.diag(A), 1e-12)
        step = -np.linalg.solve(A + damping * np.diag(scale), b)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a wild step is refused below
            r_new, J_new = evaluate(x + step)
        new = _cauchy_loss(r_new, robust_px) + float(prior @ (x + step - mean) ** 2)
        # Far out, slopes overflow before residuals do: a search cannot go on from there.
        if np.isfinite(new) and new < cost and np.isfinite(J_new).all():
            converged = cost - new < least_decrease * cost
            x, r, J, cost, damping = x + step, r_new, J_new, new, max(damping / 5, 1e-9)
            if converged:
                break
        else:
            damping *= 10
            if damping > 1e6:
                converged = True
                break
    return Solution(x, cost, r, J, _cauchy_weights(r, robust_px), converged)


def _cauchy_loss(r: np.ndarray, s: float) -> float:
    return float((r**2).sum()) if not np.isfinite(s) else float(s**2 * np.log1p((r / s) ** 2).sum())


def _cauchy_weights(r: np.ndarray, s: float) -> np.ndarray:
    return np.ones_like(r) if not np.isfinite(s) else 1 / (1 + (r / s) ** 2)
