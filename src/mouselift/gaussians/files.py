"""Files of 3D Gaussians by their suffix: `.ply`, read and written; `.splat`, read. Others: what converts them."""

from __future__ import annotations

from pathlib import Path

from mouselift.errors import DatasetError
from mouselift.gaussians.activated import Activated
from mouselift.gaussians.compressed_ply import CONVERT
from mouselift.gaussians.forms import Form
from mouselift.gaussians.read_ply import read_ply
from mouselift.gaussians.read_splat import RECORD, read_splat
from mouselift.gaussians.splats import SH_DC, Splats
from mouselift.gaussians.write_ply import ply_bytes, write_ply

__all__ = [
    "RECORD",
    "SH_DC",
    "Splats",
    "is_file_of_splats",
    "ply_bytes",
    "read_ply",
    "read_splat",
    "read_splats",
    "write_ply",
]

SUFFIXES = (".ply", ".splat")
CONVERTIBLE = (".spz", ".ksplat", ".sog", ".lcc")  # splat-transform makes a .ply of them


def is_file_of_splats(path: Path) -> bool:
    """By its suffix; those that must be converted first are among them, `read_splats` says how."""
    return path.suffix.lower() in SUFFIXES + CONVERTIBLE and not path.is_dir()


def read_splats(path: Path, activated: Activated | None = None, read_as: tuple[Form, ...] = ()) -> Splats:
    """A `.ply` or `.splat` of Gaussians. DatasetError as their readers, and for another suffix.

    activated, read_as: as `read_ply`; a `.splat` is not asked, its format says it.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        convert = f"; convert it: {CONVERT} {path.name} {path.stem}.ply" if suffix in CONVERTIBLE else ""
        raise DatasetError(
            f"{path}: expected a file of Gaussians, .ply or .splat, got {path.suffix or 'no suffix'}{convert}"
        )
    return read_ply(path, activated, read_as) if suffix == ".ply" else read_splat(path)
