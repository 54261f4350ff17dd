"""multical's `calibration.json`: `cameras` (K, dist, image_size, model) and `camera_poses` (R, T), world to camera.

OpenCV's convention, 0-based. With a master camera the others' poses are named "cam2_to_cam1" and are relative to it.
The unit is that of the board's description.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.atomic import matching
from mouselift.calibration.rig import (
    Rig,
    RigCamera,
    RigFormat,
    by_content,
    json_object,
    no_variant,
    opencv_camera,
)
from mouselift.errors import CalibrationError
from mouselift.foreign import numbers, short

_MODELS = ("standard", "rational", "thin_prism", "tilted")  # all are OpenCV's one vector of coefficients
_ORIGIN = 1e-9  # a pose times its own inverse: rounding of float64, in metres or millimetres
_KEYS = ("K", "dist", "image_size")


def read_multical(path: Path, variant: str | None = None) -> Rig:
    """Rig of a calibration.json; cameras without a pose are left out, and said."""
    no_variant(path, "multical", variant)
    content = json_object(path)
    cameras, poses = content.get("cameras"), content.get("camera_poses")
    if not isinstance(cameras, dict) or not isinstance(poses, dict) or not poses:
        raise CalibrationError(f"{path}: expected cameras and camera_poses, got {short(sorted(content))}")
    of_camera = _by_camera(path, cameras, poses)
    out = [_camera(path, name, cameras[name], pose) for name, pose in of_camera.items()]
    lost = [name for name in cameras if name not in of_camera]
    return Rig(path, "multical", tuple(out), tuple(f"{name} has no pose in {path.name}: left out" for name in lost))


def _by_camera(path: Path, cameras: Mapping[str, Any], poses: Mapping[str, Any]) -> dict[str, Any]:
    """Each camera's pose. A relative one must be relative to a camera that is the world's origin."""
    out: dict[str, Any] = {}
    for key, pose in poses.items():
        name, _, master = key.partition("_to_") if key not in cameras else (key, "", "")
        if name not in cameras or (master and master not in cameras):
            raise CalibrationError(f"{path}: camera_poses[{key!r}] is of no camera; expected {', '.join(cameras)}")
        if not isinstance(pose, dict) or not {"R", "T"} <= set(pose):
            raise CalibrationError(f"{path}: camera_poses[{key!r}]: expected R and T, got {short(pose)}")
        if master and not _is_origin(poses.get(master)):
            raise CalibrationError(
                f"{path}: camera_poses[{key!r}] is relative to {master!r}, which is not the world's origin; export all "
                "poses relative to one camera (multical calibrate --master NAME)"
            )
        if name in out:
            raise CalibrationError(f"{path}: camera_poses: two poses of {name!r}")
        out[name] = pose
    return out


def _is_origin(pose: Any) -> bool:
    try:
        R, T = numbers(pose["R"], (3, 3)), numbers(pose["T"])
    except (TypeError, KeyError, ValueError):
        return False
    return bool(np.abs(R - np.eye(3)).max() < _ORIGIN and np.abs(T).max(initial=0.0) < _ORIGIN)


def _camera(path: Path, name: str, entry: Any, pose: Mapping[str, Any]) -> RigCamera:
    where = f"camera {name!r} ({path})"
    if not isinstance(entry, dict) or not set(_KEYS) <= set(entry):
        raise CalibrationError(f"{where}: expected {', '.join(_KEYS)}, got {short(entry)}")
    model = entry.get("model", "standard")
    if model not in _MODELS:
        raise CalibrationError(f"{where}: lens model {model!r} is not supported; expected {', '.join(_MODELS)}")
    lens, size = ("dist", entry["dist"]), ("image_size", entry["image_size"])
    return opencv_camera(path, name, entry["K"], pose["R"], pose["T"], lens, size)


def find_multical(folder: Path) -> list[Path]:
    return [file for file in matching(folder, "calibration*.json") if holds_multical(file)]


@by_content
def holds_multical(file: Path) -> bool:
    return {"cameras", "camera_poses"} <= set(json_object(file))


FORMAT = RigFormat(read_multical, find_multical, ("*.json",), holds=holds_multical)
