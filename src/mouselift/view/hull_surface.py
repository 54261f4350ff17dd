"""The visual hull's surface, coloured by the images: what a person looks at in the 3D scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8
from scipy.ndimage import gaussian_filter

from mouselift.array_types import Array, Mask, Points3, Vector3
from mouselift.dataset.sample import View
from mouselift.geometry.outlines import HALF_LEVEL
from mouselift.geometry.visual_hull import VisualHull, carve

_COARSE = 36  # voxels along the first cube, which only finds where the hull lies
_GREY = 150


@dataclass(frozen=True, eq=False)
class HullSurface:
    """Voxels of the hull that have an empty neighbour; or other points that a scene shows as its body."""

    points: Points3  # world
    normals: Points3  # unit, outwards; zero: drawn without shading
    colours: UInt8[Array, "n 3"]
    voxel: float  # edge, world units


def hull_surface(
    views: Sequence[View], centre: Vector3, half_extent: float, resolution: int = 72
) -> HullSurface | None:
    """Carved from a cube about `centre`, then again, finer, from the box that was left. None where nothing is left.

    `half_extent`: world units that hold the subject, roughly; the first cube is a quarter larger.
    """
    cameras = [view.camera for view in views]
    masks: list[Mask] = [view.alpha >= HALF_LEVEL for view in views]
    coarse = carve(cameras, masks, centre, 1.25 * half_extent, _COARSE)
    if len(coarse.points) == 0:
        return None
    low, high = coarse.points.min(axis=0) - coarse.voxel, coarse.points.max(axis=0) + coarse.voxel
    fine = carve(cameras, masks, (low + high) / 2, float((high - low).max()) / 2, resolution)
    if len(fine.points) == 0:
        return None
    points, normals = _surface(fine)
    return HullSurface(points, normals, colours_seen(views, points, normals), fine.voxel)


def _surface(hull: VisualHull) -> tuple[Points3, Points3]:
    """Points with an empty neighbour among six, and outward normals: minus the gradient of the smoothed occupancy."""
    low = hull.points.min(axis=0)
    index = np.round((hull.points - low) / hull.voxel).astype(int) + 1
    full = np.zeros(tuple((index.max(axis=0) + 2).tolist()), dtype=bool)
    full[tuple(index.T)] = True
    inner = full.copy()
    for axis in range(3):
        inner &= np.roll(full, 1, axis) & np.roll(full, -1, axis)
    at = np.argwhere(full & ~inner)
    smooth = np.asarray(gaussian_filter(full.astype(np.float64), 1.2))
    normals = -np.stack([np.gradient(smooth, axis=axis)[tuple(at.T)] for axis in range(3)], axis=-1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    return (at - 1) * hull.voxel + low, normals


def colours_seen(views: Sequence[View], points: Points3, normals: Points3) -> UInt8[Array, "n 3"]:
    """Each point's colour in the image that sees it most squarely (occlusion is not asked for); grey where none."""
    best = np.full(len(points), -np.inf)
    out = np.full((len(points), 3), _GREY, np.uint8)
    for view in views:
        if view.colours is None:
            continue
        pixels = view.camera.project(points)
        height, width = view.alpha.shape
        with np.errstate(invalid="ignore"):
            seen = np.asarray(((pixels >= 0) & (pixels < [width, height])).all(axis=1))
        at = np.where(seen[:, None], np.floor(np.nan_to_num(pixels)), 0).astype(int)
        seen &= view.alpha[at[:, 1] % height, at[:, 0] % width] >= HALF_LEVEL
        square = _squareness(view.camera.centre, points, normals)
        better = seen & (square > best)
        best[better] = square[better]
        out[better] = view.colours[at[better, 1], at[better, 0]]
    return out


def _squareness(eye: Vector3, points: Points3, normals: Points3) -> Float64[Array, " n"]:
    """Cosine between the normal and the direction to `eye`."""
    towards = eye - points
    return (towards * normals).sum(axis=1) / np.maximum(np.linalg.norm(towards, axis=1), 1e-12)
