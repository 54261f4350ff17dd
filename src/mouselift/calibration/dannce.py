"""DANNCE, sDANNCE and Label3D rigs: a folder of `*cam*_params.mat`, a `*_dannce.mat`, or `calibration.json`.

Documented layout ("dannce"): K transposed with a 1-based principal point, r = R^T (row vectors), t in world units,
RDistort = k1 k2 [k3], TDistort = p1 p2. Other writers use the same file names with other contents (`VARIANTS`). What
the files cannot tell is decided by evidence, and said: labels, centres of mass, and the calibration.json that some
writers add. Each proof compares both readings of r. A distance between optical axes is reported as a hint and decides
nothing: on real rigs it points the wrong way one time in three.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.array_types import Matrix3, Vector3
from mouselift.atomic import visible
from mouselift.calibration.rig import Rig, RigCamera, RigFormat, brown_conrady, matrices, shifted
from mouselift.calibration.safe_pickle import load_pickle
from mouselift.errors import CalibrationError, LensFoldError
from mouselift.geometry.camera import ONE_BASED, ZERO_BASED, Camera
from mouselift.geometry.lens import Lens
from mouselift.geometry.triangulation import meeting_point, ray_distances, triangulate

_KEYS = ("K", "r", "t", "RDistort", "TDistort")
_PARAMS = re.compile(r"^(?:.*?_)?cam(?P<era>era)?_?(?P<token>.+)_params\.mat$", re.IGNORECASE)
_ANY_SIZE = (1, 1)  # projecting needs no image size
_GOOD_PX = 10.0  # hand labels and detected centres agree to a few pixels on a sound rig; a wrong r misses by hundreds
_CLEARLY = 3.0  # the other reading must be this many times worse
_MAX_ROWS = 40  # rows of a file that are looked at: enough for a median
_EXACT = 1e-6  # calibration.json holds the same doubles


@dataclass(frozen=True)
class _Variant:
    """How one writer of DANNCE files stores a camera."""

    name: str
    k_transposed: bool
    r_transposed: bool
    one_based: bool

    @property
    def words(self) -> str:
        k, r = ("transposed" if flag else "as it stands" for flag in (self.k_transposed, self.r_transposed))
        return f"{self.name!r} (K {k}, r {r}, {int(self.one_based)}-based principal point)"


VARIANTS = {
    "dannce": _Variant("dannce", k_transposed=True, r_transposed=True, one_based=True),
    "newsdannce-old": _Variant("newsdannce-old", k_transposed=True, r_transposed=False, one_based=False),
    "opencv": _Variant("opencv", k_transposed=False, r_transposed=False, one_based=False),
}


def read_dannce(path: Path, variant: str | None = None) -> Rig:
    """Rig from a folder of params files, a `*_dannce.mat`, or a `calibration.json`; `variant` settles which is meant.

    CalibrationError where a file is malformed, or where the variant stays undecided.
    """
    if variant is not None and variant not in VARIANTS:
        raise CalibrationError(f"{path}: variant {variant!r} is unknown; expected one of {', '.join(VARIANTS)}")
    if path.suffix == ".json":
        words = [f"{path.name}: plain OpenCV convention, as its writer documents"]
        return Rig(path, "dannce", _json_cameras(path), tuple(words))
    raws = _folder_cameras(path) if path.is_dir() else _params_of(path)
    chosen, words = _choose(path, raws, variant)
    return Rig(path, "dannce", tuple(_to_rig_camera(raw, chosen) for raw in raws), tuple(words))


def find_dannce(folder: Path) -> list[Path]:
    """The folder itself where it holds params files, else its calibration.json."""
    if _params_files(folder):
        return [folder]
    file = folder / "calibration.json"
    return [file] if file.is_file() else []


def _choose(path: Path, raws: Sequence[_RawCamera], asked: str | None) -> tuple[_Variant, list[str]]:
    """The variant and the reasons for it."""
    transposed = _k_transposed(raws)
    stored = "K is transposed (principal point in its last row)" if transposed else "K is not transposed"
    proofs = _proofs(path, raws)
    words = [f"{stored}.", *(proof.words for proof in proofs), _axis_hint(raws)]
    verdicts = {proof.verdict for proof in proofs if proof.verdict is not None}
    if asked is not None:
        chosen = VARIANTS[asked]
        if chosen.k_transposed != transposed:
            raise CalibrationError(f"{path}: variant {chosen.words} was asked for, but {stored}")
        against = (not chosen.r_transposed) in verdicts
        warning = ["WARNING: the evidence speaks against the variant that was asked for."] if against else []
        return chosen, [*words, f"Set by [rig] variant: {chosen.words}.", *warning]
    if len(verdicts) > 1:
        raise _undecided(path, words, "the evidence contradicts itself")
    if verdicts:
        r_transposed = verdicts.pop()
        fits = [v for v in VARIANTS.values() if (v.k_transposed, v.r_transposed) == (transposed, r_transposed)]
        if not fits:
            raise _undecided(path, words, "no known writer stores K as it stands and r transposed")
        return fits[0], [*words, f"Decided by that evidence: variant {fits[0].words}."]
    if not transposed:
        raise _undecided(path, words, "several writers leave K as it stands, and nothing tells how they store r")
    chosen = VARIANTS["dannce"]
    return chosen, [*words, f"Assumed for want of evidence, as documented for this layout: variant {chosen.words}."]


def _undecided(path: Path, words: list[str], reason: str) -> CalibrationError:
    return CalibrationError(
        f"{path}: the variant of this DANNCE rig is in doubt: {reason}. {' '.join(words)} "
        'Settle it in capture.toml: [rig] variant = "dannce" (K transposed, r transposed, 1-based), "newsdannce-old" '
        '(K transposed, r not, 0-based) or "opencv" (neither, 0-based); or put labels (*_dannce.mat) or centres of '
        "mass (com/*.pickle) beside the rig."
    )


def _k_transposed(raws: Sequence[_RawCamera]) -> bool:
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


@dataclass(frozen=True)
class _Proof:
    """What one file says. `verdict`: r is transposed; None: it does not say."""

    words: str
    verdict: bool | None


def _proofs(path: Path, raws: Sequence[_RawCamera]) -> list[_Proof]:
    """All within reach: calibration.json in the rig's folder, *_dannce.mat and com/*.pickle there or one above."""
    folders = [path, path.parent] if path.is_dir() else [path.parent]
    labels = [file for folder in folders for file in visible(folder.glob("*_dannce.mat"))]
    if path.is_file():
        labels = [path, *(file for file in labels if file != path)]
    pickles = [
        file for folder in folders for name in ("com", "COM") for file in sorted((folder / name).glob("*.pickle"))
    ]
    file = folders[0] / "calibration.json"
    exact = {camera.name: camera for camera in _json_cameras(file)} if file.is_file() else {}
    return [
        *([_proof_of_json(raws, exact)] if exact else []),
        *(_proof(file, raws, _label_residual) for file in labels),
        *(_proof(file, raws, _com_residual) for file in pickles),
    ]


