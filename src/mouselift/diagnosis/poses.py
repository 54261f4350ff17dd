"""Causes in the poses: matrices read in the wrong convention, in one camera or in all, and moved centres."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from mouselift.diagnosis.candidate import Candidate, Columns, deviations
from mouselift.geometry.camera_arrays import CameraArrays

_Poses = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]  # (R, C) [v, 3, 3], [v, 3] -> the same


def conventions(cameras: CameraArrays) -> Iterator[Candidate]:
    """Each misreading, undone in all cameras and in each alone."""
    views = len(cameras)
    for code, change in _MISREADINGS.items():
        yield Candidate(code, tuple(range(views)), apply=_InPoses(change, tuple(range(views))))
        for view in range(views):
            yield Candidate(code, (view,), apply=_InPoses(change, (view,)), options=views)


def moved_centre(views: int, view: int) -> Iterator[Candidate]:
    """One camera's centre moved on its own: anywhere, or towards the origin, or along its axis."""
    rows = ((4,), (5,), (6,))
    yield Candidate(
        "view-centre", (view,), basis=Columns(views, (view,), rows, False), deviation=deviations(rows, 1), options=views
    )
    for way in (_to_origin, _along_axis):
        yield Candidate(
            "view-distance", (view,), basis=_Along(way, (view,)), deviation=deviations(((4,),), 1), options=views
        )


def moved_centres(cameras: CameraArrays) -> Iterator[Candidate]:
    """All cameras' centres moved, each on its own, towards the origin or along their axes."""
    for along_axis in (False, True):
        yield distances(tuple(range(len(cameras))), along_axis)


def distances(views: tuple[int, ...], along_axis: bool = False) -> Candidate:
    """Every camera's distance changed on its own ("set every distance to 2.7")."""
    way = _along_axis if along_axis else _to_origin
    return Candidate("each-distance", views, basis=_Along(way, views), deviation=deviations(((4,),), len(views)))


def _transposed(R: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R was written transposed, t was not: t = -R C stays."""
    t = -np.einsum("vij,vj->vi", R, C)
    turned = np.swapaxes(R, 1, 2)
    return turned, -np.einsum("vji,vj->vi", turned, t)


def _inverted(R: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The file holds c2w under the name w2c: the stated translation -R C is the centre."""
    return np.swapaxes(R, 1, 2), -np.einsum("vij,vj->vi", R, C)


def _opengl(R: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Camera axes x right, y up, z backward."""
    return np.array([1.0, -1.0, -1.0])[:, None] * R, C


def _inverted_opengl(R: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """c2w of OpenGL axes under the name w2c."""
    return _opengl(*_inverted(R, C))


_MISREADINGS: dict[str, _Poses] = {
    "rotation-transposed": _transposed,
    "c2w-for-w2c": _inverted,
    "opengl-axes": _opengl,
    "c2w-opengl": _inverted_opengl,
}


class _InPoses:
    """A change of the poses of some views."""

    def __init__(self, change: _Poses, guilty: tuple[int, ...]) -> None:
        self.change, self.guilty = change, list(guilty)

    def __call__(self, cameras: CameraArrays) -> CameraArrays:
        R, C = cameras.R_cam_world.copy(), cameras.centre.copy()
        R[self.guilty], C[self.guilty] = self.change(R[self.guilty], C[self.guilty])
        return replace(cameras, R_cam_world=R, centre=C)


def _to_origin(cameras: CameraArrays) -> np.ndarray:
    return cameras.centre


def _along_axis(cameras: CameraArrays) -> np.ndarray:
    return -cameras.R_cam_world[:, 2]


class _Along:
    """One parameter a guilty view: its centre moves along a direction of its own."""

    def __init__(self, way: Callable[[CameraArrays], np.ndarray], guilty: tuple[int, ...]) -> None:
        self.way, self.guilty = way, guilty

    def __call__(self, cameras: CameraArrays) -> np.ndarray:
        direction = self.way(cameras)
        direction = direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-300)
        out = np.zeros((len(cameras), 7, len(self.guilty)))
        for n, view in enumerate(self.guilty):
            out[view, 4:, n] = direction[view]
        return out
