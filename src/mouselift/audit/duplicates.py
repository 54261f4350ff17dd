"""Samples that are there twice, and samples so alike that one teaches the other: a few hundred bytes a sample.

A sample's identity is the checksums of its images' files. Its likeness is each view's silhouette in 8 x 8 cells: two
moments with the same silhouettes from all sides show the same pose. Colours are not compared, so that an image that
another tool brightened or encoded again is still found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from mouselift.array_types import Array, Levels
from mouselift.findings import Finding

CELLS = 8  # a side
ALIKE = 2.0  # levels of 255, root mean square over all cells: below it two samples show one pose
_CLOSE = 64  # samples of a side, read at every n-th pixel, before cells are averaged
_CHUNK = 512  # samples compared at a time: their distances to ten thousand others take 40 MB


@dataclass(frozen=True, eq=False)
class Likeness:
    """What is kept of one sample's images."""

    digests: tuple[int, ...]  # one a view
    cells: UInt8[Array, " k"]  # 64 a view, views in order


def likeness(alphas: Sequence[Levels], digests: Sequence[int]) -> Likeness:
    """Of one sample's views, in its order."""
    cells = [np.asarray(_cells(alpha)).ravel() for alpha in alphas]
    return Likeness(tuple(digests), np.concatenate(cells) if cells else np.zeros(0, dtype=np.uint8))


def _cells(alpha: Levels) -> np.ndarray:
    close = cv2.resize(alpha, (_CLOSE, _CLOSE), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.resize(close, (CELLS, CELLS), interpolation=cv2.INTER_AREA))


def duplicate_samples(ids: Sequence[str], seen: Sequence[Likeness]) -> list[Finding]:
    """One warning where samples' images are, byte for byte, those of earlier ones."""
    first: dict[tuple[int, ...], str] = {}
    twins: list[tuple[str, str]] = []
    for name, like in zip(ids, seen, strict=True):
        twin = first.setdefault(like.digests, name) if like.digests else name
        if twin != name:
            twins.append((name, twin))
    if not twins:
        return []
    name, twin = twins[0]
    many = f"{len(twins)} samples repeat" if len(twins) > 1 else "1 sample repeats"
    text = f"{many} the images of an earlier one, byte for byte; the first: {name} repeats {twin}"
    value = float(len(twins))
    return [Finding.of("duplicate-sample", text, sample=name, value=value, limit=0.0)]


def nearest_likeness(
    wanted: Sequence[Likeness], among: Sequence[Likeness]
) -> tuple[Float64[Array, " n"], list[int | None]]:
    """For each of `wanted`: (distance in levels, place) of the most alike in `among`; inf and None where none compares.

    Only samples with equally many views are compared.
    """
    distance = np.full(len(wanted), np.inf)
    place: list[int | None] = [None] * len(wanted)
    for length in {like.cells.size for like in wanted if like.cells.size}:
        mine = [i for i, like in enumerate(wanted) if like.cells.size == length]
        theirs = [i for i, like in enumerate(among) if like.cells.size == length]
        if not theirs:
            continue
        others = np.stack([among[i].cells for i in theirs]).astype(np.float32)
        squares = (others**2).sum(axis=1)
        for start in range(0, len(mine), _CHUNK):
            part = mine[start : start + _CHUNK]
            ours = np.stack([wanted[i].cells for i in part]).astype(np.float32)
            apart = squares - 2 * (ours @ others.T) + (ours**2).sum(axis=1)[:, None]
            best = apart.argmin(axis=1)
            for row, i in enumerate(part):
                exact = ours[row] - others[best[row]]  # the expanded square loses digits where it matters
                distance[i] = float(np.sqrt(np.mean(exact**2)))
                place[i] = theirs[int(best[row])]
    return distance, place
