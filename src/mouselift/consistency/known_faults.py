"""Faults of all views whose size is known, half a pixel and a lens that was left: are they likelier than none?

Of a change of any size a check asks how much it explains (`hypotheses`), and where cameras say little of it (on an arc)
the answer is never clear. Half a pixel has one size, and the lenses that anyone would undistort have a k1 of -0.1 to
-0.4. So it is asked which is likelier, that fault or none. With q what the fault adds to the whitened residuals z, and
C their covariance, the log of the ratio of their likelihoods is q' C^-1 z - q' C^-1 q / 2 (Neyman and Pearson,
Philosophical Transactions A 231, 1933). Of several sizes, all as likely, it is the log of these ratios' mean (Jeffreys,
Theory of Probability, 1939). It must be above a limit, and above a lower one without any one plane, and without the
planes at any one tip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mouselift.array_types import Array, Float64

_HALF_PX = 0.5  # pixel centres at whole numbers or at +0.5: there is no other shift of this kind
# k1 of lenses that were left: barrel distortion of machine vision lenses of 4 to 8 mm (docs/reference/rig-formats.md).
_LENSES_K1 = np.linspace(-0.1, -0.4, 31)
# The log of the ratio, of all planes and without any one plane or tip. 11,500 exact samples of 4 to 64 views (seeds 0,
# 31, 47, 53 and 61 of `benchmarks/many_views.py`) reach (2.04, 0.59) and (2.61, -0.49) with a lens, (2.00, 0.15) and
# (9.5, -1.7) with half a pixel; 700 on an arc (`benchmarks/corpus.py`, 1000 to 1699) less.
_LEAST_LOG_RATIO_ALL, _LEAST_LOG_RATIO_LENS = (2.0, 1.0), (1.2, 0.7)
# Shift of all views to the right and down, pixels, and k1: what is asked for, at the first of its sizes.
KNOWN_FAULTS = np.array([[_HALF_PX, _HALF_PX, 0.0], [0.0, 0.0, _LENSES_K1[0]]])
_KNOWN: tuple[tuple[Literal["all", "lens"], np.ndarray, tuple[float, float]], ...] = (
    ("all", np.ones(1), _LEAST_LOG_RATIO_ALL),
    ("lens", _LENSES_K1 / _LENSES_K1[0], _LEAST_LOG_RATIO_LENS),
)  # kind, sizes in units of the first, limits
# Of a residual's variance, beside what it shares: planes that touch one place do not quite err alike.
_OWN_SHARE = 0.25
_MOST_PLANES = 1000  # whose covariance is inverted, 0.2 s: of more, every second one, or third

_Covariance = Callable[[slice], Float64[Array, "k k"]]  # of the whitened residuals of some planes


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
    columns: Float64[Array, "m 2"],
    floor: float,
    covariance: _Covariance,
    groups: Sequence[np.ndarray],
) -> KnownFault | None:
    """The likelier of the two, where one is likelier than no fault.

    columns: what `KNOWN_FAULTS` add to z. floor: of the noise's variance, 1 on exact masks. groups: of planes at one
    tip.
    """
    kept = slice(None, None, -(-len(z) // _MOST_PLANES))
    own = covariance(kept)
    inverse = np.linalg.inv(floor * (own + _OWN_SHARE * np.diag(np.diag(own))))
    apart = _renumbered(groups, kept)
    found: list[KnownFault] = []
    for column, (kind, sizes, (least, least_without)) in zip(columns[kept].T, _KNOWN, strict=True):
        products, squares = _products(z[kept], column, inverse, apart)
        sign = float(np.sign(products[0])) if kind == "all" else 1.0
        ratios = _log_ratio(sign * products, squares, sizes)
        if ratios[0] > least and ratios.min() > least_without:
            found.append(KnownFault(kind, sign, float(ratios[0]), least))
    return max(found, key=lambda fault: fault.score - fault.limit, default=None)


def _renumbered(groups: Sequence[np.ndarray], kept: slice) -> list[np.ndarray]:
    """Of each group the planes that are kept, by their new numbers."""
    new = [own[own % kept.step == 0] // kept.step for own in groups]
    return [own for own in new if len(own)]


def _products(
    z: Float64[Array, " k"], column: Float64[Array, " k"], inverse: Float64[Array, "k k"], groups: Sequence[np.ndarray]
) -> tuple[Float64[Array, " g"], Float64[Array, " g"]]:
    """(q' C^-1 z, q' C^-1 q) of all planes, then without any one, then without each of the groups.

    Without some planes the inverse is that of the others' covariance: less what these planes explain of it.
    """
    of_z, of_column = inverse @ z, inverse @ column
    product, square, own = float(column @ of_z), float(column @ of_column), np.diag(inverse)
    products, squares = [product, *(product - of_column * of_z / own)], [square, *(square - of_column**2 / own)]
    for planes in groups:
        lost = np.linalg.solve(inverse[np.ix_(planes, planes)], of_column[planes])
        products.append(product - float(lost @ of_z[planes]))
        squares.append(square - float(lost @ of_column[planes]))
    return np.array(products), np.array(squares)


def _log_ratio(
    product: Float64[Array, " g"], square: Float64[Array, " g"], sizes: Float64[Array, " s"]
) -> Float64[Array, " g"]:
    """Log of the ratio of likelihoods, of a fault of any of these sizes to none.

    product, square: q' C^-1 z and q' C^-1 q for the fault of size 1.
    """
    each = sizes[:, None] * product - sizes[:, None] ** 2 * square / 2
    largest = each.max(axis=0)
    return largest + np.log(np.exp(each - largest).mean(axis=0))
