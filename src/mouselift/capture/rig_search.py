"""Where the calibration of a recording lies: in its folder, or in a project's folder above it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mouselift.atomic import folders_in, visible
from mouselift.calibration.anipose_project import AniposeProject
from mouselift.calibration.opencv_storage import is_storage, storage_of
from mouselift.calibration.places import above, folders_of_rigs, rigs_at
from mouselift.calibration.registry import FORMATS, rig_at
from mouselift.dataset.layout import CAMERAS_FILE
from mouselift.errors import CalibrationError, CaptureError
from mouselift.foreign import first_few

_SESSIONS = ("label3d", "sleap")  # files of labels that hold the cameras too
_ABOVE = 2  # project/group/session: how far up a project's calibration is looked for
_SHOWN = 12  # calibrations that a message lists
_FAULTS = 3  # files of which a message says what is wrong with them
_LOOKED_AT = 200  # folders in which a message looks for them: a project may hold thousands


@dataclass(frozen=True)
class FoundRig:
    """The calibration to take. `others`: those that were found with it and are not used."""

    format: str
    path: Path
    above: bool = False  # it lies above the recording's folder
    others: tuple[tuple[str, Path], ...] = ()


def find_rig(folder: Path, asked: Path | None, project: AniposeProject | None) -> FoundRig:
    """The one that was asked for, else the only one in the usual places of `folder`, else of the nearest folder above.

    CaptureError where there is none or several, with the candidates.
    """
    if asked is not None:
        rig_format, path = rig_at(asked)
        others = [one for one in _rigs_at(folder, project) if one[1].resolve() != path.resolve()]
        return FoundRig(rig_format, path, others=tuple(others))
    for place in [folder, *above(folder, _ABOVE)]:
        found = _rigs_at(place, project)
        params = [one for one in found if not _is_copy(one, found)]
        if len(params) > 1:
            names = ", ".join(f"{relative(path, folder)} ({kind})" for kind, path in params)
            raise CaptureError(f"{folder}: several calibrations: {names}; say which with --rig PATH")
        if params:
            others = tuple(one for one in found if one not in params)
            return FoundRig(*params[0], above=place != folder, others=others)
    hint = _elsewhere(folder, project)
    if faults := [*_unreadable(folder)]:
        hint = f"; not readable: {first_few(faults, _FAULTS)}{hint}"
    closed = [path for path in visible(folder.iterdir()) if not os.access(path, os.R_OK) and not path.is_symlink()]
    hint += f"; cannot be read now: {first_few([path.name for path in closed], _SHOWN)}" if closed else ""
    raise CaptureError(
        f"{folder}: no calibration recognised{hint}. Expected one of: calibration/hires_cam1_params.mat ... or "
        "*_dannce.mat (DANNCE), new_cam.pkl (MAMMAL), calibration.toml (Anipose), Camera_*.yaml (JARVIS), "
        f"sparse/0 (COLMAP), transforms.json (nerfstudio) or another of docs/reference/rig-formats.md, or a "
        f"dataset of folders with {CAMERAS_FILE}; name it with --rig PATH if it lies elsewhere"
    )


def _unreadable(folder: Path) -> Iterator[str]:
    """Files of OpenCV in the usual places that cannot be read, with the reason: no format takes them for its own."""
    for place in folders_of_rigs(folder):
        for file in visible(place.iterdir()):
            if is_storage(file):
                try:
                    storage_of(file)
                except CalibrationError as error:
                    yield str(error)


def files_of(rig_format: str, path: Path) -> list[Path]:
    """The files of a rig, as far as its format fixes their names."""
    if path.is_file():
        return [path]
    names = [name for name in FORMATS[rig_format].names if "*" not in name]
    return [path / name for name in names if (path / name).is_file()]


def _elsewhere(folder: Path, project: AniposeProject | None) -> str:
    """Where calibrations lie that are not taken unasked: two folders down, or beside the recording in its project."""
    below = _rigs_below(folder, folder, project)
    if below:
        return (
            f"; further below there are {', '.join(below)}: run init on the folder of one recording, with --rig PATH "
            "where its calibration lies neither in it nor in a folder above it"
        )
    beside = dict.fromkeys(rig for place in above(folder, _ABOVE) for rig in _rigs_below(place, folder, project))
    return f"; beside it there are {', '.join(list(beside)[:_SHOWN])}: name it with --rig" if beside else ""


def _rigs_below(place: Path, folder: Path, project: AniposeProject | None) -> list[str]:
    """As seen from `folder`."""
    children = folders_in(place)
    places = [*children, *(below for child in children for below in folders_in(child))][:_LOOKED_AT]
    rigs = dict.fromkeys(path for one in places for _, path in _rigs_at(one, project))
    return [shlex.quote(relative(path, folder)) for path in rigs][:_SHOWN]


def relative(path: Path, folder: Path) -> str:
    """`path` as seen from `folder`, for messages; whole where it lies far from it."""
    seen = os.path.relpath(path, folder)
    return str(path) if seen.count("..") > _ABOVE else Path(seen).as_posix()


def _rigs_at(place: Path, project: AniposeProject | None) -> list[tuple[str, Path]]:
    return rigs_at(place, project.calibration_results if project is not None else None)


def _is_copy(one: tuple[str, Path], found: Sequence[tuple[str, Path]]) -> bool:
    """Labels with a copy of the calibration: a *_dannce.mat beside DANNCE's files; sessions beside any other."""
    if one[0] in _SESSIONS:
        return any(other[0] not in _SESSIONS for other in found)
    return _is_label3d(one) and any(other[0] == "dannce" and not _is_label3d(other) for other in found)


def _is_label3d(one: tuple[str, Path]) -> bool:
    return one[0] == "dannce" and one[1].name.lower().endswith("_dannce.mat")
