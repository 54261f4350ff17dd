"""anipose's `pose-3d/*.csv`: `NAME_x`, `NAME_y`, `NAME_z`, `NAME_score`, and `fnum` of each frame.

anipose may turn points into axes of the animal's own: `M_ij` and `center_i` in each row undo that, x = M^-1 (p + c).
The world and unit are those of its calibration.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from mouselift.errors import CaptureError
from mouselift.foreign import short_text
from mouselift.keypoints.keypoints import Keypoints, in_order
from mouselift.limits import CALIBRATION_BYTES, limited_bytes

_AXES = "xyz"
_TURN = [f"M_{i}{j}" for i in range(3) for j in range(3)]
_CENTRE = [f"center_{i}" for i in range(3)]


def read_anipose(path: Path, rate: float) -> Keypoints:
    """CaptureError names the column, or the line."""
    try:
        text = limited_bytes(path, 16 * CALIBRATION_BYTES).decode("utf-8-sig")
        header, *rows = list(csv.reader(io.StringIO(text)))
    except (OSError, ValueError, csv.Error) as error:
        raise CaptureError(f"{path}: expected anipose's CSV of 3D points, got: {short_text(error)}") from None
    names = [
        column[:-2] for column in header if column.endswith("_x") and {f"{column[:-2]}_{a}" for a in _AXES} <= {*header}
    ]
    if not names or "fnum" not in header:
        got = short_text(", ".join(header[:6]))
        raise CaptureError(f"{path}: expected anipose's columns NAME_x, NAME_y, NAME_z and fnum, got {got} ...")
    if len(set(header)) < len(header):
        raise CaptureError(f"{path}: two columns have one name")
    table = np.full((len(rows), len(header)), np.nan)
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise CaptureError(f"{path}: line {number + 2}: expected {len(header)} values, got {len(row)}")
        try:
            table[number] = [float(value) if value else np.nan for value in row]
        except ValueError as error:
            raise CaptureError(f"{path}: line {number + 2}: {short_text(error)}") from None
    column = {name: table[:, place] for place, name in enumerate(header)}
    points = np.stack([np.stack([column[f"{name}_{a}"] for a in _AXES], axis=1) for name in names], axis=1)
    notes: tuple[str, ...] = ()
    if {*_TURN, *_CENTRE} <= {*header}:
        M = np.stack([column[key] for key in _TURN], axis=1).reshape(-1, 3, 3)
        c = np.stack([column[key] for key in _CENTRE], axis=1)
        whole = np.isfinite(M).all() and np.isfinite(c).all()
        if not whole or np.abs(M @ M.transpose(0, 2, 1) - np.eye(3)).max(initial=0) > 1e-3:
            raise CaptureError(f"{path}: M_00 .. M_22: expected a rotation in each row")
        if np.abs(M - np.eye(3)).max(initial=0) > 1e-9 or np.abs(c).max(initial=0) > 1e-9:
            points = (points + c[:, None]) @ np.linalg.inv(M.transpose(0, 2, 1))
            notes = ("turned back from anipose's own axes (M, center) into the calibration's world",)
    frames = column["fnum"]
    if not (np.isfinite(frames) & (frames == np.rint(frames))).all():
        raise CaptureError(f"{path}: fnum: expected whole numbers")
    scores = [f"{name}_score" for name in names]
    sure = np.stack([column[s] for s in scores], axis=1) if {*scores} <= {*header} else None
    return in_order(path, "anipose", frames.astype(np.int64), points, tuple(names), sure, notes)
