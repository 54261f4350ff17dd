"""Pluecker lines in NumPy: what the torch rays of `mouselift.data` must equal.

A line is (direction d of unit length, moment m = o x d). m does not depend on which point o of the
line is taken; |m| is the line's distance from the origin; the point nearest the origin is d x m.
"""

from __future__ import annotations

import numpy as np

from mouselift.array_types import Points2, Points3
from mouselift.geometry.camera import Camera


def pixel_centres(width: int, height: int) -> Points2:
    """(i + 0.5, j + 0.5), row by row: [height * width, 2]."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def pluecker(camera: Camera, pixels: Points2) -> tuple[Points3, Points3]:
    """(directions, moments) of the lines through `pixels`, in the world."""
    d = camera.rays(pixels)
    return d, np.cross(camera.centre, d)


def nearest_to_origin(directions: Points3, moments: Points3) -> Points3:
    """The point of each line that lies nearest the origin: d x m."""
    return np.cross(directions, moments)
