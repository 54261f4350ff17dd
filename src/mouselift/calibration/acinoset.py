"""AcinoSet's scenes, `4_cam_scene_sba.json`: camera_resolution and cameras with k, d, r, t.

OpenCV's fisheye lens (d: k1..k4), 0-based, world to camera, metres. The cameras are nameless: cam1, cam2, ... as their
videos are called.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
from mouselift.foreign import short

_KEYS = ("k", "d", "r", "t")


def read_acinoset(path: Path, variant: str | None = None) -> Rig:
    no_variant(path, "acinoset", variant)
    content = json_object(path)
    entries = content.get("cameras")
    if not isinstance(entries, list) or not entries:
        raise CalibrationError(f"{path}: expected cameras, a list, got {short(entries)}")
    size = ("camera_resolution", content.get("camera_resolution"))
    cameras = [_camera(path, f"cam{index + 1}", entry, size) for index, entry in enumerate(entries)]
    named = f"cameras are called cam1 to cam{len(cameras)} in the order of {path.name}, which names none"
    return Rig(path, "acinoset", tuple(cameras), (), (named,))


def _camera(path: Path, name: str, entry: Any, size: tuple[str, Any]) -> RigCamera:
    if not isinstance(entry, dict) or not set(_KEYS) <= set(entry):
        raise CalibrationError(f"camera {name!r} ({path}): expected {', '.join(_KEYS)}, got {short(entry)}")
    return opencv_camera(path, name, entry["k"], entry["r"], entry["t"], ("d", entry["d"]), size, fisheye=True)


def find_acinoset(folder: Path) -> list[Path]:
    return [file for file in matching(folder, "*scene*.json") if holds_acinoset(file)]


@by_content
def holds_acinoset(file: Path) -> bool:
    content = json_object(file)
    entries = content.get("cameras")
    return (
        "camera_resolution" in content
        and isinstance(entries, list)
        and any(isinstance(e, dict) and "k" in e for e in entries)
    )


FORMAT = RigFormat(read_acinoset, find_acinoset, ("*.json",), holds=holds_acinoset, unit="m")
