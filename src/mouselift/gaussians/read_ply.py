"""Reads `.ply` of 3D Gaussians, whoever wrote it.

Element `vertex`, its properties in any order and of any number type: x y z; f_dc_0..2 and f_rest_* (spherical
harmonics, degree 0 to 3; f_rest holds all coefficients of red, then of green, then of blue), or red green blue in their
place; opacity (logit); scale_0..2 (natural log); rot_0..3 (w first, any length). Other elements and properties are
passed over and named. So read: FaceLift, the 3DGS reference, gsplat, nerfstudio, Postshot, SuperSplat, splat-transform.

A Gaussian with a number that is not finite, or a rotation of length zero, is left out; it is counted and named.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mouselift.array_types import Array, Bool, Float32
from mouselift.errors import DatasetError
from mouselift.gaussians.activated import Activated, check_activated, check_levels, deactivated
from mouselift.gaussians.compressed_ply import is_compressed, unpacked
from mouselift.gaussians.forms import Form, check_forms, check_told, doubts
from mouselift.gaussians.ply import Ply, read_elements
from mouselift.gaussians.splats import Splats, harmonics_of_colours, logits_of_levels

LOG = logging.getLogger(__name__)

POSITION, DC = ("x", "y", "z"), tuple(f"f_dc_{i}" for i in range(3))
SCALES, ROTATION = tuple(f"scale_{i}" for i in range(3)), tuple(f"rot_{i}" for i in range(4))
COLOURS = ("red", "green", "blue")
COLOUR_LETTERS = ("r", "g", "b")
NORMAL = ("nx", "ny", "nz")
_REST_OF_DEGREE = {0: 0, 1: 9, 2: 24, 3: 45}
_SILENT = {*NORMAL, *COLOURS, *COLOUR_LETTERS, "alpha"}  # nothing that a Gaussian has is in them
_LEVEL_ERROR = 1e-3  # of 255: opacities that are all so near to whole levels were stored as bytes
_ORDINARY_LENGTH = (1e-3, 1e3)  # of quaternions; others are scaled to 1, float32 squares would vanish or overflow
_W_FIRST = "; rotations are taken to have w first (else --read-as xyzw)"  # of an exporter with forms of its own
_FILTER_3D = (
    "filter_3D of Mip-Splatting is not applied: the Gaussians are thinner and more opaque than they were trained; "
    "export a fused .ply"
)


@dataclass(frozen=True, eq=False)
class _Parts:
    """What a file says of each Gaussian, as stored."""

    positions: Float32[Array, "n 3"]
    dc: Float32[Array, "n 3"]
    rest: Float32[Array, "n c"]
    opacities: Float32[Array, "n 1"]
    scales: Float32[Array, "n 3"]
    rotations: Float32[Array, "n 4"]

    def named(self) -> list[tuple[tuple[str, ...], np.ndarray]]:
        """(names of the columns, the columns)."""
        rest = tuple(f"f_rest_{i}" for i in range(self.rest.shape[1]))
        return [
            (POSITION, self.positions),
            (DC, self.dc),
            (rest, self.rest),
            (("opacity",), self.opacities),
            (SCALES, self.scales),
            (ROTATION, self.rotations),
        ]


def read_ply(path: Path, activated: Activated | None = None, read_as: tuple[Form, ...] = ()) -> Splats:
    """Read a `.ply` of Gaussians, plain or compressed (module docstring). What was left out is in its `notes`.

    activated: which numbers are opacities 0..1 and lengths in place of logits and logarithms; None: none, and
    DatasetError where they look so. A compressed file always holds logarithms, and opacities in bytes.
    read_as: which numbers are in another form than the standard's (`forms`).
    DatasetError: no PLY, cut short, a property missing or malformed, or no Gaussian that is sound.
    """
    ply = read_elements(path)
    if "vertex" not in ply.tables:
        raise DatasetError(
            f"{path}: expected an element `vertex`, got {', '.join(each.name for each in ply.elements) or 'none'}"
        )
    notes: list[str] = []
    packed = is_compressed(ply)
    check_told(read_as)
    if packed and read_as:
        raise DatasetError(f"{path}: read_as: a compressed file has one form; expected none, got {' '.join(read_as)}")
    parts = _Parts(**unpacked(ply)) if packed else _settled(_plain(ply, notes), activated, read_as, path, notes)
    finite = np.logical_and.reduce([np.isfinite(part).all(axis=1) for _, part in parts.named()])
    good = finite & (parts.rotations != 0).any(axis=1)
    if not good.all():
        notes.append(_left_out(parts, finite, good))
    if len(good) and not good.any():
        raise DatasetError(f"{path}: expected 3D Gaussians, but none is sound: {notes[-1]}")
    if not len(good):
        notes.append("it holds no Gaussians (element `vertex` has 0 rows)")
    notes += [] if packed else _unused(ply)
    for note in notes:
        LOG.warning("%s: %s", path, note)
    splats = Splats(
        parts.positions,
        _harmonics(parts.dc, parts.rest),
        parts.opacities[:, 0],
        parts.scales,
        _ordinary(parts.rotations),
        notes=tuple(notes),
    )
    return splats if good.all() else splats.taken(good)


def _plain(ply: Ply, notes: list[str]) -> _Parts:
    table, path = ply.tables["vertex"], ply.path
    names = table.dtype.names or ()
    _check_types(table, path)
    blank = set(DC) <= set(names) and not any(table[name].any() for name in DC)
    coloured = next((each for each in (COLOURS, COLOUR_LETTERS) if set(each) <= set(names)), None)
    if coloured is not None and (blank or not set(DC) & set(names)):
        colours, scale = _colours(table, coloured, path)
        dc = harmonics_of_colours(colours)
        said = "f_dc is 0 everywhere" if blank else "there is no f_dc"
        notes.append(f"colours are those of {coloured[0]}, {coloured[1]} and {coloured[2]}, {scale}: {said}")
    else:
        dc = _get(table, DC, path)
    rest = _get(table, tuple(f"f_rest_{i}" for i in range(_REST_OF_DEGREE[_degree(names, path)])), path)
    opacities = _get(table, ("opacity",), path)
    return _Parts(
        _get(table, POSITION, path),
        dc,
        rest,
        _of_levels(opacities, notes),
        _get(table, SCALES, path),
        _get(table, ROTATION, path),
    )


def _colours(table: np.ndarray, names: tuple[str, ...], path: Path) -> tuple[np.ndarray, str]:
    """[n, 3] in 0..1, and their scale in words: the type's own of whole numbers; of others 0..1, or levels of bytes."""
    stored = np.stack([table[name] for name in names], axis=1)
    if stored.dtype.kind == "u" and stored.dtype.itemsize <= 2:
        bits = 8 * stored.dtype.itemsize
        return stored / (2**bits - 1), f"{bits} bits each"
    low, high = (float(end(stored[np.isfinite(stored)], initial=0.0)) for end in (np.min, np.max))
    if low < 0 or high > 255 or stored.dtype.kind != "f":
        raise DatasetError(
            f"{path}: expected {', '.join(names)} as bytes, or as numbers of 0 to 1 or 0 to 255, got {stored.dtype} "
            f"from {low:.3g} to {high:.3g}"
        )
    return (stored, "0 to 1 each") if high <= 1 else (stored / 255, "0 to 255 each")


