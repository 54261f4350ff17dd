"""The compact `.splat` format of web viewers, read; and files of Gaussians read by their suffix.

32 bytes a Gaussian: position (3 float32), scale (3 float32, linear), colour and opacity (4 bytes, 0..255), rotation
(4 bytes, w first: 128 + 128 q). No spherical harmonics beyond the constant one, and 8 bits only: it loses precision.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mouselift.errors import DatasetError
from mouselift.gaussians.ply import SH_DC, Splats, read_ply

SUFFIXES = (".ply", ".splat")
RECORD = np.dtype([("p", "<f4", (3,)), ("scale", "<f4", (3,)), ("rgba", "u1", (4,)), ("q", "u1", (4,))])


def read_splat(path: Path) -> Splats:
    """Read a `.splat`. Colours and opacities are as rounded there; an opacity of 0 or 255 is read half a level inside.

    DatasetError: not a whole number of records, or numbers that no Gaussian has.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: expected a readable .splat file, got: {error.strerror or error}") from None
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
