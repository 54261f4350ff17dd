"""MATLAB's .mat files of version 7.3, which are HDF5, as `mat_file.variables_of` gives the earlier ones.

Arrays are stored with their dimensions reversed. A cell is an array of references; a struct is a group with a member a
field, and an array of structs has references in its fields. Characters are numbers. Sparse arrays, objects and
functions are left out.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.foreign import short
from mouselift.hdf5_file import array_of, is_group, member, opened
from mouselift.limits import MAT_DEPTH, MAT_UNPACKED_BYTES

_NUMBERS = {
    "double": "f8", "single": "f4", "logical": "u1", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8",
}  # fmt: skip
_NODE = 1024  # bytes that a value costs in this count: references can lead to one value millions of times


def variables73_of(path: Path, only: Collection[str] | None = None) -> dict[str, Any]:
    """Every variable that could be read, by name; those in `only`, where it is given. CalibrationError: damaged."""
    with opened(path, "a version 7.3 .mat file's variables") as root:
        reader = _Reader(root)
        out: dict[str, Any] = {}
        for name in root:
            if not name.startswith("#") and (only is None or name in only):
                value = reader.value(_member(root, name), name, 0)
                if value is not None:
                    out[name] = value
        return out


class _Reader:
    def __init__(self, root: Any) -> None:
        self._root, self._budget = root, MAT_UNPACKED_BYTES

    def _spend(self, size: int) -> None:
        self._budget -= size
        if self._budget < 0:
            raise ValueError(f"its variables take more than {MAT_UNPACKED_BYTES:,} bytes")

    def value(self, node: Any, name: str, depth: int) -> Any:
        """None for kinds that are left out."""
        if depth > MAT_DEPTH:
            raise ValueError(f"structs and cells are nested more than {MAT_DEPTH} deep")
        self._spend(_NODE)
        kind = _text(node.attrs.get("MATLAB_class", b""))
        if is_group(node):
            return self._struct(node, name, depth) if kind in ("struct", "") else None
        if node.attrs.get("MATLAB_empty", 0):
            shape = tuple(int(size) for size in array_of(node, name, 4096).ravel())
            if len(shape) > 32 or 0 not in shape:
                raise ValueError(f"{name}: an empty array of shape {shape}")
            return np.zeros(shape, dtype=object if kind == "cell" else "U1" if kind == "char" else "f8")
        if kind == "cell":
            return self._cells(node, name, depth)
        values = array_of(node, name, self._budget)
        self._spend(values.nbytes)
        if kind == "char":
            return _characters(values.T)
        return (
            np.ascontiguousarray(values.T).astype(_NUMBERS[kind])
            if kind in _NUMBERS and values.dtype.kind in "iuf"
            else None
        )

    def _cells(self, node: Any, name: str, depth: int) -> np.ndarray:
        references = array_of(node, name, self._budget)
        self._spend(references.nbytes)
        out = np.empty(references.size, dtype=object)
        for index, reference in enumerate(references.T.ravel(order="C")):
            out[index] = self.value(self._referred(reference, name), f"{name}{{{index + 1}}}", depth + 1)
        return out.reshape(references.T.shape)

    def _struct(self, node: Any, name: str, depth: int) -> np.ndarray | None:
        fields = {field: _member(node, field) for field in node}
        if not fields or "MATLAB_sparse" in node.attrs:
            return None
        many = [f for f in fields.values() if not is_group(f) and f.dtype.kind == "O" and "MATLAB_class" not in f.attrs]
        if len(many) < len(fields):
            record = np.empty((1, 1), dtype=[(field, object) for field in fields])
            for field, child in fields.items():
                record[field][0, 0] = self.value(child, f"{name}.{field}", depth + 1)
            return record
        whole = {field: self._cells(child, f"{name}.{field}", depth) for field, child in fields.items()}
        shapes = {values.shape for values in whole.values()}
        if len(shapes) != 1:
            raise ValueError(f"{name}: a struct array whose fields have shapes {sorted(shapes)}")
        out = np.empty(shapes.pop(), dtype=[(field, object) for field in whole])
        for field, values in whole.items():
            out[field] = values
        return out

    def _referred(self, reference: Any, name: str) -> Any:
        if not reference:
            raise ValueError(f"{name}: an empty reference")
        return self._root[reference]


def _member(group: Any, name: str) -> Any:
    """ValueError where a damaged group lists a name and has nothing of it."""
    found = member(group, name)
    if found is None:
        raise ValueError(f"{short(name)} is listed, and is not there")
    return found


def _characters(values: np.ndarray) -> np.ndarray:
    """Rows of text, from their codes of 16 bits [rows, columns]."""
    if values.ndim != 2 or values.dtype.kind not in "iu":
        raise ValueError(f"characters of shape {values.shape}")
    rows = [np.ascontiguousarray(row).astype("<u2").tobytes().decode("utf-16-le", "replace") for row in values]
    return np.array(rows, dtype=f"U{max(values.shape[1], 1)}")


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
