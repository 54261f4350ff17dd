"""How large a hypothesis's score gets by chance on exact masks, for any number of views.

Residuals are not independent: planes that touch a view's outline at one place share the error of that place, and more
views touch the same places more often. So what a hypothesis explains by chance grows faster than its unknowns.

With z the whitened residuals, C their covariance and P the projection onto a hypothesis's columns, the squares z' P z
that it explains have mean tr(PC) and variance 2 tr(PCPC). A chi-square variable times a constant has these two moments
with b = tr(PC)^2 / tr(PCPC) degrees of freedom (Satterthwaite, Biometrics Bulletin 2, 1946); its quantile is the limit.
Where the noise itself is measured, by few residuals beyond the unknowns, the quantile is F's.

Faults of all views whose least size is known, half a pixel and the lens of a camera, have a sharper test
(`known_fault`). Of a change of any size a check asks how much it explains, and where cameras say little of it (on an
arc) the answer is never clear. Half a pixel has one size, and a lens that anyone would undistort has a k1 of -0.1 or
less. So it is asked which is likelier, the fault at its least size or no fault. With q what the fault adds to the
whitened residuals z, and C their covariance, T = q' z / sqrt(q' C q) is a normal deviate, of mean 0 without the fault
and of mean X = q' q / sqrt(q' C q) with it: the log of the ratio of their likelihoods is T X - X^2 / 2 (Neyman and
Pearson, Philosophical Transactions A 231, 1933). It must be above 0, and T beyond chance, without any one plane and
without the planes at any one tip.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.geometry.tangent_planes import TangentPlanes

# Noise of an outline's place on exact masks: error of places that six planes or more touch, by sharpness, 110 scenes of
# `benchmarks/many_views.py`, seed 0, 64 views. Where blunt: 0.04 px RMS on smooth bodies, 0.07 to 0.08 on mice and on
# bodies with few facets; 0.1 to 0.2 px at corners; and at least half of the variance that a residual has.
_EDGE_PX, _CORNER_PX, _LEAST_SHARE = 0.06, 0.15, 0.5
_PLACE_PX = 3.0  # planes that touch a view within one cell of this size share its error
# What no number of planes averages out: a shift of a view's whole outline (neighbouring places of one straight side err
# alike: covariances of up to 0.001 px^2 at 6 to 25 px, same scenes), and one of all views (half level, rounding).
_VIEW_FLOOR_PX, _COMMON_FLOOR_PX = 0.03, 0.02
_STEPS, _TERMS = 20, 2000  # at most: four steps, and about 5 + 10 sqrt(a) terms
_HALF_PX = 0.5  # pixel centres at whole numbers or at +0.5: there is no other shift of this kind
# Barrel distortion; machine vision lenses of 4 to 8 mm have -0.1 to -0.4 (docs/reference/rig-formats.md).
_LEAST_K1 = -0.1
# Deviations from chance. Where the fault was likelier than none, exact samples reached 1.23 (1,000 on an arc, 400 each
# all round and on a ring: benchmarks/corpus.py, 0 to 999 and 0 to 399), without any one tip; 1.03 with 6 to 64 views
# (60 scenes of benchmarks/many_views.py, seed 0).
# A lens reached 1.9 and 2.3 before a body with few facets (two samples of one of 30 scenes, seed 31, 6 and 8 views).
_LEAST_DEVIATE = {"all": 1.6, "lens": 2.5}


@dataclass(frozen=True, eq=False)
class ChanceModel:
    """Covariance of a sample's whitened residuals, seen through all columns of its hypotheses.

    gram: columns' inner products; noise: the same with the covariance between.
    """

    gram: Float64[Array, "k k"]
    noise: Float64[Array, "k k"]

    @classmethod
    def of(
        cls,
        planes: TangentPlanes,
        columns: Float64[Array, "m k"],
        sigma_px: Float64[Array, " m"],
        point_px: Float64[Array, "m 2"],
        sharp: Float64[Array, "m 2"],
    ) -> ChanceModel:
        """Of hypotheses' columns (d z / d value), z being residuals in units of sigma_px.

        point_px: sigma of the outline at each plane's two touching points. sharp: of the outline there, 0 .. 1.
        """
        seen = _shared_errors(planes, columns, sigma_px, point_px, sharp)
        return cls(columns.T @ columns, seen.T @ seen)

    def limit(self, turn: Float64[Array, "k r"], rate: float, spare: int | None) -> float:
        """Squares that a hypothesis explains by chance once in 1 / `rate` exact samples, over the noise.

        turn: takes the columns to an orthonormal basis of the hypothesis. spare: residuals beyond its unknowns by which
        the noise was measured; None where the noise is known.
        """
        inner = turn.T @ self.noise @ turn
        mean, square = float(np.trace(inner)), float((inner * inner).sum())
        if not mean > 0:
            return float("inf")
        freedom = mean**2 / square
        if spare is None:
            return mean / freedom * chi_square_quantile(max(freedom, 1.0), rate)
        from scipy.special import fdtri  # a quarter of a second that only samples of few planes need

        return mean * float(fdtri(freedom, max(spare, 1), 1 - rate))


def chi_square_quantile(freedom: float, rate: float) -> float:
    """What a chi-square variable exceeds with probability `rate`, at most 0.05; freedom: any number from 1 on.

    As `scipy.special.chdtri`, whose import would take longer than ten samples of an audit. Newton's steps on the
    probability's logarithm, from the cube of Wilson and Hilferty (PNAS 17, 1931).
    """
    a, cube = freedom / 2, 2 / (9 * freedom)
    x = a * (1 - cube - math.sqrt(cube) * NormalDist().inv_cdf(rate)) ** 3
    constant = math.lgamma(a) + math.log(rate)
    for _ in range(_STEPS):
        tail = _tail(a, x)
        step = x * tail * (math.log(tail) + a * math.log(x) - x - constant)
        x += step
        if abs(step) < 1e-14 * x:
            break
    return 2 * x


def _tail(a: float, x: float) -> float:
    """The upper incomplete gamma function of x > a over x^a e^-x: Legendre's continued fraction, by Lentz."""
    b = x + 1 - a
    c, d = math.inf, 1 / b
    value = d
    for n in range(1, _TERMS):
        weight = n * (a - n)
        b += 2
        c = b + weight / c
        d = 1 / (b + weight * d)
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value


