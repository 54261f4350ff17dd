"""What every rig reader returns: cameras in this project's conventions, image sizes where the format has them.

Conversions to pixel centres at +0.5 and to w2c column form are done in the reader, once.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Collection, Sequence
from dataclasses import astuple, dataclass, replace
from functools import wraps
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.array_types import Matrix3, Vector3, frozen
from mouselift.calibration.intrinsics import fault_of
from mouselift.errors import CalibrationError
from mouselift.foreign import first_few, json_of, numbers, repeated, short, whole_numbers
from mouselift.geometry.camera import ZERO_BASED, Camera
from mouselift.geometry.lens import BrownConrady, Fisheye, Lens, Pinhole
from mouselift.geometry.similarity import nearest_rotation, rotation_error
from mouselift.limits import CALIBRATION_BYTES, IMAGE_SIDE, limited_bytes

_EXACT_ROTATION = 1e-6  # what core accepts as it stands
_ROUNDED_ROTATION = 1e-4  # a rotation written with five digits or fewer is not trusted
_SAME_POSE = 1e-9  # relative: two cameras measured apart never agree to this


@dataclass(frozen=True, eq=False)
class RigCamera:
    """One camera of a rig file. `K` in this project's pixel convention; the world's unit is the file's."""

    name: str
    source: Path  # the file it came from, for messages
    K: Matrix3
    R_cam_world: Matrix3
    t_cam_world: Vector3
    lens: Lens
    size: tuple[int, int] | None = None  # width, height as calibrated; None: the format does not say
    crop_offset: tuple[int, int] | None = None  # of the recorded image on the calibrated sensor, where the format says
    crop_size: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()  # what was decided on the way, in words

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "K", frozen(self.K, (3, 3), "K"))
            object.__setattr__(self, "t_cam_world", frozen(self.t_cam_world, (3,), "translation"))
            self._check_intrinsics()
            R, note = mended_rotation(self.R_cam_world)
        except ValueError as error:
            raise CalibrationError(f"{self}: {error}") from None
        object.__setattr__(self, "R_cam_world", frozen(R, (3, 3), "rotation"))
        if note:
            object.__setattr__(self, "notes", (*self.notes, f"{self.name}: {note}"))

    def __str__(self) -> str:
        return f"camera {self.name!r} ({self.source})"

    def _check_intrinsics(self) -> None:
        for label, values in (
            ("K", self.K),
            ("translation", self.t_cam_world),
            ("lens", np.array(astuple(self.lens), dtype=np.float64)),
        ):
            if not np.isfinite(values).all():
                raise ValueError(f"{label} holds NaN or infinity: {values.tolist()}; expected finite numbers")
        if (fault := fault_of(self.K)) is not None:
            raise ValueError(fault)
        if self.K[0, 0] <= 0 or self.K[1, 1] <= 0:
            raise ValueError(f"expected positive focal lengths, got fx = {self.K[0, 0]:g}, fy = {self.K[1, 1]:g}")

    def camera(self, size: tuple[int, int]) -> Camera:
        """The camera for a calibrated image of `size` (width, height)."""
        try:
            return Camera.from_matrices(self.K, self.R_cam_world, self.t_cam_world, size, self.lens, self.name)
        except CalibrationError as error:
            raise CalibrationError(f"{self.source}: {error}") from None


@dataclass(frozen=True, eq=False)
class Rig:
    """The cameras of a rig file. `evidence`: what was found and decided, in words; `assumed`: what nothing decided."""

    file: Path
    format: str
    cameras: tuple[RigCamera, ...]
    evidence: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [camera.name for camera in self.cameras]
        twice = sorted(repeated(names))
        if twice:
            raise CalibrationError(f"{self.file}: expected one camera a name, got several called {first_few(twice, 4)}")
        notes = tuple(note for camera in self.cameras for note in camera.notes)
        object.__setattr__(self, "evidence", (*self.evidence, *notes))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(camera.name for camera in self.cameras)

    def __getitem__(self, name: str) -> RigCamera:
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise CalibrationError(f"{self.file}: no camera {name!r}; the rig has {', '.join(self.names)}")

    def without(self, names: Collection[str]) -> Rig:
        """The rig less the cameras that are not to be used."""
        kept = tuple(replace(camera, notes=()) for camera in self.cameras if camera.name not in names)
        return replace(self, cameras=kept)

    def check_distinct(self) -> None:
        """CalibrationError where two cameras have one and the same pose: one is a copy of the other."""
        for a, b in combinations(self.cameras, 2):
            reach = max(float(np.linalg.norm(a.t_cam_world)), float(np.linalg.norm(b.t_cam_world)), 1e-300)
            shift = float(np.linalg.norm(a.t_cam_world - b.t_cam_world))
            turn = float(np.abs(a.R_cam_world - b.R_cam_world).max())
            if shift <= _SAME_POSE * reach and turn <= _SAME_POSE:
                raise CalibrationError(
                    f"{self.file}: cameras {a.name!r} and {b.name!r} have one and the same calibration (identical "
                    "pose); expected every camera at its own place. One of them was copied over: calibrate it "
                    f"again, or work without the wrong one: `mouselift init FOLDER --unused {a.name}` (or "
                    f'{b.name}), or [rig] unused = ["{a.name}"] in capture.toml.'
                )


