"""Scenes with painted marks at known points of the world, and what reads them back without mouselift."""

from __future__ import annotations

import cv2
import numpy as np

from mouselift.export.scene import ExportScene, SceneView
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady, Fisheye, Lens, Pinhole
from mouselift.geometry.similarity import looking_at
from mouselift.view.scene import HullSurface

SIDE, SIGMA = 160, 2.5  # pixels
MARKS = np.array([[0.3, -0.2, 0.1], [-0.25, 0.15, -0.2], [0.05, 0.3, 0.3]])  # world
LENSES: dict[str, Lens] = {
    "pinhole": Pinhole(),
    "opencv": BrownConrady(k1=-0.2, k2=0.05, p1=0.002, p2=-0.001),
    "k3": BrownConrady(k1=-0.2, k2=0.05, p1=0.002, p2=-0.001, k3=0.02),
    "rational": BrownConrady(k1=0.3, k2=0.05, p1=0.001, p2=-0.002, k3=0.01, k4=0.4, k5=0.1, k6=0.02),
    "fisheye": Fisheye(k1=-0.02, k2=0.01, k3=-0.003, k4=0.001),
}


def ring(lens: Lens, count: int = 3) -> list[Camera]:
    """About the origin at 2.7, off-centre principal points, fx != fy."""
    out = []
    for k in range(count):
        angle = 2 * np.pi * k / count + 0.3
        centre = 2.7 * np.array([np.cos(angle) * 0.9, np.sin(angle) * 0.9, 0.436])
        focal, T = SIDE * (1.05 + 0.05 * k), looking_at(np.zeros(3), centre)
        numbers = (focal, focal * 1.02, SIDE / 2 + 3.3, SIDE / 2 - 4.1 - k)
        out.append(Camera(SIDE, SIDE, *numbers, T, lens, name=f"cam/{k}"))
    return out


def painted(camera: Camera) -> np.ndarray:
    """Straight RGBA with one mark a colour, a Gaussian; the pixel in row j, column i has its centre at +0.5."""
    i, j = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    disc = (i - SIDE / 2) ** 2 + (j - SIDE / 2) ** 2 < (0.48 * SIDE) ** 2
    return np.dstack([painted_rgb(camera), disc * np.uint8(255)])


def painted_rgb(camera: Camera) -> np.ndarray:
    """Its colours."""
    i, j = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    marks = [np.exp(-((i - x) ** 2 + (j - y) ** 2) / (2 * SIGMA**2)) for x, y in camera.project(MARKS)]
    return np.rint(255 * np.dstack(marks)).astype(np.uint8)


def measured(image: np.ndarray) -> np.ndarray:
    """Each mark's centroid, in coordinates with the first pixel's centre at (0.5, 0.5)."""
    weight = np.moveaxis(image[..., :3].astype(float), 2, 0)
    j, i = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    return np.stack([(weight * i).sum((1, 2)), (weight * j).sum((1, 2))], axis=1) / weight.sum((1, 2))[:, None]


def opencv_distorted(xy: np.ndarray, lens: dict[str, float], fisheye: bool) -> np.ndarray:
    """OpenCV's own projection of rays (x/z, y/z): nothing of mouselift's."""
    rays, zero = np.column_stack([xy, np.ones(len(xy))])[:, None], np.zeros(3)
    keys = ("k1", "k2", "k3", "k4") if fisheye else ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
    numbers = np.array([lens.get(key, 0.0) for key in keys])
    project = cv2.fisheye.projectPoints if fisheye else cv2.projectPoints
    return np.asarray(project(rays, zero, zero, np.eye(3), numbers)[0]).reshape(-1, 2)


def decoded(data: bytes) -> np.ndarray:
    """Channels in the file's order: RGB(A), or one."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return image if image.ndim == 2 else image[..., [2, 1, 0, 3][: image.shape[2]]]


def scene_with(lens: Lens) -> ExportScene:
    views = []
    for camera in ring(lens):
        rgba = painted(camera)
        views.append(SceneView(camera.name, camera, np.ascontiguousarray(rgba[..., :3]), rgba[..., 3]))
    hull = HullSurface(MARKS, MARKS * 0, np.arange(9, dtype=np.uint8).reshape(3, 3), 0.1)
    return ExportScene("sample_000007", 7, tuple(views), hull, ())
