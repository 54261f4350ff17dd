"""Fits of candidates to one sample, or to many that share their parameters: what they leave, and what it is worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mouselift.array_types import Array, Bool, Float64
from mouselift.diagnosis.candidate import Candidate, change_of
from mouselift.diagnosis.independence import measurements, shared_errors
from mouselift.diagnosis.least_squares import NOISE_PX, Solution
from mouselift.diagnosis.search import Problem, search
from mouselift.geometry.camera_arrays import AT_ONCE, CameraArrays, ConvexOutlines, middle_rays, sampson_residuals
from mouselift.geometry.triangulation import meeting_points

_MISSING_PX = 4.0  # a missing row counts as a residual of this size
_LIMIT_PX = 60.0  # larger residuals count as this


class _Worth:
    """The measurements that residuals are worth (`independence`), counted when they are first asked for."""

    def __init__(
        self, corrected: Sequence[CameraArrays], outlines: Sequence[ConvexOutlines], known: Sequence[Bool[Array, " r"]]
    ) -> None:
        self._of = list(zip(corrected, outlines, known, strict=True))

    @cached_property
    def value(self) -> float:
        return sum(measurements(shared_errors(cameras, o)[use][:, use]) for cameras, o, use in self._of)


@dataclass(frozen=True, eq=False)
class FitResidual:
    """Tangency residuals under some cameras, over all samples."""

    rms_px: float  # inf where there are no residuals
    typical_px: float  # 1.48 times the median: sigma, outliers aside
    loss: float  # mean robust loss a row, px^2, missing rows included
    rows: int  # residuals, and missing rows
    known: int  # residuals that there are
    clipped: int  # rows that the image's border takes away: no candidate's doing
    total: float  # robust loss of the known residuals, px^2
    worth: _Worth | None = None  # of the known residuals

    @cached_property
    def measurements(self) -> float:
        """That the rows are worth, missing ones included: at most `rows`. Counted where the loss is small."""
        if self.worth is None or not self.counted:
            return float(self.rows)
        return max(self.worth.value + self.rows - self.known, 1.0)

    @property
    def counted(self) -> bool:
        """Whether measurements are counted: above, fewer of them would make the score better, not worse.

        Missing rows only add to a loss that is counted (`_MISSING_PX`).
        """
        return self.loss + NOISE_PX**2 < 1

    def against(self, possible: int) -> FitResidual:
        """The same where other cameras give `possible` rows: the ones that are missing here count against these."""
        missing = max(possible - self.clipped - self.known, 0)
        rows = max(self.known + missing, 1)
        loss = float((self.total + missing * _robust(_MISSING_PX)) / rows) if self.known else self.loss
        return replace(self, rows=rows, loss=loss)


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
        return self._score(self.residual.measurements)

    @property
    def least_score(self) -> float:
        """What the score is at least, before measurements are counted: it is concave in their number, 1 to `rows`."""
        rows = float(self.residual.rows)
        return min(self._score(1.0), self._score(rows)) if self.residual.counted else self._score(rows)

    def _score(self, count: float) -> float:
        fixed = self.candidate.parameters * float(np.log(max(count, 2.0))) + 2 * float(np.log(self.candidate.options))
        return count * float(np.log(self.residual.loss + NOISE_PX**2)) + fixed


def lowest(found: Sequence[Fit], extra: Sequence[float] | None = None) -> tuple[Fit, float]:
    """`ranked`, the first."""
    return ranked(found, 1, extra)[0]


def ranked(found: Sequence[Fit], most: int, extra: Sequence[float] | None = None) -> list[tuple[Fit, float]]:
    """At most so many fits of the smallest scores, in order, with their scores: counted only where that may decide.

    extra: added to the scores. Of equal scores the first comes first.
    """
    more = [0.0] * len(found) if extra is None else extra
    least = [f.least_score + e for f, e in zip(found, more, strict=True)]
    best: list[tuple[float, int]] = []
    for n in sorted(range(len(found)), key=least.__getitem__):
        if len(best) == most and least[n] > best[-1][0]:
            break
        best = sorted([*best, (found[n].score + more[n], n)])[:most]
    return [(found[n], score) for score, n in best]


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
    none = np.zeros(0)
    values = [found[n].x if n in found else none for n in range(len(tried))]
    corrected = [
        tuple(_moved(candidate, cameras, x) for cameras, _ in under)
        for candidate, under, x in zip(tried, applied, values, strict=True)
    ]
    residuals = fit_residuals(corrected, [outlines for _, outlines in problem])
    out = []
    for n, candidate in enumerate(tried):
        prior, covariance, redundancy = priors.get(n, none), np.full((len(values[n]),) * 2, np.nan), 0.0
        if n in found and not quick:
            covariance, redundancy = _evidence(corrected[n], problem, found[n], prior)
        residual = residuals[n] if possible is None else residuals[n].against(possible)
        out.append(Fit(candidate, values[n], covariance, corrected[n], residual, prior, redundancy))
    return out


def undo(candidate: Candidate, cameras: CameraArrays, x: Float64[Array, " k"]) -> CameraArrays:
    """The cameras without the cause of parameters x."""
    return _moved(candidate, candidate.apply(cameras), x)


def _moved(candidate: Candidate, applied: CameraArrays, x: Float64[Array, " k"]) -> CameraArrays:
    return applied if candidate.basis is None else applied.moved(change_of(candidate, applied, x)[0])


def _prior_deviations(candidate: Candidate, cameras: CameraArrays) -> Float64[Array, " k"]:
    """Of the parameters: shifts in pixels, all others as they are."""
    assert candidate.basis is not None
    shifts = candidate.basis(cameras)[:, 2:4].any(axis=(0, 1))
    return np.array(candidate.prior_sigma) * np.where(shifts, float(cameras.size[0, 0]), 1.0)


def _evidence(
    corrected: Sequence[CameraArrays], problem: Problem, found: Solution, deviations: Float64[Array, " k"]
) -> tuple[Float64[Array, "k k"], float]:
    """(covariance of the parameters, measurements beyond the numbers that they determine).

    Rows that share outline points share their errors: `independence.shared_errors`. The noise of one point is what is
    left of all rows, and one measurement's worth of what clean masks have.
    """
    errors = [shared_errors(cameras, outlines) for cameras, (_, outlines) in zip(corrected, problem, strict=True)]
    near = (found.weights > 0.5) & (found.residuals != 0.0)
    at, count = 0, 0.0
    for block in errors:
        own = near[at : at + len(block)]
        count += measurements(block[own][:, own])
        at += len(block)
    rank = int(np.linalg.matrix_rank(found.jacobian)) if found.jacobian.size else 0
    return found.covariance(errors, deviations), count - rank


def fit_residual(corrected: Sequence[CameraArrays], outlines: Sequence[ConvexOutlines]) -> FitResidual:
    """How well cameras fit silhouettes."""
    return fit_residuals([corrected], outlines)[0]


def fit_residuals(tried: Sequence[Sequence[CameraArrays]], outlines: Sequence[ConvexOutlines]) -> list[FitResidual]:
    """How well each of several sets of cameras (one a sample) fits the samples' silhouettes."""
    found: list[list[tuple[np.ndarray, int]]] = [[] for _ in tried]  # of each set, a sample: residuals, clipped rows
    for sample, outline in enumerate(outlines):
        cut = outline.uninformative
        for first in range(0, len(tried), AT_ONCE):
            cameras = [each[sample] for each in tried[first : first + AT_ONCE]]
            r, corners = sampson_residuals(CameraArrays.joined(cameras), outline)
            clipped = ~corners.usable & cut[corners.pair % len(outline), corners.at].any(axis=1)
            sizes = (len(cameras), -1)
            r = np.where(all_in_front(cameras, outline)[:, None], r.reshape(sizes), np.nan)
            for n, (own, lost) in enumerate(zip(r, clipped.reshape(sizes).sum(axis=1), strict=True)):
                found[first + n].append((own, int(lost)))
    return [_summed(each, parts, outlines) for each, parts in zip(tried, found, strict=True)]


