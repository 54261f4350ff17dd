"""Rig formats by name, one line a format: a new one is one file with a `FORMAT`, and its line here."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from pathlib import Path

from mouselift.calibration import (
    acinoset,
    anipose,
    caliscope,
    colmap,
    dannce,
    deepfly3d,
    easymocap,
    facelift,
    jarvis,
    label3d,
    mammal,
    multical,
    nerfstudio,
    opencv_files,
    pose_splatter,
    qualisys,
    sleap_session,
)
from mouselift.calibration.rig import Rig, RigFormat
from mouselift.errors import CalibrationError, CaptureError
from mouselift.strings_as_paths import takes_paths

FORMATS: dict[str, RigFormat] = {
    "dannce": dannce.FORMAT,
    "mammal": mammal.FORMAT,
    "anipose": anipose.FORMAT,
    "facelift": facelift.FORMAT,
    "jarvis": jarvis.FORMAT,
    "colmap": colmap.FORMAT,
    "nerfstudio": nerfstudio.FORMAT,
    "opencv": opencv_files.FORMAT,
    "multical": multical.FORMAT,
    "caliscope": caliscope.FORMAT,
    "easymocap": easymocap.FORMAT,
    "deepfly3d": deepfly3d.FORMAT,
    "qualisys": qualisys.FORMAT,
    "acinoset": acinoset.FORMAT,
    "label3d": label3d.FORMAT,
    "pose-splatter": pose_splatter.FORMAT,
    "sleap": sleap_session.FORMAT,
}


@takes_paths
def load_rig(path: Path, format: str | None = None, variant: str | None = None, unused: Collection[str] = ()) -> Rig:
    """The rig at `path` (file or folder), less the cameras in `unused`.

    `format`: a name in `FORMATS`; None: as `rig_at` recognises it. `variant` settles how an ambiguous file is read.
    Cameras are world-to-camera in the file's unit, pixel centres at +0.5. CalibrationError: no such file or format,
    malformed or ambiguous content, two cameras with one pose. CaptureError: not recognised.

    Example:
        >>> rig = load_rig(Path("recordings/mouse7/calibration"))
        >>> rig.format, rig.names
    """
    if format is None:
        format, path = rig_at(path)
    if format not in FORMATS:
        raise CalibrationError(f"{path}: rig format {format!r} is unknown; expected one of {', '.join(FORMATS)}")
    if not path.exists():
        raise CalibrationError(f"{path}: no such rig file or folder")
    rig = FORMATS[format].read(path, variant)
    strange = sorted(set(unused) - set(rig.names))
    if strange:
        raise CalibrationError(f"{path}: unused cameras {strange} are not in the rig; it has {', '.join(rig.names)}")
    rig = rig.without(unused)
    rig.check_distinct()
    return rig


def rigs_in(folder: Path) -> list[tuple[str, Path]]:
    """(format, path) of every rig in a folder, not below it."""
    return [(name, path) for name, rig_format in FORMATS.items() for path in rig_format.find(folder)]


def rig_at(path: Path) -> tuple[str, Path]:
    """(format, path) of the one rig that a file or folder is. CaptureError where it is none or several."""
    path = path.resolve()
    if not path.exists():
        raise CaptureError(f"{path}: no such rig file or folder")
    found = rigs_in(path) if path.is_dir() else [(_format_of(path), path)]
    if len(found) != 1:
        kinds = ", ".join(f"{file.name} ({kind})" for kind, file in found) or "none"
        raise CaptureError(f"{path}: expected one calibration, found {kinds}; name the file")
    return found[0]


def _format_of(file: Path) -> str:
    """By its content, else by its name; a whole name counts before a suffix."""
    patterns = [(pattern, name) for name, rig_format in FORMATS.items() for pattern in rig_format.names]
    fits = [(pattern, name) for pattern, name in patterns if fnmatchcase(file.name.lower(), pattern.lower())]
    if not fits:
        suffixes = sorted({pattern[pattern.rindex(".") :] for pattern, _ in patterns})
        raise CaptureError(f"{file}: no rig format ends in {file.suffix!r}; expected {', '.join(suffixes)}")
    held: list[str] = []
    for name in dict.fromkeys(name for _, name in fits):
        holds = FORMATS[name].holds
        if holds is not None and holds(file):
            held.append(name)
    if len(held) == 1:
        return held[0]
    if held:
        raise CaptureError(f"{file}: expected one rig format, its content fits {', '.join(held)}; name one with [rig]")
    named = [fit for fit in fits if FORMATS[fit[1]].holds is None]
    if not named:
        kinds = ", ".join(dict.fromkeys(name for _, name in fits))
        raise CaptureError(f"{file}: expected a calibration of {kinds}; its content is none of them")
    return max(named, key=lambda fit: len(fit[0]))[1]
