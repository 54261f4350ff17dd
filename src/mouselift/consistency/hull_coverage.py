"""Does the visual hull of all views, projected back, cover every silhouette?

Coverage below one means that some view disagrees with the others; the view whose removal restores the others' coverage
is the faulty one. (Hernandez, Schmitt, Cipolla: "Silhouette coherence for camera calibration under circular motion",
2007.) Coarse where tangency is fine: it sees pixels, not fractions, but looks at the whole subject and not at its
extremes. Slow twin: geometry/visual_hull.py.

Cells are halved three times from a coarse grid and kept while they *may* overlap every silhouette, so exact samples are
covered wholly, thin tails included: coverage is never too small, by construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mouselift.array_types import Array, Float64, Levels
from mouselift.dataset.sample import Sample
from mouselift.findings import Finding
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import HALF_LEVEL
from mouselift.geometry.triangulation import triangulate

# Exact samples are covered to 0.999 and more (docs/evidence/audit-rates.md, Visual hull).
COVERAGE = 0.985  # share of a mask that the visual hull of all views covers at least
GAIN = 0.02  # by which leaving out a faulty view lifts the coverage of the others more than leaving out any other
_COARSE = 16  # cells a side to begin with
_HALVINGS = 3  # 128 cells a side in the end
_MOST_CELLS = 400_000  # where cameras are so wrong that nothing is carved away, halving stops before there are more
_HALF_DIAGONAL = float(np.sqrt(3.0) / 2)


@dataclass(frozen=True, eq=False)
class HullCoverage:
    """One sample."""

    coverage: Float64[Array, " v"]  # share of each view's mask that the hull of all views covers; NaN: no mask
    without: Float64[Array, " v"]  # least coverage of the others when a view is left out; NaN: not computed
    faulty_view: int | None  # the view that disagrees with the others, where one does

    @property
    def least(self) -> float:
        """Smallest coverage; NaN where fewer than two views have a mask."""
        return float(np.nanmin(self.coverage)) if np.isfinite(self.coverage).any() else float("nan")


@dataclass(frozen=True, eq=False)
class _Seen:
    """One view, ready for look-ups."""

    camera: Camera
    mask: np.ndarray  # [h, w] bool
    away: np.ndarray  # [h, w] float32, pixels to the mask; 0 inside


def hull_coverage(cameras: Sequence[Camera], alphas: Sequence[Levels]) -> HullCoverage:
    """Coverage of every view, and the faulty view where it is below the limit (that needs three views).

    Masks are the alphas' half level. ValueError where cameras and alphas differ in number.
    """
    if len(cameras) != len(alphas):
        raise ValueError(f"hull_coverage: expected one alpha a camera, got {len(alphas)} for {len(cameras)}")
    nothing = np.full(len(cameras), np.nan)
    masks = [alpha >= HALF_LEVEL for alpha in alphas]
    used = [k for k, mask in enumerate(masks) if mask.any()]
    if len(used) < 2:
        return HullCoverage(nothing, nothing, None)
    views = [_Seen(cameras[k], masks[k], _distance(masks[k])) for k in used]
    coverage, without = nothing.copy(), nothing.copy()
    coverage[used] = _coverage(views)
    faulty = None
    if len(used) > 2 and float(np.nanmin(coverage)) < COVERAGE:
        for place, k in enumerate(used):
            rest = [view for other, view in enumerate(views) if other != place]
            without[k] = float(_coverage(rest).min())
        best = int(np.nanargmax(without))
        ordered = np.sort(without[np.isfinite(without)])
        if ordered[-1] >= COVERAGE and ordered[-1] - ordered[-2] > GAIN:
            faulty = best
    return HullCoverage(coverage, without, faulty)


def coverage_findings(
    sample: Sample, found: HullCoverage, *, cut: bool = False, rough: bool = False
) -> tuple[Finding, ...]:
    """`coverage`: masks and cameras contradict each other, with the faulty view where there is one.

    cut: a sensor cut some view, which contradicts the others by right: nothing is said. rough: the outlines have
    already shown that it is the masks (`masks-rough`): a warning in place of an error.
    """
    if cut or not found.least < COVERAGE or any(view.cut for view in sample.views):
        return ()
    worst = int(np.nanargmin(found.coverage))
    text = (
        f"the visual hull of all views covers {100 * found.least:.1f} % of {sample.views[worst].name}'s "
        f"silhouette (expected at least {100 * COVERAGE:g} %)"
    )
    name = advice = None
    if found.faulty_view is not None:
        name = sample.views[found.faulty_view].name
        text += f"; without {name} the others agree to {100 * float(found.without[found.faulty_view]):.1f} %"
        advice = f"Look at {name}'s mask and camera first."
    severity, least = "warning" if rough else "error", found.least
    return (
        sample.finding("coverage", text, severity=severity, camera=name, value=least, limit=COVERAGE, advice=advice),
    )


def _distance(mask: np.ndarray) -> np.ndarray:
    """Pixels from each pixel to the nearest one of the mask."""
    outside = np.asarray(~mask).view(np.uint8)
    return np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_3), dtype=np.float32)


def _coverage(views: Sequence[_Seen]) -> Float64[Array, " u"]:
    """Share of each view's mask under the hull of these views."""
    box = _box(views)
    if box is None:
        return np.zeros(len(views))
    points, edge = _carved(views, *box)
    return np.array([_covered(view, points, edge) for view in views])


