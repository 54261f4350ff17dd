"""Files of 3D Gaussians, read by their suffix."""

from __future__ import annotations

from pathlib import Path

from mouselift.errors import DatasetError
from mouselift.gaussians.ply import Splats, read_ply
from mouselift.gaussians.splat import read_splat

SUFFIXES = (".ply", ".splat")


def is_file_of_splats(path: Path) -> bool:
    """By its suffix."""
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def read_splats(path: Path) -> Splats:
    """A `.ply` or `.splat` of Gaussians. DatasetError as their readers, and for another suffix."""
    if path.suffix.lower() not in SUFFIXES:
        raise DatasetError(f"{path}: expected a file of Gaussians, .ply or .splat, got {path.suffix or 'no suffix'}")
    return read_ply(path) if path.suffix.lower() == ".ply" else read_splat(path)
