"""Files of 3D Gaussians: `.ply` in the layout that splat viewers open, read and written; `.splat`, read.

.ply: binary little endian, one element `vertex`: x y z; red green blue (bytes, for viewers of plain points);
f_dc_0..2 and f_rest_* (spherical harmonics); opacity (logit); scale_0..2 (log); rot_0..3 (w first, any length). Degree
0 is padded with 45 zeros: viewers expect them. f_rest holds all coefficients of red, then of green, then of blue.

.splat, the compact format of web viewers: 32 bytes a Gaussian: position (3 float32), scale (3 float32, linear), colour
and opacity (4 bytes, 0..255), rotation (4 bytes, w first: 128 + 128 q). No spherical harmonics beyond the constant one,
and 8 bits only: it loses precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int64

from mouselift.array_types import Array
from mouselift.atomic import write_whole
from mouselift.errors import DatasetError

SH_DC = 0.28209479177387814  # the constant spherical harmonic, 1 / (2 sqrt(pi))
_BYTE_DC = 0.282095  # as the release rounds it for red, green, blue: one level differs otherwise, now and then
_PADDED_REST = 45  # f_rest numbers of degree 3, which viewers expect
_REST_OF_DEGREE = {0: 0, 1: 9, 2: 24, 3: 45}
_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "<i2", "int16": "<i2", "ushort": "<u2",
    "uint16": "<u2", "int": "<i4", "int32": "<i4", "uint": "<u4", "uint32": "<u4", "float": "<f4", "float32": "<f4",
    "double": "<f8", "float64": "<f8",
}  # fmt: skip
SUFFIXES = (".ply", ".splat")
RECORD = np.dtype([("p", "<f4", (3,)), ("scale", "<f4", (3,)), ("rgba", "u1", (4,)), ("q", "u1", (4,))])  # of a .splat
_DC, _SCALES = tuple(f"f_dc_{i}" for i in range(3)), tuple(f"scale_{i}" for i in range(3))
_ROTATION = tuple(f"rot_{i}" for i in range(4))
_END = b"end_header\n"
_LONGEST_HEADER = 1 << 16


@dataclass(frozen=True, eq=False)
class Splats:
    """Gaussians in their stored form, before any activation; `render.base.Gaussians` is what is computed with."""

    positions: Float32[Array, "n 3"]  # world
    harmonics: Float32[Array, "n k 3"]  # k = (degree + 1)^2; colour = SH_DC * harmonics[:, 0] + 0.5 for degree 0
    opacities: Float32[Array, " n"]  # logits
    scales: Float32[Array, "n 3"]  # natural logs of world units (standard deviations along the axes)
    rotations: Float32[Array, "n 4"]  # quaternions, w first, any length; axes to world

    def __post_init__(self) -> None:
        if self.harmonics.shape[1] not in (1, 4, 9, 16):
            raise ValueError(f"Splats: expected 1, 4, 9 or 16 harmonics (degree 0 to 3), got {self.harmonics.shape[1]}")

    def __len__(self) -> int:
        return len(self.positions)

    def taken(self, which: Int64[Array, " m"] | Bool[Array, " n"]) -> Splats:
        """Those that `which` names (indices, or True where kept), in its order."""
        parts = (self.positions, self.harmonics, self.opacities, self.scales, self.rotations)
        return Splats(*(part[which] for part in parts))


def ply_bytes(splats: Splats) -> bytes:
    """The file's content. The same splats give the same bytes."""
    fields = _fields()
    table = np.zeros(len(splats), dtype=fields)
    _put(table, ("x", "y", "z"), splats.positions)
    level = np.clip(255 * (_BYTE_DC * splats.harmonics[:, 0].astype(np.float64) + 0.5), 0, 255)
    _put(table, ("red", "green", "blue"), np.nan_to_num(level).astype(np.uint8))
    _put(table, _DC, splats.harmonics[:, 0])
    rest = np.zeros((len(splats), 3, _PADDED_REST // 3), dtype=np.float32)
    rest[:, :, : splats.harmonics.shape[1] - 1] = splats.harmonics[:, 1:].transpose(0, 2, 1)
    _put(table, tuple(f"f_rest_{i}" for i in range(_PADDED_REST)), rest.reshape(len(splats), _PADDED_REST))
    table["opacity"] = splats.opacities
    _put(table, _SCALES, splats.scales)
    _put(table, _ROTATION, splats.rotations)
    words = {"<f4": "float", "|u1": "uchar"}
    lines = [f"property {words[fields[name].str]} {name}" for name in fields.names or ()]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(splats)}", *lines, "end_header", ""]
    return "\n".join(header).encode() + table.tobytes()


def write_ply(path: Path, splats: Splats) -> None:
    """Write `path`, whole or not at all. DatasetError where it exists: nothing is overwritten unasked."""
    write_whole(path, ply_bytes(splats))


def read_ply(path: Path) -> Splats:
    """Read a `.ply` of Gaussians, whatever the order of its properties; unknown ones (nx, ny, nz) are passed over.

    DatasetError says what is wrong: no PLY, text or big endian, a property missing or of a list type, cut short, more
    bytes than promised, or numbers that are not finite.
    """
    data = _content(path, ".ply of Gaussians")
    count, fields, start = _header(data, path)
    got, want = len(data) - start, count * fields.itemsize
    if got != want:
        raise DatasetError(
            f"{path}: expected {count} vertices of {fields.itemsize} bytes = {want} bytes after the header, got {got}; "
            + ("cut short? Copy it again" if got < want else "other elements than `vertex` are not supported")
        )
    table = np.frombuffer(data, dtype=fields, count=count, offset=start)
    degree = _degree(fields, path)
    dc = _get(table, _DC, path)[:, None]
    harmonics = dc
    if degree:
        rest = _get(table, tuple(f"f_rest_{i}" for i in range(_REST_OF_DEGREE[degree])), path)
        higher = rest.reshape(count, 3, (degree + 1) ** 2 - 1).transpose(0, 2, 1)
        used = max((k for k in (1, 2, 3)[:degree] if higher[:, k * k - 1 : (k + 1) ** 2 - 1].any()), default=0)
        harmonics = np.ascontiguousarray(np.concatenate([dc, higher[:, : (used + 1) ** 2 - 1]], axis=1))  # no padding
    return Splats(
        _get(table, ("x", "y", "z"), path),
        harmonics,
        _get(table, ("opacity",), path)[:, 0],
        _get(table, _SCALES, path),
        _get(table, _ROTATION, path),
    )


def read_splat(path: Path) -> Splats:
    """Read a `.splat`. Colours and opacities are as rounded there; an opacity of 0 or 255 is read half a level inside.

    DatasetError: not a whole number of records, or numbers that no Gaussian has.
    """
    data = _content(path, ".splat file")
    if len(data) % RECORD.itemsize:
        raise DatasetError(f"{path}: expected records of {RECORD.itemsize} bytes, got {len(data)} bytes; cut short?")
    table = np.frombuffer(data, dtype=RECORD)
    good = np.isfinite(table["p"]).all(axis=1) & np.isfinite(table["scale"]).all(axis=1)
    good &= (table["scale"] > 0).all(axis=1) & (table["q"] != 128).any(axis=1)
    if not good.all():
        raise DatasetError(
            f"{path}: expected finite positions, positive scales and rotations of some length; record "
            f"{int(np.argmin(good))} has others. Not a .splat file?"
        )
    opacity = np.clip(table["rgba"][:, 3].astype(np.float64), 0.5, 254.5) / 255
    return Splats(
        np.ascontiguousarray(table["p"]),
        ((table["rgba"][:, None, :3] / 255 - 0.5) / SH_DC).astype(np.float32),
        np.log(opacity / (1 - opacity)).astype(np.float32),
        np.log(table["scale"]),
        (table["q"].astype(np.float32) - 128) / 128,
    )


def is_file_of_splats(path: Path) -> bool:
    """By its suffix."""
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def read_splats(path: Path) -> Splats:
    """A `.ply` or `.splat` of Gaussians. DatasetError as their readers, and for another suffix."""
    if path.suffix.lower() not in SUFFIXES:
        raise DatasetError(f"{path}: expected a file of Gaussians, .ply or .splat, got {path.suffix or 'no suffix'}")
    return read_ply(path) if path.suffix.lower() == ".ply" else read_splat(path)


def _content(path: Path, kind: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: expected a readable {kind}, got: {error.strerror or error}") from None


def _fields() -> np.dtype:
    names = [*_DC, *(f"f_rest_{i}" for i in range(_PADDED_REST)), "opacity", *_SCALES, *_ROTATION]
    colours = [(name, "u1") for name in ("red", "green", "blue")]
    return np.dtype([(name, "<f4") for name in "xyz"] + colours + [(name, "<f4") for name in names])


def _put(table: np.ndarray, names: tuple[str, ...], values: np.ndarray) -> None:
    for column, name in enumerate(names):
        table[name] = values[:, column]


def _get(table: np.ndarray, names: tuple[str, ...], path: Path) -> Float32[Array, "n c"]:
    missing = [name for name in names if name not in (table.dtype.names or ())]
    if missing:
        raise DatasetError(
            f"{path}: expected a .ply of 3D Gaussians; its vertices lack {', '.join(missing)} (they have "
            f"{', '.join((table.dtype.names or ())[:8])}, ...). A mesh or a plain point cloud?"
        )
    out = np.stack([table[name] for name in names], axis=1).astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(out).all(axis=1))
    if bad.size:
        raise DatasetError(
            f"{path}: {', '.join(names)}: expected finite numbers, got {bad.size} vertices with others; the first is "
            f"vertex {bad[0]}: {out[bad[0]].tolist()}"
        )
    return out


def _header(data: bytes, path: Path) -> tuple[int, np.dtype, int]:
    """(vertices, their fields, offset of the first one)."""
    end = data.find(_END, 0, _LONGEST_HEADER)
    if not data.startswith(b"ply") or end < 0:
        raise DatasetError(f"{path}: expected a .ply file with a header up to `end_header`, got {data[:16]!r}")
    lines = [line.split() for line in data[:end].decode("ascii", "replace").replace("\r", "").split("\n")]
    kind = next((line[1:] for line in lines if line[:1] == ["format"]), [])
    if kind[:1] != ["binary_little_endian"]:
        raise DatasetError(f"{path}: expected format binary_little_endian, got {' '.join(kind) or 'none'}")
    elements = [line for line in lines if line[:1] == ["element"]]
    if not elements or elements[0][1:2] != ["vertex"] or len(elements[0]) != 3 or not elements[0][2].isdigit():
        raise DatasetError(f"{path}: expected `element vertex COUNT` first, got {elements[:1]}")
    found: list[tuple[str, str]] = []
    for line in lines[lines.index(elements[0]) + 1 :]:
        if line[:1] == ["element"]:
            break
        if line[:1] == ["property"]:
            if len(line) != 3 or line[1] not in _TYPES:
                raise DatasetError(f"{path}: expected `property TYPE NAME` with a number's type, got {' '.join(line)}")
            found.append((line[2], _TYPES[line[1]]))
    try:
        return int(elements[0][2]), np.dtype(found), end + len(_END)
    except ValueError as error:  # a name given twice
        raise DatasetError(f"{path}: the vertices' properties are malformed: {error}") from None


def _degree(fields: np.dtype, path: Path) -> int:
    rest = sum(name.startswith("f_rest_") for name in fields.names or ())
    for degree, count in _REST_OF_DEGREE.items():
        if rest == count:
            return degree
    raise DatasetError(f"{path}: expected 0, 9, 24 or 45 f_rest properties (degree 0 to 3), got {rest}")
