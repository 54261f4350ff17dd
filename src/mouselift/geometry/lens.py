"""Lens models: what the glass does to normalised image coordinates (x/z, y/z).

Formulas: OpenCV, "Camera Calibration and 3D Reconstruction" (Brown-Conrady with rational radial
terms) and "Fisheye camera model" (Kannala-Brandt). A model is only used where it is one-to-one.
Beyond the radius where its radial curve stops rising it "folds over": two rays share a pixel.
`distort` answers NaN there, `undistort` refuses.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from mouselift.array_types import Points2
from mouselift.errors import LensFoldError

UNDISTORT_TOLERANCE = 1e-10  # normalised units: below 1e-6 px for any real focal length
_MAX_ITERATIONS = 50
_TABLE_RADII = 512  # starting values for Newton; the result does not depend on it
_JUST_INSIDE = 1 - 1e-9
_NO_ROOT = 1e-10  # roots 1 / (squared radius or angle) below this lie beyond any lens
_TABLE_LIMIT = 20.0  # normalised radius (87 degrees) up to which a lens without a fold is tabulated

OnFold = Literal["raise", "nan"]


@dataclass(frozen=True)
class Pinhole:
    """No distortion."""

    def distort(self, xy: Points2) -> Points2:
        return xy.copy()

    def undistort(self, xy: Points2, on_fold: OnFold = "raise") -> Points2:
        return xy.copy()


@dataclass(frozen=True)
class BrownConrady:
    """OpenCV's standard model: radial (rational) and tangential terms.

    With r2 = x^2 + y^2 and c = (1 + k1 r2 + k2 r2^2 + k3 r2^3) / (1 + k4 r2 + k5 r2^2 + k6 r2^3):
    x' = c x + 2 p1 x y + p2 (r2 + 2 x^2),  y' = c y + p1 (r2 + 2 y^2) + 2 p2 x y.
    """

    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0
    k5: float = 0.0
    k6: float = 0.0

    @cached_property
    def fold_radius(self) -> float:
        """Normalised radius (of the ray) at which the radial curve stops rising; inf where it never does."""
        # d/dr [r N/D] has the sign of (N + 2 s N') D - 2 s N D', polynomials in s = r^2.
        num = np.polynomial.Polynomial([1.0, self.k1, self.k2, self.k3])
        den = np.polynomial.Polynomial([1.0, self.k4, self.k5, self.k6])
        s = np.polynomial.Polynomial([0.0, 1.0])
        slope = (num + 2 * s * num.deriv()) * den - 2 * s * num * den.deriv()
        turning = [*_positive_roots(slope.coef), *_positive_roots(den.coef)]
        return float(np.sqrt(min(turning))) if turning else float("inf")

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        radius = np.linspace(0.0, min(self.fold_radius * _JUST_INSIDE, _TABLE_LIMIT), _TABLE_RADII)
        return radius, radius * self._radial(radius**2)

    def _radial(self, r2: np.ndarray) -> np.ndarray:
        numerator = 1 + r2 * (self.k1 + r2 * (self.k2 + r2 * self.k3))
        return numerator / (1 + r2 * (self.k4 + r2 * (self.k5 + r2 * self.k6)))

    def _apply(self, xy: np.ndarray) -> np.ndarray:
        x, y = xy[:, 0], xy[:, 1]
        r2 = x * x + y * y
        c = self._radial(r2)
        return np.stack(
            [
                c * x + 2 * self.p1 * x * y + self.p2 * (r2 + 2 * x * x),
                c * y + self.p1 * (r2 + 2 * y * y) + 2 * self.p2 * x * y,
            ],
            axis=1,
        )

    def _jacobian(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The four entries of d(x', y') / d(x, y)."""
        x, y = xy[:, 0], xy[:, 1]
        r2 = x * x + y * y
        num = 1 + r2 * (self.k1 + r2 * (self.k2 + r2 * self.k3))
        den = 1 + r2 * (self.k4 + r2 * (self.k5 + r2 * self.k6))
        dnum = self.k1 + r2 * (2 * self.k2 + r2 * 3 * self.k3)
        dden = self.k4 + r2 * (2 * self.k5 + r2 * 3 * self.k6)
        c, dc = num / den, (dnum * den - num * dden) / (den * den)
        cross = 2 * x * y * dc + 2 * self.p1 * x + 2 * self.p2 * y
        xx = c + 2 * x * x * dc + 2 * self.p1 * y + 6 * self.p2 * x
        yy = c + 2 * y * y * dc + 6 * self.p1 * y + 2 * self.p2 * x
        return xx, cross, cross, yy

    def distort(self, xy: Points2) -> Points2:
        """Ray (x/z, y/z) -> distorted normalised coordinates; NaN beyond the fold."""
        out = self._apply(xy)
        if np.isfinite(self.fold_radius):
            out[(xy**2).sum(1) > self.fold_radius**2] = np.nan
        return out

    def undistort(self, xy: Points2, on_fold: OnFold = "raise") -> Points2:
        """Distorted normalised coordinates -> ray (x/z, y/z), by Newton's method to 1e-10.

        Raises LensFoldError (or answers NaN, `on_fold="nan"`) where no ray before the fold exists.
        """
        if xy.size == 0:
            return xy.copy()
        xy = _finite_or_nan(xy)
        target, (radius, distorted) = np.hypot(xy[:, 0], xy[:, 1]), self._table
        ray = xy * _ratio(np.interp(target, distorted, radius), target)[:, None]  # the radial terms alone
        for _ in range(_MAX_ITERATIONS):
            residual = self._apply(ray) - xy
            if np.nanmax(np.abs(residual), initial=0.0) < UNDISTORT_TOLERANCE * 0.01:
                break
            a, b, c, d = self._jacobian(ray)
            det = a * d - b * c
            step = np.stack([d * residual[:, 0] - b * residual[:, 1], a * residual[:, 1] - c * residual[:, 0]], 1)
            with np.errstate(divide="ignore", invalid="ignore"):
                step = step / det[:, None]
            ray = _inside(ray - np.where(np.isfinite(step), step, 0.0), self.fold_radius)
        a, b, c, d = self._jacobian(ray)
        solved = np.abs(self._apply(ray) - xy).max(1) < UNDISTORT_TOLERANCE
        return _refuse(ray, solved & (a * d - b * c > 0), xy, on_fold)


