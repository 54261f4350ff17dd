"""Label3D's session files, `*_Label3D.mat`: `camParams`, a cell with K, RDistort, TDistort, r, t of each camera.

As in DANNCE's files, MATLAB's convention: K transposed and 1-based, r transposed; evidence and `variant` settle it
likewise. `imageSize` has height and width a row. The file names no camera: Camera1, Camera2, ... in its order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mouselift.atomic import matching
from mouselift.calibration.dannce import rig_of
from mouselift.calibration.dannce_files import RawCamera, load_mat, struct_fields
from mouselift.calibration.rig import Rig, RigFormat, by_content
from mouselift.errors import CalibrationError, MissingExtraError
from mouselift.foreign import numbers, whole_numbers
from mouselift.limits import IMAGE_SIDE

_WANTED = ("camParams", "imageSize")  # the other variables may be videos


def read_label3d(path: Path, variant: str | None = None) -> Rig:
    content = load_mat(path, _WANTED)
    if "camParams" not in content:
        raise CalibrationError(f"{path}: expected a variable camParams (a session of Label3D)")
    raws: list[RawCamera] = []
    for index, cell in enumerate(np.ravel(content["camParams"])):
        name = f"Camera{index + 1}"
        try:
            raws.append(RawCamera.from_fields(name, path, struct_fields(cell)))
        except ValueError as error:
            raise CalibrationError(f"camera {name!r} ({path}): camParams: {error}") from None
    if not raws:
        raise CalibrationError(f"{path}: camParams holds no camera")
    named = f"cameras are called Camera1 to Camera{len(raws)} in the order of camParams, which names none"
    return rig_of(path, "label3d", raws, variant, _sizes(path, content, len(raws)), named)


def _sizes(path: Path, content: dict[str, Any], count: int) -> list[tuple[int, int]] | None:
    if "imageSize" not in content:
        return None
    try:
        rows = numbers(content["imageSize"], (count, 2), "imageSize")
        return [(width, height) for height, width in (whole_numbers(row, 1, IMAGE_SIDE, "imageSize") for row in rows)]
    except ValueError as error:
        raise CalibrationError(f"{path}: {error}") from None


def find_label3d(folder: Path) -> list[Path]:
    """Sessions, not what Label3D exports for DANNCE."""
    files = [file for file in matching(folder, "*label3d*.mat") if not file.name.lower().endswith("_dannce.mat")]
    try:
        return [file for file in files if holds_label3d(file)]
    except MissingExtraError:
        return []


@by_content
def holds_label3d(file: Path) -> bool:
    return "camParams" in load_mat(file, _WANTED)


FORMAT = RigFormat(read_label3d, find_label3d, ("*.mat",), z_up=True, holds=holds_label3d)
