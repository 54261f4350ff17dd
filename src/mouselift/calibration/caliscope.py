"""Caliscope's `camera_array.toml`, and the `config.toml` of its earlier versions (pyxy3d).

OpenCV's convention, 0-based, world to camera, metres. `[cameras.N]` (earlier `[cam_N]` with `port`): matrix,
distortions (`fisheye`: k1..k4), rotation as a Rodrigues vector or 3x3, translation. Videos are cam_N.mp4 (port_N.mp4).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mouselift.atomic import matching
from mouselift.calibration.anipose_project import toml_of
from mouselift.calibration.rig import (
    Rig,
    RigCamera,
    RigFormat,
    by_content,
    no_variant,
    opencv_camera,
)
from mouselift.errors import CalibrationError

_KEYS = ("size", "matrix", "distortions")
_NAME = "camera_array.toml"
_POSE = ("rotation", "translation")


def read_caliscope(path: Path, variant: str | None = None) -> Rig:
    """Rig of its TOML; cameras without a pose, or to be ignored, are left out, and said."""
    no_variant(path, "caliscope", variant)
    cameras: list[RigCamera] = []
    said: list[str] = []
    for name, table in _tables(toml_of(path)).items():
        if table.get("ignore"):
            said.append(f"{name} is left out: ignore is set in {path.name}")
        elif not all(key in table and table[key] != "null" for key in _POSE):
            said.append(f"{name} is left out: it has no pose in {path.name}")
        else:
            cameras.append(_camera(path, name, table))
            if table.get("rotation_count"):
                said.append(
                    f"{name}: rotation_count turns its picture in Caliscope only; its video is taken as recorded"
                )
    if not cameras:
        raise CalibrationError(f"{path}: expected cameras with {', '.join((*_KEYS, *_POSE))}, found none")
    return Rig(path, "caliscope", tuple(cameras), tuple(said))


def _tables(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Cameras' tables by the names that their videos carry."""
    now = content.get("cameras")
    if isinstance(now, dict):
        return {f"cam_{key}": table for key, table in now.items() if isinstance(table, dict) and "matrix" in table}
    tables = [table for table in content.values() if isinstance(table, dict) and {"port", "matrix"} <= set(table)]
    return {f"port_{table['port']}": table for table in tables}


def _camera(path: Path, name: str, table: dict[str, Any]) -> RigCamera:
    missing = [key for key in _KEYS if key not in table]
    if missing:
        expected = ", ".join((*_KEYS, *_POSE))
        raise CalibrationError(f"camera {name!r} ({path}): expected {expected}; missing {', '.join(missing)}")
    lens, size = ("distortions", table["distortions"]), ("size", table["size"])
    pose, fisheye = (table["rotation"], table["translation"]), bool(table.get("fisheye"))
    return opencv_camera(path, name, table["matrix"], *pose, lens, size, fisheye)


def find_caliscope(folder: Path) -> list[Path]:
    return [file for file in matching(folder, "*.toml") if holds_caliscope(file) or _is_damaged(file)]


def _is_damaged(file: Path) -> bool:
    """By its name; its reader says what is wrong with it."""
    if file.name.lower() != _NAME:
        return False
    try:
        toml_of(file)
    except CalibrationError:
        return True
    return False


@by_content
def holds_caliscope(file: Path) -> bool:
    return bool(_tables(toml_of(file)))


FORMAT = RigFormat(read_caliscope, find_caliscope, ("*.toml",), holds=holds_caliscope, unit="m")
