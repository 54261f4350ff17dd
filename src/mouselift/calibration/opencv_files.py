"""Cameras in OpenCV's FileStorage files (YAML, JSON, XML), by the names that common tools give to the matrices.

* a file a camera, named by the file: intrinsics and a pose;
* a stereo pair, as OpenCV's sample writes it: M1 D1 M2 D2, and R T from the first camera to the second;
* all cameras in one file, as OpenCV's ccalib writes it: camera_matrix_0, camera_distortion_0, camera_pose_0, ...

Principal points are 0-based. Which way a pose goes is known of `rc_ext`, `tc_ext` (laserCalib, red), of `rvec`, `tvec`
(what solvePnP and calibrateCamera return) and of OpenPose's CameraMatrix: world to camera. Of all others it is not,
and is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.atomic import matching, visible
from mouselift.calibration.opencv_storage import SUFFIXES, is_storage, storage_of
from mouselift.calibration.rig import Rig, RigCamera, RigFormat, opencv_camera, unrolled
from mouselift.errors import CalibrationError
from mouselift.foreign import first_few

_K = ("camera_matrix", "cameraMatrix", "Camera_Matrix", "intrinsic_matrix", "Intrinsics", "K", "mtx")
_LENS = (
    "distortion_coefficients", "distortionCoefficients", "Distortion_Coefficients", "dist_coeffs", "distCoeffs",
    "Distortion", "dist", "D",
)  # fmt: skip
_KNOWN = (("rc_ext", "tc_ext"), ("rvec", "tvec"))
_POSE_4X4 = "CameraMatrix"  # OpenPose's 3x4, world to camera
_UNKNOWN = (
    ("R", "T"), ("R", "t"), ("rotation", "translation"), ("rotation_matrix", "translation_vector"),
    ("rotationMatrix", "translationVector"),
)  # fmt: skip
_UNKNOWN_4X4 = ("extrinsic_matrix", "extrinsics", "extrinsicMatrix", "pose", "camera_pose")
_SIZES = (("image_width", "image_height"), ("image_Width", "image_Height"), ("width", "height"))
_MODELS = ("distortion_model", "distortion_type", "lens_model", "camera_model", "model")
_FISHEYE = {"fisheye", "opencv_fisheye", "equidistant", "equi", "kannala_brandt", "kannala-brandt", "kb4"}
_PLAIN = {
    "plumb_bob", "radtan", "radial-tangential", "brown", "brown_conrady", "opencv", "standard", "rational",
    "rational_polynomial", "pinhole", "perspective", "none",
}  # fmt: skip
_DIRECTIONS = ("world-to-camera", "camera-to-world")
_NUMBERED = re.compile(r"^camera_matrix_(\w+)$")
_NAMED = 4  # files that a line names
_STEREO = ("M1", "D1", "M2", "D2")

Pose = tuple[np.ndarray, np.ndarray]


def read_opencv(path: Path, variant: str | None = None) -> Rig:
    """Rig of a folder of such files, or of one of them. `variant`: the direction of poses, where names do not say."""
    if variant not in (None, *_DIRECTIONS):
        raise CalibrationError(f"{path}: variant {variant!r} is unknown; expected one of {', '.join(_DIRECTIONS)}")
    whole, said = _folder(path) if path.is_dir() else ({path: storage_of(path)}, ())
    if not whole:
        found = ", ".join(("none", *said))
        raise CalibrationError(
            f"{path}: expected files of OpenCV's FileStorage with {', '.join(_K[:3])} ... and a pose, found {found}"
        )
    if len(whole) == 1:
        ((file, nodes),) = whole.items()
        if set(_STEREO) <= set(nodes):
            return _stereo(file, nodes, said)
        if any(_NUMBERED.match(name) for name in nodes):
            return _numbered(file, nodes, variant, said)
    cameras = [_camera(file, file.stem, nodes, variant) for file, nodes in whole.items()]
    return Rig(path, "opencv", tuple(cameras), (*_said(variant), *said))


def _said(variant: str | None) -> tuple[str, ...]:
    return () if variant is None else (f"poses are read as {variant}, as asked, where their names do not say",)


def _camera(file: Path, name: str, nodes: Mapping[str, Any], variant: str | None) -> RigCamera:
    where = f"camera {name!r} ({file})"
    K = _one_of(where, nodes, _K, "an intrinsic matrix")
    lens = _one_of(where, nodes, _LENS, "lens coefficients")
    return _rig_camera(file, name, K, lens, _pose(where, nodes, variant), nodes)


def _rig_camera(
    file: Path, name: str, K: np.ndarray, lens: np.ndarray, pose: Pose, nodes: Mapping[str, Any]
) -> RigCamera:
    fisheye = _is_fisheye(f"camera {name!r} ({file})", nodes)
    return opencv_camera(file, name, K, *pose, ("lens coefficients", lens), _size(nodes), fisheye)


def _is_fisheye(where: str, nodes: Mapping[str, Any]) -> bool:
    """What the file calls its lens. CalibrationError for a word that is neither of OpenCV's two."""
    fisheye = str(nodes.get("fisheye_model", 0)) not in ("0", "0.")
    for key in _MODELS:
        word = nodes.get(key)
        if not isinstance(word, str):
            continue
        if word.lower() not in _FISHEYE | _PLAIN:
            raise CalibrationError(
                f"{where}: {key}: {word!r} is not a lens that is read; expected plumb_bob, rational_polynomial or "
                "fisheye (equidistant), as OpenCV has them"
            )
        fisheye = fisheye or word.lower() in _FISHEYE
    return fisheye


