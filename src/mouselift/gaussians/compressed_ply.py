"""The compressed `.ply` of SuperSplat, splat-transform and gsplat, read: 16 bytes a Gaussian and its harmonics.

Element `chunk`: for each 256 Gaussians the ranges of positions, scales (logs) and, in newer files, colours. Element
`vertex`: four words of 32 bits, places in these ranges: packed_position and packed_scale 11, 10, 11 bits (x, y, z from
the top); packed_color 8 bits each of red, green, blue, opacity; packed_rotation: 2 bits say which of w, x, y, z is the
largest, 10 bits each give the others in order, -1/sqrt(2) to 1/sqrt(2). Element `sh`, if any: f_rest in bytes, -4 to 4.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mouselift.array_types import Array, Float32, Float64
from mouselift.errors import DatasetError
from mouselift.gaussians.ply import Ply
from mouselift.gaussians.splats import harmonics_of_colours, logits_of_levels

_CHUNK = 256
_PACKED = ("packed_position", "packed_rotation", "packed_scale", "packed_color")
_RANGES = tuple(f"{end}_{part}{axis}" for part in ("", "scale_") for end in ("min", "max") for axis in "xyz")
_COLOURS = tuple(f"{end}_{colour}" for end in ("min", "max") for colour in "rgb")
CONVERT = "npx @playcanvas/splat-transform"  # the line that turns what is not read here into a plain .ply


def is_compressed(ply: Ply) -> bool:
    """Whether the vertices are packed words."""
    return "vertex" in ply.tables and set(_PACKED) <= set(ply.tables["vertex"].dtype.names or ())


def unpacked(ply: Ply) -> dict[str, np.ndarray]:
    """positions [n, 3], dc [n, 3], rest [n, c] (colour by colour), opacities [n, 1], scales [n, 3], rotations [n, 4].

    As stored in a plain .ply. DatasetError where elements or properties do not fit each other.
    """
    packed, chunks = ply.tables["vertex"], ply.tables.get("chunk")
    count, needed = len(packed), -(-len(packed) // _CHUNK)
    have = () if chunks is None else chunks.dtype.names or ()
    if chunks is None or not set(_RANGES) <= set(have) or len(chunks) != needed:
        raise _other(ply.path, f"element `chunk` with {needed} rows of {', '.join(_RANGES[:2])}, ...", ply)
    if any(packed[name].dtype.kind != "u" or packed[name].dtype.itemsize != 4 for name in _PACKED):
        raise _other(ply.path, f"{', '.join(_PACKED)} of type uint", ply)
    chunk = np.arange(count) // _CHUNK
    levels = _fields(packed["packed_color"], (24, 16, 8, 0), 8)
    colours = levels[:, :3] / 255
    if set(_COLOURS) <= set(have):
        colours = _between(chunks, _COLOURS, chunk, colours)
    return {
        "positions": _between(chunks, _RANGES[:6], chunk, _thirds(packed["packed_position"])).astype(np.float32),
        "dc": harmonics_of_colours(colours),
        "rest": _harmonics(ply, count),
        "opacities": logits_of_levels(levels[:, 3:]),
        "scales": _between(chunks, _RANGES[6:], chunk, _thirds(packed["packed_scale"])).astype(np.float32),
        "rotations": _rotations(packed["packed_rotation"]),
    }


def _fields(words: np.ndarray, shifts: tuple[int, ...], bits: int) -> Float64[Array, "n c"]:
    words = words.astype(np.int64)
    return np.stack([(words >> shift) & ((1 << bits) - 1) for shift in shifts], axis=1).astype(np.float64)


def _thirds(words: np.ndarray) -> Float64[Array, "n 3"]:
    """0..1, of 11, 10 and 11 bits."""
    x, z = _fields(words, (21, 0), 11).T / 2047
    return np.stack([x, _fields(words, (11,), 10)[:, 0] / 1023, z], axis=1)


def _between(
    chunks: np.ndarray, names: tuple[str, ...], chunk: np.ndarray, place: Float64[Array, "n 3"]
) -> Float64[Array, "n 3"]:
    """place 0..1 in the range of its chunk. names: three minima, three maxima."""
    low, high = (
        np.stack([chunks[name] for name in three], axis=1).astype(np.float64) for three in (names[:3], names[3:])
    )
    return low[chunk] * (1 - place) + high[chunk] * place


def _rotations(words: np.ndarray) -> Float32[Array, "n 4"]:
    small = (_fields(words, (20, 10, 0), 10) / 1023 - 0.5) * np.sqrt(2)
    largest = np.sqrt(np.maximum(0.0, 1 - (small**2).sum(axis=1)))
    which = (words.astype(np.int64) >> 30) & 3
    out = np.zeros((len(words), 4))
    for place in range(4):
        own = which == place
        out[np.ix_(own, [k for k in range(4) if k != place])] = small[own]
        out[own, place] = largest[own]
    return out.astype(np.float32)


def _harmonics(ply: Ply, count: int) -> Float32[Array, "n c"]:
    if "sh" not in ply.tables or not ply.tables["sh"].dtype.names:  # gsplat writes `sh` without properties for degree 0
        return np.zeros((count, 0), dtype=np.float32)
    table = ply.tables["sh"]
    names = table.dtype.names or ()
    wanted = tuple(f"f_rest_{k}" for k in range(len(names)))
    if len(names) not in (9, 24, 45) or set(names) != set(wanted) or len(table) != count:
        raise _other(ply.path, f"element `sh` with {count} rows of 9, 24 or 45 f_rest", ply)
    levels = np.stack([table[name] for name in wanted], axis=1).astype(np.float64)
    places = np.where(levels == 0, 0.0, np.where(levels == 255, 1.0, (levels + 0.5) / 256))
    return ((places - 0.5) * 8).astype(np.float32)


def _other(path: Path, expected: str, ply: Ply) -> DatasetError:
    got = "; ".join(f"{each.name}: {each.count} of {len(each.properties)} properties" for each in ply.elements)
    return DatasetError(
        f"{path}: a compressed .ply (SuperSplat); expected {expected}, got {got}. Another version of the format? "
        f"Convert it: {CONVERT} {path.name} plain.ply"
    )
