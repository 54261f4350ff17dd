"""HDF5 files of others: what they hold is read only from the file itself, with its size checked before.

A dataset can say any size, and can point into other files of the machine (links, external and virtual storage): both
are refused. Needs h5py, the extra `hdf5`.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.errors import CalibrationError, MissingExtraError
from mouselift.limits import CALIBRATION_BYTES, first_bytes

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_BLOCKS = (0, 512)  # where it begins: MATLAB writes 512 bytes of its own before it


def h5py_for(path: Path, what: str, instead: str = "") -> Any:
    """The library, or a MissingExtraError that says what it is needed for."""
    try:
        return importlib.import_module("h5py")
    except ImportError:
        raise MissingExtraError(f"{path}: {what} need h5py: pip install 'mouselift[hdf5]'{instead}") from None


def is_hdf5(path: Path) -> bool:
    try:
        head = first_bytes(path, _BLOCKS[-1] + len(_SIGNATURE))
    except (OSError, ValueError):
        return False
    return any(head[at : at + len(_SIGNATURE)] == _SIGNATURE for at in _BLOCKS)


@contextmanager
def opened(path: Path, what: str) -> Iterator[Any]:
    """The file's root group. CalibrationError: no HDF5, damaged, or what is read in it is not as expected."""
    if not is_hdf5(path):
        raise CalibrationError(f"{path}: expected an HDF5 file with {what}")
    library = h5py_for(path, what)
    try:
        with library.File(path, "r") as root:
            yield root
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise CalibrationError(f"{path}: cannot be read as {what}: {error}") from None


def member(group: Any, name: str) -> Any:
    """A group or dataset of this very file; None where there is none of that name."""
    library = importlib.import_module("h5py")
    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, library.HardLink):
        raise ValueError(f"{name} is a link; expected the data itself")
    return group[name]


def is_group(value: Any) -> bool:
    return isinstance(value, importlib.import_module("h5py").Group)


def array_of(dataset: Any, name: str, most: int = CALIBRATION_BYTES) -> np.ndarray:
    """A dataset's content. ValueError: it is none, has more than `most` bytes, or lies elsewhere."""
    if dataset is None or is_group(dataset):
        raise ValueError(f"expected a dataset {name}")
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{name} lies in another file")
    item = max(dataset.dtype.itemsize, 1)
    chunk = math.prod(dataset.chunks or (0,))
    if dataset.shape is None or max(dataset.size, chunk) * item > most:
        raise ValueError(f"{name} of shape {dataset.shape} has more than {most:,} bytes")
    return np.asarray(dataset[()])
