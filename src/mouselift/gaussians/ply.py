"""The `.ply` container: any elements, text or binary of either byte order, as NumPy tables.

A header of lines (LF, CRLF or CR), then the elements' rows in the order of the header. Text has a line a row. A list
property is a count and as many items; a table holds plain numbers only, so lists are passed over.

Own code: plyfile, the package for it, is under the GPL.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mouselift.errors import DatasetError
from mouselift.foreign import repeated, short_text
from mouselift.limits import SPLATS_BYTES, limited_bytes

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_MOST_DIGITS = 15  # of a count: Python refuses to read 4,300
_LONGEST_HEADER = 1 << 20  # comments may hold whole JSON documents
_POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class Property:
    """A number a row, or a list of numbers."""

    name: str
    kind: str  # of the number or the items, NumPy's letter and size
    count_kind: str | None = None  # of a list's count; None: no list


@dataclass(frozen=True)
class Element:
    """One kind of row."""

    name: str
    count: int
    properties: tuple[Property, ...]

    @property
    def numbers(self) -> tuple[Property, ...]:
        return tuple(each for each in self.properties if each.count_kind is None)

    def dtype(self, order: str) -> np.dtype:
        """Of the plain numbers of a row."""
        return np.dtype([(each.name, order + each.kind) for each in self.numbers])


@dataclass(frozen=True, eq=False)
class Ply:
    """A whole file."""

    path: Path
    elements: tuple[Element, ...]
    tables: dict[str, np.ndarray]  # element's name: a structured array, a field a plain number


def read_elements(path: Path) -> Ply:
    """All elements. DatasetError: no .ply, a malformed header, cut short, or more content than the header says."""
    try:
        data = limited_bytes(path, SPLATS_BYTES)
    except OSError as error:
        raise DatasetError(f"{path}: expected a readable .ply of Gaussians, got: {error.strerror or error}") from None
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from None
    lines, start = _header(data, path)
    order = _order(lines, path)
    elements = _elements(lines, path)
    read = _text_tables if order == "=" else _binary_tables
    return Ply(path, elements, read(data, start, elements, order, path))


def _header(data: bytes, path: Path) -> tuple[list[list[str]], int]:
    """(words of each line after the first, offset of the content)."""
    if not data:
        raise DatasetError(f"{path}: expected a .ply file, got an empty one (0 bytes); copy it again")
    if data.startswith(_POINTER):
        raise DatasetError(f"{path}: expected a .ply file, got a pointer of Git LFS; fetch the content: git lfs pull")
    first = data[:80].replace(b"\r", b"\n").split(b"\n")[0]
    # in a header of CR lines a line feed may be the content's first byte: what ends the first line settles it
    only_cr = data[len(first) : len(first) + 1] == b"\r" and data[len(first) + 1 : len(first) + 2] != b"\n"
    ending = b"\r" if only_cr else b"\n"
    lines: list[list[str]] = []
    start = 0
    while first.strip() == b"ply":
        end = data.find(ending, start, _LONGEST_HEADER)
        line = data[start : end if end >= 0 else _LONGEST_HEADER].strip()
        if line == b"end_header":
            return lines[1:], end + 1 if end >= 0 else len(data)
        if end < 0:
            break
        lines.append(line.decode("ascii", "replace").split())
        start = end + 1
    raise DatasetError(f"{path}: expected a .ply file with a header up to `end_header`, got {data[:16]!r}")


def _order(lines: list[list[str]], path: Path) -> str:
    kind = next((line[1:] for line in lines if line[:1] == ["format"]), [])
    if len(kind) != 2 or kind[0] not in _ORDERS or kind[1] != "1.0":
        raise DatasetError(f"{path}: expected format {', '.join(_ORDERS)}, version 1.0; got {' '.join(kind) or 'none'}")
    return _ORDERS[kind[0]]


def _elements(lines: list[list[str]], path: Path) -> tuple[Element, ...]:
    found: list[tuple[str, int, list[Property]]] = []
    for line in lines:
        if line[:1] == ["element"]:
            if len(line) != 3 or not line[2].isdigit() or len(line[2]) > _MOST_DIGITS:
                name, got = short_text(" ".join(line[1:2])), short_text(" ".join(line))
                raise DatasetError(f"{path}: expected `element {name} COUNT`, got `{got}`")
            found.append((line[1], int(line[2]), []))
        elif line[:1] == ["property"]:
            own = _property(line)
            if own is None or not found:
                raise DatasetError(
                    f"{path}: expected `property TYPE NAME` with a number's type, or `property list TYPE TYPE NAME`, "
                    f"below an element; got `{' '.join(line)}`"
                )
            found[-1][2].append(own)
    for kind, names in (
        ("element", [name for name, _, _ in found]),
        *((f"{element}'s property", [each.name for each in properties]) for element, _, properties in found),
    ):
        if twice := repeated(names):
            raise DatasetError(f"{path}: the header is malformed: {kind} {twice[0]} is given twice")
    return tuple(Element(name, count, tuple(properties)) for name, count, properties in found)


def _property(line: list[str]) -> Property | None:
    if len(line) == 5 and line[1] == "list" and {line[2], line[3]} <= _TYPES.keys() and _TYPES[line[2]][0] != "f":
        return Property(line[4], _TYPES[line[3]], _TYPES[line[2]])
    return Property(line[2], _TYPES[line[1]]) if len(line) == 3 and line[1] in _TYPES else None


def _cut(path: Path, element: Element, got: str) -> DatasetError:
    return DatasetError(
        f"{path}: expected {element.count} rows of element `{element.name}`, got {got}; cut short? Copy it again"
    )


def _too_much(path: Path, elements: tuple[Element, ...], surplus: str) -> DatasetError:
    said = ", ".join(f"{each.count} of {each.name}" for each in elements)
    return DatasetError(
        f"{path}: expected the end of the file after the rows of the header ({said}), got {surplus} more; another "
        "file's header, or changed by a transfer in text mode? Copy it again, as binary"
    )


# --- binary ---


def _binary_tables(
    data: bytes, start: int, elements: tuple[Element, ...], order: str, path: Path
) -> dict[str, np.ndarray]:
    tables = {}
    for element in elements:
        tables[element.name], start = _binary_table(data, start, element, order, path)
    surplus = data[start:]
    if len(surplus) > 4 or surplus.strip(b"\r\n"):  # some writers end with an empty line
        raise _too_much(path, elements, f"{len(surplus)} bytes")
    return tables


def _binary_table(data: bytes, start: int, element: Element, order: str, path: Path) -> tuple[np.ndarray, int]:
    """(the plain numbers, offset behind the rows)."""
    if not element.properties:
        return _nothing(element), start
    lengths = _first_lengths(data, start, element, order)
    row = np.dtype([
        (f"list {each.name}", [("count", order + each.count_kind), ("items", order + each.kind, (lengths[each.name],))])
        if each.count_kind is not None else (each.name, order + each.kind)
        for each in element.properties
    ])  # fmt: skip
    lists = [name for name in row.names or () if name.startswith("list ")]
    end = start + element.count * row.itemsize
    if not lists and end > len(data):
        got = f"{len(data) - start} bytes where {element.count * row.itemsize} are needed ({row.itemsize} each)"
        raise _cut(path, element, got)
    if end <= len(data):
        table = np.frombuffer(data, dtype=row, count=element.count, offset=start)
        if all((table[name]["count"] == lengths[name.removeprefix("list ")]).all() for name in lists):
            return table[[each.name for each in element.numbers]] if element.numbers else _nothing(element), end
    return _row_by_row(data, start, element, order, path)


def _first_lengths(data: bytes, start: int, element: Element, order: str) -> dict[str, int]:
    """Items of each list in the first row: those of all rows, as a rule (triangles)."""
    lengths = {}
    for each in element.properties:
        kind = np.dtype(order + each.kind)
        if each.count_kind is None:
            start += kind.itemsize
            continue
        count = np.dtype(order + each.count_kind)
        there = element.count > 0 and start + count.itemsize <= len(data)
        length = int(np.frombuffer(data, count, 1, start)[0]) if there else 0
        lengths[each.name] = length if 0 <= length * kind.itemsize <= len(data) else 0
        start += count.itemsize + lengths[each.name] * kind.itemsize
    return lengths


def _row_by_row(data: bytes, start: int, element: Element, order: str, path: Path) -> tuple[np.ndarray, int]:
    """Rows with lists of different lengths."""
    steps: list[tuple[int, bool, int]] = []  # bytes of a list's count, its sign, bytes of an item; 0: plain bytes
    for each in element.properties:
        size = np.dtype(each.kind).itemsize
        if each.count_kind is not None:
            steps.append((np.dtype(each.count_kind).itemsize, each.count_kind[0] == "i", size))
        elif steps and not steps[-1][0]:
            steps[-1] = (0, False, steps[-1][2] + size)
        else:
            steps.append((0, False, size))
    numbers = bytearray()
    word: Literal["little", "big"] = "big" if order == ">" else "little"
    for row in range(element.count):
        for count_bytes, signed, size in steps:
            if not count_bytes:
                numbers += data[start : start + size]
                start += size
                continue
            length = int.from_bytes(data[start : start + count_bytes], word, signed=signed)
            if length < 0:
                raise DatasetError(f"{path}: element `{element.name}`, row {row}: a list of {length} items")
            start += count_bytes + length * size
        if start > len(data):
            raise _cut(path, element, f"{row} and a part of the next")
    kind = element.dtype(order)
    return np.frombuffer(bytes(numbers), dtype=kind, count=element.count) if kind.names else _nothing(element), start


def _nothing(element: Element) -> np.ndarray:
    """Rows without plain numbers."""
    return np.zeros(element.count, dtype=[])


# --- text ---


def _text_tables(
    data: bytes, start: int, elements: tuple[Element, ...], order: str, path: Path
) -> dict[str, np.ndarray]:
    lines = [line for line in data[start:].decode("ascii", "replace").splitlines() if line.strip()]
    tables, done = {}, 0
    for element in elements:
        rows = lines[done : done + element.count]
        if len(rows) < element.count:
            raise _cut(path, element, f"{len(rows)} lines")
        tables[element.name] = _text_table(rows, element, path)
        done += element.count
    if done < len(lines):
        raise _too_much(path, elements, f"{len(lines) - done} lines")
    return tables


def _text_table(rows: list[str], element: Element, path: Path) -> np.ndarray:
    words = _plain_words(rows, element, path)
    table = np.zeros(element.count, dtype=element.dtype("="))
    if not element.numbers or not rows:
        return table
    width = len(element.numbers)
    try:
        values = np.loadtxt(words, dtype=np.float64, comments=None, ndmin=2)
        whole = values.shape[1] == width
    except ValueError:  # a word that is no number, or a short row: found below
        values, whole = np.empty((len(words), width)), False
    if not whole:
        for index, line in enumerate(words):
            values[index] = _numbers(line, index, element, path)
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large for its type is infinite
        for column, each in enumerate(element.numbers):
            table[each.name] = values[:, column]
    return table


def _numbers(line: str, row: int, element: Element, path: Path) -> list[float]:
    """Of one line. `nan(ind)`, `1.#INF`, `1.#QNAN`, as C on Windows prints them, are NaN: none is finite."""
    words, width = line.split(), len(element.numbers)
    if len(words) < width and row == element.count - 1:
        raise _cut(path, element, f"{row} and a part of the next")
    if len(words) != width:
        raise DatasetError(
            f"{path}: element `{element.name}`, row {row}: expected {width} numbers, got {len(words)}: {line[:80]}"
        )
    out = []
    for word in words:
        try:
            out.append(float(word))
        except ValueError:
            if "nan(" not in word.lower() and "1.#" not in word:
                raise DatasetError(
                    f"{path}: element `{element.name}`, row {row}: expected numbers, got {word[:40]!r}"
                ) from None
            out.append(float("nan"))
    return out


def _plain_words(rows: list[str], element: Element, path: Path) -> list[str]:
    """The rows without their lists."""
    if len(element.numbers) == len(element.properties):
        return rows
    out = []
    for row, line in enumerate(rows):
        words, kept = line.split(), []
        at = 0
        for each in element.properties:
            if at >= len(words):
                raise DatasetError(
                    f"{path}: element `{element.name}`, row {row}: expected {each.name}, got the end of the line: "
                    f"{line[:80]}"
                )
            if each.count_kind is None:
                kept.append(words[at])
                at += 1
                continue
            if not words[at].isdigit():
                raise DatasetError(
                    f"{path}: element `{element.name}`, row {row}: expected the count of {each.name}, got {words[at]!r}"
                )
            at += 1 + int(words[at])
        if at != len(words):
            raise DatasetError(
                f"{path}: element `{element.name}`, row {row}: expected {at} words, got {len(words)}: {line[:80]}"
            )
        out.append(" ".join(kept))
    return out