def _shared_errors(
    planes: TangentPlanes,
    columns: Float64[Array, "m k"],
    sigma_px: Float64[Array, " m"],
    point_px: Float64[Array, "m 2"],
    sharp: Float64[Array, "m 2"],
) -> Float64[Array, "e k"]:
    """What each independent error of outlines, of unit variance, adds to the columns, by way of whitened residuals."""
    count, both = len(sigma_px), np.stack([planes.first, planes.second], axis=1)
    unit = np.sqrt((planes.gradient**2).sum(axis=(1, 2)))
    variance = np.maximum(_EDGE_PX**2 + (_CORNER_PX * sharp) ** 2, _LEAST_SHARE * point_px**2)
    slope = planes.gradient * np.array([1.0, -1.0])[:, None] / np.maximum(unit * sigma_px, 1e-300)[:, None, None]
    cell = np.floor(planes.points / _PLACE_PX).astype(np.int64)
    cell -= cell.min(axis=(0, 1))
    wide = cell.max(axis=(0, 1)) + 1
    place = np.unique((both * wide[0] + cell[..., 0]) * wide[1] + cell[..., 1], return_inverse=True)[1].reshape(-1, 2)
    places = int(place.max()) + 1
    own = slope * np.sqrt(variance)[..., None]
    rows = [2 * place[..., None] + np.arange(2), 2 * (places + both)[..., None] + np.arange(2)]
    rows.append(np.broadcast_to(2 * (places + planes.views) + np.arange(2), own.shape))
    value = np.concatenate([own.ravel(), _VIEW_FLOOR_PX * slope.ravel(), _COMMON_FLOOR_PX * slope.ravel()])
    row, residual = np.concatenate([part.ravel() for part in rows]), np.tile(np.repeat(np.arange(count), 4), 3)
    # Sums of a sparse matrix's products; SciPy's would be imported for this alone.
    return np.stack([np.bincount(row, value * column[residual]) for column in columns.T], axis=1)


Noise = Callable[[Float64[Array, "m g"]], Float64[Array, " g"]]  # variance of each column's product with z, by chance


@dataclass(frozen=True)
class KnownFault:
    """A fault of all views that is likelier than none."""

    kind: Literal["all", "lens"]
    sign: float  # of half a pixel, to the right and down; 1 for a lens
    score: float  # T X
    limit: float  # X^2 / 2, or more where T must be larger to be no chance

    @property
    def change(self) -> tuple[float, float, float]:
        """log-scale, dx, dy of all images."""
        shift = self.sign * _HALF_PX if self.kind == "all" else 0.0
        return (0.0, shift, shift)


def known_fault(
    z: Float64[Array, " m"],
    columns: Float64[Array, "m 3"],
    by_chance: Float64[Array, "3 3"],
    floor: float,
    noise: Noise,
    groups: Callable[[], Sequence[np.ndarray]],
) -> KnownFault | None:
    """The likelier of the two, where one is likelier than no fault.

    columns: d z / d (dx and dy of all views, k1); by_chance: covariance of their products with z. floor: of the noise's
    variance, 1 on exact masks. noise, groups (of planes at one tip): asked only where the fault is likelier.
    """
    change = np.array([[_HALF_PX, _HALF_PX, 0.0], [0.0, 0.0, _LEAST_K1]])
    columns = columns @ change.T
    variance = floor * np.diag(change @ by_chance @ change.T)
    found: list[KnownFault] = []
    for n, kind in enumerate(("all", "lens")):
        column, least = columns[:, n], _LEAST_DEVIATE[kind]
        sign = float(np.sign(column @ z)) if kind == "all" else 1.0
        score, limit = _compared(sign * float(column @ z), float(column @ column), float(variance[n]), least)
        if not score > limit:
            continue
        apart = [*groups(), *np.arange(len(z))[:, None]]
        without = np.repeat(column[:, None], len(apart), axis=1)
        for row, planes in enumerate(apart):
            without[planes, row] = 0.0
        products, squares, variances = sign * z @ without, (without**2).sum(axis=0), floor * noise(without)
        each = [
            _compared(*values, least)
            for values in zip(products.tolist(), squares.tolist(), variances.tolist(), strict=True)
        ]
        score, limit = min(each, key=lambda pair: pair[0] - pair[1])
        if score > limit and all(one > other for one, other in each):
            found.append(KnownFault("all" if kind == "all" else "lens", sign, score, limit))
    return max(found, key=lambda fault: fault.score - fault.limit, default=None)


def _compared(product: float, square: float, variance: float, least: float) -> tuple[float, float]:
    """(T X, what it must exceed) of q' z, q' q and the variance of q' z; least: T beyond chance."""
    if not variance > 0:
        return 0.0, float("inf")
    expected = square / np.sqrt(variance)
    return float(product / np.sqrt(variance) * expected), float(expected * max(expected / 2, least))
