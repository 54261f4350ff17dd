"""Lens distortion that was left in the images: fitted to the outlines, for no pinhole camera can undo it.

The model is OpenCV's first radial coefficient, x_d = x (1 + k1 |x|^2) in units of the focal length about the file's
principal point. The outlines are undistorted by it and compared as they are otherwise; one k1 for all views (one kind
of lens), and one a view where that does not suffice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.diagnosis.candidate import Candidate
from mouselift.diagnosis.fit import Fit, fit_residual
from mouselift.diagnosis.independence import shared_errors
from mouselift.diagnosis.least_squares import NOISE_PX, minimise
from mouselift.diagnosis.search import ROBUST_PX, Problem
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines, linearised

_K1_SIGMA = 0.3  # prior: cameras of the rigs in docs/reference/rig-formats.md have -0.35 to 0.05
_WAY_DECREASE = 1e-3  # relative decrease of the cost that ends the first fit, from which the robust one begins
_NEWTON_STEPS = 8  # from r = r_d, |k1| r^2 below 0.2: converged to 1e-12 after five


def lens_fits(problem: Problem, possible: int, enough_px: float) -> list[Fit]:
    """One k1 for all views; where that leaves more than `enough_px` RMS, also one a view."""
    shared = _fit(problem, possible, shared=True)
    return [shared] if shared.rms_px <= enough_px else [shared, _fit(problem, possible, shared=False)]


def undistorted(
    cameras: CameraArrays, outlines: ConvexOutlines, k1: Float64[Array, " v"]
) -> tuple[ConvexOutlines, Float64[Array, "v m 2"]]:
    """(outlines as an ideal lens shows them, derivative of their points by the view's k1)."""
    focal, principal, k = cameras.focal[:, None], cameras.principal[:, None], k1[:, None]
    x = (outlines.points - principal) / focal
    far = np.linalg.norm(x, axis=2)
    turn = np.where(k < 0, 1 / np.sqrt(3 * np.maximum(-k, 1e-12)), np.inf)  # beyond it the lens folds
    r = np.minimum(far, turn)
    for _ in range(_NEWTON_STEPS):
        r = np.clip(r - (r + k * r**3 - far) / np.maximum(1 + 3 * k * r**2, 1e-3), 0.0, turn)
    x = x * (r / np.maximum(far, 1e-12))[:, :, None]
    slope = -x * (r**2 / np.maximum(1 + 3 * k * r**2, 1e-3))[:, :, None]
    return replace(outlines, points=x * focal + principal), slope * focal


def _fit(problem: Problem, possible: int, shared: bool) -> Fit:
    views = len(problem[0][0])
    spread = np.ones((views, 1)) if shared else np.eye(views)
    count = spread.shape[1]
    evaluate, prior = partial(_evaluate, problem, spread), np.full(count, (NOISE_PX / _K1_SIGMA) ** 2)
    found = minimise(evaluate, np.zeros(count), prior, np.zeros(count), least_decrease=_WAY_DECREASE)
    found = minimise(evaluate, found.x, prior, np.zeros(count), ROBUST_PX)
    ideal = [undistorted(cameras, outlines, spread @ found.x)[0] for cameras, outlines in problem]
    corrected = tuple(cameras for cameras, _ in problem)
    near = float(((found.weights > 0.5) & (found.residuals != 0.0)).sum())
    candidate = Candidate("lens-left", tuple(range(views)), prior_sigma=(_K1_SIGMA,) * count, options=2)
    errors = [shared_errors(cameras, outlines) for cameras, outlines in zip(corrected, ideal, strict=True)]
    deviations = np.full(count, _K1_SIGMA)
    covariance, residual = found.covariance(errors, deviations), fit_residual(corrected, ideal).against(possible)
    return Fit(candidate, found.x, covariance, corrected, residual, deviations, near - count)


def _evaluate(
    problem: Sequence[tuple[CameraArrays, ConvexOutlines]], spread: Float64[Array, "v k"], x: Float64[Array, " k"]
) -> tuple[np.ndarray, np.ndarray]:
    """(residuals, derivative by x). Moving a point by d is moving the principal point by -d."""
    r_all, J_all = [], []
    for cameras, outlines in problem:
        ideal, slope = undistorted(cameras, outlines, spread @ x)
        r, J, corners = linearised(cameras, ideal)
        by_view = np.zeros((len(r), len(cameras)))
        rows = np.arange(len(r))
        for side in (0, 1):
            view = corners.pair[:, side]
            by_view[rows, view] = -(J[rows, view, 2:4] * slope[view, corners.at[:, side]]).sum(axis=1)
        r_all.append(r)
        J_all.append(by_view @ spread)
    return np.concatenate(r_all), np.concatenate(J_all)
