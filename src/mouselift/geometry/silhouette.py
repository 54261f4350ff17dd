"""What a mask says about a subject: outline, area, centre, border contact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array, Mask, Points2

HALF_LEVEL = 128  # of a soft mask's 0..255: a pixel belongs to the subject from here on


@dataclass(frozen=True, eq=False)
class Silhouette:
    """A subject's outline in one image, in pixels of that image.

    `outline` holds pixel *corners* of the mask's boundary: of every row the first and last, of every
    column the top and bottom ones. They contain every point that can be extreme in any direction under
    a smooth map, so "all of them inside" means "the whole mask inside".
    """

    width: int  # of the image
    height: int
    area: int  # mask pixels
    centroid: Float64[Array, "1 2"]  # mean of pixel centres
    outline: Points2  # [n, 2] corners
    box: tuple[int, int, int, int]  # x0, y0, x1, y1: half open

    @classmethod
    def from_mask(cls, mask: Mask, offset: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None) -> Silhouette:
        """From a mask, or from a crop of one whose corner lies at `offset` = (x, y) of an image of `size` = (w, h).

        ValueError where the mask is empty: an absent subject has no silhouette.
        """
        height, width = mask.shape
        rows = np.flatnonzero(mask.any(axis=1))
        if rows.size == 0:
            raise ValueError("Silhouette: the mask is empty")
        columns = np.flatnonzero(mask.any(axis=0))
        x0, x1, y0, y1 = int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1
        tight = mask[y0:y1, x0:x1]
        ones = np.ascontiguousarray(tight).view(np.uint8)
        in_column, in_row = ones.sum(axis=0, dtype=np.uint32), ones.sum(axis=1, dtype=np.uint32)
        area = int(in_row.sum())
        shift = np.array([x0 + offset[0], y0 + offset[1]], dtype=np.float64)
        centre = np.array([np.arange(x1 - x0) @ in_column, np.arange(y1 - y0) @ in_row]) / area + 0.5
        full = size if size is not None else (width, height)
        return cls(
            full[0],
            full[1],
            area,
            (centre + shift)[None],
            _extreme_corners(tight) + shift,
            (x0 + offset[0], y0 + offset[1], x1 + offset[0], y1 + offset[1]),
        )

    def touches_border(self, margin: int = 0) -> bool:
        """Whether the mask reaches within `margin` pixels of the image's edge: the sensor may have cut it."""
        x0, y0, x1, y1 = self.box
        return x0 <= margin or y0 <= margin or x1 >= self.width - margin or y1 >= self.height - margin


def _extreme_corners(tight: np.ndarray) -> np.ndarray:
    """Corners of the first and last set pixel of each row and column of a mask."""
    across = _run_ends(tight)
    down = _run_ends(tight.T)[:, ::-1]
    return np.concatenate([across, down]).astype(np.float64)


def _run_ends(mask: np.ndarray) -> np.ndarray:
    """(x, y) corners of each row's first and last set pixel."""
    rows = np.flatnonzero(mask.any(axis=1))
    used = np.ascontiguousarray(mask[rows])
    first = used.argmax(axis=1)
    last = mask.shape[1] - np.ascontiguousarray(used[:, ::-1]).argmax(axis=1)
    x = np.concatenate([first, first, last, last])
    y = np.concatenate([rows, rows + 1, rows, rows + 1])
    return np.stack([x, y], axis=1)


def convex_hull(points: Points2) -> Float64[Array, "m 2"]:
    """Corners of the convex hull in order (Andrew's monotone chain); collinear points are left out."""
    ordered = np.unique(points, axis=0)
    if len(ordered) < 3:
        return ordered
    lower, upper = _chain(ordered.tolist()), _chain(ordered[::-1].tolist())
    return np.array(lower[:-1] + upper[:-1], dtype=np.float64)


def _chain(points: list[list[float]]) -> list[list[float]]:
    chain: list[list[float]] = []
    for p in points:
        while len(chain) > 1:
            (ax, ay), (bx, by) = chain[-2], chain[-1]
            if (bx - ax) * (p[1] - ay) - (by - ay) * (p[0] - ax) > 0:
                break
            chain.pop()
        chain.append(p)
    return chain
