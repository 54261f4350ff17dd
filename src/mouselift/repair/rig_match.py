"""A dataset's views and the cameras of the rig that filmed them: which is which, and whether the poses are the rig's.

A preparation may move the world by one similarity, x' = s Q (x - c), and nothing else: R'_i = R_i Q^T and
C'_i = s Q (C_i - c) for all cameras alike. Q follows from the rotations, s and c from the centres, by least squares;
what is left says whether this is the rig.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array, Matrix3
from mouselift.calibration.rig import Rig, RigCamera
from mouselift.errors import CalibrationError
from mouselift.geometry.camera_arrays import CameraArrays
from mouselift.geometry.similarity import Similarity

TURN_DEG = 0.1  # of a rotation from the rig's: about a pixel at the usual focal lengths
MOVED = 0.002  # of a centre, share of the cameras' mean distance from their middle: the same
_MIN_VIEWS = 3


@dataclass(frozen=True, eq=False)
class RigMatch:
    """One rig camera a view, in the views' order."""

    cameras: tuple[RigCamera, ...]
    how: str  # "by name" or "by pose (...)"
    world: Similarity  # rig's world -> dataset's
    turn_deg: float  # largest residual of the rotations
    moved: float  # largest residual of the centres, share of the cameras' mean distance from their middle

    @property
    def sentence(self) -> str:
        return (
            f"views matched to the rig {self.how}; poses are its own up to one similarity (left: {self.turn_deg:.4f} "
            f"degrees, {100 * self.moved:.3f} % of the cameras' distance); one unit here is {1 / self.world.scale:.5g} "
            "units of the rig"
        )

    def centres(self) -> Float64[Array, "v 3"]:
        """The rig's camera centres in the dataset's world."""
        return self.world.apply(_centres(self.cameras))


def match_rig(rig: Rig, names: Sequence[str], arrays: CameraArrays) -> RigMatch:
    """The rig's cameras for the views `names`, whose poses are `arrays`'.

    By name where every view's name is in the rig; else by pose, which `how` says aloud. CalibrationError where the
    poses are not one similarity of the rig's (with the camera that stands out), fewer than three views are given, or
    other names leave more than one assignment.
    """
    if len(names) < _MIN_VIEWS:
        raise CalibrationError(f"{rig.file}: {len(names)} views are given; expected at least {_MIN_VIEWS} to compare")
    if set(names) <= set(rig.names):
        found = _compared([rig[name] for name in names], arrays, "by name")
        if _good(found):
            return found
        other = _by_pose(rig, arrays)
        text = _why(rig, found, arrays)
        if other is not None:
            pairs = [f"{n} -> {c.name}" for n, c in zip(names, other.cameras, strict=True) if n != c.name]
            text += f" Poses alone match under other names: {', '.join(pairs)}."
        raise CalibrationError(text)
    found = _by_pose(rig, arrays)
    if found is not None:
        return found
    if len(rig.cameras) == len(names):
        raise CalibrationError(_why(rig, _compared(list(rig.cameras), arrays, "by order"), arrays))
    raise CalibrationError(
        f"{rig.file}: no choice of its cameras ({', '.join(rig.names)}) has the poses of the views "
        f"({', '.join(names)}), up to one similarity: another rig, or another calibration of it"
    )


def _good(found: RigMatch) -> bool:
    return found.turn_deg <= TURN_DEG and found.moved <= MOVED


def _compared(cameras: list[RigCamera], arrays: CameraArrays, how: str) -> RigMatch:
    world = similarity_of(cameras, arrays)
    turns, moves = _residuals(cameras, arrays, world)
    return RigMatch(tuple(cameras), how, world, float(turns.max()), float(moves.max()))