def _axis_hint(raws: Sequence[_RawCamera]) -> str:
    """Mean distance of the optical axes from the point nearest to them, for both readings of r."""
    parts: list[str] = []
    for r_transposed in (True, False):
        cameras = [raw.camera(r_transposed) for raw in raws]
        if len(cameras) < 2 or any(camera is None for camera in cameras):
            return "Optical axes: no hint."
        origins = np.stack([camera.centre for camera in cameras if camera is not None])
        axes = np.stack([camera.R_cam_world[2] for camera in cameras if camera is not None])
        try:
            distance = float(ray_distances(meeting_point(origins, axes), origins, axes).mean())
        except ValueError:
            return "Optical axes: parallel, no hint."
        parts.append(f"{distance:.0f} with r {'transposed' if r_transposed else 'as it stands'}")
    return f"Optical axes miss their common point by {', '.join(parts)} (world units; a hint only)."


def _proof(
    file: Path, raws: Sequence[_RawCamera], measure: Callable[[Path, Mapping[str, Camera | None]], float]
) -> _Proof:
    """One file's proof; a file that cannot serve is named with its reason, and decides nothing."""
    try:
        residuals = {
            r_transposed: measure(file, {raw.name: raw.camera(r_transposed) for raw in raws})
            for r_transposed in (True, False)
        }
    except (CalibrationError, ValueError) as error:
        return _Proof(f"{file.name} was of no use as evidence: {error}.", None)
    words = (
        f"{file.name}: median reprojection residual {residuals[True]:.3g} px with r transposed, "
        f"{residuals[False]:.3g} px with r as it stands."
    )
    best = min(residuals, key=residuals.__getitem__)
    clear = residuals[best] < _GOOD_PX and residuals[not best] > _CLEARLY * residuals[best] + 1.0
    return _Proof(words, best if clear else None)