def _one_of(where: str, nodes: Mapping[str, Any], names: tuple[str, ...], what: str) -> np.ndarray:
    found = [name for name in names if isinstance(nodes.get(name), np.ndarray)]
    if len(found) != 1:
        got = ", ".join(found) or f"none among {', '.join(nodes)}"
        raise CalibrationError(f"{where}: expected {what} called one of {', '.join(names)}, found {got}")
    return nodes[found[0]]


def _size(nodes: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Width and height, and what they are called."""
    for width, height in _SIZES:
        if width in nodes and height in nodes:
            values = [nodes[key] for key in (width, height)]
            with suppress(ValueError):  # in XML numbers are text; text that is no number is refused as a size
                values = [float(v) if isinstance(v, str) else v for v in values]
            return f"{width}, {height}", values
    return None


def _pose(where: str, nodes: Mapping[str, Any], variant: str | None) -> Pose:
    """World to camera. CalibrationError: none, several, or one whose direction is to be asked for."""
    arrays = {name for name, node in nodes.items() if isinstance(node, np.ndarray)}
    known = [pair for pair in _KNOWN if set(pair) <= arrays]
    if _POSE_4X4 in arrays and "Intrinsics" in arrays:
        known.append((_POSE_4X4, _POSE_4X4))
    unknown = [pair for pair in _UNKNOWN if set(pair) <= arrays]
    unknown += [(name, name) for name in _UNKNOWN_4X4 if name in arrays]
    if len(known) + len(unknown) != 1:
        names = ", ".join(sorted({name for pair in [*known, *unknown] for name in pair})) or "none"
        raise CalibrationError(
            f"{where}: expected one pose (rc_ext and tc_ext, rvec and tvec, R and T, extrinsic_matrix), found {names} "
            f"among {', '.join(nodes)}"
        )
    (pair,) = known or unknown
    R, t = _parts(where, nodes, pair)
    if unknown:
        if variant is None:
            said = " and ".join(dict.fromkeys(pair))
            raise CalibrationError(
                f"{where}: {said} can mean world to camera, as in OpenCV, or the camera's place in the world; nothing "
                'in the file says which. Say [rig] variant = "world-to-camera" or "camera-to-world" (or --variant). A '
                "point whose pixel is known decides: the right one projects it there."
            )
        if variant == "camera-to-world":
            return R.T.copy(), -R.T @ t
    return R, t


def _parts(where: str, nodes: Mapping[str, Any], pair: tuple[str, str]) -> Pose:
    """Rotation and translation of two nodes, or of one of three or four rows."""
    if pair[0] == pair[1]:
        T = nodes[pair[0]]
        if T.shape not in ((3, 4), (4, 4)) or (len(T) == 4 and not np.array_equal(T[3], [0, 0, 0, 1])):
            raise CalibrationError(
                f"{where}: {pair[0]}: expected 3x4 or 4x4 with the last row 0 0 0 1, got {T.tolist()}"
            )
        return T[:3, :3], T[:3, 3]
    try:
        R, t = unrolled(nodes[pair[0]]), nodes[pair[1]].ravel()
    except ValueError as error:
        raise CalibrationError(f"{where}: {pair[0]}: {error}") from None
    if R.shape != (3, 3) or t.size != 3:
        raise CalibrationError(
            f"{where}: {pair[0]}, {pair[1]}: expected 3x3 (or 3) and 3 numbers, got {R.shape}, {t.size}"
        )
    return R, t


def _stereo(file: Path, nodes: Mapping[str, Any], said: tuple[str, ...]) -> Rig:
    """R and T may lie in extrinsics.* beside. The world is the first camera's."""
    for beside in [None, *(p for p in matching(file.parent, "extrinsics.*") if p != file and is_storage(p))]:
        found = nodes if beside is None else storage_of(beside)
        if isinstance(found.get("R"), np.ndarray) and isinstance(found.get("T"), np.ndarray):
            break
    else:
        raise CalibrationError(
            f"{file}: a stereo pair (M1, M2) without R and T; expected them here or in extrinsics.yml"
        )
    second = _parts(str(file), found, ("R", "T"))
    first = np.eye(3), np.zeros(3)
    cameras = [
        _rig_camera(file, name, nodes[f"M{i}"], nodes[f"D{i}"], pose, nodes)
        for i, name, pose in ((1, "left", first), (2, "right", second))
    ]
    return Rig(file, "opencv", tuple(cameras), said, ("M1 is the camera called left, M2 the one called right",))


def _numbered(file: Path, nodes: Mapping[str, Any], variant: str | None, said: tuple[str, ...]) -> Rig:
    cameras: list[RigCamera] = []
    for name in nodes:
        if (match := _NUMBERED.match(name)) is None:
            continue
        index = match[1]
        where = f"camera {index!r} ({file})"
        if f"xi_{index}" in nodes:
            raise CalibrationError(
                f"{where}: xi_{index}: the omnidirectional model is not supported; use a pinhole one"
            )
        lens = _one_of(where, nodes, (f"camera_distortion_{index}", f"distortion_coefficients_{index}"), "a lens")
        renamed = {"camera_pose": nodes.get(f"camera_pose_{index}")}
        cameras.append(_rig_camera(file, f"camera{index}", nodes[name], lens, _pose(where, renamed, variant), nodes))
    return Rig(file, "opencv", tuple(cameras), (*_said(variant), *said))


def _folder(folder: Path) -> tuple[dict[Path, dict[str, Any]], tuple[str, ...]]:
    """(nodes of each file with intrinsics and a pose, what was left out, in a line); JARVIS's and EasyMocap's files
    carry other names."""
    found: dict[Path, dict[str, Any]] = {}
    left_out: list[str] = []
    for file in visible(folder.iterdir()):
        if not is_storage(file):
            continue
        try:
            nodes = storage_of(file)
        except CalibrationError as error:
            left_out.append(str(error))
            continue
        if _is_camera(nodes, pose=True):
            found[file] = nodes
        elif _is_camera(nodes, pose=False):
            left_out.append(f"{file}: intrinsics without a pose")
    return found, (f"left out: {first_few(left_out, _NAMED)}",) if left_out else ()


def _is_camera(nodes: Collection[str], pose: bool) -> bool:
    names = set(nodes)
    if "intrinsicMatrix" in names:
        return False  # JARVIS
    if set(_STEREO) <= names or any(_NUMBERED.match(name) for name in names):
        return True
    poses = [*_KNOWN, *_UNKNOWN, *((name, name) for name in (_POSE_4X4, *_UNKNOWN_4X4))]
    return bool(names & set(_K)) and (not pose or any(set(pair) <= names for pair in poses))


def find_opencv(folder: Path) -> list[Path]:
    """The folder of a file a camera, or the one file with all."""
    files, left_out = _folder(folder)
    return list(files) if len(files) == 1 and not left_out else [folder] if files else []


def holds_opencv(file: Path) -> bool:
    """Also where it cannot be read: its reader says what is wrong with it."""
    try:
        return is_storage(file) and _is_camera(storage_of(file), pose=False)
    except CalibrationError:
        return True


FORMAT = RigFormat(read_opencv, find_opencv, tuple(f"*{suffix}" for suffix in SUFFIXES), holds=holds_opencv)
