"""JARVIS rigs: a folder of `Camera_X.yaml` in OpenCV's FileStorage form.

intrinsicMatrix and R are stored transposed (row vectors), as in MATLAB; the principal point is OpenCV's, 0-based.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from mouselift.atomic import matching
from mouselift.calibration.intrinsics import fault_of
from mouselift.calibration.opencv_storage import matrix_of
from mouselift.calibration.rig import Rig, RigCamera, RigFormat, content_of, matrices, no_variant, opencv_lens, shifted
from mouselift.errors import CalibrationError
from mouselift.foreign import yaml_of
from mouselift.geometry.camera import ZERO_BASED
from mouselift.limits import YAML_BYTES

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
    files = [file for file in matching(folder, "*.yaml", "*.yml") if file.is_file()]
    return [file for file in files if b"intrinsicMatrix" in _begin_of(file)]


def _begin_of(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(4096)


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
    """Read here: OpenCV's own reader writes beyond its memory where a matrix's sizes and numbers disagree."""
    try:
        content = yaml_of(content_of(file, YAML_BYTES).decode())
        matrices = content if isinstance(content, dict) else {}
        missing = [name for name in _NODES if not isinstance(matrices.get(name), dict)]
        if missing:
            raise ValueError(f"expected matrices {', '.join(_NODES)}; {', '.join(missing)} is missing")
        return {name: matrix_of(name, matrices[name]) for name in _NODES}
    except ValueError as error:
        raise CalibrationError(f"{where}: not a readable OpenCV yaml file: {error}") from None


def find_jarvis(folder: Path) -> list[Path]:
    """The folder itself where it holds such files with poses; JARVIS keeps intrinsics alone in a folder beside."""
    return [folder] if any(_POSE.search(content_of(file, YAML_BYTES)) for file in jarvis_files(folder)) else []


FORMAT = RigFormat(read_jarvis, find_jarvis, ("*.yaml", "*.yml"))
