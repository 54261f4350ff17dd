"""The tail as a curve in space: from the body to the tip, along places where several views show a thin line.

A threshold in one view loses the tail where the floor has its colour. Fainter lines are told from noise because they
meet in space, and because they go on from the body without a break.

* Votes: in each view, lines of the difference to the background, bright or dark, as wide as a tail (`line_votes`).
  A clear line is one vote for, a pixel without any is a vote against; inside the body, outside the image and where the
  background is not known there is none.
* Voxels half as wide as the hull's, from coarse to fine, stay where at least half of the views with a vote see a line
  and the votes' sum is high enough.
* The shortest path from the body's core to each voxel, steps weighed by the votes; short gaps are bridged. The tip is
  where the votes gathered on the way, above those that a voxel needs, are most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import KDTree

from mouselift.array_types import Array, Bool, Float32, Float64, Int64, Points3
from mouselift.geometry.visual_hull import VisualHull
from mouselift.masks.changes import Changes, Comparer
from mouselift.masks.floor import Floor
from mouselift.masks.volume import Carver, Cloud, Pixels, finer, footprint, pixels_of

# Lengths in sizes of the subject (diagonal of its box) or in voxels of the path, half a hull's voxel. Chosen on 21
# frames of mouse_cylinder; the outline mismatch varies by 0.1 px when any of the first five is changed by a third
# (python benchmarks/mask_tails.py, docs/evidence/mask-quality.md).
_FAINT, _CLEAR = 0.12, 0.4  # strengths of a line, in units of a change: no vote for, a whole vote
_AGAINST = -0.8  # of a view that shows no line
_ENOUGH = 1.6  # sum of votes that a voxel needs
_RADIUS = 0.012  # sizes: of a tail, half way
_GAP, _BRIDGED = 10.0, 0.8  # voxels that a gap may have; votes that a step in one counts as
_LOSS = 1.0  # votes that each voxel of a gap costs
_ABOUT, _HIGHER = 0.9, 0.3  # sizes: how far about the body, and above it, a tail may reach
_SUNK = 1.5  # voxels below the floor, which is not known better
_VOTE = 0.4  # a vote for
_CORE, _CORE_WINDOW = 0.3, 7  # share of a window of hull voxels that is full around the body's core
_TOUCH = 1.5  # hull voxels between core and path
_STEP = 2.3  # voxels between neighbours on a path
_ISLAND = 6  # voxels: smaller islands are noise and bridge nothing
_SHORTEST = 14  # voxels: shorter ends are no tail
_GATHERED = 20.0  # votes times voxels that a tail has at least
_SMOOTH = 4.0  # voxels

Votes = Float32[Array, "_ _"]  # of one half-size image: views differ in size


class Path(NamedTuple):
    """Voxels where lines of several views meet."""

    points: Points3
    votes: Float64[Array, " n"]


def body_size(solid: Cloud) -> float:
    """Diagonal of the box around the hull, world units."""
    return float(np.linalg.norm(solid.max(axis=0) - solid.min(axis=0)))


def find_tail(
    carver: Carver, comparers: Sequence[Comparer], changes: Sequence[Changes | None], solid: Cloud, floor: Floor
) -> Cloud | None:
    """Points from the body to the tip, half a hull's voxel apart; None where the views show no tail.

    changes: of the comparers' windows, half-size; None: a view without an image. solid: the subject's hull.
    """
    core = body_core(solid, carver.volume.voxel)
    if not len(core):
        return None
    size = body_size(solid)
    votes: list[Votes | None] = [None] * len(changes)
    for view, (seen, comparer, camera) in enumerate(zip(changes, comparers, carver.cameras, strict=True)):
        if seen is not None:
            depth = float(camera.depth(core.mean(axis=0)[None])[0])
            own = comparer.whole(line_votes(seen, max(1.0, _RADIUS * size * camera.focal / max(depth, 1e-9))))
            body = footprint(VisualHull(core, carver.volume.voxel), camera)
            own[cv2.erode(body.view(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)] = 0
            votes[view] = own
    met = _with_hull(_meeting_voxels(carver, votes, solid, size, floor), carver, votes, solid, core)
    if not len(met.points):
        return None
    edge = carver.volume.voxel / 2
    body = KDTree(core)
    start = body.query(met.points, distance_upper_bound=_TOUCH * 2 * edge)[0] < np.inf
    path = _best_path(met, np.asarray(start), edge)
    if path is None:
        return None
    root = core[int(body.query(path[0])[1])]
    return _smooth(np.concatenate([root[None], path]), edge)


def line_votes(changes: Changes, radius: float) -> Float32[Array, "h w"]:
    """Votes for and against lines of about `radius` pixels, whichever way they differ from the background."""
    difference = (changes.luma.astype(np.float32) - changes.lit) / changes.unit
    difference[changes.uncovered] = 0
    smooth = cv2.GaussianBlur(difference.clip(-6, 6), (0, 0), radius)
    xx, yy, xy = (cv2.Sobel(smooth, cv2.CV_32F, *order, scale=0.25) for order in ((2, 0), (0, 2), (1, 1)))
    middle, half = (xx + yy) / 2, cv2.magnitude((xx - yy) / 2, xy)
    # A dark line's flanks curve like a bright line, but are dark: no line.
    strength = radius**2 * np.where(smooth < 0, middle + half, half - middle)
    votes = ((strength - _FAINT) / (_CLEAR - _FAINT)).clip(0, 1).astype(np.float32)
    votes[votes < 0.15] = _AGAINST
    votes = np.asarray(cv2.dilate(votes, np.ones((3, 3), np.uint8)))
    votes[changes.uncovered] = 0
    return votes


def body_core(solid: Cloud, voxel: float) -> Cloud:
    """The hull without thin parts."""
    cells = np.round((solid - solid.min(axis=0)) / voxel).astype(np.int64) + _CORE_WINDOW // 2
    grid = np.zeros(tuple((cells.max(axis=0) + _CORE_WINDOW // 2 + 1).tolist()), dtype=np.float32)
    grid[tuple(cells.T)] = 1
    full = ndimage.uniform_filter(grid, _CORE_WINDOW, mode="constant")[tuple(cells.T)]
    return solid[full > _CORE]


def _meeting_voxels(carver: Carver, votes: Sequence[Votes | None], solid: Cloud, size: float, floor: Floor) -> Path:
    low, high = solid.min(axis=0) - _ABOUT * size, solid.max(axis=0) + _ABOUT * size
    top = float(floor.above(solid).max()) + _HIGHER * size
    points, edge = carver.points, carver.volume.coarse_voxel
    near = ((points > low) & (points < high)).all(axis=1) & (floor.above(points) < top)
    points, pixels = points[near], [Pixels(p.at[near], p.depth[near]) for p in carver.coarse]
    while True:
        last = edge < 0.6 * carver.volume.voxel
        # A voxel's ball is as wide as this many pixels; it may have what any of them has.
        widths = [
            0 if last or not len(p.depth) else int(np.ceil(np.sqrt(3) / 2 * edge * c.focal / np.median(p.depth)))
            for p, c in zip(pixels, carver.cameras, strict=True)
        ]
        kept, total = _agreed([_widened(v, w) for v, w in zip(votes, widths, strict=True)], pixels)
        kept &= floor.above(points) >= -max(_SUNK * carver.volume.voxel / 2, np.sqrt(3) / 2 * edge)
        points = points[kept]
        if last or not len(points):
            return Path(points, total[kept])
        points, edge = finer(points, edge), edge / 2
        pixels = [pixels_of(camera, points) for camera in carver.cameras]


def _widened(votes: Votes | None, radius: int) -> Votes | None:
    if votes is None or not radius:
        return votes
    return np.asarray(cv2.dilate(votes, np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)))


def _agreed(votes: Sequence[Votes | None], pixels: Sequence[Pixels]) -> tuple[Bool[Array, " n"], Float64[Array, " n"]]:
    """(enough views see a line, sum of the votes) at each point."""
    total = np.zeros(len(pixels[0].at))
    lines, voting = np.zeros(len(total), dtype=np.int16), np.zeros(len(total), dtype=np.int16)
    for own, (at, _) in zip(votes, pixels, strict=True):
        if own is not None:
            vote = np.where(at >= 0, own.ravel()[at], 0)
            total += vote
            lines += vote > _VOTE
            voting += vote != 0
    return (total > _ENOUGH) & (lines >= np.maximum(2, (voting + 1) // 2)), total


def _with_hull(met: Path, carver: Carver, votes: Sequence[Votes | None], solid: Cloud, core: Cloud) -> Path:
    """Thin parts of the hull are on a path too."""
    voxel = carver.volume.voxel
    thin = finer(solid, voxel)
    thin = thin[np.isinf(KDTree(core).query(thin, distance_upper_bound=0.9 * voxel)[0])]
    if len(met.points) and len(thin):
        thin = thin[np.isinf(KDTree(met.points).query(thin, distance_upper_bound=0.3 * voxel)[0])]
    if not len(thin):
        return met
    total = _agreed(votes, [pixels_of(camera, thin) for camera in carver.cameras])[1]
    return Path(np.concatenate([met.points, thin]), np.concatenate([met.votes, np.maximum(total, _ENOUGH)]))


def _best_path(met: Path, start: Bool[Array, " n"], edge: float) -> Cloud | None:
    """Points from the body to the tip. `edge`: of a voxel, world units."""
    if not start.any():
        return None
    points, votes = met.points / edge, met.votes
    steps = KDTree(points).query_pairs(_STEP, output_type="ndarray").reshape(-1, 2)
    bridges = _bridges(points, votes, steps, start)
    first, second = np.concatenate([steps, bridges]).T
    length = np.linalg.norm(points[first] - points[second], axis=1)
    weight = np.where(np.arange(len(first)) < len(steps), (votes[first] + votes[second]) / 2, _BRIDGED)
    count = len(points)  # one more node stands for the body
    body = np.flatnonzero(start)
    graph = csr_array(
        (
            np.concatenate([length / weight**2, np.full(len(body), 1e-9)]),
            (np.concatenate([first, np.full(len(body), count)]), np.concatenate([second, body])),
        ),
        shape=(count + 1, count + 1),
    )
    distance, before = dijkstra(graph, directed=False, indices=count, return_predecessors=True)
    inner = np.flatnonzero((before >= 0) & (before < count))
    step = np.zeros(count + 1)
    long = np.linalg.norm(points[inner] - points[before[inner]], axis=1)
    step[inner] = long * np.where(long <= _STEP, votes[inner] - _ENOUGH, -_LOSS)
    gathered = np.where(np.isfinite(distance), 0.0, -np.inf)  # no path ends where none leads
    for node in np.argsort(distance)[1 : int(np.isfinite(distance).sum())].tolist():
        gathered[node] = gathered[before[node]] + step[node]
    node = int(gathered.argmax())
    most, path = gathered[node], list[int]()
    while node != count:
        path.append(node)
        node = int(before[node])
    found = met.points[path[::-1]]
    long = np.linalg.norm(np.diff(found, axis=0), axis=1).sum() / edge
    return found if long >= _SHORTEST and most >= _GATHERED else None


def _bridges(
    points: Points3, votes: Float64[Array, " n"], steps: Int64[Array, "m 2"], start: Bool[Array, " n"]
) -> Int64[Array, "k 2"]:
    """Pairs across gaps between islands, of one point (the best) in each cube of two voxels. Lengths in voxels."""
    links = csr_array((np.ones(len(steps)), (steps[:, 0], steps[:, 1])), shape=(len(points), len(points)))
    island = connected_components(links, directed=False)[1]
    order = np.argsort(-votes, kind="stable")
    cells = np.round(points[order] / 2).astype(np.int64)
    some = order[np.unique(cells, axis=0, return_index=True)[1]]
    some = some[(np.bincount(island)[island[some]] >= _ISLAND) | start[some]]
    if len(some) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    pairs = some[KDTree(points[some]).query_pairs(_GAP, output_type="ndarray").reshape(-1, 2)]
    return pairs[island[pairs[:, 0]] != island[pairs[:, 1]]]


def _smooth(path: Cloud, step: float) -> Cloud:
    """Evenly spaced by about `step` and smoothed; less two steps at the tip, by which blurred lines look longer."""
    along = np.concatenate([[0.0], np.linalg.norm(np.diff(path, axis=0), axis=1).cumsum()])
    places = np.linspace(0, along[-1], int(along[-1] / step) + 2)
    even = np.stack([np.interp(places, along, path[:, axis]) for axis in range(3)], axis=1)
    turned = np.concatenate([2 * even[0] - even[:0:-1], even, 2 * even[-1] - even[-2::-1]])
    return ndimage.gaussian_filter1d(turned, _SMOOTH, axis=0)[len(even) - 1 : 2 * len(even) - 3]
