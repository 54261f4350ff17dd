"""JARVIS rigs: a folder of `Camera_X.yaml` in OpenCV's FileStorage form.

intrinsicMatrix and R are stored transposed (row vectors), as in MATLAB; the principal point is OpenCV's, 0-based.
"""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from mouselift.atomic import visible
from mouselift.calibration.intrinsics import fault_of
from mouselift.calibration.rig import Rig, RigCamera, RigFormat, content_of, matrices, no_variant, opencv_lens, shifted
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import ZERO_BASED

_POSE = re.compile(rb"^[RT]:", re.MULTILINE)
_NODES = ("intrinsicMatrix", "distortionCoefficients", "R", "T")


def read_jarvis(path: Path, variant: str | None = None) -> Rig:
    """Rig of a folder of yaml files (or of one of them), cameras named by their file."""
    no_variant(path, "jarvis", variant)
    files = jarvis_files(path) if path.is_dir() else [path]
    if not files:
        raise CalibrationError(f"{path}: expected files such as Camera_B.yaml with intrinsicMatrix, R, T, found none")
    return Rig(path, "jarvis", tuple(_camera(file) for file in files))


def jarvis_files(folder: Path) -> list[Path]:
    """The yaml files of a folder that hold an intrinsicMatrix in FileStorage form."""
    files = visible([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    return [file for file in files if b"intrinsicMatrix" in content_of(file)[:4096]]


def _camera(file: Path) -> RigCamera:
    where = f"camera {file.stem!r} ({file})"
    values = _nodes(file, where)
    K, R, t = matrices(where, values["intrinsicMatrix"], values["R"], values["T"])
    if K[:2, 2].any() or not K[2, :2].any():
        raise CalibrationError(
            f"{where}: expected JARVIS's transposed intrinsicMatrix (principal point in its last row), got "
            f"{K.tolist()}: {fault_of(K) or 'it is upright (in its last column), as OpenCV writes it'}"
        )
    try:
        lens = opencv_lens(values["distortionCoefficients"].ravel().tolist())
    except ValueError as error:
        raise CalibrationError(f"{where}: {error}") from None
    return RigCamera(file.stem, file, shifted(K.T, ZERO_BASED), R.T.copy(), t, lens)


def _nodes(file: Path, where: str) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    try:
        text = content_of(file).decode()
        storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        for name in _NODES:
            matrix = storage.getNode(name).mat() if storage.isOpened() else None
            if matrix is None:
                raise CalibrationError(f"{where}: expected matrices {', '.join(_NODES)}; {name} is missing")
            found[name] = np.asarray(matrix, dtype=np.float64)
    except (cv2.error, SystemError, UnicodeDecodeError) as error:
        raise CalibrationError(f"{where}: not a readable OpenCV yaml file: {error}") from None
    storage.release()
    return found


def find_jarvis(folder: Path) -> list[Path]:
    """The folder itself where it holds such files with poses; JARVIS keeps intrinsics alone in a folder beside."""
    return [folder] if any(_POSE.search(content_of(file)) for file in jarvis_files(folder)) else []


FORMAT = RigFormat(read_jarvis, find_jarvis, ("*.yaml", "*.yml"))