def _check_types(table: np.ndarray, path: Path) -> None:
    """DatasetError for whole numbers where a Gaussian has real ones: a producer's own steps, of a size not said."""
    for name in (*DC, "opacity", *SCALES, *ROTATION):
        if name in (table.dtype.names or ()) and table[name].dtype.kind in "iu":
            kind = f"{'u' if table[name].dtype.kind == 'u' else ''}int{8 * table[name].dtype.itemsize}"
            raise DatasetError(
                f"{path}: expected {name} as float or double, got {kind}: what one step of it is, the file does not "
                "say. Export it as floats"
            )


def _get(table: np.ndarray, names: tuple[str, ...], path: Path) -> Float32[Array, "n c"]:
    own = table.dtype.names or ()
    missing = [name for name in names if name not in own]
    if missing:
        flat = " (2D Gaussians have two scales; they are not read)" if missing == ["scale_2"] else ""
        raise DatasetError(
            f"{path}: expected a .ply of 3D Gaussians; its vertices lack {', '.join(missing)}{flat} (they have "
            f"{', '.join(own[:8])}, ...). A mesh or a plain point cloud?"
        )
    if not names:
        return np.zeros((len(table), 0), dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # a double beyond float32 is infinite
        return np.stack([table[name] for name in names], axis=1).astype(np.float32)


def _degree(names: tuple[str, ...], path: Path) -> int:
    rest = sum(name.startswith("f_rest_") for name in names)
    for degree, count in _REST_OF_DEGREE.items():
        if rest == count:
            return degree
    raise DatasetError(f"{path}: expected 0, 9, 24 or 45 f_rest properties (degree 0 to 3), got {rest}")


def _of_levels(opacities: Float32[Array, "n 1"], notes: list[str]) -> Float32[Array, "n 1"]:
    """Infinite logits made finite where they are bytes 0 and 255 of a file that was compressed once.

    Then all other opacities are whole levels, too. Elsewhere an infinite logit is damage.
    """
    infinite = np.isinf(opacities)
    if not infinite.any():
        return opacities
    levels = 255 / (1 + np.exp(-opacities[np.isfinite(opacities)].astype(np.float64)))
    if (np.abs(levels - np.rint(levels)) > _LEVEL_ERROR).any():
        return opacities
    ends = logits_of_levels(np.where(opacities[infinite] > 0, 255, 0))
    out = opacities.copy()
    out[infinite] = ends
    notes.append(
        f"opacities are bytes: {int(infinite.sum())} of {len(out)} are infinite logits (0 or 255), read half a level "
        "inside"
    )
    return out


def _settled(
    parts: _Parts, activated: Activated | None, read_as: tuple[Form, ...], path: Path, notes: list[str]
) -> _Parts:
    """Logits, logarithms and harmonics, by the numbers' looks or as told."""
    sound = np.isfinite(parts.scales).all(axis=1) & np.isfinite(parts.positions).all(axis=1)
    sound &= np.isfinite(parts.dc).all(axis=1)
    if activated is None and not read_as:
        check_forms(path, parts.dc[sound])
        notes += doubts(parts.dc[sound], parts.scales[sound], parts.positions[sound])
    if read_as:
        notes.append(f"read as {', '.join(read_as)}, as told{'' if 'xyzw' in read_as else _W_FIRST}")
    if "colours" in read_as:
        parts = replace(parts, dc=harmonics_of_colours(parts.dc))
    if "log10" in read_as:
        parts = replace(parts, scales=parts.scales * np.float32(np.log(10)))
    if "xyzw" in read_as:
        parts = replace(parts, rotations=np.roll(parts.rotations, 1, axis=1))
    opacities, scales = parts.opacities[:, 0], parts.scales
    if activated is None:
        sound = np.isfinite(opacities) & np.isfinite(scales).all(axis=1) & np.isfinite(parts.positions).all(axis=1)
        check_levels(path, opacities[sound], parts.dc[np.isfinite(parts.dc).all(axis=1)])
        check_activated(path, opacities[sound], scales[sound], parts.positions[sound])
        return parts
    if activated != "none":
        notes.append(
            f"read as activated values, as told: {'opacities and scales' if activated == 'both' else activated}"
            + ("" if "xyzw" in read_as else _W_FIRST)
        )
    opacities, scales = deactivated(activated, opacities, scales)
    return replace(parts, opacities=opacities[:, None], scales=scales)


def _left_out(parts: _Parts, finite: Bool[Array, " n"], good: Bool[Array, " n"]) -> str:
    """How many, and what is wrong with the first."""
    first = int(np.argmin(good))
    wrong = [
        f"{name} = {value}"
        for names, part in parts.named()
        for name, value in zip(names, part[first], strict=True)
        if not np.isfinite(value)
    ]
    why = f": {', '.join(wrong[:3])}{', ...' if len(wrong) > 3 else ''}" if wrong else ""
    kinds = []
    if not finite.all():
        kinds.append(f"{int((~finite).sum())} with numbers that are not finite")
    if (finite & ~good).any():
        kinds.append(f"{int((finite & ~good).sum())} with a rotation of length zero")
    count = f"{int((~good).sum())} of {len(good)} Gaussians left out"
    return f"{count}: {', '.join(kinds)}; the first is vertex {first}{why}"


def _unused(ply: Ply) -> list[str]:
    """Found and not used; what holds nothing of a Gaussian (normals, colours beside f_dc) goes unsaid."""
    (vertex,) = (each for each in ply.elements if each.name == "vertex")
    used = {*POSITION, *DC, "opacity", *SCALES, *ROTATION, *_SILENT}
    left = [each.name for each in vertex.properties if each.name not in used and not each.name.startswith("f_rest_")]
    said = [_FILTER_3D] if "filter_3D" in left else []
    left = [name for name in left if name != "filter_3D"]
    others = [each.name for each in ply.elements if each.name != "vertex"]
    for kind, names in (("properties", left), ("elements", others)):
        if names:
            said.append(f"not used: {kind} {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}")
    return said


def _harmonics(dc: Float32[Array, "n 3"], rest: Float32[Array, "n c"]) -> Float32[Array, "n k 3"]:
    """Without the zeros that pad higher degrees."""
    degree = math.isqrt(rest.shape[1] // 3 + 1) - 1
    higher = rest.reshape(len(rest), 3, (degree + 1) ** 2 - 1).transpose(0, 2, 1)
    used = max((k for k in range(1, degree + 1) if higher[:, k * k - 1 : (k + 1) ** 2 - 1].any()), default=0)
    return np.ascontiguousarray(np.concatenate([dc[:, None], higher[:, : (used + 1) ** 2 - 1]], axis=1))


def _ordinary(rotations: Float32[Array, "n 4"]) -> Float32[Array, "n 4"]:
    length = np.linalg.norm(rotations.astype(np.float64), axis=1)
    low, high = _ORDINARY_LENGTH
    strange = np.isfinite(length) & (length > 0) & ((length < low) | (length > high))
    if not strange.any():
        return rotations
    out = rotations.copy()
    out[strange] = rotations[strange].astype(np.float64) / length[strange, None]
    return out
