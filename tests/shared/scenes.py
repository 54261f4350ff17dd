"""Samples of bodies made of ellipsoids, seen by cameras on rings, arcs and clusters: exact, and cheap to draw."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array, Levels, Matrix4, Points3
from mouselift.dataset.sample import Sample, View
from mouselift.geometry.camera import Camera

_FINE = 8  # subpixels a pixel and axis
_FOV = 2 * np.tan(np.radians(25.0))  # of FaceLift's cameras: image width over focal length
DISTANCE = 2.7


def _ellipsoid(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Points3:
    directions = np.random.default_rng(0).normal(size=(400, 3))
    return np.array(centre) + directions / np.linalg.norm(directions, axis=1, keepdims=True) * np.array(radii)


def bust(rng: np.random.Generator) -> list[Points3]:
    """A head with hair on shoulders that leave every image below."""
    a, b, c = rng.uniform(0.8, 1.2, 3).tolist()
    x, y = rng.uniform(-0.15, 0.15, 2).tolist()
    return [
        _ellipsoid((0, 0, 0.35), (0.32 * a, 0.27 * b, 0.36 * c)),
        _ellipsoid((0.27 * a, 0.05, 0.3), (0.1, 0.08, 0.1)),
        _ellipsoid((x, y, 0.52 * c), (0.2, 0.12, 0.2)),
        _ellipsoid((0, 0, -0.15), (0.16, 0.17, 0.35)),
        _ellipsoid((0, 0, -1.1), (0.5, 0.8, 0.95)),
    ]


def animal(rng: np.random.Generator) -> list[Points3]:
    """A body with a head, legs and a tail, whole in every image."""
    a, b = rng.uniform(0.8, 1.2, 2).tolist()
    tail, turn = rng.uniform(-0.15, 0.15, 2).tolist()
    return [
        _ellipsoid((0, 0, 0), (0.4 * a, 0.2 * b, 0.19)),
        _ellipsoid((0.36 * a, turn, 0.08), (0.18, 0.13, 0.12)),
        _ellipsoid((-0.3, 0.1, -0.12), (0.1, 0.07, 0.2)),
        _ellipsoid((0.15, -0.18, -0.14), (0.06, 0.06, 0.2)),
        _ellipsoid((-0.48 * a, tail, 0.13), (0.16, 0.05, 0.05)),
        _ellipsoid((0.43 * a, 0.1 + turn, 0.2), (0.05, 0.03, 0.1)),
    ]


def looking_at_origin(azimuth: float, elevation: float) -> Matrix4:
    """T_cam_world of a camera at `DISTANCE`; radians."""
    away = np.array(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    )  # fmt: skip
    x = np.cross(-away, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    T = np.eye(4)
    T[:3, :3] = [x, np.cross(-away, x), -away]
    T[:3, 3] = -T[:3, :3] @ (DISTANCE * away)
    return T


def ring(views: int, start: float = 0.0, span: float = 2 * np.pi) -> list[Matrix4]:
    """Cameras 20 degrees up, evenly over `span`: the whole ring, or an arc of it."""
    step = span / views if span >= 2 * np.pi else span / (views - 1)
    return [looking_at_origin(start + step * k, np.radians(20.0)) for k in range(views)]


def clusters(rng: np.random.Generator) -> list[Matrix4]:
    """Two groups of three cameras, 90 degrees apart; those of a group stand within some 25 degrees."""
    return [
        looking_at_origin(middle + rng.uniform(-0.22, 0.22), np.radians(25.0) + rng.uniform(-0.22, 0.22))
        for middle in (0.0, 0.0, 0.0, np.pi / 2, np.pi / 2, np.pi / 2)
    ]


def sample_of(poses: Sequence[Matrix4], body: Sequence[Points3], size: int = 256, zoom: float = 1.0) -> Sample:
    """FaceLift's field of view; principal points in the middle."""
    focal = zoom * size / _FOV
    views = []
    for k, T in enumerate(poses):
        camera = Camera(size, size, focal, focal, size / 2, size / 2, T, name=f"cam_{k:03d}")
        views.append(View(camera.name, camera, silhouette(camera, body)))
    return Sample("sample_000000", tuple(views), frame=0)


def silhouette(camera: Camera, body: Sequence[Points3]) -> Levels:
    """Alpha by 8 x 8 subpixels of the projected parts' convex hulls."""
    fine = np.zeros((camera.height * _FINE, camera.width * _FINE), np.uint8)
    for part in body:
        pixels: Float64[Array, "n 2"] = camera.project(part) * _FINE - 0.5
        corners = cv2.convexHull(pixels.astype(np.float32))[:, 0]
        cv2.fillConvexPoly(fine, np.rint(corners * 256).astype(np.int32), 1, shift=8)
    shares = fine.reshape(camera.height, _FINE, camera.width, _FINE).mean((1, 3))
    return np.rint(255 * shares).astype(np.uint8)
