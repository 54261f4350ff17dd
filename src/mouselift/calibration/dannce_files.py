"""The files of DANNCE, sDANNCE and Label3D as they stand: `*cam*_params.mat`, `*_dannce.mat`, `calibration.json`.

How K and r are to be read is decided elsewhere: `dannce_variant.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.array_types import Array, Int64, Matrix3, Vector3
from mouselift.calibration.intrinsics import fault_of
from mouselift.calibration.mat73_file import variables73_of
from mouselift.calibration.mat_file import variables_of
from mouselift.calibration.rig import RigCamera, brown_conrady, content_of, matrices, shifted
from mouselift.errors import CalibrationError
from mouselift.foreign import json_of, numbers, whole_numbers
from mouselift.geometry.camera import ZERO_BASED, Camera
from mouselift.geometry.lens import Lens
from mouselift.hdf5_file import is_hdf5
from mouselift.limits import MAT_BYTES

_KEYS = ("K", "r", "t", "RDistort", "TDistort")
_NAMES = {"r": "rotation", "t": "translation"}  # in words, for messages
_PARAMS = re.compile(r"^(?:.*?_)?cam(?P<era>era)?_?(?P<token>.+)_params\.mat$", re.IGNORECASE)
_ANY_SIZE = (1, 1)  # projecting needs no image size


@dataclass(frozen=True, eq=False)
class RawCamera:
    """The fields of one camera: K and r as stored, in float64 (files hold zeros as uint8)."""

    name: str
    source: Path
    K: Matrix3
    r: Matrix3
    t: Vector3
    lens: Lens

    @classmethod
    def from_fields(cls, name: str, source: Path, fields: Mapping[str, Any]) -> RawCamera:
        """From K, r (or R), t, RDistort, TDistort. CalibrationError names the file and the field."""
        where = f"camera {name!r} ({source})"
        given = {"r": fields["R"], **fields} if "R" in fields else fields
        missing = [key for key in _KEYS if key not in given]
        if missing:
            raise CalibrationError(
                f"{where}: expected {', '.join(_KEYS)}; missing {', '.join(missing)}, got {', '.join(fields)}"
            )
        try:
            values = {key: numbers(given[key], name=_NAMES.get(key, key)) for key in _KEYS}
            mirror = numbers(given.get("m", 0), name="m")
            lens = brown_conrady(values["RDistort"].ravel().tolist(), values["TDistort"].ravel().tolist())
            for key in ("K", "r"):
                if values[key].shape != (3, 3):
                    raise ValueError(f"{key}: expected shape (3, 3), got {values[key].shape}")
            if values["t"].size != 3:
                raise ValueError(f"t: expected 3 numbers, got shape {values['t'].shape}")
        except (TypeError, ValueError) as error:
            raise CalibrationError(f"{where}: {error}") from None
        if mirror.any():
            raise CalibrationError(
                f"{where}: its mirror flag m is {mirror.ravel().tolist()}, expected 0: its images are flipped "
                "left to right. Flip the video back, calibrate on that, and set m to 0."
            )
        return cls(name, source, values["K"], values["r"], values["t"].ravel(), lens)

    def k_transposed(self) -> bool:
        """Where the principal point sits: last row (True) or last column (False)."""
        row, column = bool(self.K[2, :2].any()), bool(self.K[:2, 2].any())
        fault = fault_of(self.K.T if row else self.K)
        if fault is not None or row == column:
            raise CalibrationError(
                f"camera {self.name!r} ({self.source}): K: expected the principal point in its last row (DANNCE) or "
                f"last column (OpenCV) and zeros in the other; {fault_of(self.K) or 'it has no principal point'}"
            )
        return row

    def upright_k(self) -> Matrix3:
        """K with the principal point in its last column, in the file's own pixel base."""
        return np.ascontiguousarray(self.K.T if self.k_transposed() else self.K)

    def camera(self, r_transposed: bool) -> Camera | None:
        """A camera in the file's own pixel base, to test one reading of r; None where it is no rotation at all."""
        R = self.r.T if r_transposed else self.r
        try:
            return Camera.from_matrices(self.upright_k(), R, self.t, _ANY_SIZE, self.lens, self.name)
        except CalibrationError:
            return None


def params_files(folder: Path) -> dict[str, Path]:
    """Camera name -> params file of a folder: `hires_cam1_params.mat` is Camera1, `..cam_CameraE_..` is CameraE."""
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir(), key=_in_numeric_order):
        match = _PARAMS.match(file.name)
        if match is None or file.name.startswith("."):
            continue
        token = match["token"]
        name = f"Camera{token}" if token.isdigit() or match["era"] else token
        if name in found:
            raise CalibrationError(
                f"{folder}: two calibrations for {name}: {found[name].name} and {file.name}; keep one of them there"
            )
        found[name] = file
    return found


