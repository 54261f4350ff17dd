"""Cameras whose principal points and focal lengths differ in every way, about the world's origin."""

from __future__ import annotations

import numpy as np

from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import looking_at


def ring(count: int, side: int, fx: float | None = None) -> list[Camera]:
    """At 2.7 from the origin, off-centre principal points, fx != fy. fx: of all; by default each has another."""
    out = []
    for k in range(count):
        angle = 2 * np.pi * k / count + 0.3
        centre = 2.7 * np.array([np.cos(angle) * 0.9, np.sin(angle) * 0.9, 0.436])
        focal = side * (1.05 + 0.05 * k) if fx is None else fx
        middle = (side / 2 + 2.3 * side / 48, side / 2 - (3.1 + k) * side / 48)
        T = looking_at(np.zeros(3), centre)
        out.append(Camera(side, side, focal, focal * 1.02, *middle, T, name=f"cam{k}"))
    return out
