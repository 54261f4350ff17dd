"""A slow writer of `.ply` in every dialect, for tests of its reader (`mouselift.gaussians.ply`)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mouselift.gaussians.files import Splats

LETTERS = {"char": "b", "uchar": "B", "short": "h", "ushort": "H", "int": "i", "uint": "I", "float": "f", "double": "d"}
ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass
class Rows:
    """An element: (type, name) of a number, ("list", count's type, items' type, name) of a list; a value each."""

    name: str
    properties: list[tuple[str, ...]]
    values: Sequence[Sequence] = field(default_factory=list)


def ply_file(elements: Sequence[Rows], order: str = "binary_little_endian", nl: str = "\n", said: str = "") -> bytes:
    """said: lines after the format, such as comments."""
    header = ["ply", f"format {order} 1.0", *said.splitlines()]
    for element in elements:
        header += [f"element {element.name} {len(element.values)}"]
        header += [f"property {' '.join(each)}" for each in element.properties]
    rows = [
        (text_row if order == "ascii" else binary_row)(element, row, ORDERS[order])
        for element in elements
        for row in element.values
    ]
    ends = [nl.encode() if order == "ascii" else b""] * len(rows)
    content = b"".join(row + end for row, end in zip(rows, ends, strict=True))
    return (nl.join([*header, "end_header"]) + nl).encode() + content


def text_row(element: Rows, row: Sequence, _: str) -> bytes:
    words: list[str] = []
    for each, value in zip(element.properties, row, strict=True):
        words += [str(len(value)), *map(repr, value)] if each[0] == "list" else [repr(value)]
    return " ".join(words).encode()


def binary_row(element: Rows, row: Sequence, order: str) -> bytes:
    out = b""
    for each, value in zip(element.properties, row, strict=True):
        if each[0] == "list":
            out += struct.pack(order + LETTERS[each[1]], len(value))
            out += b"".join(struct.pack(order + LETTERS[each[2]], item) for item in value)
        else:
            out += struct.pack(order + LETTERS[each[0]], value)
    return out


def columns_of(splats: Splats, degree: int | None = None) -> dict[str, np.ndarray]:
    """The reference's properties, in its order, without normals. degree: padded with zeros to it."""
    own = splats.harmonics.shape[1] - 1
    rest = np.zeros((len(splats), 3, own if degree is None else (degree + 1) ** 2 - 1), np.float32)
    rest[:, :, :own] = splats.harmonics[:, 1:].transpose(0, 2, 1)
    rest = rest.reshape(len(splats), rest[0:1].size if len(splats) else 0)
    out = {name: splats.positions[:, i] for i, name in enumerate("xyz")}
    out |= {f"f_dc_{i}": splats.harmonics[:, 0, i] for i in range(3)}
    out |= {f"f_rest_{i}": rest[:, i] for i in range(rest.shape[1])}
    out["opacity"] = splats.opacities
    out |= {f"scale_{i}": splats.scales[:, i] for i in range(3)}
    return out | {f"rot_{i}": splats.rotations[:, i] for i in range(4)}


def vertices(columns: dict[str, np.ndarray], kind: str = "float") -> Rows:
    """A `vertex` element of these columns."""
    rows = np.stack([np.asarray(each, float) for each in columns.values()], axis=1).tolist()
    return Rows("vertex", [(kind, name) for name in columns], rows)
