"""EasyMocap's `intri.yml` and `extri.yml`, which lie in one folder: K_NAME, dist_NAME; R_NAME (Rodrigues), T_NAME.

OpenCV's convention, 0-based, world to camera. Rot_NAME repeats the rotation as a matrix. Written with six decimals.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mouselift.calibration.opencv_storage import storage_of
from mouselift.calibration.rig import Rig, RigCamera, RigFormat, matrices, no_variant, opencv_lens, shifted, unrolled
from mouselift.errors import CalibrationError
from mouselift.foreign import short, whole_numbers
from mouselift.geometry.camera import ZERO_BASED
from mouselift.limits import IMAGE_SIDE

_FILES = ("intri.yml", "extri.yml")
_ROUNDED = 1e-4  # R_ and Rot_ are written with six decimals; further apart they are two rotations


def read_easymocap(path: Path, variant: str | None = None) -> Rig:
    """Rig of the folder, or of one of its two files."""
    no_variant(path, "easymocap", variant)
    folder = path if path.is_dir() else path.parent
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise CalibrationError(f"{folder}: expected {' and '.join(_FILES)}, {', '.join(missing)} is not there")
    intri, extri = (storage_of(folder / name) for name in _FILES)
    names, with_pose = intri.get("names"), extri.get("names")
    for file, listed in zip(_FILES, (names, with_pose), strict=True):
        if not isinstance(listed, list) or not listed:
            raise CalibrationError(f"{folder / file}: expected names, a list, got {short(listed)}")
    lost = [str(name) for name in names or [] if name not in (with_pose or [])]
    said = [f"{', '.join(lost)}: no pose in {_FILES[1]}, left out"] if lost else []
    cameras = tuple(_camera(folder, str(name), intri, extri) for name in with_pose or [])
    return Rig(folder, "easymocap", cameras, tuple(said))


def _camera(folder: Path, name: str, intri: dict[str, Any], extri: dict[str, Any]) -> RigCamera:
    source = folder / _FILES[1]
    where = f"camera {name!r} ({folder})"
    lens_key = next((key for key in (f"dist_{name}", f"D_{name}") if key in intri), f"dist_{name}")
    rotation = next((key for key in (f"R_{name}", f"Rot_{name}") if key in extri), f"R_{name}")
    for nodes, key in ((intri, f"K_{name}"), (intri, lens_key), (extri, rotation), (extri, f"T_{name}")):
        if not isinstance(nodes.get(key), np.ndarray):
            raise CalibrationError(f"{where}: expected a matrix {key}, got {short(nodes.get(key))}")
    R = extri[rotation]
    try:
        lens = opencv_lens(intri[lens_key].ravel().tolist())
        R = unrolled(R)
        twin = extri.get(f"Rot_{name}")
        if isinstance(twin, np.ndarray) and (twin.shape != R.shape or np.abs(twin - R).max() > _ROUNDED):
            raise ValueError(f"{rotation} and Rot_{name} are two rotations: {R.tolist()} and {twin.tolist()}; keep one")
        size = None
        if f"W_{name}" in intri and f"H_{name}" in intri:
            width, height = whole_numbers([intri[f"W_{name}"], intri[f"H_{name}"]], -1, IMAGE_SIDE, "W, H")
            size = (width, height) if width > 0 and height > 0 else None  # -1: not known
    except ValueError as error:
        raise CalibrationError(f"{where}: {error}") from None
    K, R, t = matrices(where, intri[f"K_{name}"], R, extri[f"T_{name}"])
    return RigCamera(name, source, shifted(K, ZERO_BASED), R, t, lens, size)


def find_easymocap(folder: Path) -> list[Path]:
    return [folder] if all((folder / name).is_file() for name in _FILES) else []


def holds_easymocap(file: Path) -> bool:
    return bool(find_easymocap(file.parent))


FORMAT = RigFormat(read_easymocap, find_easymocap, _FILES, holds=holds_easymocap)
