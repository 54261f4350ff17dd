"""A writer of version 7.3 .mat files, as MATLAB lays them out: its header, then HDF5 with reversed dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

_CLASSES = {"f8": "double", "f4": "single", "u1": "uint8", "u2": "uint16", "i4": "int32"}


def save73(file: Path, variables: Mapping[str, Any]) -> Path:
    """Arrays, text, cells (lists), structs (dicts of them); an array of structs is a tuple of dicts."""
    with h5py.File(file, "w", userblock_size=512) as root:
        for name, value in variables.items():
            _put(root, root, name, value)
    with file.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created by tests".ljust(116))
        stream.write(b"\0" * 8 + b"\x00\x02IM")
    return file


def _put(root: h5py.File, parent: h5py.Group, name: str, value: Any) -> None:
    if isinstance(value, dict):
        group = parent.create_group(name)
        group.attrs["MATLAB_class"] = np.bytes_("struct")
        for field, inner in value.items():
            _put(root, group, field, inner)
    elif isinstance(value, tuple):
        group = parent.create_group(name)
        group.attrs["MATLAB_class"] = np.bytes_("struct")
        for field in value[0]:
            group[field] = _references(root, [one[field] for one in value])
    elif isinstance(value, list):
        parent[name] = _references(root, value)
        parent[name].attrs["MATLAB_class"] = np.bytes_("cell")
    elif isinstance(value, str):
        parent[name] = np.array([[ord(letter)] for letter in value], dtype="<u2")
        parent[name].attrs["MATLAB_class"] = np.bytes_("char")
    else:
        array = np.atleast_2d(np.asarray(value))
        if array.size:
            parent[name] = array.T
        else:
            parent[name] = np.array(array.shape, dtype="<u8")
            parent[name].attrs["MATLAB_empty"] = np.uint8(1)
        parent[name].attrs["MATLAB_class"] = np.bytes_(_CLASSES[array.dtype.str[1:]])


def _references(root: h5py.File, values: list[Any]) -> np.ndarray:
    """A column: [n, 1] in MATLAB, and so [1, n] here."""
    hidden = root.require_group("#refs#")
    out = np.empty((1, len(values)), dtype=h5py.ref_dtype)
    for index, value in enumerate(values):
        name = f"r{len(hidden)}"
        _put(root, hidden, name, value)
        out[0, index] = hidden[name].ref
    return out
