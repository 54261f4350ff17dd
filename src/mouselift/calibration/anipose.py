"""Anipose `calibration.toml` (aniposelib; also sleap-anipose, FreeMoCap).

K row-major and 0-based, distortions k1 k2 p1 p2 k3 (fisheye: k1 k2 k3 k4), Rodrigues rotation, w2c. Cameras are bound
by `name`: the keys' order (cam_10 before cam_2) means nothing. The world is arbitrary; which way is up is not known.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mouselift.atomic import visible
from mouselift.calibration.rig import Rig, RigCamera, RigFormat, content_of, matrices, no_variant, opencv_lens, shifted
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import ZERO_BASED

_CONFIG_REACH = 3  # config.toml lies beside calibration.toml or at the project's root, two folders up
_KEYS = ("name", "size", "matrix", "distortions", "rotation", "translation")


def read_anipose(path: Path, variant: str | None = None) -> Rig:
    """Rig of a calibration.toml, crop offsets taken from anipose's config.toml where one is near (and said so)."""
    no_variant(path, "anipose", variant)
    content = _toml(path)
    tables = {key: table for key, table in content.items() if key != "metadata"}
    if not tables:
        raise CalibrationError(f"{path}: expected tables such as [cam_0] with {', '.join(_KEYS)}, found none")
    crops, evidence = _crops(path)
    cameras = tuple(_camera(path, key, table, crops) for key, table in tables.items())
    error = content.get("metadata", {}).get("error") if isinstance(content.get("metadata"), dict) else None
    if isinstance(error, (int, float)):
        evidence.append(f"{path.name}: its own reprojection error is {error:.3g} px")
    return Rig(path, "anipose", cameras, tuple(evidence))


def _camera(path: Path, key: str, table: Any, crops: Mapping[str, list[int]]) -> RigCamera:
    where = f"{path}: [{key}]"
    if not isinstance(table, dict):
        raise CalibrationError(f"{where}: expected a table with {', '.join(_KEYS)}, got {table!r}")
    missing = [name for name in _KEYS if name not in table]
    if missing:
        raise CalibrationError(f"{where}: expected {', '.join(_KEYS)}; missing {', '.join(missing)}")
    name = str(table["name"])
    try:
        width, height = (int(number) for number in table["size"])
        lens = opencv_lens(np.ravel(table["distortions"]).tolist(), bool(table.get("fisheye", False)))
        vector = np.array(table["rotation"], dtype=np.float64).ravel()
        if vector.shape != (3,) or not np.isfinite(vector).all():
            raise ValueError(f"rotation: expected 3 finite numbers (Rodrigues), got {vector.tolist()}")
    except (TypeError, ValueError) as error:
        raise CalibrationError(f"camera {name!r} ({where}): {error}") from None
    K, R, t = matrices(f"camera {name!r} ({where})", table["matrix"], cv2.Rodrigues(vector)[0], table["translation"])
    crop = crops.get(name)
    offset = None if crop is None else (crop[0], crop[1])
    crop_size = None if crop is None or len(crop) < 4 else (crop[2], crop[3])
    return RigCamera(name, path, shifted(K, ZERO_BASED), R, t, lens, (width, height), offset, crop_size)


def _crops(path: Path) -> tuple[dict[str, list[int]], list[str]]:
    """[cameras.NAME] offsets of the nearest anipose config.toml: x, y [, width, height] of the recorded image."""
    for folder in list(path.resolve().parents)[:_CONFIG_REACH]:
        file = folder / "config.toml"
        if not file.is_file():
            continue
        cameras = _toml(file).get("cameras")
        found: dict[str, list[int]] = {}
        for name, table in cameras.items() if isinstance(cameras, dict) else ():
            if isinstance(table, dict) and "offsets" in table:
                found[name] = _offsets(file, name, table["offsets"])
        if found:
            words = "; ".join(f"{name} at ({crop[0]}, {crop[1]})" for name, crop in found.items())
            return found, [f"crop offsets taken from {file}: {words}"]
    return {}, []


def _offsets(file: Path, name: str, values: Any) -> list[int]:
    if not isinstance(values, list) or len(values) not in (2, 4) or not all(isinstance(v, int) for v in values):
        raise CalibrationError(
            f"{file}: [cameras.{name}] offsets: expected [x, y] or [x, y, width, height] in pixels, got {values!r}"
        )
    return values


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(content_of(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CalibrationError(f"{path}: not valid TOML: {error}") from None


def find_anipose(folder: Path) -> list[Path]:
    return [file for file in visible(folder.glob("*.toml")) if _is_anipose(file)]


def _is_anipose(file: Path) -> bool:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return file.name == "calibration.toml"  # its reader says what is wrong with it
    return any(isinstance(table, dict) and {"matrix", "rotation"} <= set(table) for table in tables.values())


FORMAT = RigFormat(read_anipose, find_anipose, ("*.toml",))