def _summed(
    corrected: Sequence[CameraArrays], parts: Sequence[tuple[np.ndarray, int]], outlines: Sequence[ConvexOutlines]
) -> FitResidual:
    known = [np.isfinite(r) for r, _ in parts]
    r = np.concatenate([each[use] for (each, _), use in zip(parts, known, strict=True)])
    clipped, inf = sum(lost for _, lost in parts), float("inf")
    if not len(r):
        return FitResidual(inf, inf, float(_robust(inf)), 1, 0, clipped, 0.0)
    total = float(_robust(r).sum())
    rms, typical = float(np.sqrt((r**2).mean())), float(1.4826 * np.median(np.abs(r)))
    worth = _Worth(corrected, outlines, known)
    return FitResidual(rms, typical, total / len(r), len(r), len(r), clipped, total, worth)


def _robust(r: np.ndarray | float) -> np.ndarray | np.float64:
    """Quadratic below a pixel, then the logarithm: a tail that a mask lacks must not outvote all the rest."""
    return np.log1p(np.minimum(np.abs(r), _LIMIT_PX) ** 2)


def in_front(cameras: CameraArrays, outlines: ConvexOutlines) -> bool:
    """Whether the point where the silhouettes' rays meet lies in front of every camera that sees it."""
    return bool(all_in_front([cameras], outlines)[0])


def all_in_front(sets: Sequence[CameraArrays], outlines: ConvexOutlines) -> Bool[Array, " b"]:
    """`in_front` of several sets of cameras."""
    seen = np.flatnonzero(outlines.seen)
    if len(seen) < 2:
        return np.zeros(len(sets), dtype=bool)
    cameras, shape = CameraArrays.joined(sets), (len(sets), len(outlines), 3)
    d, centre = (part.reshape(shape)[:, seen] for part in (middle_rays(cameras, outlines), cameras.centre))
    points, known = meeting_points(centre, d)
    return known & (((points[:, None] - centre) * d).sum(axis=2) > 0).all(axis=1)
