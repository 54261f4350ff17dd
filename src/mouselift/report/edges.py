"""A mask's edge as lines to draw: where its alpha crosses one half, to a fraction of a pixel, in order."""

from __future__ import annotations

import cv2
import numpy as np

from mouselift.array_types import Array, Float64, Levels, Points2
from mouselift.geometry.outlines import LEVEL

_SPECK = 6  # corners: shorter lines are noise of the mask

Polyline = Float64[Array, "_ 2"]  # of any length, so several can be told of at once

# Marching squares. Corners of a cell: 1 top left, 2 top right, 4 bottom right, 8 bottom left; sides: 0 top, 1 right,
# 2 bottom, 3 left. For each of the 16 cases, the pairs of sides that a line joins.
_JOINS: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((3, 0),),
    2: ((0, 1),),
    3: ((3, 1),),
    4: ((1, 2),),
    5: ((3, 0), (1, 2)),
    6: ((0, 2),),
    7: ((3, 2),),
    8: ((2, 3),),
    9: ((2, 0),),
    10: ((0, 1), (2, 3)),
    11: ((2, 1),),
    12: ((1, 3),),
    13: ((1, 0),),
    14: ((0, 3),),
}


def edge_lines(alpha: Levels, tolerance: float = 0.08) -> list[Polyline]:
    """Polylines along the half level, pixels of the image (centres at +0.5), in no particular order.

    tolerance: corners that matter less than this many pixels are left out; specks are left out whole. A line that
    reaches the image's border ends there; closed ones repeat their first point. (Marching squares: Lorensen and Cline
    1987, in two dimensions.)
    """
    values = alpha.astype(np.float64)
    out: list[Polyline] = []
    for line in _chains(_links(values)):
        if len(line) < _SPECK:
            continue
        points = _points(values, np.array(line)).astype(np.float32)
        closed = line[0] == line[-1]
        corners = cv2.approxPolyDP(points[:-1, None] if closed else points[:, None], tolerance, closed)
        simple = np.asarray(corners)[:, 0].astype(np.float64)
        out.append(np.concatenate([simple, simple[:1]]) if closed else simple)
    return out


def path_data(lines: list[Polyline]) -> str:
    """Polylines as the `d` of an SVG path, in hundredths of a pixel."""
    points = [[f"{x:.2f} {y:.2f}" for x, y in line.tolist()] for line in lines]
    return "".join(f"M{first}L{' '.join(rest)}" for first, *rest in points)


Crossing = tuple[int, int, int]  # row, column, 0: between it and its right neighbour, 1: its lower neighbour


def _links(values: Float64[Array, "h w"]) -> dict[Crossing, list[Crossing]]:
    """Which crossings a line joins."""
    inside = (values > LEVEL).astype(np.uint8)
    case = inside[:-1, :-1] | inside[:-1, 1:] << 1 | inside[1:, 1:] << 2 | inside[1:, :-1] << 3
    rows, columns = np.nonzero((case > 0) & (case < 15))
    links: dict[Crossing, list[Crossing]] = {}
    for row, column, kind in zip(rows.tolist(), columns.tolist(), case[rows, columns].tolist(), strict=True):
        sides = ((row, column, 0), (row, column + 1, 1), (row + 1, column, 0), (row, column, 1))
        for first, second in _JOINS[kind]:
            links.setdefault(sides[first], []).append(sides[second])
            links.setdefault(sides[second], []).append(sides[first])
    return links


def _chains(links: dict[Crossing, list[Crossing]]) -> list[list[Crossing]]:
    """Links walked into lines; open ones first, from their ends, so that none is cut in two."""
    left = {key: list(ends) for key, ends in links.items()}
    chains: list[list[Crossing]] = []
    for start in [*(key for key, ends in links.items() if len(ends) == 1), *links]:
        chain = [start]
        while left[chain[-1]]:
            following = left[chain[-1]].pop()
            left[following].remove(chain[-1])
            chain.append(following)
        if len(chain) > 1:
            chains.append(chain)
    return chains


def _points(values: Float64[Array, "h w"], crossings: Array) -> Points2:
    """Crossings as pixels: linear between neighbouring pixel centres."""
    row, column, down = crossings.T
    near = values[row, column]
    far = values[row + down, column + 1 - down]
    share = (LEVEL - near) / (far - near)
    return np.stack([column + 0.5 + share * (1 - down), row + 0.5 + share * down], axis=1)
