"""Recording sessions in SLEAP's labels (.slp, as sleap-io writes them): cameras as in anipose's calibration.toml.

`sessions_json` holds a line of JSON a session; its `calibration` has cam_0, cam_1, ... with name, size, matrix,
distortions, rotation (Rodrigues) and translation, world to camera, 0-based.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from mouselift.atomic import matching
from mouselift.calibration.anipose import camera_of
from mouselift.calibration.rig import Rig, RigCamera, RigFormat, by_content
from mouselift.errors import CalibrationError, MissingExtraError
from mouselift.foreign import json_of, short
from mouselift.hdf5_file import array_of, is_dataset, member, opened
from mouselift.limits import CALIBRATION_BYTES

_WHAT = "SLEAP's sessions"
_MOST = 1000  # sessions of one file


def read_sleap(path: Path, variant: str | None = None) -> Rig:
    """Rig of the only session, of several that share one calibration, or of the one that `variant` counts (from 0)."""
    calibrations = _calibrations(path)
    if variant is None:
        if any(one != calibrations[0] for one in calibrations):
            raise CalibrationError(
                f"{path}: {len(calibrations)} sessions with different calibrations; say which, counted from 0: [rig] "
                'variant = "0" (or --variant)'
            )
        variant = "0"
    if not variant.isdigit() or int(variant) >= len(calibrations):
        raise CalibrationError(
            f"{path}: variant {variant!r}: expected the number of a session, from 0 to {len(calibrations) - 1}"
        )
    tables = {key: table for key, table in calibrations[int(variant)].items() if key != "metadata"}
    if not tables:
        raise CalibrationError(f"{path}: its session {variant} has no cameras")
    said = (f"session {variant} of {len(calibrations)}",) if len(calibrations) > 1 else ()
    return Rig(path, "sleap", tuple(_camera(path, key, table) for key, table in tables.items()), said)


def _camera(path: Path, key: str, table: Any) -> RigCamera:
    """sleap-io leaves name and size empty where they are not known."""
    if not isinstance(table, dict):
        raise CalibrationError(f"{path}: {key}: expected a camera, got {short(table)}")
    known = bool(table.get("size"))
    camera = camera_of(
        path, key, {**table, "name": table.get("name") or key, **({} if known else {"size": [1, 1]})}, {}
    )
    return camera if known else replace(camera, size=None, notes=())


def _calibrations(path: Path) -> list[dict[str, Any]]:
    """Of every session. CalibrationError where there is none."""
    out: list[dict[str, Any]] = []
    with opened(path, _WHAT) as root:
        lines = member(root, "sessions_json")
        if not is_dataset(lines):
            raise CalibrationError(f"{path}: SLEAP's labels without a recording session; its calibration is elsewhere")
        for session in islice(sessions_in(lines), _MOST):
            calibration = session.get("calibration")
            if not isinstance(calibration, dict):
                raise ValueError(f"expected a session with its calibration, got {short(session)}")
            out.append(calibration)
    if not out:
        raise CalibrationError(f"{path}: SLEAP's labels without a recording session; its calibration is elsewhere")
    return out


def sessions_in(lines: Any, most: int = CALIBRATION_BYTES) -> Iterator[dict[str, Any]]:
    """Each of a file's dataset `sessions_json`, of at most so many bytes. ValueError where one is no JSON object."""
    for line in array_of(lines, "sessions_json", most).ravel():
        content = json_of(line)
        if not isinstance(content, dict):
            raise ValueError(f"expected a session with its calibration, got {short(content)}")
        yield content


def find_sleap(folder: Path) -> list[Path]:
    """None without h5py: most .slp hold no session."""
    try:
        return [file for file in matching(folder, "*.slp") if holds_sleap(file)]
    except MissingExtraError:
        return []


@by_content
def holds_sleap(file: Path) -> bool:
    return any(set(calibration) - {"metadata"} for calibration in _calibrations(file))


FORMAT = RigFormat(read_sleap, find_sleap, ("*.slp",), holds=holds_sleap)
