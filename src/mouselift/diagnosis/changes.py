"""What a misreading does to cameras, undone: how the numbers of a file read once its cause is taken back.

Each function answers new cameras and leaves the given ones; values are never fitted here. `causes` names them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np

from mouselift.geometry.camera_arrays import CameraArrays

Part = Literal["all", "pose", "intrinsics"]
Poses = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]  # (R, C) [v, 3, 3], [v, 3] -> the same
# A picture (x right, y down) turned clockwise by so many quarter turns: x' = Q x about the principal point.
_QUARTER = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def reordered(order: list[int], what: Part, cameras: CameraArrays) -> CameraArrays:
    moved = cameras.take(order)
    if what == "pose":
        return replace(cameras, R_cam_world=moved.R_cam_world, centre=moved.centre)
    if what == "intrinsics":
        return replace(cameras, focal=moved.focal, principal=moved.principal)
    return replace(moved, size=cameras.size)


def shifted(step: float, cameras: CameraArrays) -> CameraArrays:
    return replace(cameras, principal=cameras.principal + step)


def mirrored(axis: int, faulty: tuple[int, ...], cameras: CameraArrays) -> CameraArrays:
    """x -> w - x (axis 0) or y -> h - y (axis 1) of the image, said by a negative focal length."""
    focal, principal = cameras.focal.copy(), cameras.principal.copy()
    focal[list(faulty), axis] *= -1
    principal[list(faulty), axis] = (cameras.size - cameras.principal)[list(faulty), axis]
    return replace(cameras, focal=focal, principal=principal)


def exchanged(faulty: tuple[int, ...], cameras: CameraArrays) -> CameraArrays:
    """x and y of the intrinsics."""
    focal, principal, at = cameras.focal.copy(), cameras.principal.copy(), list(faulty)
    focal[at], principal[at] = focal[at, ::-1], principal[at, ::-1]
    return replace(cameras, focal=focal, principal=principal)


def centred(faulty: tuple[int, ...], cameras: CameraArrays) -> CameraArrays:
    """Principal points in the images' middles."""
    principal = cameras.principal.copy()
    principal[list(faulty)] = cameras.size[list(faulty)] / 2
    return replace(cameras, principal=principal)


def transposed(R: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R was written transposed, t was not: t = -R C stays."""
    t = -np.einsum("vij,vj->vi", R, C)
    turned = np.swapaxes(R, 1, 2)
    return turned, -np.einsum("vji,vj->vi", turned, t)


def inverted(R: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The file holds c2w under the name w2c: the translation in the file, -R C, is the centre."""
    return np.swapaxes(R, 1, 2), -np.einsum("vij,vj->vi", R, C)


def opengl(R: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Camera axes x right, y up, z backward."""
    return np.array([1.0, -1.0, -1.0])[:, None] * R, C


def inverted_opengl(R: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """c2w of OpenGL axes under the name w2c."""
    return opengl(*inverted(R, C))


def with_poses(change: Poses, faulty: tuple[int, ...], cameras: CameraArrays) -> CameraArrays:
    R, C, at = cameras.R_cam_world.copy(), cameras.centre.copy(), list(faulty)
    R[at], C[at] = change(R[at], C[at])
    return replace(cameras, R_cam_world=R, centre=C)


def in_pixels(faulty: tuple[int, ...], unit: float, cameras: CameraArrays) -> CameraArrays:
    """Numbers in units of `unit` times the image's width; of half the width, the principal point is from the middle."""
    focal, principal, at = cameras.focal.copy(), cameras.principal.copy(), list(faulty)
    width = unit * cameras.size[at, :1]
    focal[at] *= width
    principal[at] = principal[at] * width + (0 if unit == 1 else cameras.size[at] / 2)
    return replace(cameras, focal=focal, principal=principal)


def in_pixels_by_side(faulty: tuple[int, ...], cameras: CameraArrays) -> CameraArrays:
    """fx, cx in units of the width, fy, cy of the height."""
    focal, principal, at = cameras.focal.copy(), cameras.principal.copy(), list(faulty)
    focal[at] *= cameras.size[at]
    principal[at] *= cameras.size[at]
    return replace(cameras, focal=focal, principal=principal)


def square_pixels(by: int, faulty: tuple[int, ...], cameras: CameraArrays) -> CameraArrays:
    """One focal length for both axes: fx (by = 0) or fy (by = 1)."""
    focal, at = cameras.focal.copy(), list(faulty)
    focal[at] = focal[at][:, [by, by]]
    return replace(cameras, focal=focal)


def zoomed(factor: float, cameras: CameraArrays) -> CameraArrays:
    """All focal lengths times `factor`."""
    return replace(cameras, focal=cameras.focal * factor)


def turned(quarters: int, faulty: tuple[int, ...], cameras: CameraArrays) -> CameraArrays:
    """The cameras of images that were turned clockwise by quarter turns: each image is the camera's, rolled."""
    R, focal, principal = cameras.R_cam_world.copy(), cameras.focal.copy(), cameras.principal.copy()
    for view in faulty:
        width, height = cameras.size[view].tolist()
        for turn in range(quarters):
            # Before its last turn the image was as large as it is now where the number of turns left is even.
            tall = height if (quarters - turn) % 2 == 0 else width
            R[view] = _QUARTER @ R[view]
            focal[view] = focal[view, ::-1]
            principal[view] = tall - principal[view, 1], principal[view, 0]
    return replace(cameras, R_cam_world=R, focal=focal, principal=principal)
