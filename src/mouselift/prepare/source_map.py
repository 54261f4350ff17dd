"""Where each output pixel lies in the source image: the exact map, as a polynomial that is proven on the spot.

The map of a view (turn, zoom, lens) is smooth, so over the subject's box a tensor product of Chebyshev
polynomials gives it to far below a thousandth of a pixel, at a fiftieth of the cost. (Trefethen,
"Approximation Theory and Approximation Practice", 2013, ch. 2-4.) Every fit is compared with the exact
map between its nodes; where it misses, the exact map is taken pixel by pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float32, Float64

from mouselift.array_types import Array
from mouselift.geometry.reframe import Reframe
from mouselift.media.frames import Box

MAP_TOLERANCE_PX = 2e-4  # source pixels: room for single precision within the promised 1e-3
_DEGREES = (7, 12)  # polynomial degrees tried in turn
_CHECKS = 6  # test points a side, corners included
_FAR = -1e6  # a source position that no image has: where the lens has no ray

MapPair = tuple[Float32[Array, "h w"], Float32[Array, "h w"]]


@dataclass(frozen=True, eq=False)
class SourceMap:
    """Source positions of the pixels of one output box."""

    box: Box  # output pixels
    bounds: tuple[float, float, float, float]  # x0, y0, x1, y1 of the box's image in the source, pixels
    scale: float  # output pixels per source pixel at the box's middle
    polynomials: tuple[Float64[Array, "k k"], Float64[Array, "k k"]] | None  # of x and y, [row order, column order]
    reframe: Reframe

    def at(
        self, columns: Float64[Array, " w"], rows: Float64[Array, " h"], origin: tuple[float, float], factor: float
    ) -> MapPair:
        """`factor * (source position - origin)` of the output positions `columns` x `rows`, single precision.

        Positions are in the project's convention: pixel centres at + 0.5 on both sides.
        """
        if self.polynomials is None:
            return self._exact(columns, rows, origin, factor)
        across = _basis(columns, self.box[0], self.box[2], len(self.polynomials[0]))
        down = _basis(rows, self.box[1], self.box[3], len(self.polynomials[0]))
        return self._product(0, down, across, origin, factor), self._product(1, down, across, origin, factor)

    def _product(
        self, axis: int, down: np.ndarray, across: np.ndarray, origin: tuple[float, float], factor: float
    ) -> np.ndarray:
        assert self.polynomials is not None
        C = factor * self.polynomials[axis]
        # The shift joins the constant term while all is double: single precision then only sees small numbers.
        C[0, 0] -= factor * origin[axis]
        return (down @ C).astype(np.float32) @ across.T.astype(np.float32)

    def _exact(self, columns: np.ndarray, rows: np.ndarray, origin: tuple[float, float], factor: float) -> MapPair:
        x, y = np.meshgrid(columns, rows)
        source = self.reframe.to_source(np.stack([x.ravel(), y.ravel()], axis=1))
        moved = np.where(np.isfinite(source), factor * (source - np.array(origin)), _FAR).astype(np.float32)
        return moved[:, 0].reshape(x.shape), moved[:, 1].reshape(x.shape)


def source_map(reframe: Reframe, box: Box) -> SourceMap:
    """The map of `box` (output pixels, not empty). Exact to MAP_TOLERANCE_PX, or evaluated pixel by pixel."""
    for degree in _DEGREES:
        terms, checks = degree + 1, np.linspace(-1.0, 1.0, _CHECKS)
        asked = [_grid(_nodes(terms), box), _grid(checks, box), _middle(box)]
        found = reframe.to_source(np.concatenate(asked))
        if not np.isfinite(found).all():
            break
        at_nodes, at_checks, at_middle = np.split(found, np.cumsum([len(points) for points in asked])[:-1])
        square, fit = at_nodes.reshape(terms, terms, 2), _transform(terms)
        x, y = fit @ square[..., 0] @ fit.T, fit @ square[..., 1] @ fit.T
        test = np.polynomial.chebyshev.chebvander(checks, degree)
        guess = np.stack([(test @ x @ test.T).ravel(), (test @ y @ test.T).ravel()], axis=1)
        if float(np.abs(guess - at_checks).max()) <= MAP_TOLERANCE_PX:
            return SourceMap(box, _bounds(at_checks), _scale(at_middle), (x, y), reframe)
    known = reframe.to_source(_grid(np.linspace(-1.0, 1.0, 65), box))
    return SourceMap(box, _bounds(known), _scale(reframe.to_source(_middle(box))), None, reframe)


def _bounds(points: np.ndarray) -> tuple[float, float, float, float]:
    """Bounding box of the finite points, with room for what lies between them; all zero where there is none."""
    good = points[np.isfinite(points).all(axis=1)]
    if len(good) == 0:
        return 0.0, 0.0, 0.0, 0.0
    low, high = good.min(axis=0), good.max(axis=0)
    room = 1.0 + 0.01 * (high - low)
    (x0, y0), (x1, y1) = (low - room).tolist(), (high + room).tolist()
    return x0, y0, x1, y1


def _middle(box: Box) -> np.ndarray:
    """Four points about the box's middle, half a pixel away: right, left, down, up."""
    middle = np.array([[(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]])
    return middle + np.array([[0.5, 0.0], [-0.5, 0.0], [0.0, 0.5], [0.0, -0.5]])


def _scale(moved: np.ndarray) -> float:
    """Output pixels per source pixel from the source positions of `_middle`; 1 where the lens has no rays there."""
    a, b = moved[0] - moved[1], moved[2] - moved[3]
    area = float(abs(a[0] * b[1] - a[1] * b[0]))
    return float(area**-0.5) if np.isfinite(area) and area > 0 else 1.0


def _grid(t: np.ndarray, box: Box) -> np.ndarray:
    """Output positions at t x t, t in [-1, 1] over the box; row by row."""
    x = box[0] + (t + 1) / 2 * (box[2] - box[0])
    y = box[1] + (t + 1) / 2 * (box[3] - box[1])
    return np.stack([np.tile(x, len(t)), np.repeat(y, len(t))], axis=1)


def _basis(positions: np.ndarray, low: int, high: int, terms: int) -> np.ndarray:
    return np.polynomial.chebyshev.chebvander(2 * (positions - low) / (high - low) - 1, terms - 1)


@cache
def _nodes(terms: int) -> np.ndarray:
    return np.cos(np.pi * (np.arange(terms) + 0.5) / terms)


@cache
def _transform(terms: int) -> np.ndarray:
    """Values at the nodes -> Chebyshev coefficients (a discrete cosine transform)."""
    matrix = np.cos(np.pi * np.outer(np.arange(terms), np.arange(terms) + 0.5) / terms) * 2 / terms
    matrix[0] /= 2
    return matrix