@dataclass(frozen=True)
class RigFormat:
    """What the file of a format gives to the registry."""

    read: Callable[[Path, str | None], Rig]  # file or folder, variant
    find: Callable[[Path], list[Path]]  # the rigs of this format that lie in a folder, not below it
    names: tuple[str, ...]  # patterns of its files' names
    z_up: bool = False  # its writers put the floor at z = 0 and measure in mm; other formats' worlds are arbitrary
    holds: Callable[[Path], bool] | None = None  # whether a file is of this format, by its content; None: by its name
    unit: str | None = None  # of its files, "unknown" where their scale is arbitrary; None: they do not say


def matrices(where: str, K: Any, R: Any, t: Any) -> tuple[Matrix3, Matrix3, Vector3]:
    """K, R, t of a file as float64 in their shapes (t from a row or column). CalibrationError names `where`."""
    try:
        out = [numbers(value, name=key) for key, value in (("K", K), ("rotation", R), ("translation", t))]
    except ValueError as error:
        raise CalibrationError(f"{where}: {error}") from None
    for key, value, shape in zip("KR", out[:2], [(3, 3), (3, 3)], strict=True):
        if value.shape != shape:
            raise CalibrationError(f"{where}: {key}: expected shape {shape}, got {value.shape}")
    if out[2].size != 3:
        raise CalibrationError(f"{where}: translation: expected 3 numbers, got shape {out[2].shape}")
    return out[0], out[1], out[2].ravel()


def brown_conrady(radial: Sequence[float], tangential: Sequence[float]) -> Lens:
    """Lens of k1, k2[, k3] and p1, p2; `Pinhole` where all are zero. ValueError for other lengths."""
    if len(radial) not in (2, 3) or len(tangential) != 2:
        raise ValueError(
            f"lens: expected 2 or 3 radial (k1 k2 [k3]) and 2 tangential (p1 p2) coefficients, "
            f"got {len(radial)} and {len(tangential)}"
        )
    return opencv_lens([*radial[:2], *tangential, *radial[2:]])


def opencv_lens(coefficients: Sequence[float], fisheye: bool = False) -> Lens:
    """Lens of OpenCV's coefficient vector: k1 k2 p1 p2 [k3 [k4 k5 k6]], or fisheye k1 k2 k3 k4.

    ValueError for other lengths; the thin-prism and tilted models (12, 14 coefficients) are not supported.
    """
    values = numbers(coefficients, (None,), "lens").tolist() if len(coefficients) else []
    if fisheye:
        if len(values) != 4:
            raise ValueError(f"fisheye lens: expected 4 coefficients (k1 k2 k3 k4), got {len(values)}: {values}")
        return Fisheye(*values)
    if len(values) in (12, 14) and not any(values[8:]):
        values = values[:8]
    if len(values) not in (0, 4, 5, 8):
        raise ValueError(
            f"lens: expected 0, 4, 5 or 8 coefficients (k1 k2 p1 p2 [k3 [k4 k5 k6]]), got {len(values)}: {values}"
        )
    return BrownConrady(*values) if any(values) else Pinhole()


