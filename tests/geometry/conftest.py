"""Cameras and a solid whose images are known in closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady
from mouselift.geometry.outlines import Silhouette
from mouselift.geometry.similarity import look_at
from pluecker_reference import pixel_centres


@dataclass(frozen=True)
class Ellipsoid:
    """A rotated ellipsoid; its outline in an image is a conic (Hartley and Zisserman, 8.3)."""

    centre: np.ndarray
    radii: np.ndarray
    R_world_body: np.ndarray

    @property
    def volume(self) -> float:
        return float(4 / 3 * np.pi * np.prod(self.radii))

    def conic(self, camera: Camera) -> np.ndarray:
        """[3, 3] of the outline on the normalised plane; x^T C x < 0 inside."""
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = self.R_world_body, self.centre
        dual = T @ np.diag([*self.radii**2, -1.0]) @ T.T
        C = np.linalg.inv(camera.T_cam_world[:3] @ dual @ camera.T_cam_world[:3].T)
        return C if np.linalg.det(C[:2, :2]) > 0 and C[0, 0] > 0 else -C

    def outline(self, camera: Camera, count: int = 2000) -> np.ndarray:
        """[count, 2] pixels of the exact outline."""
        C = self.conic(camera)
        middle = -np.linalg.solve(C[:2, :2], C[:2, 2])
        size = float(middle @ C[:2, :2] @ middle - C[2, 2])
        L = np.linalg.cholesky(C[:2, :2] / size)
        turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
        circle = np.stack([np.cos(turn), np.sin(turn)])
        return camera.pixels_of((np.linalg.inv(L.T) @ circle).T + middle)

    def mask(self, camera: Camera) -> np.ndarray:
        """Pixels whose centre sees the solid."""
        xy = camera.normalised(pixel_centres(camera.width, camera.height), "nan")
        ray = np.concatenate([xy, np.ones((len(xy), 1))], axis=1)
        inside = np.einsum("ni,ij,nj->n", ray, self.conic(camera), ray) < 0
        return inside.reshape(camera.height, camera.width)

    def silhouette(self, camera: Camera) -> Silhouette:
        """The sub-pixel silhouette: the exact outline in place of pixel corners."""
        points = self.outline(camera)
        low, high = np.floor(points.min(axis=0)).astype(int), np.ceil(points.max(axis=0)).astype(int)
        box = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
        return Silhouette(camera.width, camera.height, 1, points.mean(axis=0, keepdims=True), points, box)


def make_ring(distorted: bool = False, views: int = 6) -> list[Camera]:
    """Cameras about the origin, looking in from 250-400 mm, with uneven heights and focal lengths."""
    cameras: list[Camera] = []
    for i in range(views):
        azimuth, elevation = 2 * np.pi * i / views + 0.13 * i, 0.35 + 0.11 * (i % 3)
        distance = 250.0 + 25.0 * ((i * 5) % 7)
        level = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
        C = distance * (np.cos(elevation) * level + np.sin(elevation) * np.array([0.0, 0.0, 1.0]))
        aim = np.array([4.0 * np.sin(i), 3.0 * np.cos(2 * i), 2.0])
        R = look_at(aim - C, np.array([0.0, 0.0, -1.0]))
        K = np.array([[900.0 + 15 * i, 0.0, 321.0 + 3 * i], [0.0, 905.0 + 14 * i, 238.0 - 2 * i], [0.0, 0.0, 1.0]])
        lens = BrownConrady(-0.16 + 0.01 * i, 0.5, -0.001, -0.003, -0.4) if distorted else None
        cameras.append(Camera.from_matrices(K, R, -R @ C, (640, 480), lens, f"cam{i}"))
    return cameras


@pytest.fixture(scope="session")
def ring() -> Callable[..., list[Camera]]:
    return make_ring


@pytest.fixture(scope="session")
def solid() -> Ellipsoid:
    """About the size of a mouse's trunk, in mm."""
    turn, tilt = 0.7, 0.3
    Rz = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1.0]])
    Ry = np.array([[np.cos(tilt), 0, np.sin(tilt)], [0, 1.0, 0], [-np.sin(tilt), 0, np.cos(tilt)]])
    return Ellipsoid(np.array([3.0, -5.0, 4.0]), np.array([38.0, 16.0, 13.0]), Rz @ Ry)