@dataclass(frozen=True)
class Fisheye:
    """OpenCV's fisheye model: theta_d = theta (1 + k1 theta^2 + k2 theta^4 + k3 theta^6 + k4 theta^8).

    Rays at 90 degrees or more from the axis have no place on the normalised plane: NaN.
    """

    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0

    @cached_property
    def fold_angle(self) -> float:
        """Angle (rad) from the axis at which the curve stops rising, at most just below pi/2."""
        turning = _positive_roots(np.array([1.0, 3 * self.k1, 5 * self.k2, 7 * self.k3, 9 * self.k4]))
        return min([*np.sqrt(turning), np.pi / 2 - 1e-6])

    def _angle(self, theta: np.ndarray) -> np.ndarray:
        t2 = theta * theta
        return theta * (1 + t2 * (self.k1 + t2 * (self.k2 + t2 * (self.k3 + t2 * self.k4))))

    def _slope(self, theta: np.ndarray) -> np.ndarray:
        t2 = theta * theta
        return 1 + t2 * (3 * self.k1 + t2 * (5 * self.k2 + t2 * (7 * self.k3 + t2 * 9 * self.k4)))

    def distort(self, xy: Points2) -> Points2:
        """Ray (x/z, y/z) -> distorted normalised coordinates; NaN beyond the fold."""
        radius = np.hypot(xy[:, 0], xy[:, 1])
        theta = np.arctan(radius)
        out = xy * _ratio(self._angle(theta), radius)[:, None]
        out[theta > self.fold_angle] = np.nan
        return out

    def undistort(self, xy: Points2, on_fold: OnFold = "raise") -> Points2:
        """Distorted normalised coordinates -> ray (x/z, y/z); as `BrownConrady.undistort`."""
        if xy.size == 0:
            return xy.copy()
        xy = _finite_or_nan(xy)
        target = np.hypot(xy[:, 0], xy[:, 1])
        grid = np.linspace(0.0, self.fold_angle, _TABLE_RADII)
        theta = np.interp(target, self._angle(grid), grid)
        for _ in range(_MAX_ITERATIONS):
            residual = self._angle(theta) - target
            if np.nanmax(np.abs(residual), initial=0.0) < UNDISTORT_TOLERANCE * 0.01:
                break
            slope = np.maximum(self._slope(theta), 1e-12)
            theta = np.clip(theta - residual / slope, 0.0, self.fold_angle)
        solved = np.abs(self._angle(theta) - target) < UNDISTORT_TOLERANCE
        return _refuse(xy * _ratio(np.tan(theta), target)[:, None], solved, xy, on_fold)


Lens = Pinhole | BrownConrady | Fisheye


def _positive_roots(coefficients: np.ndarray) -> list[float]:
    """Real positive roots of 1 + sum c_i s^i, i >= 1."""
    # Solved for t = 1/s, whose leading coefficient is the 1: a vanishing last coefficient cannot spoil the others.
    roots = np.polynomial.Polynomial(np.trim_zeros(coefficients, "b")[::-1]).roots()
    return [1 / float(t.real) for t in roots if abs(t.imag) < 1e-12 * max(1.0, abs(t)) and t.real > _NO_ROOT]


def _finite_or_nan(xy: np.ndarray) -> np.ndarray:
    """Infinite coordinates as NaN, which passes through the iteration without warnings."""
    return np.where(np.isfinite(xy), xy, np.nan)


def _ratio(numerator: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """numerator / radius, and its limit 1 on the axis."""
    safe = np.where(radius > 1e-15, radius, 1.0)
    return np.where(radius > 1e-15, numerator / safe, 1.0)


def _inside(ray: np.ndarray, limit: float) -> np.ndarray:
    """Rays pulled back to just inside the fold, so that Newton cannot leave the one-to-one region."""
    if not np.isfinite(limit):
        return ray
    radius = np.hypot(ray[:, 0], ray[:, 1])
    outside = radius > limit
    if outside.any():
        ray = ray.copy()
        ray[outside] *= (limit * _JUST_INSIDE / radius[outside])[:, None]
    return ray


def _refuse(ray: np.ndarray, good: np.ndarray, xy: np.ndarray, on_fold: OnFold) -> np.ndarray:
    if good.all():
        return ray
    if on_fold == "nan":
        return np.where(good[:, None], ray, np.nan)
    first = xy[np.flatnonzero(~good)[0]]
    raise LensFoldError(
        f"lens: {int((~good).sum())} of {len(good)} points lie where the lens model folds over or are not finite, "
        f"the first at normalised ({first[0]:.4f}, {first[1]:.4f}); expected points inside the calibrated field. "
        "Check the distortion coefficients and their order (k1 k2 p1 p2 k3), and the image's size."
    )