def folder_cameras(folder: Path) -> list[RawCamera]:
    """The params files of a folder, by camera name (numbers in numeric order)."""
    files = params_files(folder)
    if not files:
        raise CalibrationError(
            f"{folder}: expected DANNCE files such as hires_cam1_params.mat or cam1_params.mat, found none"
        )
    return [RawCamera.from_fields(name, file, load_mat(file)) for name, file in files.items()]


def json_cameras(path: Path) -> tuple[RigCamera, ...]:
    """Cameras of newsdannce's `calibration.json`: OpenCV convention throughout."""
    try:
        content: dict[str, Any] = json_of(content_of(path))
        entries = content["camera_params"]
        names = content.get("camera_names") or [f"Camera{i + 1}" for i in range(len(entries))]
        return tuple(_json_camera(path, str(name), entry) for name, entry in zip(names, entries, strict=True))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CalibrationError(
            f"{path}: expected newsdannce's calibration.json with camera_params (camera_matrix, r_distort, t_distort, "
            f"rotation_matrix, translation_vector) and as many camera_names: {type(error).__name__}: {error}"
        ) from None


def _json_camera(path: Path, name: str, entry: dict[str, Any]) -> RigCamera:
    radial, tangential = (numbers(entry[key], name=key).ravel().tolist() for key in ("r_distort", "t_distort"))
    where = f"camera {name!r} ({path})"
    K, R, t = matrices(where, entry["camera_matrix"], entry["rotation_matrix"], entry["translation_vector"])
    return RigCamera(name, path, shifted(K, ZERO_BASED), R, t, brown_conrady(radial, tangential))


def _in_numeric_order(file: Path) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", file.name)]


def cameras_of(path: Path) -> list[RawCamera]:
    """Cameras of a `*_dannce.mat`: `params` (cell of structs), bound to `camnames` by position, as Label3D does."""
    content = load_mat(path)
    if "params" not in content:
        raise CalibrationError(f"{path}: expected a variable 'params' (Label3D, DANNCE), got {', '.join(content)}")
    cells = np.ravel(content["params"])
    names = camera_names(content, len(cells))
    if len(names) != len(cells):
        raise CalibrationError(f"{path}: {len(names)} camnames but {len(cells)} params; expected as many")
    out: list[RawCamera] = []
    for name, cell in zip(names, cells, strict=True):
        try:
            fields = struct_fields(cell)
        except ValueError as error:
            raise CalibrationError(f"camera {name!r} ({path}): params: {error}") from None
        out.append(RawCamera.from_fields(name, path, fields))
    return out


def camera_names(content: Mapping[str, Any], count: int) -> list[str]:
    """`camnames` of a *_dannce.mat, or Camera1 .. CameraN where it has none."""
    if "camnames" not in content:
        return [f"Camera{i + 1}" for i in range(count)]
    cells = [np.ravel(cell) for cell in np.ravel(content["camnames"])]
    return [str(cell[0]).strip() if len(cell) else "" for cell in cells]


def sync_rows(path: Path) -> tuple[dict[str, Int64[Array, " t"]], str | None]:
    """Each camera's image at each instant, by `sync` of a *_dannce.mat (row k of all `data_frame` is one instant).

    With it, in words, why it is not used; both empty where there is no sync.
    """
    content = load_mat(path)
    cells = np.ravel(content.get("sync", []))
    names = camera_names(content, len(cells))
    try:
        frames = [np.ravel(struct_fields(cell)["data_frame"]) for cell in cells]
        rows = [np.array(whole_numbers(row, least=-(1 << 31)), dtype=np.int64) for row in frames]
    except (ValueError, KeyError, TypeError) as error:
        return {}, f"{path.name}: sync cannot be read ({error}): frames of one number are taken for one instant"
    if not rows or not rows[0].size or len(names) != len(rows):
        return {}, None
    if len({len(row) for row in rows}) > 1:
        return {}, f"{path.name}: sync lists other numbers of frames for each camera: it is not applied"
    return dict(zip(names, rows, strict=True)), None


def load_mat(path: Path, only: Collection[str] | None = None) -> dict[str, Any]:
    """Variables of a .mat file; of one of version 7.3 (HDF5), those in `only`. CalibrationError: not there, damaged."""
    if is_hdf5(path):
        return variables73_of(path, only)
    try:
        return variables_of(content_of(path, MAT_BYTES))
    except ValueError as error:
        raise CalibrationError(f"{path}: not a readable .mat file (damaged or truncated?): {error}") from None


def struct_fields(value: Any) -> dict[str, Any]:
    """Fields of a 1x1 MATLAB struct as `load_mat` returns it. ValueError where it is something else."""
    if not isinstance(value, np.ndarray) or value.dtype.names is None or value.size != 1:
        raise ValueError(f"expected a 1x1 struct, got {type(value).__name__} {getattr(value, 'shape', '')}")
    record = value.reshape(-1)[0]
    return {name: record[name] for name in value.dtype.names}
