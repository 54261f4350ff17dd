"""What an exact outline may be off by: noise, more of it at sharp and thin tips, and what the half level cuts off.

The half level cuts every corner short, by a third of a pixel at a right angle. That is no noise: it grows with the
square of the corner's sharpness in all views alike, and where many planes touch few corners (bodies with few facets,
many views) it looks like a lens or a shift of all views. How much it is differs from body to body: a corner of a mesh
loses more than the round end of a tail. So its mean is taken off, and its pattern counts as little as its spread says:
with q the pattern in whitened residuals, times its spread, their covariance is 1 + q q', and they are whitened by that.

`ChanceModel` says how large a hypothesis's score gets by all this, for any number of views. Residuals are not
independent: planes that touch a view's outline at one place share the error of that place, and more views touch the
same places more often. So what a hypothesis explains by chance grows faster than its unknowns.

With z the whitened residuals, C their covariance and P the projection onto a hypothesis's columns, the squares z' P z
that it explains have mean tr(PC) and variance 2 tr(PCPC). A chi-square variable times a constant has these two moments
with b = tr(PC)^2 / tr(PCPC) degrees of freedom (Satterthwaite, Biometrics Bulletin 2, 1946); its quantile is the limit.
Where the noise itself is measured, by few residuals beyond the unknowns, the quantile is F's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.geometry.outlines import Outline
from mouselift.geometry.tangent_planes import TangentPlanes

# `python benchmarks/audit_detection.py --calibrate`, 1,000 exact samples.
NOISE_PX = 0.055  # sigma of an outline point on exact masks, away from sharp and thin tips
# The next five: 990 exact samples of 110 scenes (seed 0 of `benchmarks/many_views.py`, 6 to 64 views).
_SHARP_PX = 0.3  # extra sigma where the outline is sharp, times its sharpness (0 .. 1) above BLUNT
BLUNT = 0.4  # sharpness up to which a corner is as well defined as an edge
_THIN_PX = 1.0  # extra sigma where a tip is w pixels wide: _THIN_PX / w^2
TIP_RADIUS_PX = 5.0  # sharpness at a tangent point is measured within this
_THIN_DEPTH_PX = 1.5  # and width this far inside the tip's end
# Lost at a corner over its sharpness squared, mean and spread. Fits to 20 scenes of each kind, same run, 64 views:
# bodies with few facets 0.19 +- 0.16, mice 0.12 +- 0.06; 60 samples of six views on each rig (benchmarks/corpus.py,
# 1000 to 1059): 0.14 to 0.18.
_CORNER_LOSS_PX, _CORNER_SPREAD_PX = 0.15, 0.15
# Noise of an outline's place on exact masks: error of places that six planes or more touch, by sharpness, 110 scenes of
# `benchmarks/many_views.py`, seed 0, 64 views. Where blunt: 0.04 px RMS on smooth bodies, 0.07 to 0.08 on mice and on
# bodies with few facets; 0.1 to 0.2 px at corners; and at least half of the variance that a residual has.
_EDGE_PX, _CORNER_PX, _LEAST_SHARE = 0.06, 0.15, 0.5
_PLACE_PX = 3.0  # planes that touch a view within one cell of this size share its error
# What no number of planes averages out: a shift of a view's whole outline (neighbouring places of one straight side err
# alike: covariances of up to 0.001 px^2 at 6 to 25 px, same scenes), and one of all views (half level, rounding).
_VIEW_FLOOR_PX, _COMMON_FLOOR_PX = 0.03, 0.02
_STEPS, _TERMS = 20, 2000  # at most: four steps, and about 5 + 10 sqrt(a) terms


@dataclass(frozen=True, eq=False)
class OutlineNoise:
    """Of exact outlines where tangent planes touch them, and of the planes' residuals."""

    point_px: Float64[Array, "m 2"]  # sigma of the outline at each plane's two touching points
    sharpness: Float64[Array, "m 2"]  # of the outline there: 0 on a straight edge .. 1 at a needle's end
    sigma_px: Float64[Array, " m"]  # of each residual
    corners: Float64[Array, " m"]  # what corners that lose a pixel over their sharpness squared add, over sigma_px

    @classmethod
    def of(cls, planes: TangentPlanes, outlines: Sequence[Outline | None], *, corners: bool = True) -> OutlineNoise:
        """outlines: one a view, those that the planes touch. corners: what they lose is taken into account."""
        point_px, sharpness = _point_sigma(planes, outlines)
        sigma = _of_residuals(planes, point_px)
        lost = planes.moved(-planes.outward * sharpness[..., None] ** 2) if corners else np.zeros(len(sigma))
        return cls(point_px, sharpness, sigma, lost / sigma)

    def whitened(self, residual: Float64[Array, " m"]) -> Float64[Array, " m"]:
        """Residuals (pixels) over their sigma, less what corners lose in the mean, and `less_corners`."""
        return self.less_corners(residual / self.sigma_px - _CORNER_LOSS_PX * self.corners)

    def less_corners(self, over_sigma: np.ndarray) -> np.ndarray:
        """Anything over sigma_px, [m] or [m, k], less along the corners' pattern: times (1 + q q')^-1/2."""
        q = self.corner_spread
        square = float(q @ q)
        if square == 0.0:
            return over_sigma
        return over_sigma - np.multiply.outer(q, q @ over_sigma) * ((1 - 1 / np.sqrt(1 + square)) / square)

    @property
    def corner_spread(self) -> Float64[Array, " m"]:
        """The pattern q."""
        return _CORNER_SPREAD_PX * self.corners


