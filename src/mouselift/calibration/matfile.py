"""MATLAB files up to version 7."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mouselift.errors import CalibrationError


def load_mat(path: Path) -> dict[str, Any]:
    """Variables of a .mat file (v4 to v7). CalibrationError: not there, v7.3 (HDF5), or damaged."""
    from scipy.io import loadmat  # a quarter of a second that only these rigs need
    from scipy.io.matlab import MatReadError

    try:
        with path.open("rb") as file:
            head = file.read(128)
        if b"MATLAB 7.3" in head or head[:8] == b"\x89HDF\r\n\x1a\n":
            raise CalibrationError(
                f"{path}: this is a version 7.3 (HDF5) .mat file, which mouselift does not read. "
                "In MATLAB: s = load(file); save(file, '-struct', 's', '-v7')"
            )
        return {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
    except OSError as error:
        raise CalibrationError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (MatReadError, ValueError, TypeError, KeyError, IndexError, NotImplementedError, EOFError) as error:
        raise CalibrationError(f"{path}: not a readable .mat file (damaged or truncated?): {error}") from None


def struct_fields(value: Any) -> dict[str, Any]:
    """Fields of a 1x1 MATLAB struct as loadmat returns it. ValueError where it is something else."""
    if not isinstance(value, np.ndarray) or value.dtype.names is None or value.size != 1:
        raise ValueError(f"expected a 1x1 struct, got {type(value).__name__} {getattr(value, 'shape', '')}")
    record = value.reshape(-1)[0]
    return {name: record[name] for name in value.dtype.names}