def _label_residual(file: Path, cameras: Mapping[str, Camera | None]) -> float:
    """Median |project(data_3d) - data_2d| over all labelled points, in the file's own pixel base."""
    content = _load_mat(file)
    if "labelData" not in content:
        raise ValueError("it holds no labelData")
    cells = np.ravel(content["labelData"])
    distances: list[np.ndarray] = []
    for name, cell in zip(_camera_names(content, len(cells)), cells, strict=True):
        camera = cameras.get(name)
        if name not in cameras:
            continue
        if camera is None:
            return float("inf")
        fields = _struct_fields(cell)
        seen = np.asarray(fields["data_2d"], dtype=np.float64)[:_MAX_ROWS].reshape(-1, 2)
        world = np.asarray(fields["data_3d"], dtype=np.float64)[:_MAX_ROWS].reshape(-1, 3)
        known = np.isfinite(seen).all(axis=1) & np.isfinite(world).all(axis=1) & (world != 0).any(axis=1)
        projected = camera.project(world[known])
        distances.append(np.linalg.norm(projected - seen[known], axis=1))
    if not distances or not sum(len(d) for d in distances):
        raise ValueError(f"it labels none of the cameras {', '.join(cameras)}")
    return float(np.median(np.nan_to_num(np.concatenate(distances), nan=np.inf)))


def _com_residual(file: Path, cameras: Mapping[str, Camera | None]) -> float:
    """Median reprojection residual of the point where the rays through the detected centres meet."""
    known = {name: camera for name, camera in cameras.items() if camera is not None}
    if len(known) < len(cameras):
        return float("inf")
    content = load_pickle(file)
    if not isinstance(content, dict):
        raise ValueError("expected a dict of samples")
    residuals: list[np.ndarray] = []
    for sample in list(content.values())[:_MAX_ROWS]:
        names = [name for name in known if isinstance(sample, dict) and name in sample]
        views = [known[name] for name in names]
        if len(views) < 3:
            continue
        pixels = np.array([np.ravel(sample[name]["COM"]) for name in names], dtype=np.float64)
        if np.isfinite(pixels).all():
            residuals.append(_meeting_residual(views, pixels))
    if not residuals:
        raise ValueError(f"it has no sample with three of the cameras {', '.join(cameras)}")
    return float(np.median(np.concatenate(residuals)))


def _meeting_residual(views: Sequence[Camera], pixels: np.ndarray) -> np.ndarray:
    try:
        residual = triangulate(views, pixels).residual_px(views, pixels)
    except (LensFoldError, ValueError):
        return np.full(len(views), np.inf)
    return np.nan_to_num(residual, nan=np.inf)


