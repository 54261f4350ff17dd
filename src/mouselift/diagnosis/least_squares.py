"""Levenberg-Marquardt for many small problems at once, with a prior and a robust loss.

It stands here by hand: scipy.optimize.least_squares has no prior, no weights to report and no way to refuse a step
whose Jacobian overflows. A diagnosis makes some hundred searches of a few unknowns, each with its own damping; numpy
takes hardly longer for a step of many than for a step of one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mouselift.array_types import Array, Float64

NOISE_PX = 0.1  # of a residual, clean masks: scale of the prior and floor of the score
STEPS, LEAST_DECREASE = 60, 1e-8  # of a search; relative decrease of the cost below which it has arrived

Evaluate = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # parameters -> (residuals [n], Jacobian [n, k])
# (parameters [a, k], which problems these are [a]) -> (residuals [a, n], Jacobians [a, n, k])
EvaluateMany = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Solution:
    """Parameters, and what they leave."""

    x: Float64[Array, " k"]
    cost: float  # sum of the robust loss, prior included
    residuals: Float64[Array, " n"]
    jacobian: Float64[Array, "n k"]
    weights: Float64[Array, " n"]  # of the robust loss at the solution
    converged: bool

    def first(self, count: int) -> Solution:
        """Without the parameters from `count` on: they were padding."""
        return replace(self, x=self.x[:count], jacobian=self.jacobian[:, :count])

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
    steps: int = STEPS,
    least_decrease: float = LEAST_DECREASE,
) -> Solution:
    """argmin sum rho(r) + sum prior (x - mean)^2 of one problem: `minimise_many`."""

    def one(x: np.ndarray, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        r, J = evaluate(x[0])
        return r[None], J[None]

    return minimise_many(one, start[None], prior[None], mean[None], robust_px, steps, least_decrease)[0]


def minimise_many(
    evaluate: EvaluateMany,
    start: Float64[Array, "b k"],
    prior: Float64[Array, "b k"],
    mean: Float64[Array, "b k"],
    robust_px: float = np.inf,
    steps: int = STEPS,
    least_decrease: float = LEAST_DECREASE,
) -> list[Solution]:
    """For each problem argmin sum rho(r) + sum prior (x - mean)^2, with Cauchy's rho = s^2 log(1 + r^2/s^2).

    s is `robust_px`. `prior`: information (1 / sigma^2, in units of one squared pixel of residual), above zero wherever
    the residuals do not determine x. `least_decrease`: relative decrease of the cost that ends a search. Never worse
    than `start`. Problems that have arrived are not evaluated again.
    """
    count = len(start)
    x, damping, going, converged = start.copy(), np.full(count, 1e-3), np.arange(count), np.zeros(count, dtype=bool)
    r, J = evaluate(x, going)
    cost = _cauchy_loss(r, robust_px) + (prior * (x - mean) ** 2).sum(axis=1)
    for _ in range(steps):
        if not len(going):
            break
        step = _step(r[going], J[going], x[going] - mean[going], prior[going], damping[going], robust_px)
        tried = x[going] + step
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a wild step is refused below
            r_new, J_new = evaluate(tried, going)
        new = _cauchy_loss(r_new, robust_px) + (prior[going] * (tried - mean[going]) ** 2).sum(axis=1)
        # Far out, slopes overflow before residuals do: a search cannot go on from there.
        better = np.isfinite(new) & (new < cost[going]) & np.isfinite(J_new).all(axis=(1, 2))
        arrived = better & (cost[going] - new < least_decrease * cost[going])
        to, refused = going[better], going[~better]
        x[to], r[to], J[to], cost[to] = tried[better], r_new[better], J_new[better], new[better]
        damping[to] = np.maximum(damping[to] / 5, 1e-9)
        damping[refused] *= 10
        arrived |= ~better & (damping[going] > 1e6)
        converged[going[arrived]] = True
        going = going[~arrived]
    w = _cauchy_weights(r, robust_px)
    return [Solution(x[n], float(cost[n]), r[n], J[n], w[n], bool(converged[n])) for n in range(count)]


def _step(
    r: Float64[Array, "a n"],
    J: Float64[Array, "a n k"],
    off: Float64[Array, "a k"],
    prior: Float64[Array, "a k"],
    damping: Float64[Array, " a"],
    robust_px: float,
) -> Float64[Array, "a k"]:
    """One damped Gauss-Newton step of each problem. off: parameters less the prior's mean."""
    JW = (J * _cauchy_weights(r, robust_px)[:, :, None]).swapaxes(1, 2)
    A = JW @ J
    diagonal = np.arange(A.shape[1])
    A[:, diagonal, diagonal] += prior
    b = (JW @ r[:, :, None])[:, :, 0] + prior * off
    A[:, diagonal, diagonal] += damping[:, None] * np.maximum(A[:, diagonal, diagonal], 1e-12)
    return -np.linalg.solve(A, b[:, :, None])[:, :, 0]


def _cauchy_loss(r: Float64[Array, "a n"], s: float) -> Float64[Array, " a"]:
    return (r**2).sum(axis=1) if not np.isfinite(s) else s**2 * np.log1p((r / s) ** 2).sum(axis=1)


def _cauchy_weights(r: np.ndarray, s: float) -> np.ndarray:
    return np.ones_like(r) if not np.isfinite(s) else 1 / (1 + (r / s) ** 2)
