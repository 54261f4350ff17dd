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

    patterns = [*CALIBRATION_FOLDERS, *([results] if results is not None else [])]
    places = dict.fromkeys([place, *(found for pattern in patterns for found in visible(place.glob(pattern)))])
    found = [one for here in places if here.is_dir() for one in rigs_in(here)]
    return [*found, *(("dannce", file) for file in matching(place, "*_dannce.mat"))]


def above(folder: Path, most: int) -> Iterator[Path]:
    """Folders above that may be a recording's or its project's; never a home, the temporary files' or the root."""
    ends = {Path.home(), Path(tempfile.gettempdir()).resolve(), Path(folder.anchor)}
    for place in list(folder.parents)[:most]:
        if place in ends or not os.access(place, os.R_OK | os.X_OK):
            return
        yield place
