"""MAMMAL's `new_cam.pkl`: a list of dicts, or a dict keyed 0 .. N-1, each with K, R, T.

OpenCV convention throughout: K upper triangular and 0-based, w2c column form, millimetres; the videos are undistorted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mouselift.calibration.rig import Rig, RigCamera, RigFormat, matrices, no_variant, shifted
from mouselift.calibration.safe_pickle import load_pickle
from mouselift.errors import CalibrationError
from mouselift.foreign import numbers
from mouselift.geometry.camera import ZERO_BASED
from mouselift.geometry.lens import Pinhole

_LENS_KEYS = ("dist", "distCoeffs", "D", "d", "distortion", "k", "RDistort", "TDistort")


def read_mammal(path: Path, variant: str | None = None) -> Rig:
    """Rig of a `new_cam.pkl`; cameras are named by their place, "0", "1", ..."""
    no_variant(path, "mammal", variant)
    content = load_pickle(path)
    if isinstance(content, np.ndarray) and content.dtype == object and content.ndim == 1:
        content = content.tolist()
    if isinstance(content, dict):
        entries = {str(key): value for key, value in content.items()}
        if not all(name.isdigit() for name in entries):
            raise CalibrationError(
                f"{path}: expected a dict keyed 0, 1, ... (one dict a camera), got keys {list(entries)}"
            )
        entries = dict(sorted(entries.items(), key=lambda item: int(item[0])))
    elif isinstance(content, (list, tuple)):
        entries = {str(index): value for index, value in enumerate(content)}
    else:
        raise CalibrationError(f"{path}: expected a list or dict of cameras, got {type(content).__name__}")
    if not entries:
        raise CalibrationError(f"{path}: holds no camera")
    return Rig(path, "mammal", tuple(_camera(path, name, entry) for name, entry in entries.items()))


def _camera(path: Path, name: str, entry: Any) -> RigCamera:
    where = f"camera {name!r} ({path})"
    if not isinstance(entry, dict) or not {"K", "R", "T"} <= set(entry):
        got = ", ".join(map(str, entry)) if isinstance(entry, dict) else type(entry).__name__
        raise CalibrationError(f"{where}: expected a dict with K, R, T, got {got}")
    try:
        lens = {key: numbers(entry[key], name=key) for key in _LENS_KEYS if key in entry}
    except ValueError as error:
        raise CalibrationError(f"{where}: expected numbers as lens coefficients: {error}") from None
    bent = [key for key, values in lens.items() if values.any()]
    if bent:
        raise CalibrationError(
            f"{where}: has lens coefficients ({', '.join(bent)}); MAMMAL's videos are undistorted, its rig has none. "
            "Use the calibration of the raw videos (DANNCE, Anipose) with the raw videos instead."
        )
    K, R, t = matrices(where, entry["K"], entry["R"], entry["T"])
    return RigCamera(name, path, shifted(K, ZERO_BASED), R, t, Pinhole())


def find_mammal(folder: Path) -> list[Path]:
    return [file for file in [folder / "new_cam.pkl"] if file.is_file()]


FORMAT = RigFormat(read_mammal, find_mammal, ("*.pkl", "*.pickle"), z_up=True)
