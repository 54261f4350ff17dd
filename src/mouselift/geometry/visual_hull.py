"""Visual hull: the largest shape that all silhouettes allow, as a voxel grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mouselift.array_types import Mask, Points3, Vector3
from mouselift.geometry.camera import Camera


@dataclass(frozen=True, eq=False)
class VisualHull:
    """Occupied voxel centres of a regular grid."""

    points: Points3  # world
    voxel: float  # edge, world units


def carve(
    cameras: Sequence[Camera],
    masks: Sequence[Mask],
    centre: Vector3,
    half_extent: float,
    resolution: int = 64,
    allow_missing: int = 0,
) -> VisualHull:
    """Voxels in a cube about `centre` whose centre lies inside all masks but `allow_missing` of them.

    A camera that does not see a voxel at all (outside its image, behind it, beyond its lens) has no
    say about it. Grid spacing: 2 half_extent / resolution, in world units.
    """
    axis = (np.arange(resolution) + 0.5) / resolution * 2 - 1
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3) * half_extent + centre
    misses = np.zeros(len(grid), dtype=np.int32)
    seen = np.zeros(len(grid), dtype=np.int32)
    alive = np.arange(len(grid))
    for camera, mask in zip(cameras, masks, strict=True):
        inside, visible = sample_mask(camera, mask, grid[alive])
        misses[alive] += visible & ~inside
        seen[alive] += visible
        alive = alive[misses[alive] <= allow_missing]
    alive = alive[seen[alive] >= min(2, len(cameras))]
    return VisualHull(grid[alive], 2 * half_extent / resolution)


def sample_mask(camera: Camera, mask: Mask, points_world: Points3) -> tuple[np.ndarray, np.ndarray]:
    """(inside the mask, inside the image) for each world point."""
    pixels = camera.project(points_world)
    h, w = mask.shape
    with np.errstate(invalid="ignore"):
        visible = (pixels[:, 0] >= 0) & (pixels[:, 0] < w) & (pixels[:, 1] >= 0) & (pixels[:, 1] < h)
    inside = np.zeros(len(pixels), dtype=bool)
    at = np.floor(pixels[visible]).astype(int)
    inside[visible] = mask[at[:, 1], at[:, 0]]
    return inside, visible
