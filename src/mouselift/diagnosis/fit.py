"""Fits of candidates to one sample, or to many that share their parameters: what they leave, and what it is worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array
from mouselift.diagnosis.candidate import Candidate, change_of
from mouselift.diagnosis.independence import measurements, shared_errors
from mouselift.diagnosis.least_squares import NOISE_PX, Solution
from mouselift.diagnosis.search import Problem, search
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines, sampson_residuals, world_rays
from mouselift.geometry.triangulation import meeting_point

_MISSING_PX = 4.0  # a missing row counts as a residual of this size
_LIMIT_PX = 60.0  # larger residuals count as this


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
    """`fits` of one candidate."""
    return fits([candidate], problem, possible, quick)[0]


def fits(
    candidates: Iterable[Candidate], problem: Problem, possible: int | None = None, quick: bool = False
) -> list[Fit]:
    """Each candidate fitted by tangency from each of its starts. possible: rows that other cameras give (default: own).

    quick: a few coarse steps, enough to tell candidates apart; parameters are rough, their covariance is not known.
    """
    tried = list(candidates)
    applied = [[(candidate.apply(cameras), outlines) for cameras, outlines in problem] for candidate in tried]
    valued = [n for n, candidate in enumerate(tried) if candidate.basis is not None]
    priors = {n: _prior_deviations(tried[n], applied[n][0][0]) for n in valued}
    solutions = search([tried[n] for n in valued], [applied[n] for n in valued], list(priors.values()), quick)
    found = dict(zip(valued, solutions, strict=True))
    out = []
    for n, candidate in enumerate(tried):
        x, prior = np.zeros(0), np.zeros(0)
        covariance, redundancy = np.zeros((0, 0)), 0.0
        if n in found:
            x, prior = found[n].x, priors[n]
            covariance = np.full((len(x), len(x)), np.nan)
            if not quick:
                covariance, redundancy = _evidence(candidate, applied[n], found[n], prior)
        corrected = tuple(undo(candidate, cameras, x) for cameras, _ in problem)
        residual = fit_residual(corrected, [outlines for _, outlines in problem], possible)
        out.append(Fit(candidate, x, covariance, corrected, residual, prior, redundancy))
    return out


def undo(candidate: Candidate, cameras: CameraArrays, x: Float64[Array, " k"]) -> CameraArrays:
    """The cameras without the cause of parameters x."""
    applied = candidate.apply(cameras)
    return applied if candidate.basis is None else applied.moved(change_of(candidate, applied, x)[0])


def _prior_deviations(candidate: Candidate, cameras: CameraArrays) -> Float64[Array, " k"]:
    """Of the parameters: shifts in pixels, all others as they are."""
    assert candidate.basis is not None
    shifts = candidate.basis(cameras)[:, 2:4].any(axis=(0, 1))
    return np.array(candidate.prior_sigma) * np.where(shifts, float(cameras.size[0, 0]), 1.0)


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