def opencv_camera(
    path: Path,
    name: str,
    K: Any,
    R: Any,
    t: Any,
    lens: tuple[str, Any],
    size: tuple[str, Any] | None,
    fisheye: bool = False,
) -> RigCamera:
    """A camera as OpenCV's functions take it: 0-based, R (or Rodrigues' vector) and t from the world to the camera.

    lens, size: what the file calls the coefficients and the width and height, and their values. CalibrationError names
    the camera, the file and what was expected.
    """
    where = f"camera {name!r} ({path})"
    try:
        made = opencv_lens(numbers(lens[1], name=lens[0]).ravel().tolist(), fisheye)
        pixels = None if size is None else image_size(size[1], size[0])
        R = numbers(R, name="rotation")
        if R.size not in (3, 9):
            raise ValueError(f"rotation: expected 3 finite numbers (Rodrigues) or 3 x 3, got {short(R.tolist())}")
        R = unrolled(R)
    except ValueError as error:
        raise CalibrationError(f"{where}: {error}") from None
    K, R, t = matrices(where, K, R, t)
    return RigCamera(name, path, shifted(K, ZERO_BASED), R, t, made, pixels)


def shifted(K: Matrix3, offset: float) -> Matrix3:
    """K with `offset` (ONE_BASED or ZERO_BASED) added to the principal point.

    A transposed K stays as it is: RigCamera refuses it, with the numbers as they stand in the file.
    """
    out = np.array(K, dtype=np.float64)
    if not out[2, :2].any():
        out[:2, 2] += offset
    return out


def mended_rotation(matrix: np.ndarray) -> tuple[np.ndarray, str | None]:
    """(a rotation, what was done to it). A rounded one is replaced by the nearest rotation; ValueError for worse."""
    R = np.array(matrix, dtype=np.float64)
    if R.shape != (3, 3):
        raise ValueError(f"rotation: expected shape (3, 3), got {R.shape}")
    if not np.isfinite(R).all():
        raise ValueError(f"rotation holds NaN or infinity: {R.tolist()}; expected finite numbers")
    det, error = rotation_error(R)
    if det < 0 or error > _ROUNDED_ROTATION:
        mirrored = "A mirrored view? Undo the flip of image and calibration."
        raise ValueError(
            f"rotation is not orthonormal with det +1 (det = {det:.3f}, |R R^T - 1| = {error:.2g}, expected below "
            f"{_ROUNDED_ROTATION:g}). {mirrored if det < 0 else 'Is it written with too few digits, or scaled?'}"
        )
    if error <= _EXACT_ROTATION:
        return R, None
    note = f"rotation was off orthonormal by {error:.1g} (rounded in the file); the nearest rotation is used"
    return nearest_rotation(R), note


def content_of(path: Path, most: int = CALIBRATION_BYTES) -> bytes:
    """A rig file's bytes, without the mark that Windows puts before UTF-8.

    CalibrationError where it cannot be read, is no file, or has more than `most` bytes.
    """
    try:
        return limited_bytes(path, most).removeprefix(codecs.BOM_UTF8)
    except (OSError, ValueError) as error:
        raise CalibrationError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def json_object(path: Path) -> dict[str, Any]:
    """A rig file that is one JSON object. CalibrationError where it is none."""
    try:
        content = json_of(content_of(path))
    except ValueError as error:
        raise CalibrationError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise CalibrationError(f"{path}: expected a JSON object, got {short(content)}")
    return content


def by_content(holds: Callable[[Path], bool]) -> Callable[[Path], bool]:
    """`RigFormat.holds` of a test that reads the file: one that cannot be read is none (its reader says why)."""

    @wraps(holds)
    def told(file: Path) -> bool:
        try:
            return holds(file)
        except CalibrationError:
            return False

    return told


def image_size(value: Any, name: str) -> tuple[int, int]:
    """Width and height in pixels. ValueError for other numbers, or another count of them."""
    size = whole_numbers(value, 1, IMAGE_SIDE, name)
    if len(size) != 2:
        raise ValueError(f"{name}: expected width and height, got {short(size)}")
    return size[0], size[1]


def unrolled(R: np.ndarray) -> np.ndarray:
    """A rotation written as a Rodrigues vector of three numbers, as a matrix; any other as it is.

    ValueError for more than a full turn: programs write radians up to half a turn, so these are degrees.
    """
    if R.size != 3:
        return R
    angle = float(np.linalg.norm(R))
    if angle > 2 * np.pi:
        raise ValueError(
            f"rotation {short(R.ravel().tolist())}: turns by {angle:.4g}, more than a full turn: degrees? Expected a "
            "Rodrigues vector in radians"
        )
    import cv2  # readers of FaceLift's own files do without

    return np.asarray(cv2.Rodrigues(R.ravel())[0])


def no_variant(path: Path, rig_format: str, variant: str | None) -> None:
    """For the formats that have one convention only."""
    if variant is not None:
        raise CalibrationError(f"{path}: format {rig_format} has no variants, got variant = {variant!r}; leave it out")
