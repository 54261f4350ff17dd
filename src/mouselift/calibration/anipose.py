"""Anipose `calibration.toml` (aniposelib; also sleap-anipose, FreeMoCap).

K row-major and 0-based, distortions k1 k2 p1 p2 k3 (fisheye: k1 k2 k3 k4), Rodrigues rotation, w2c. Cameras are bound
by `name`: the keys' order (cam_10 before cam_2) means nothing. The world is arbitrary; which way is up is not known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mouselift.atomic import matching
from mouselift.calibration.anipose_project import crops_near, toml_of
from mouselift.calibration.rig import Rig, RigCamera, RigFormat, no_variant, opencv_camera
from mouselift.errors import CalibrationError
from mouselift.foreign import short
from mouselift.limits import LARGEST_NUMBER

_KEYS = ("name", "size", "matrix", "distortions", "rotation", "translation")


def read_anipose(path: Path, variant: str | None = None) -> Rig:
    """Rig of a calibration.toml, crop offsets taken from anipose's config.toml where one is near (and said so)."""
    no_variant(path, "anipose", variant)
    content = toml_of(path)
    tables = {key: table for key, table in content.items() if key != "metadata"}
    if not tables:
        raise CalibrationError(f"{path}: expected tables such as [cam_0] with {', '.join(_KEYS)}, found none")
    crops, config = crops_near(path)
    cameras = tuple(camera_of(path, key, table, crops) for key, table in tables.items())
    evidence = [*_said(crops, config, {camera.name for camera in cameras})]
    error = content.get("metadata", {}).get("error") if isinstance(content.get("metadata"), dict) else None
    if isinstance(error, (int, float)) and not isinstance(error, bool) and abs(error) <= LARGEST_NUMBER:
        evidence.append(f"{path.name}: its own reprojection error is {error:.3g} px")
    return Rig(path, "anipose", cameras, tuple(evidence))


def camera_of(path: Path, key: str, table: Any, crops: Mapping[str, tuple[int, ...]]) -> RigCamera:
    """The camera of one table; `crops` by camera: x, y[, width, height]. CalibrationError names file and table."""
    where = f"{path}: [{key}]"
    if not isinstance(table, dict):
        raise CalibrationError(f"{where}: expected a table with {', '.join(_KEYS)}, got {short(table)}")
    missing = [name for name in _KEYS if name not in table]
    if missing:
        raise CalibrationError(f"{where}: expected {', '.join(_KEYS)}; missing {', '.join(missing)}")
    name = str(table["name"])
    lens, size = ("distortions", table["distortions"]), ("size", table["size"])
    pose, fisheye = (table["rotation"], table["translation"]), bool(table.get("fisheye"))
    camera = opencv_camera(path, name, table["matrix"], *pose, lens, size, fisheye)
    crop = crops.get(name)
    offset = None if crop is None else (crop[0], crop[1])
    return replace(camera, crop_offset=offset, crop_size=None if crop is None or len(crop) < 4 else (crop[2], crop[3]))


def _said(crops: Mapping[str, tuple[int, ...]], config: Path | None, names: Collection[str]) -> Iterator[str]:
    """What is taken from config.toml, and what is not."""
    taken = [f"{name} at ({crop[0]}, {crop[1]})" for name, crop in crops.items() if name in names]
    if taken:
        yield f"crop offsets taken from {config}: {'; '.join(taken)}"
    strange = [name for name in crops if name not in names]
    if strange:
        yield f"crop offsets in {config} of {', '.join(strange)}: not used, no such camera in this calibration"


def find_anipose(folder: Path) -> list[Path]:
    return [file for file in matching(folder, "*.toml") if _is_anipose(file)]


def _is_anipose(file: Path) -> bool:
    try:
        tables = toml_of(file)
    except CalibrationError:
        return file.name.lower() == "calibration.toml"  # its reader says what is wrong with it
    return any(
        isinstance(table, dict) and {"matrix", "rotation"} <= set(table) and "port" not in table  # that is Caliscope's
        for table in tables.values()
    )


FORMAT = RigFormat(read_anipose, find_anipose, ("*.toml",))
