"""How much of a mask a visual hull covers, slowly: what `consistency.hull_coverage` must equal."""

from __future__ import annotations

import numpy as np

from mouselift.array_types import Mask, Vector3
from mouselift.geometry.camera import Camera
from mouselift.geometry.visual_hull import VisualHull


def covered(hull: VisualHull, camera: Camera, mask: Mask) -> float:
    """Share of the mask's pixels that the hull's projection covers (silhouette coherence).

    Each voxel covers the square of its projected size around its centre. (Hernandez, Schmitt,
    Cipolla: "Silhouette coherence for camera calibration under circular motion", 2007.)
    """
    if not mask.any():
        raise ValueError("covered: the mask is empty")
    return float((shadow(hull, camera, mask.shape) & mask).sum() / mask.sum())


def shadow(hull: VisualHull, camera: Camera, shape: tuple[int, ...]) -> Mask:
    """The hull's projection as a mask of `shape` = (h, w)."""
    h, w = shape
    count = np.zeros((h + 1, w + 1), dtype=np.int32)
    if len(hull.points):
        pixels, depth = camera.project(hull.points), camera.depth(hull.points)
        good = np.isfinite(pixels).all(axis=1)
        half = camera.focal * hull.voxel / depth[good] * (np.sqrt(3.0) / 2)
        low = np.floor(pixels[good] - half[:, None]).astype(int)
        high = np.ceil(pixels[good] + half[:, None]).astype(int)
        x0, y0 = low[:, 0].clip(0, w), low[:, 1].clip(0, h)
        x1, y1 = high[:, 0].clip(0, w), high[:, 1].clip(0, h)
        for y, x, sign in ((y0, x0, 1), (y1, x1, 1), (y0, x1, -1), (y1, x0, -1)):
            np.add.at(count, (y, x), sign)
    return count.cumsum(axis=0).cumsum(axis=1)[:h, :w] > 0


def centroid(hull: VisualHull) -> Vector3:
    """Mean of the occupied voxels. ValueError where the hull is empty: the silhouettes contradict each other."""
    if len(hull.points) == 0:
        raise ValueError("VisualHull: empty; the silhouettes have no common volume")
    return hull.points.mean(axis=0)
