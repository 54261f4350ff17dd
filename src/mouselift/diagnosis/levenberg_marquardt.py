"""Levenberg-Marquardt for small robust least-squares problems with a Gaussian prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array

Evaluate = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # parameters -> (residuals [n], Jacobian [n, k])

_STEPS = 60
_STILL = 1e-8  # relative decrease of the cost below which the fit has arrived


@dataclass(frozen=True, eq=False)
class Solution:
    """Parameters, and what they leave."""

    x: Float64[Array, " k"]
    cost: float  # sum of the robust loss, prior included
    residuals: Float64[Array, " n"]
    jacobian: Float64[Array, "n k"]
    weights: Float64[Array, " n"]  # of the robust loss at the solution
    converged: bool

    def covariance(self, sigma: float, prior: Float64[Array, " k"]) -> Float64[Array, "k k"]:
        """Of the parameters, for residuals of deviation `sigma` and the prior's information."""
        J = self.jacobian * np.sqrt(self.weights)[:, None]
        return np.linalg.pinv(J.T @ J / sigma**2 + np.diag(prior), hermitian=True)


def minimise(
    evaluate: Evaluate,
    start: Float64[Array, " k"],
    prior: Float64[Array, " k"],
    mean: Float64[Array, " k"],
    robust_px: float = np.inf,
    steps: int = _STEPS,
    still: float = _STILL,
) -> Solution:
    """argmin sum rho(r) + sum prior (x - mean)^2, with Cauchy's rho = s^2 log(1 + r^2/s^2); s = `robust_px`.

    `prior`: information (1 / deviation^2, in units of one squared pixel of residual), above zero wherever the residuals
    do not determine x. `still`: relative decrease of the cost that ends the search. Never worse than `start`.
    """
    x, damping = start.copy(), 1e-3
    r, J = evaluate(x)
    cost = _loss(r, robust_px) + float(prior @ (x - mean) ** 2)
    converged = False
    for _ in range(steps):
        w = _weights(r, robust_px)
        A = (J * w[:, None]).T @ J + np.diag(prior)
        b = (J * w[:, None]).T @ r + prior * (x - mean)
        scale = np.maximum(np.diag(A), 1e-12)
        step = -np.linalg.solve(A + damping * np.diag(scale), b)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a wild step is refused below
            r_new, J_new = evaluate(x + step)
        new = _loss(r_new, robust_px) + float(prior @ (x + step - mean) ** 2)
        # Far out, slopes overflow before residuals do: from such a place there is no way on.
        if np.isfinite(new) and new < cost and np.isfinite(J_new).all():
            converged = cost - new < still * cost
            x, r, J, cost, damping = x + step, r_new, J_new, new, max(damping / 5, 1e-9)
            if converged:
                break
        else:
            damping *= 10
            if damping > 1e6:
                converged = True
                break
    return Solution(x, cost, r, J, _weights(r, robust_px), converged)


def _loss(r: np.ndarray, s: float) -> float:
    return float((r**2).sum()) if not np.isfinite(s) else float(s**2 * np.log1p((r / s) ** 2).sum())


def _weights(r: np.ndarray, s: float) -> np.ndarray:
    return np.ones_like(r) if not np.isfinite(s) else 1 / (1 + (r / s) ** 2)
