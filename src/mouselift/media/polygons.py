"""Filled polygons and run lengths, as COCO's annotations write masks.

A pixel belongs to a polygon where its centre (column + 0.5, row + 0.5) lies inside by the even-odd rule, so the square
(0, 0) .. (10, 10) is 100 pixels, as with COCO's own tools. OpenCV's and Pillow's drawing adds the outline, half a pixel
all round. Scripts that write what `cv2.findContours` found mean that: its corners are pixels of the subject.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mouselift.array_types import Array, Bool, Int64
from mouselift.foreign import numbers

_TRACED = 8  # corners; fewer may go along eight directions by chance
_FAR = 1e6  # pixels, beyond which no image reaches
_RUN_BITS = 40  # a run and its difference to another one: no image has 2^39 pixels


def filled(polygon: Sequence[int | float], height: int, width: int) -> Bool[Array, "h w"]:
    """polygon: x0, y0, x1, y1, ... from the image's top-left corner. ValueError for less than a triangle."""
    flat = numbers(polygon, (None,))
    if len(flat) < 6 or len(flat) % 2:
        raise ValueError(f"expected x0, y0, x1, y1, ... of three corners or more, got {len(flat)} numbers")
    corners = flat.reshape(-1, 2)
    odd = np.zeros((height, width + 1), dtype=bool)  # number of edges that begin at it, left of a pixel's centre
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        low, high = sorted((y0, y1))
        rows = np.arange(max(int(np.ceil(low - 0.5)), 0), min(int(np.ceil(high - 0.5)), height))
        if rows.size:
            x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            odd[rows, np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)] ^= True
    return np.logical_xor.accumulate(odd[:, :width], axis=1)


def is_traced(polygon: Sequence[int | float]) -> bool:
    """Whether corners are pixels, and not points: as `cv2.findContours` gives them.

    Then all are whole numbers, and all edges go along the eight directions to neighbours, diagonals among them. Who
    clicks corners goes along others, and outlines along the edges of pixels have no diagonals.
    """
    flat = numbers(polygon, (None,))
    if len(flat) < 2 * _TRACED or len(flat) % 2 or (flat != np.rint(flat)).any():
        return False
    corners = flat.reshape(-1, 2)
    across, down = np.abs(np.roll(corners, -1, axis=0) - corners).T
    diagonal = (across == down) & (across > 0)
    return bool(diagonal.any() and (diagonal | (across == 0) | (down == 0)).all())


def traced(polygon: Sequence[int | float], height: int, width: int) -> Bool[Array, "h w"]:
    """The pixels that `cv2.findContours` went round, those of the outline among them."""
    out = np.zeros((height, width), dtype=np.uint8)
    cv2.fillPoly(out, [np.rint(numbers(polygon, (None,)).reshape(-1, 2)).clip(-_FAR, _FAR).astype(np.int32)], 1)
    return out.view(bool)


def from_runs(counts: Sequence[int] | str, height: int, width: int) -> Bool[Array, "h w"]:
    """Lengths of runs of 0 and 1 in turn, down the columns; as numbers, or as COCO's text. ValueError: not the size."""
    runs = decoded_runs(counts) if isinstance(counts, str) else numbers(counts, (None,)).astype(np.int64)
    if (runs < 0).any() or int(runs.sum()) != height * width:
        raise ValueError(f"expected runs of {height * width} pixels ({height} x {width}), got {int(runs.sum())}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def decoded_runs(text: str) -> Int64[Array, " n"]:
    """COCO's compressed runs: five bits a character, lowest first, from "0" on; bit 5 says that more follow.

    From the fourth run on it is the difference to the run before the last. ValueError where the text is cut.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"run lengths hold the character {character!r}")
        value |= (bits & 31) << shift
        shift += 5
        if shift > _RUN_BITS:
            raise ValueError("a run length is longer than any image")
        if bits & 32:
            continue
        if bits & 16:  # the sign of the last five
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("run lengths end within a number")
    return np.array(runs, dtype=np.int64)
