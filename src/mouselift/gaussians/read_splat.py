"""Reads `.splat`, the compact format of web viewers.

32 bytes a Gaussian: position (3 float32), scale (3 float32, linear), colour and opacity (4 bytes, 0..255), rotation
(4 bytes, w first: 128 + 128 q). No spherical harmonics beyond the constant one, and 8 bits only: it loses precision.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from mouselift.errors import DatasetError
from mouselift.gaussians.splats import Splats, harmonics_of_colours, logits_of_levels
from mouselift.limits import SPLATS_BYTES, limited_bytes

LOG = logging.getLogger(__name__)

RECORD = np.dtype([("p", "<f4", (3,)), ("scale", "<f4", (3,)), ("rgba", "u1", (4,)), ("q", "u1", (4,))])


def read_splat(path: Path) -> Splats:
    """Read a `.splat`. Colours and opacities are as rounded there; an opacity of 0 or 255 is read half a level inside.

    A record that no Gaussian has is left out, and said in `notes`; DatasetError where half of them are such (there is
    no header that says what the file is), and for a part of a record.
    """
    try:
        data = limited_bytes(path, SPLATS_BYTES)
    except OSError as error:
        raise DatasetError(f"{path}: expected a readable .splat file, got: {error.strerror or error}") from None
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from None
    if len(data) % RECORD.itemsize:
        raise DatasetError(f"{path}: expected records of {RECORD.itemsize} bytes, got {len(data)} bytes; cut short?")
    table = np.frombuffer(data, dtype=RECORD)
    good = np.isfinite(table["p"]).all(axis=1) & np.isfinite(table["scale"]).all(axis=1)
    good &= (table["scale"] > 0).all(axis=1) & (table["q"] != 128).any(axis=1)
    notes: list[str] = [] if len(table) else ["it holds no Gaussians (0 bytes)"]
    if not good.all():
        bad = f"{int((~good).sum())} of {len(good)} records"
        what = "a position, a scale or a rotation that no Gaussian has"
        if 2 * good.sum() <= len(good):
            raise DatasetError(
                f"{path}: expected finite positions, positive scales and rotations of some length; record "
                f"{int(np.argmin(good))} has others, as have {bad}. Not a .splat file?"
            )
        notes.append(f"{bad} left out: {what}; the first is record {int(np.argmin(good))}")
        table = table[good]
    for note in notes:
        LOG.warning("%s: %s", path, note)
    return Splats(
        np.ascontiguousarray(table["p"]),
        harmonics_of_colours(table["rgba"][:, None, :3] / 255),
        logits_of_levels(table["rgba"][:, 3]),
        np.log(table["scale"]),
        (table["q"].astype(np.float32) - 128) / 128,
        notes=tuple(notes),
    )