def _proof_of_json(raws: Sequence[_RawCamera], exact: Mapping[str, RigCamera]) -> _Proof:
    """The variants under which every camera equals the one in calibration.json."""
    shared = [raw for raw in raws if raw.name in exact]
    fits = [v for v in VARIANTS.values() if shared and all(_equal(raw, v, exact[raw.name]) for raw in shared)]
    if len(fits) != 1:
        return _Proof("calibration.json beside the rig does not tell the variant.", None)
    return _Proof(
        f"calibration.json beside the rig holds the same cameras if read as {fits[0].words}.", fits[0].r_transposed
    )


def _equal(raw: _RawCamera, variant: _Variant, other: RigCamera) -> bool:
    if raw.k_transposed() != variant.k_transposed:
        return False
    try:
        camera = _to_rig_camera(raw, variant)
    except CalibrationError:
        return False
    pairs = ((camera.K, other.K), (camera.R_cam_world, other.R_cam_world), (camera.t_cam_world, other.t_cam_world))
    return all(np.allclose(a, b, rtol=_EXACT, atol=_EXACT) for a, b in pairs)


@dataclass(frozen=True, eq=False)
class _RawCamera:
    """The fields of one camera: K and r as stored, in float64 (files hold zeros as uint8)."""

    name: str
    source: Path
    K: Matrix3
    r: Matrix3
    t: Vector3
    lens: Lens

    @classmethod
    def from_fields(cls, name: str, source: Path, fields: Mapping[str, Any]) -> _RawCamera:
        """From K, r (or R), t, RDistort, TDistort. CalibrationError names the file and the field."""
        where = f"camera {name!r} ({source})"
        given = {"r": fields["R"], **fields} if "R" in fields else fields
        missing = [key for key in _KEYS if key not in given]
        if missing:
            raise CalibrationError(
                f"{where}: expected {', '.join(_KEYS)}; missing {', '.join(missing)}, got {', '.join(fields)}"
            )
        try:
            values = {key: np.asarray(given[key], dtype=np.float64) for key in _KEYS}
            mirror = np.asarray(given.get("m", 0), dtype=np.float64)
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
        if not np.isfinite(self.K).all() or row == column:
            raise CalibrationError(
                f"camera {self.name!r} ({self.source}): expected K with the principal point in its last row (DANNCE) "
                f"or last column (OpenCV) and zeros in the other, got {self.K.tolist()}"
            )
        return row

    def camera(self, r_transposed: bool) -> Camera | None:
        """A camera in the file's own pixel base, to test one reading of r; None where it is no rotation at all."""
        K = self.K.T if self.k_transposed() else self.K
        R = self.r.T if r_transposed else self.r
        try:
            return Camera.from_matrices(np.ascontiguousarray(K), R, self.t, _ANY_SIZE, self.lens, self.name)
        except CalibrationError:
            return None


def _to_rig_camera(raw: _RawCamera, variant: _Variant) -> RigCamera:
    """The camera in this project's conventions, read as `variant`."""
    K = raw.K.T if variant.k_transposed else raw.K
    R = raw.r.T if variant.r_transposed else raw.r
    offset = ONE_BASED if variant.one_based else ZERO_BASED
    return RigCamera(raw.name, raw.source, shifted(K, offset), np.array(R), raw.t, raw.lens)


def _params_files(folder: Path) -> dict[str, Path]:
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


def _folder_cameras(folder: Path) -> list[_RawCamera]:
    """The params files of a folder, by camera name (numbers in numeric order)."""
    files = _params_files(folder)
    if not files:
        raise CalibrationError(
            f"{folder}: expected DANNCE files such as hires_cam1_params.mat or cam1_params.mat, found none"
        )
    return [_RawCamera.from_fields(name, file, _load_mat(file)) for name, file in files.items()]