def _box(views: Sequence[_Seen]) -> tuple[np.ndarray, float] | None:
    """(centre, half extent) of a cube that holds all that the views can have in common; None: they meet nowhere."""
    boxes = [cv2.boundingRect(view.mask.view(np.uint8)) for view in views]
    middles = np.array([[x + w / 2, y + h / 2] for x, y, w, h in boxes])
    try:
        centre = triangulate([view.camera for view in views], middles).point
    except ValueError:
        return None
    reach = []
    for view, (x, y, w, h) in zip(views, boxes, strict=True):
        depth = float(view.camera.depth(centre[None])[0])
        if depth <= 0:
            return None
        at = view.camera.project(centre[None])[0]
        corners = np.array([[x, y], [x + w, y], [x, y + h], [x + w, y + h]], dtype=np.float64)
        reach.append(float(np.linalg.norm(corners - at, axis=1).max()) * depth / min(view.camera.fx, view.camera.fy))
    # The subject lies in every view's cone; the second widest allows for one view that is off, a fifth for perspective.
    return centre, 1.2 * sorted(reach)[-2]


def _carved(views: Sequence[_Seen], centre: np.ndarray, half: float) -> tuple[np.ndarray, float]:
    """(centres of the cells that may overlap every mask, [n, 3] float32; their edge)."""
    axis = ((np.arange(_COARSE) + 0.5) / _COARSE * 2 - 1).astype(np.float32)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3) * np.float32(half)
    points, edge = points + centre.astype(np.float32), 2 * half / _COARSE
    points = _kept(views, points, edge)
    signs = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1], indexing="ij"), axis=-1).reshape(-1, 3).astype(np.float32)
    for _ in range(_HALVINGS):
        if len(points) * 8 > _MOST_CELLS:
            break
        points = (points[:, None] + signs * np.float32(edge / 4)).reshape(-1, 3)
        edge /= 2
        points = _kept(views, points, edge)
    return points, edge


def _kept(views: Sequence[_Seen], points: np.ndarray, edge: float) -> np.ndarray:
    """Cells whose ball may overlap every mask. A cell beyond an image's edge is judged at the edge: that keeps more."""
    for view in views:
        if len(points) == 0:
            break
        x, y, depth = _pixels(view.camera, points)
        height, width = view.away.shape
        column = np.clip(x, 0, width - 1).astype(np.int32)
        row = np.clip(y, 0, height - 1).astype(np.int32)
        radius = _radius(view.camera, edge, depth)
        points = points[(view.away[row, column] <= radius) & (depth > 0)]
    return points


def _radius(camera: Camera, edge: float, depth: np.ndarray) -> np.ndarray:
    """Pixels from a cell's centre to what it may cover, and one for the rounding of look-ups and distances."""
    return np.float32(max(camera.fx, camera.fy) * edge * _HALF_DIAGONAL) / np.maximum(depth, 1e-9) + np.float32(1.0)


def _pixels(camera: Camera, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x, y, depth) in single precision: a hundredth of a pixel is enough for cells of two."""
    P = (camera.K @ camera.T_cam_world[:3]).astype(np.float32)
    projected = points @ P[:, :3].T + P[:, 3]
    depth = projected[:, 2]
    safe = np.maximum(depth, np.float32(1e-9))
    return projected[:, 0] / safe, projected[:, 1] / safe, depth


def _covered(view: _Seen, points: np.ndarray, edge: float) -> float:
    """Share of the mask within a cell's radius of a projected cell."""
    if len(points) == 0:
        return 0.0
    x, y, depth = _pixels(view.camera, points)
    height, width = view.mask.shape
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if not inside.any():
        return 0.0
    empty = np.ones((height, width), dtype=np.uint8)
    empty[y[inside].astype(np.int32), x[inside].astype(np.int32)] = 0
    away = np.asarray(cv2.distanceTransform(empty, cv2.DIST_L2, cv2.DIST_MASK_3))
    radius = float(_radius(view.camera, edge, depth[inside]).max())
    return float((view.mask & (away <= radius)).sum() / view.mask.sum())