def similarity_of(cameras: Sequence[RigCamera], arrays: CameraArrays) -> Similarity:
    """Least squares: Q from the rotations, then scale and origin from the centres."""
    R_rig = np.array([camera.R_cam_world for camera in cameras])
    Q = _nearest_rotation(np.einsum("vji,vjk->ik", arrays.R_cam_world, R_rig))
    C = _centres(cameras)
    a, b = (C - C.mean(axis=0)) @ Q.T, arrays.centre - arrays.centre.mean(axis=0)
    scale = max(float((a * b).sum()) / max(float((a * a).sum()), 1e-300), 1e-12)
    return Similarity(scale, Q, C.mean(axis=0) - Q.T @ arrays.centre.mean(axis=0) / scale)


def _residuals(cameras: Sequence[RigCamera], arrays: CameraArrays, world: Similarity) -> tuple[np.ndarray, np.ndarray]:
    """(degrees, share of the mean distance) of every view."""
    R = np.array([camera.R_cam_world @ world.R_new_old.T for camera in cameras])
    # The chord |R - R'| = 2 sqrt(2) sin(angle / 2) keeps its digits where the trace's arc cosine loses them.
    chord = np.linalg.norm(R - arrays.R_cam_world, axis=(1, 2))
    turns = np.degrees(2 * np.arcsin(np.clip(chord / (2 * np.sqrt(2.0)), 0.0, 1.0)))
    off = np.linalg.norm(world.apply(_centres(cameras)) - arrays.centre, axis=1)
    return turns, off / max(_reach(arrays), 1e-300)


def _by_pose(rig: Rig, arrays: CameraArrays) -> RigMatch | None:
    """The one assignment whose poses agree; None where there is none. CalibrationError where there are several."""
    R_rig = np.array([camera.R_cam_world for camera in rig.cameras])
    found: dict[tuple[str, ...], RigMatch] = {}
    for first in range(len(rig.cameras)):
        expected = R_rig @ (R_rig[first].T @ arrays.R_cam_world[0])  # every rig camera's rotation, were `first` view 0
        turns = np.linalg.norm(expected[None] - arrays.R_cam_world[:, None], axis=(2, 3))  # [view, camera]
        chosen = turns.argmin(axis=1).tolist()
        if len(set(chosen)) < len(chosen):
            continue
        cameras = [rig.cameras[k] for k in chosen]
        match = _compared(cameras, arrays, f"by pose ({', '.join(camera.name for camera in cameras)}), not by name")
        if _good(match):
            found[tuple(camera.name for camera in cameras)] = match
    if len(found) > 1:
        raise CalibrationError(
            f"{rig.file}: the rig is symmetric: {len(found)} assignments of its cameras have the views' poses "
            f"({'; '.join(', '.join(names) for names in found)}); give the views the rig's camera names"
        )
    return next(iter(found.values()), None)


def _why(rig: Rig, found: RigMatch, arrays: CameraArrays) -> str:
    """What does not fit, and the camera without which all others do."""
    text = (
        f"{rig.file}: the dataset's poses are not one similarity of this rig's ({found.how}): up to "
        f"{found.turn_deg:.3g} degrees and {100 * found.moved:.3g} % of the cameras' distance are left, expected at "
        f"most {TURN_DEG:g} and {100 * MOVED:g} %."
    )
    cameras, views = list(found.cameras), len(arrays)
    for k in range(views) if views > _MIN_VIEWS else ():
        rest = [i for i in range(views) if i != k]
        if _good(_compared([cameras[i] for i in rest], arrays.take(rest), found.how)):
            return text + f" Without {cameras[k].name!r} all others agree: its entry, here or in the rig, is wrong."
    return text + " Is it the calibration that the images were prepared with?"


def _centres(cameras: Sequence[RigCamera]) -> np.ndarray:
    return np.array([-camera.R_cam_world.T @ camera.t_cam_world for camera in cameras])


def _reach(arrays: CameraArrays) -> float:
    return float(np.linalg.norm(arrays.centre - arrays.centre.mean(axis=0), axis=1).mean())


def _nearest_rotation(M: np.ndarray) -> Matrix3:
    u, _, vt = np.linalg.svd(M)
    return u @ np.diag([1.0, 1.0, float(np.sign(np.linalg.det(u @ vt)))]) @ vt
