"""MATLAB's .mat files of level 4 and 5 (v4, v6, v7), read with every size checked against the bytes that are there.

As `scipy.io.loadmat` gives them, whose compiled reader a damaged file can crash: numeric arrays in the type they are
stored in, characters as an array of rows, cells as object arrays, structs as arrays of records of objects. Sparse
arrays, objects, functions are left out. Format: MathWorks, "MAT-File Format", R2024a.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from mouselift.limits import MAT_DEPTH, MAT_UNPACKED_BYTES

_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXT = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX, _LOGICAL = 0x08, 0x02
_V4_TYPES = ("f8", "f4", "i4", "i2", "u2", "u1")
_HEADER = 128


def variables_of(data: bytes) -> dict[str, Any]:
    """Every variable that could be read, by name. ValueError: damaged, too large, or no such file."""
    if len(data) < 4:
        raise ValueError("it is empty or cut short")
    if 0 in data[:4]:
        return _Level4(data).variables()
    if len(data) < _HEADER or data[126:128] not in (b"IM", b"MI"):
        raise ValueError("expected MATLAB's header of 128 bytes")
    reader = _Level5("<" if data[126:128] == b"IM" else ">", MAT_UNPACKED_BYTES)
    return reader.variables(memoryview(data)[_HEADER:])


@dataclass
class _Level5:
    order: str
    budget: int  # bytes that may still be made

    def variables(self, data: memoryview) -> dict[str, Any]:
        out: dict[str, Any] = {}
        while len(data):
            kind, content, data = self._element(data, top=True)
            if kind == _COMPRESSED:
                kind, content, _ = self._element(memoryview(self._inflated(content)))
            if kind == _MATRIX:
                name, value = self._matrix(content, 0)
                if name and value is not None:
                    out[name] = value
        return out

    def _spend(self, size: int) -> None:
        self.budget -= size
        if self.budget < 0:
            raise ValueError(f"its variables take more than {MAT_UNPACKED_BYTES:,} bytes")

    def _inflated(self, content: memoryview) -> bytes:
        stream = zlib.decompressobj()
        try:
            data = stream.decompress(content, self.budget + 1)
        except zlib.error as error:
            raise ValueError(f"a compressed variable is damaged ({error})") from None
        self._spend(len(data))
        if not stream.eof:
            raise ValueError("a compressed variable is cut short")
        return data

    def _element(self, data: memoryview, top: bool = False) -> tuple[int, memoryview, memoryview]:
        """(type, content, what follows) of the first element."""
        if len(data) < 8:
            raise ValueError("an element is cut short")
        kind, size = struct.unpack_from(f"{self.order}II", data)
        if kind >> 16:  # a small element: size and up to four bytes in place of the size
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise ValueError(f"a small element of {size} bytes; expected at most 4")
            return kind, data[4 : 4 + size], data[8:]
        if size > len(data) - 8:
            raise ValueError(f"an element says {size:,} bytes, {len(data) - 8:,} follow")
        end = 8 + size if top and kind == _COMPRESSED else 8 + size + (-size) % 8
        return kind, data[8 : 8 + size], data[min(end, len(data)) :]

    def _numbers(self, data: memoryview) -> tuple[np.ndarray, memoryview]:
        kind, content, rest = self._element(data)
        if kind not in _TYPES:
            raise ValueError(f"expected numbers, got an element of type {kind}")
        dtype = np.dtype(self.order + _TYPES[kind])
        if len(content) % dtype.itemsize:
            raise ValueError("numbers are cut short")
        return np.frombuffer(content, dtype), rest

    def _matrix(self, data: memoryview, depth: int) -> tuple[str, Any]:
        """(name, value) of an array; None for kinds that are left out. An empty element is an empty array."""
        if depth > MAT_DEPTH:
            raise ValueError(f"structs and cells are nested more than {MAT_DEPTH} deep")
        if not len(data):
            return "", np.zeros((0, 0))
        flags, data = self._numbers(data)
        if len(flags) < 1:
            raise ValueError("an array has no flags")
        kind, bits = int(flags[0]) & 0xFF, int(flags[0]) >> 8 & 0xFF
        if kind not in (_CELL, _STRUCT, _CHAR, *_NUMERIC):
            return "", None
        dims, data = self._numbers(data)
        shape = tuple(int(size) for size in dims)
        if not 2 <= len(shape) <= 32 or min(shape) < 0:
            raise ValueError(f"an array of shape {shape}")
        name, data = self._text(data)
        count = math.prod(shape)
        if kind == _CELL:
            return name, self._cells(data, shape, count, depth)
        if kind == _STRUCT:
            return name, self._struct(data, shape, count, depth)
        if kind == _CHAR:
            return name, self._characters(data, shape, count)
        values = self._values(data, shape, count)
        if bits & _COMPLEX:
            _, _, data = self._element(data)
            return name, values + 1j * self._values(data, shape, count)
        return name, values

    def _text(self, data: memoryview) -> tuple[str, memoryview]:
        kind, content, rest = self._element(data)
        if kind not in (1, 2, 16) or len(content) > 4096:
            raise ValueError("a name that is no text")
        return bytes(content).decode("latin-1"), rest

    def _values(self, data: memoryview, shape: tuple[int, ...], count: int) -> np.ndarray:
        values, _ = self._numbers(data)
        if len(values) != count:
            raise ValueError(f"an array of shape {shape} with {len(values)} numbers")
        self._spend(values.nbytes)
        return values.reshape(shape, order="F").astype(values.dtype.newbyteorder("="))

    def _room_for(self, count: int, data: memoryview) -> None:
        if count > len(data) // 8:  # every element has a tag of 8 bytes
            raise ValueError(f"{count:,} elements are said, {len(data):,} bytes follow")
        self._spend(8 * count)

    def _cells(self, data: memoryview, shape: tuple[int, ...], count: int, depth: int) -> np.ndarray:
        self._room_for(count, data)
        out = np.empty(count, dtype=object)
        for index in range(count):
            out[index], data = self._inner(data, depth)
        return out.reshape(shape, order="F")

    def _inner(self, data: memoryview, depth: int) -> tuple[Any, memoryview]:
        kind, content, rest = self._element(data)
        if kind != _MATRIX:
            raise ValueError(f"expected an array in a cell or field, got an element of type {kind}")
        return self._matrix(content, depth + 1)[1], rest

    def _struct(self, data: memoryview, shape: tuple[int, ...], count: int, depth: int) -> np.ndarray | None:
        lengths, data = self._numbers(data)
        kind, content, data = self._element(data)
        length = int(lengths[0]) if len(lengths) else 0
        if kind != 1 or not 0 < length <= 1024 or len(content) % length:
            raise ValueError("the names of a struct's fields are damaged")
        raw = [bytes(content[at : at + length]) for at in range(0, len(content), length)]
        names = [field.partition(b"\0")[0].decode("latin-1") for field in raw]
        if len(set(names)) < len(names) or "" in names:
            raise ValueError("a struct has two fields of one name, or one without a name")
        if not names:
            return None
        self._room_for(count * len(names), data)
        out = np.empty(count, dtype=[(name, object) for name in names])
        for index in range(count):
            for name in names:
                out[name][index], data = self._inner(data, depth)
        return out.reshape(shape, order="F")

    def _characters(self, data: memoryview, shape: tuple[int, ...], count: int) -> np.ndarray:
        kind, content, _ = self._element(data)
        if kind not in _TEXT:
            raise ValueError(f"characters of type {kind}")
        code = _TEXT[kind] + ({"<": "-le", ">": "-be"}[self.order] if _TEXT[kind] in ("utf-16", "utf-32") else "")
        text = bytes(content).decode(code, "replace")
        if len(shape) != 2 or len(text) != count:
            raise ValueError(f"an array of {len(text)} characters, expected {count}")
        rows = ["".join(text[row :: shape[0]]) for row in range(shape[0] if count else 0)]  # 0 columns: any rows
        self._spend(4 * count)
        return np.array(rows, dtype=f"U{max(shape[1], 1)}")


class _Level4:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def variables(self) -> dict[str, Any]:
        out: dict[str, Any] = {}
        at = 0
        while at < len(self._data):
            name, value, at = self._one(at)
            if value is not None:
                out[name] = value
        return out

    def _one(self, at: int) -> tuple[str, Any, int]:
        if at + 20 > len(self._data):
            raise ValueError("a variable is cut short")
        order = "<" if 0 <= struct.unpack_from("<i", self._data, at)[0] < 10_000 else ">"
        mopt, rows, columns, imaginary, length = struct.unpack_from(f"{order}5i", self._data, at)
        kind, layout = mopt // 10 % 10, mopt % 10
        if not 0 <= mopt < 10_000 or kind >= len(_V4_TYPES) or min(rows, columns) < 0 or not 0 < length <= 4096:
            raise ValueError("expected MATLAB's level 4 header of a variable")
        dtype = np.dtype(order + _V4_TYPES[kind])
        start, parts = at + 20 + length, 2 if imaginary else 1
        end = start + rows * columns * dtype.itemsize * parts
        if end > len(self._data):
            raise ValueError(f"a variable of {rows} x {columns} is cut short")
        name = self._data[at + 20 : start].partition(b"\0")[0].decode("latin-1")
        values = np.frombuffer(self._data[start:end], dtype).astype(dtype.newbyteorder("="))
        if layout == 2:  # sparse
            return name, None, end
        values = values.reshape((parts, columns, rows)).transpose(0, 2, 1)
        if layout == 1:
            codes = np.clip(np.nan_to_num(values[0]), 0, 0x10FFFF).astype(int)
            text = ["".join(map(chr, row)) for row in codes] if codes.size else []  # 0 columns: any number of rows
            return name, np.array(text, dtype=f"U{max(columns, 1)}"), end
        return name, values[0] if parts == 1 else values[0] + 1j * values[1], end
