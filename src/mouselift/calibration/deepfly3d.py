"""DeepFly3D's `calib*.pkl` and `df3d_result*.pkl`: by the camera's number, R, tvec, intr, distort.

OpenCV's convention, 0-based, world to camera. Two orders of pixel coordinates are in use: (x, y), and (row, column),
in which intr has half of the image's height as cx. `variant` says which; in the second the world comes back mirrored,
for exchanging an image's axes is a mirror.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mouselift.atomic import matching
from mouselift.calibration.rig import Rig, RigCamera, RigFormat, by_content, matrices, opencv_lens, shifted, unrolled
from mouselift.calibration.safe_pickle import load_pickle
from mouselift.errors import CalibrationError
from mouselift.foreign import is_whole, numbers, short, whole_numbers
from mouselift.geometry.camera import ZERO_BASED
from mouselift.geometry.lens import BrownConrady

_KEYS = ("R", "tvec", "intr", "distort")
_NAMES = ("calib*.pkl", "df3d_result*.pkl", "pose_result*.pkl")
_VARIANTS = ("x-y", "row-column")
_SWAP = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])
_MIRROR = np.diag([1.0, 1, -1])


def read_deepfly3d(path: Path, variant: str | None = None) -> Rig:
    """Rig of a pickle; cameras are named as their images: camera_0, camera_1, ..."""
    content = load_pickle(path)
    entries = _cameras_in(content)
    if not entries:
        raise CalibrationError(
            f"{path}: expected a dict of cameras 0, 1, ... with {', '.join(_KEYS)}, got {short(content)}"
        )
    if variant not in _VARIANTS:
        asked = "it does not say" if variant is None else f"variant {variant!r} is unknown:"
        cx, cy = _middle(entries)
        raise CalibrationError(
            f'{path}: {asked} whether pixels are (x, y) or (row, column). Say [rig] variant = "x-y" or '
            f'"row-column" (or --variant). Its principal point is ({cx:g}, {cy:g}): "row-column" where that is half of '
            'the image\'s height and width, in this order, and points2d beside it are (row, column); else "x-y"'
        )
    order, assumed = _ordering(path, content, len(entries))
    cameras = tuple(
        _camera(path, f"camera_{order.get(number, number)}", entry, variant == "row-column")
        for number, entry in sorted(entries.items())
    )
    said = [
        "pixels are (row, column), as asked: image axes are exchanged, and the world is mirrored (z is -z of the file)"
    ]
    return Rig(path, "deepfly3d", cameras, tuple(said if variant == "row-column" else []), tuple(assumed))


def _cameras_in(content: Any) -> dict[int, dict[str, Any]]:
    if not isinstance(content, dict):
        return {}
    return {
        int(key): entry
        for key, entry in content.items()
        if (is_whole(key) or isinstance(key, np.integer)) and isinstance(entry, dict) and set(_KEYS) <= set(entry)
    }


def _middle(entries: dict[int, dict[str, Any]]) -> tuple[float, float]:
    try:
        intr = numbers(entries[min(entries)]["intr"], (3, 3))
    except ValueError:
        return float("nan"), float("nan")
    return float(intr[0, 2]), float(intr[1, 2])


def _ordering(path: Path, content: dict[Any, Any], count: int) -> tuple[dict[int, int], list[str]]:
    """Which camera's images the calibration's number k is: `camera_ordering`, or the number itself."""
    if "camera_ordering" not in content:
        return {}, [f"number k of {path.name} is camera_k: the file has no camera_ordering"]
    try:
        order = whole_numbers(content["camera_ordering"], 0, 1000, "camera_ordering")
        if len(order) < count or len(set(order)) < len(order):
            raise ValueError(f"camera_ordering: expected {count} different numbers, got {order}")
    except ValueError as error:
        raise CalibrationError(f"{path}: {error}") from None
    return dict(enumerate(order)), []


def _camera(path: Path, name: str, entry: dict[str, Any], swapped: bool) -> RigCamera:
    where = f"camera {name!r} ({path})"
    try:
        R = unrolled(numbers(entry["R"], name="R"))
        lens = opencv_lens(numbers(entry["distort"], name="distort").ravel().tolist())
    except ValueError as error:
        raise CalibrationError(f"{where}: {error}") from None
    K, R, t = matrices(where, entry["intr"], R, entry["tvec"])
    if swapped:
        if K[0, 1]:
            raise CalibrationError(f"{where}: a skew of {K[0, 1]:g} in (row, column) order is not supported")
        K, R, t = _SWAP @ K @ _SWAP, _SWAP @ R @ _MIRROR, _SWAP @ t
        if isinstance(lens, BrownConrady):
            lens = BrownConrady(lens.k1, lens.k2, lens.p2, lens.p1, lens.k3, lens.k4, lens.k5, lens.k6)
    return RigCamera(name, path, shifted(K, ZERO_BASED), R, t, lens)


def find_deepfly3d(folder: Path) -> list[Path]:
    return [file for file in matching(folder, *_NAMES) if holds_deepfly3d(file)]


@by_content
def holds_deepfly3d(file: Path) -> bool:
    return bool(_cameras_in(load_pickle(file)))


FORMAT = RigFormat(read_deepfly3d, find_deepfly3d, ("*.pkl", "*.pickle"), holds=holds_deepfly3d)
