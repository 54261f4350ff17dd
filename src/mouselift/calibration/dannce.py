"""DANNCE, sDANNCE and Label3D rigs: a folder of `*cam*_params.mat`, a `*_dannce.mat`, or `calibration.json`.

Documented layout ("dannce"): K transposed with a 1-based principal point, r = R^T (row vectors), t in world units,
RDistort = k1 k2 [k3], TDistort = p1 p2. Other writers use the same file names with other contents: `dannce_variant.py`
settles how K, r and the principal point are read, each on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mouselift.calibration.dannce_evidence import axis_hint, proofs_near
from mouselift.calibration.dannce_files import RawCamera, cameras_of, folder_cameras, json_cameras, params_files
from mouselift.calibration.dannce_variant import NAMED, Reading, choose, parse_variant
from mouselift.calibration.rig import Rig, RigCamera, RigFormat, by_content, json_object, shifted
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import ONE_BASED, ZERO_BASED


def read_dannce(path: Path, variant: str | None = None) -> Rig:
    """Rig from a folder of params files, a `*_dannce.mat`, or a `calibration.json`; `variant` settles how it is read.

    CalibrationError where a file is malformed, or where it stays undecided how r is stored.
    """
    asked = parse_variant(path, variant)
    if path.suffix.lower() == ".json":
        if variant is not None and not _agrees(asked, NAMED["opencv"]):
            raise CalibrationError(f"{path}: calibration.json has one convention, OpenCV's; got variant {variant!r}")
        return Rig(
            path, "dannce", json_cameras(path), (f"{path.name}: plain OpenCV convention, as its writer documents",)
        )
    raws = folder_cameras(path) if path.is_dir() else cameras_of(path)
    return rig_of(path, "dannce", raws, variant)


def rig_of(
    path: Path,
    rig_format: str,
    raws: Sequence[RawCamera],
    variant: str | None,
    sizes: Sequence[tuple[int, int]] | None = None,
    *assumed: str,
) -> Rig:
    """Rig of cameras as stored, read as evidence and `variant` settle it; sizes: width, height of each."""
    beside = path if rig_format == "dannce" else path.parent
    proofs, asked = proofs_near(beside, raws), parse_variant(path, variant)
    chosen, found, guessed = choose(path, _k_transposed(raws), asked, proofs, axis_hint(raws))
    cameras = tuple(
        _to_rig_camera(raw, chosen, size) for raw, size in zip(raws, sizes or [None] * len(raws), strict=True)
    )
    return Rig(path, rig_format, cameras, tuple(found), (*assumed, *guessed))


def find_dannce(folder: Path) -> list[Path]:
    """The folder itself where it holds params files, else its calibration.json."""
    if params_files(folder):
        return [folder]
    file = folder / "calibration.json"
    return [file] if file.is_file() and not _is_multicals(file) else []


@by_content
def _is_multicals(file: Path) -> bool:
    """multical writes a file of the same name."""
    return "camera_poses" in json_object(file)


def _agrees(asked: Reading, other: Reading) -> bool:
    pairs = (
        (asked.k_transposed, other.k_transposed),
        (asked.r_transposed, other.r_transposed),
        (asked.one_based, other.one_based),
    )
    return all(a in (None, b) for a, b in pairs)


def _k_transposed(raws: Sequence[RawCamera]) -> bool:
    """True where K is transposed (principal point in the last row), in all cameras alike."""
    which = {raw.name: raw.k_transposed() for raw in raws}
    if len(set(which.values())) > 1:
        rows = ", ".join(name for name, transposed in which.items() if transposed)
        columns = ", ".join(name for name, transposed in which.items() if not transposed)
        raise CalibrationError(
            f"{raws[0].source.parent}: K is transposed in {rows} but not in {columns}; expected one writer for all. "
            "Write the files again with one tool."
        )
    return which[raws[0].name]


def _to_rig_camera(raw: RawCamera, reading: Reading, size: tuple[int, int] | None) -> RigCamera:
    """The camera in this project's conventions."""
    R = raw.r.T if reading.r_transposed else raw.r
    offset = ONE_BASED if reading.one_based else ZERO_BASED
    return RigCamera(raw.name, raw.source, shifted(raw.upright_k(), offset), np.array(R), raw.t, raw.lens, size)


FORMAT = RigFormat(read_dannce, find_dannce, ("*.mat", "*.json"), z_up=True)
