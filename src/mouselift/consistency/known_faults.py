"""Faults of all views whose least size is known: half a pixel, and the lens of a camera.

Of a change of any size a check asks how much it explains, and where cameras say little of it (on an arc) the answer is
never clear. Half a pixel has one size, and a lens that anyone would undistort has a k1 of -0.1 or less. So it is asked
which is likelier, the fault at its least size or no fault. With q what the fault adds to the whitened residuals z, and
C their covariance (`score_limits`), T = q' z / sqrt(q' C q) is a normal deviate, of mean 0 without the fault and of
mean X = q' q / sqrt(q' C q) with it: the log of the ratio of their likelihoods is T X - X^2 / 2 (Neyman and Pearson,
Philosophical Transactions A 231, 1933). It must be above 0, and T beyond chance, without any one plane and without the
planes at any one tip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mouselift.array_types import Array, Float64

_HALF_PX = 0.5  # pixel centres at whole numbers or at +0.5: there is no other shift of this kind
_LEAST_K1 = (
    -0.1
)  # barrel distortion; machine vision lenses of 4 to 8 mm have -0.1 to -0.4 (docs/reference/rig-formats.md)
# Deviations from chance. Where the fault was likelier than none, exact samples reached 1.23 (1,000 on an arc, 400 each
# all round and on a ring: benchmarks/corpus.py, 0 to 999 and 0 to 399), without any one tip; 1.03 with 6 to 64 views
# (60 scenes of benchmarks/many_views.py, seed 0).
# A lens reached 1.9 and 2.3 before a body with few facets (two samples of one of 30 scenes, seed 31, 6 and 8 views).
_LEAST_DEVIATE = {"all": 1.6, "lens": 2.5}

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
