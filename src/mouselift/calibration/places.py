"""Where rigs lie: in a recording's folder or its usual subfolders, or in those of a project's folder above it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mouselift.atomic import matching, visible

CALIBRATION_FOLDERS = ("calibration", "calib", "calib_params", "calib_params/*", "sparse", "sparse/*")


def rigs_at(place: Path, results: str | None = None) -> list[tuple[str, Path]]:
    """(format, path) of every rig in a folder's usual places; `results`: the one that a project names besides.

    Label3D's files lie in the folder itself.
    """
    from mouselift.calibration.registry import rigs_in  # all formats: a tenth of an audit's start, which asks no place

    found = [one for here in folders_of_rigs(place, results) for one in rigs_in(here)]
    return [*found, *(("dannce", file) for file in matching(place, "*_dannce.mat"))]


def folders_of_rigs(place: Path, results: str | None = None) -> list[Path]:
    """The folder itself and its usual subfolders, as far as they are there."""
    patterns = [*CALIBRATION_FOLDERS, *([results] if results is not None else [])]
    found = dict.fromkeys([place, *(path for pattern in patterns for path in visible(place.glob(pattern)))])
    return [path for path in found if path.is_dir()]


def above(folder: Path, most: int) -> Iterator[Path]:
    """Folders above that may be a recording's or its project's; never a home, the temporary files' or the root."""
    ends = {Path.home(), Path(tempfile.gettempdir()).resolve(), Path(folder.anchor)}
    for place in list(folder.parents)[:most]:
        if place in ends or not os.access(place, os.R_OK | os.X_OK):
            return
        yield place