def _json_cameras(path: Path) -> tuple[RigCamera, ...]:
    """Cameras of newsdannce's `calibration.json`: OpenCV convention throughout."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8-sig"))
        entries = content["camera_params"]
        names = content.get("camera_names") or [f"Camera{i + 1}" for i in range(len(entries))]
        return tuple(_json_camera(path, str(name), entry) for name, entry in zip(names, entries, strict=True))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CalibrationError(
            f"{path}: expected newsdannce's calibration.json with camera_params (camera_matrix, r_distort, t_distort, "
            f"rotation_matrix, translation_vector) and as many _camera_names: {type(error).__name__}: {error}"
        ) from None


def _json_camera(path: Path, name: str, entry: dict[str, Any]) -> RigCamera:
    radial, tangential = np.ravel(entry["r_distort"]).tolist(), np.ravel(entry["t_distort"]).tolist()
    where = f"camera {name!r} ({path})"
    K, R, t = matrices(where, entry["camera_matrix"], entry["rotation_matrix"], entry["translation_vector"])
    return RigCamera(name, path, shifted(K, ZERO_BASED), R, t, brown_conrady(radial, tangential))


def _in_numeric_order(file: Path) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", file.name)]


def _params_of(path: Path) -> list[_RawCamera]:
    """Cameras of a `*_dannce.mat`: `params` (cell of structs), bound to `camnames` by position, as Label3D does."""
    content = _load_mat(path)
    if "params" not in content:
        raise CalibrationError(f"{path}: expected a variable 'params' (Label3D, DANNCE), got {', '.join(content)}")
    cells = np.ravel(content["params"])
    names = _camera_names(content, len(cells))
    if len(names) != len(cells):
        raise CalibrationError(f"{path}: {len(names)} camnames but {len(cells)} params; expected as many")
    out: list[_RawCamera] = []
    for name, cell in zip(names, cells, strict=True):
        try:
            fields = _struct_fields(cell)
        except ValueError as error:
            raise CalibrationError(f"camera {name!r} ({path}): params: {error}") from None
        out.append(_RawCamera.from_fields(name, path, fields))
    return out


def _camera_names(content: Mapping[str, Any], count: int) -> list[str]:
    """`camnames` of a *_dannce.mat, or Camera1 .. CameraN where it has none."""
    if "camnames" not in content:
        return [f"Camera{i + 1}" for i in range(count)]
    return [str(np.ravel(cell)[0]).strip() for cell in np.ravel(content["camnames"])]


def _load_mat(path: Path) -> dict[str, Any]:
    """Variables of a .mat file (v4 to v7). CalibrationError: not there, v7.3 (HDF5), or damaged."""
    from scipy.io import loadmat  # a quarter of a second that only these rigs need
    from scipy.io.matlab import MatReadError

    try:
        with path.open("rb") as file:
            head = file.read(128)
        if b"MATLAB 7.3" in head or head[:8] == b"\x89HDF\r\n\x1a\n":
            raise CalibrationError(
                f"{path}: this is a version 7.3 (HDF5) .mat file, which mouselift does not read. "
                "In MATLAB: s = load(file); save(file, '-struct', 's', '-v7')"
            )
        return {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
    except OSError as error:
        raise CalibrationError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (MatReadError, ValueError, TypeError, KeyError, IndexError, NotImplementedError, EOFError) as error:
        raise CalibrationError(f"{path}: not a readable .mat file (damaged or truncated?): {error}") from None


def _struct_fields(value: Any) -> dict[str, Any]:
    """Fields of a 1x1 MATLAB struct as loadmat returns it. ValueError where it is something else."""
    if not isinstance(value, np.ndarray) or value.dtype.names is None or value.size != 1:
        raise ValueError(f"expected a 1x1 struct, got {type(value).__name__} {getattr(value, 'shape', '')}")
    record = value.reshape(-1)[0]
    return {name: record[name] for name in value.dtype.names}


FORMAT = RigFormat(read_dannce, find_dannce, ("*.mat", "*.json"), z_up=True)