def _point_sigma(
    planes: TangentPlanes, outlines: Sequence[Outline | None]
) -> tuple[Float64[Array, "m 2"], Float64[Array, "m 2"]]:
    """(sigma of the outline at each plane's touching points, pixels; its sharpness there, 0 .. 1).

    More at the end of a sharp or thin tip: the half level cuts it short, by an amount that depends on the direction of
    view.
    """
    outward = planes.outward
    sigma, sharpness = np.full((len(planes.angle), 2), NOISE_PX), np.zeros((len(planes.angle), 2))
    both = np.stack([planes.first, planes.second], axis=1)
    for k, outline in enumerate(outlines):
        if outline is None:
            continue
        here = np.nonzero(both == k)
        sharp, width = _tips(outline.points, planes.points[here], outward[here])
        tip = _SHARP_PX * np.maximum(sharp - BLUNT, 0.0)
        sigma[here] = np.sqrt(NOISE_PX**2 + tip**2 + (_THIN_PX / width**2) ** 2)
        sharpness[here] = sharp
    return sigma, sharpness


def _of_residuals(planes: TangentPlanes, point_px: Float64[Array, "m 2"]) -> Float64[Array, " m"]:
    """Sigma of residuals from those of their two touching points."""
    slope = (planes.gradient**2).sum(axis=2)
    return np.sqrt((slope * point_px**2).sum(axis=1) / np.maximum(slope.sum(axis=1), 1e-300))


def _tips(points: np.ndarray, corners: np.ndarray, outward: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(sharpness: 0 on a straight edge .. 1 at a needle's end; width in pixels, at least 1) of an outline's corners.

    The mean offset of the outline near a corner of half opening angle a is radius / 2 times cos a.
    """
    x, y = (points[None, :, axis] - corners[:, None, axis] for axis in (0, 1))
    at, count = np.flatnonzero(x * x + y * y < TIP_RADIUS_PX**2), len(corners)
    row, dx, dy = at // len(points), x.ravel()[at], y.ravel()[at]
    number = np.maximum(np.bincount(row, minlength=count), 1)
    mean = [np.bincount(row, d, minlength=count) / number for d in (dx, dy)]
    sharp = np.hypot(mean[0], mean[1]) / (TIP_RADIUS_PX / 2)
    end = -(dx * outward[row, 0] + dy * outward[row, 1]) < _THIN_DEPTH_PX
    along = np.where(end, dy * outward[row, 0] - dx * outward[row, 1], 0.0)
    low, high = np.zeros(count), np.zeros(count)
    np.minimum.at(low, row, along)
    np.maximum.at(high, row, along)
    return sharp, np.maximum(high - low, 1.0)


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
