"""Rig formats by name: one line a format."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from mouselift.calibration.anipose import read_anipose
from mouselift.calibration.dannce import read_dannce
from mouselift.calibration.facelift import read_facelift
from mouselift.calibration.jarvis import read_jarvis
from mouselift.calibration.mammal import read_mammal
from mouselift.calibration.rig import Rig
from mouselift.errors import CalibrationError

Reader = Callable[[Path, str | None], Rig]

FORMATS: dict[str, Reader] = {
    "dannce": read_dannce,
    "mammal": read_mammal,
    "anipose": read_anipose,
    "facelift": read_facelift,
    "jarvis": read_jarvis,
}


def read_rig(path: Path, rig_format: str, variant: str | None = None, unused: Collection[str] = ()) -> Rig:
    """The rig at `path`, less the cameras in `unused`; every pose occurs once.

    CalibrationError: no such file or format, malformed or ambiguous content, two cameras with one calibration.
    """
    if rig_format not in FORMATS:
        raise CalibrationError(f"{path}: rig format {rig_format!r} is unknown; expected one of {', '.join(FORMATS)}")
    if not path.exists():
        raise CalibrationError(f"{path}: no such rig file or folder")
    rig = FORMATS[rig_format](path, variant)
    strange = sorted(set(unused) - set(rig.names))
    if strange:
        raise CalibrationError(f"{path}: unused cameras {strange} are not in the rig; it has {', '.join(rig.names)}")
    rig = rig.without(unused)
    rig.check_distinct()
    return rig
