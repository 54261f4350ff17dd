"""Writes `.ply` of 3D Gaussians in the layout of the 3DGS reference, which all viewers open.

Binary little endian, one element `vertex` of 62 float32 numbers: x y z; nx ny nz (zeros); f_dc_0..2; f_rest_0..44;
opacity (logit); scale_0..2 (log); rot_0..3 (w first). Degrees below 3 are padded with zeros. Some readers do not look
at the header beyond the count and step through these 62 numbers; others count properties of type float: a byte between
them shifts all that follows.

On request FaceLift's own layout, byte for byte: red green blue as bytes after x y z, and no normals. Programs that show
plain points (MeshLab, CloudCompare) then show colours; gsply and others that expect floats read wrong numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mouselift.atomic import write_whole
from mouselift.gaussians.read_ply import COLOURS, DC, NORMAL, POSITION, ROTATION, SCALES
from mouselift.gaussians.splats import Splats

REST = tuple(f"f_rest_{i}" for i in range(45))  # of degree 3
_BYTE_DC = 0.282095  # as the release rounds it for red, green, blue: one level differs otherwise, now and then
_WORDS = {"<f4": "float", "|u1": "uchar"}


def row_of(colour_bytes: bool = False) -> np.dtype:
    """Of a vertex."""
    shown = [(name, "u1") for name in COLOURS] if colour_bytes else [(name, "<f4") for name in NORMAL]
    rest = [(name, "<f4") for name in (*DC, *REST, "opacity", *SCALES, *ROTATION)]
    return np.dtype([*((name, "<f4") for name in POSITION), *shown, *rest])


def ply_bytes(splats: Splats, colour_bytes: bool = False) -> bytes:
    """The file's content (module docstring). The same splats give the same bytes."""
    fields = row_of(colour_bytes)
    table = np.zeros(len(splats), dtype=fields)
    _put(table, POSITION, splats.positions)
    if colour_bytes:
        level = np.clip(255 * (_BYTE_DC * splats.harmonics[:, 0].astype(np.float64) + 0.5), 0, 255)
        _put(table, COLOURS, np.nan_to_num(level).astype(np.uint8))
    _put(table, DC, splats.harmonics[:, 0])
    rest = np.zeros((len(splats), 3, len(REST) // 3), dtype=np.float32)
    rest[:, :, : splats.harmonics.shape[1] - 1] = splats.harmonics[:, 1:].transpose(0, 2, 1)
    _put(table, REST, rest.reshape(len(splats), len(REST)))
    table["opacity"] = splats.opacities
    _put(table, SCALES, splats.scales)
    _put(table, ROTATION, splats.rotations)
    lines = [f"property {_WORDS[fields[name].str]} {name}" for name in fields.names or ()]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(splats)}", *lines, "end_header", ""]
    return "\n".join(header).encode() + table.tobytes()


def write_ply(path: Path, splats: Splats, colour_bytes: bool = False) -> None:
    """Write `path`, whole or not at all. OutputError where it exists: nothing is overwritten unasked."""
    write_whole(path, ply_bytes(splats, colour_bytes))


def _put(table: np.ndarray, names: tuple[str, ...], values: np.ndarray) -> None:
    for column, name in enumerate(names):
        table[name] = values[:, column]
