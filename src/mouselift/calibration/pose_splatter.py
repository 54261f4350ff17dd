"""Pose Splatter's camera file: HDF5 with `camera_parameters` of `rotation`, `translation`, `intrinsic`, a row a camera.

OpenCV's convention, 0-based (its images are every n-th pixel, and K is divided by n), world to camera; no lens: its
videos are undistorted. The file names no camera: Camera1, Camera2, ... in its order.
"""

from __future__ import annotations

from pathlib import Path

from mouselift.atomic import matching
from mouselift.calibration.rig import Rig, RigCamera, RigFormat, by_content, matrices, no_variant, shifted
from mouselift.errors import CalibrationError, MissingExtraError
from mouselift.foreign import numbers
from mouselift.geometry.camera import ZERO_BASED
from mouselift.geometry.lens import Pinhole
from mouselift.hdf5_file import array_of, is_group, member, opened

_WHAT = "Pose Splatter's cameras"
_GROUP = "camera_parameters"
_PARTS = (("intrinsic", (None, 3, 3)), ("rotation", (None, 3, 3)), ("translation", (None, 3)))


def read_pose_splatter(path: Path, variant: str | None = None) -> Rig:
    no_variant(path, "pose-splatter", variant)
    with opened(path, _WHAT) as root:
        group = member(root, _GROUP)
        if not is_group(group):
            raise CalibrationError(f"{path}: expected a group {_GROUP}, got {', '.join(root)}")
        K, R, t = (
            numbers(array_of(member(group, name), name).reshape(-1, *shape[1:]), shape, name) for name, shape in _PARTS
        )
    if not len(K) or not len(K) == len(R) == len(t):
        raise CalibrationError(f"{path}: {len(K)} intrinsic, {len(R)} rotation, {len(t)} translation; expected as many")
    cameras: list[RigCamera] = []
    for index in range(len(K)):
        name = f"Camera{index + 1}"
        parts = matrices(f"camera {name!r} ({path})", K[index], R[index], t[index])
        cameras.append(RigCamera(name, path, shifted(parts[0], ZERO_BASED), parts[1], parts[2], Pinhole()))
    named = f"cameras are called Camera1 to Camera{len(cameras)} in the order of {path.name}, which names none"
    return Rig(path, "pose-splatter", tuple(cameras), (), (named, "the videos are undistorted: the format has no lens"))


def find_pose_splatter(folder: Path) -> list[Path]:
    """None without h5py: other tools' files end in .h5 too."""
    try:
        files = matching(folder, "*.h5", "*.hdf5")
        return [file for file in files if holds_pose_splatter(file)]
    except MissingExtraError:
        return []


@by_content
def holds_pose_splatter(file: Path) -> bool:
    with opened(file, _WHAT) as root:
        return is_group(member(root, _GROUP))


FORMAT = RigFormat(read_pose_splatter, find_pose_splatter, ("*.h5", "*.hdf5"), holds=holds_pose_splatter)
