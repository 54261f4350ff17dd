"""How large a hypothesis's score gets by chance on exact masks, for any number of views.

Residuals are not independent: planes that touch a view's outline at one place share the error of that place, and more
views touch the same places more often. So what a hypothesis explains by chance grows faster than its unknowns.

With z the whitened residuals, C their covariance and P the projection onto a hypothesis's columns, the squares z' P z
that it explains have mean tr(PC) and variance 2 tr(PCPC). A chi-square variable times a constant has these two moments
with b = tr(PC)^2 / tr(PCPC) degrees of freedom (Satterthwaite, Biometrics Bulletin 2, 1946); its quantile is the limit.
Where the noise itself is measured, by few residuals beyond the unknowns, the quantile is F's.

Faults of all views whose size is known have a sharper test (`known_fault`). Of a change of any size a check asks how
much it explains, and where cameras say little of it (on an arc) the answer is never clear. Half a pixel has one size,
and the lenses that anyone would undistort have a k1 of -0.1 to -0.4. So it is asked which is likelier, that fault or
none. With q what the fault adds to the whitened residuals z, and C their covariance, T = q' z / sqrt(q' C q) is a
normal deviate, of mean 0 without the fault and of mean X = q' q / sqrt(q' C q) with it: the log of the ratio of their
likelihoods is T X - X^2 / 2 (Neyman and Pearson, Philosophical Transactions A 231, 1933). Of several sizes, all as
likely, it is the log of these ratios' mean (Jeffreys, Theory of Probability, 1939). It must be above a limit, without
any one plane and without the planes at any one tip as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.consistency.outline_noise import OutlineNoise
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
_ONE_SIZE = np.ones(1)
_HALF_PX = 0.5  # pixel centres at whole numbers or at +0.5: there is no other shift of this kind
# k1 of lenses that were left: barrel distortion of machine vision lenses of 4 to 8 mm (docs/reference/rig-formats.md).
_LENSES_K1 = np.linspace(-0.1, -0.4, 31)
# The log of the ratio. Exact samples reach 0.76 (a lens) and 0.32 (half a pixel): 1,890 of 120 scenes of
# `benchmarks/many_views.py` (seeds 31 and 47, 6 to 64 views) and 200 on an arc (`benchmarks/corpus.py`, 1500 to 1699).
_LEAST_LOG_RATIO = 0.9


@dataclass(frozen=True, eq=False)
class ChanceModel:
    """Covariance of a sample's whitened residuals, seen through all columns of its hypotheses.

    gram: columns' inner products; noise: the same with the covariance between.
    """

    gram: Float64[Array, "k k"]
    noise: Float64[Array, "k k"]

    @classmethod
    def of(cls, planes: TangentPlanes, columns: Float64[Array, "m k"], noise: OutlineNoise) -> ChanceModel:
        """Of hypotheses' columns: d z / d value, z being `OutlineNoise.whitened` residuals."""
        whitened = noise.less_corners(columns)
        seen = _shared_errors(planes, whitened, noise)
        corners = noise.corner_spread @ whitened
        return cls(columns.T @ columns, seen.T @ seen + np.outer(corners, corners))

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


def _shared_errors(planes: TangentPlanes, columns: Float64[Array, "m k"], noise: OutlineNoise) -> Float64[Array, "e k"]:
    """What each independent error of outlines, of unit variance, adds to the columns by way of residuals over sigma."""
    sigma_px = noise.sigma_px
    count, both = len(sigma_px), np.stack([planes.first, planes.second], axis=1)
    unit = np.sqrt((planes.gradient**2).sum(axis=(1, 2)))
    variance = np.maximum(_EDGE_PX**2 + (_CORNER_PX * noise.sharpness) ** 2, _LEAST_SHARE * noise.point_px**2)
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
    score: float  # log of the ratio of likelihoods
    limit: float  # that it must exceed

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
    change = np.array([[_HALF_PX, _HALF_PX, 0.0], [0.0, 0.0, _LENSES_K1[0]]])
    columns = columns @ change.T
    variance = floor * np.diag(change @ by_chance @ change.T)
    found: list[KnownFault] = []
    for n, kind in enumerate(("all", "lens")):
        column, sizes = columns[:, n], _ONE_SIZE if kind == "all" else _LENSES_K1 / _LENSES_K1[0]
        sign = float(np.sign(column @ z)) if kind == "all" else 1.0
        product, square = sign * float(column @ z), float(column @ column)
        if not _log_ratio(np.array([product]), np.array([square]), variance[n : n + 1], sizes) > _LEAST_LOG_RATIO:
            continue
        apart = [*groups(), *np.arange(len(z))[:, None]]
        without = np.repeat(column[:, None], len(apart), axis=1)
        for row, planes in enumerate(apart):
            without[planes, row] = 0.0
        ratio = float(_log_ratio(sign * z @ without, (without**2).sum(axis=0), floor * noise(without), sizes).min())
        if ratio > _LEAST_LOG_RATIO:
            found.append(KnownFault("all" if kind == "all" else "lens", sign, ratio, _LEAST_LOG_RATIO))
    return max(found, key=lambda fault: fault.score, default=None)


def _log_ratio(
    product: Float64[Array, " g"], square: Float64[Array, " g"], variance: Float64[Array, " g"], sizes: np.ndarray
) -> Float64[Array, " g"]:
    """Log of the ratio of likelihoods, of a fault of any of these sizes to none; -inf where nothing is known of it.

    product, square, variance: q' z, q' q and the variance of q' z, for the fault of size 1.
    """
    spread = np.sqrt(np.maximum(variance, 1e-300))
    deviate, expected = product / spread, square / spread * sizes[:, None]
    each = deviate * expected - expected**2 / 2
    largest = each.max(axis=0)
    ratio = largest + np.log(np.exp(each - largest).mean(axis=0))
    return np.where(variance > 0, ratio, -np.inf)
