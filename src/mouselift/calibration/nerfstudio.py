"""`transforms.json` of nerfstudio and instant-ngp: every frame is a camera of its own.

`transform_matrix` is camera to world with OpenGL's axes (y up, z backwards); pixel centres at +0.5 as here; intrinsics
for all frames, a frame's own before them, as focal lengths or as angles of view in radians. `applied_transform` and
`applied_scale` took the poses from their first world to the file's: they are undone. instant-ngp's `scale`, `offset`
and `aabb_scale` place the scene in its own cube and leave the poses alone. Scale and world are arbitrary.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mouselift.array_types import Matrix3, Matrix4
from mouselift.atomic import visible
from mouselift.calibration.image_names import image_names
from mouselift.calibration.rig import (
    Rig,
    RigCamera,
    RigFormat,
    by_content,
    image_size,
    json_object,
    mended_rotation,
    no_variant,
    opencv_lens,
)
from mouselift.errors import CalibrationError
from mouselift.foreign import numbers, short
from mouselift.geometry.lens import Lens

OPENGL_AXES = np.diag([1.0, -1.0, -1.0, 1.0])  # of a camera, OpenCV's turned into OpenGL's and back
_PLAIN = (None, "SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV")
_OTHER_LENSES = ("ftheta_p0", "latlong", "equirectangular", "orthographic")  # instant-ngp's words for them
_COEFFICIENTS = ("k1", "k2", "k3", "k4", "p1", "p2")
_SAME_FOCAL = 1e-3  # relative: angle and focal length of one writer agree better
_SAME_POSE = 1e-9  # as in rig.py


def read_nerfstudio(path: Path, variant: str | None = None) -> Rig:
    """Rig of a transforms.json; cameras are named by their images."""
    no_variant(path, "nerfstudio", variant)
    content = json_object(path)
    frames = content.get("frames")
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise CalibrationError(f'{path}: expected "frames": a list with one object a view, got {short(frames)}')
    files: list[str] = []
    for index, frame in enumerate(frames):
        if not isinstance(frame.get("file_path"), str) or not frame["file_path"]:
            raise CalibrationError(
                f"{path}: frames[{index}]: expected a file_path, got {short(frame.get('file_path'))}"
            )
        files.append(frame["file_path"])
    undo, said = _applied(path, content)
    cameras: list[RigCamera] = []
    assumed: dict[str, None] = {}
    kept = _one_a_folder(frames, files)
    for name, index in zip(image_names([files[index] for index in kept]), kept, strict=True):
        where = f"camera {name!r} ({path}: frames[{index}])"
        try:
            cameras.append(_camera(path, name, {**content, **frames[index]}, undo, assumed))
        except ValueError as error:
            raise CalibrationError(f"{where}: {error}") from None
    if len(kept) == len(frames):
        assumed[
            f"each of the {len(frames)} frames is a camera that stands still: frames of one moving camera are no rig"
        ] = None
    else:
        said.append("the images of a folder have one pose: each folder is a camera")
    return Rig(path, "nerfstudio", tuple(cameras), tuple(said), tuple(assumed))


def _one_a_folder(frames: list[dict[str, Any]], files: list[str]) -> list[int]:
    """Places of the frames that are cameras: the first of each folder where all of its frames have one pose."""
    folders: dict[PurePosixPath, list[int]] = {}
    for index, file in enumerate(files):
        folders.setdefault(PurePosixPath(file).parent, []).append(index)
    still = all(_pose_key(frames[i]) == _pose_key(frames[group[0]]) for group in folders.values() for i in group)
    return [group[0] for group in folders.values()] if still and len(folders) > 1 else list(range(len(files)))


def _pose_key(frame: Mapping[str, Any]) -> str:
    return repr(frame.get("transform_matrix"))


def _applied(path: Path, content: Mapping[str, Any]) -> tuple[Matrix4, list[str]]:
    """What takes the file's world back to that of before `applied_transform` and `applied_scale`, in words too."""
    undo, said = np.eye(4), []
    try:
        if "applied_transform" in content:
            applied = _matrix4(content["applied_transform"])
            mended_rotation(applied[:3, :3])
            undo = np.linalg.inv(applied)
            said.append("applied_transform is undone: the world is that of before it")
        if "applied_scale" in content:
            scale = float(numbers(content["applied_scale"], ()))
            if scale <= 0:
                raise ValueError(f"applied_scale: expected a positive number, got {scale:g}")
            undo = undo @ np.diag([1 / scale, 1 / scale, 1 / scale, 1.0])
            said.append(f"applied_scale = {scale:g} is undone")
    except ValueError as error:
        raise CalibrationError(f"{path}: applied_transform, applied_scale: {error}") from None
    return undo, said


def _camera(path: Path, name: str, values: Mapping[str, Any], undo: Matrix4, assumed: dict[str, None]) -> RigCamera:
    """ValueError says what is missing or not supported."""
    odd = [key for key in _OTHER_LENSES if values.get(key)]
    if odd or np.any(numbers(values.get("rolling_shutter", 0), name="rolling_shutter")):
        raise ValueError(
            f"{', '.join(odd) or 'rolling_shutter'} is not supported; expected a pinhole or fisheye camera"
        )
    if "w" not in values or "h" not in values:
        raise ValueError("expected w and h, the image's size in pixels; add both to the file")
    width, height = image_size([values["w"], values["h"]], "w, h")
    T = undo @ _matrix4(values.get("transform_matrix")) @ OPENGL_AXES
    T[:3, :3] = mended_rotation(T[:3, :3] / np.cbrt(np.linalg.det(undo[:3, :3])))[0]
    R = T[:3, :3].T
    K = _intrinsics(values, width, height, assumed)
    return RigCamera(name, path, K, R.copy(), -R @ T[:3, 3], _lens(values), (width, height))


def _intrinsics(values: Mapping[str, Any], width: int, height: int, assumed: dict[str, None]) -> Matrix3:
    fx, fy = _focal(values, "x", width), _focal(values, "y", height)
    if fx is None:
        raise ValueError("expected fl_x in pixels or camera_angle_x in radians")
    if fy is None:
        fy = fx
        assumed["pixels are square: the file has no fl_y"] = None
    if "cx" not in values or "cy" not in values:
        assumed["the principal point is the image's middle: the file has no cx, cy"] = None
    cx, cy = (float(numbers(values.get(key, half / 2), (), key)) for key, half in (("cx", width), ("cy", height)))
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])


def _focal(values: Mapping[str, Any], axis: str, side: int) -> float | None:
    found: list[float] = []
    if f"fl_{axis}" in values:
        found.append(float(numbers(values[f"fl_{axis}"], (), f"fl_{axis}")))
    if f"camera_angle_{axis}" in values:
        angle = float(numbers(values[f"camera_angle_{axis}"], (), f"camera_angle_{axis}"))
        if not 0 < angle < np.pi:
            raise ValueError(f"camera_angle_{axis}: expected radians between 0 and pi, got {angle:g}")
        found.append(0.5 * side / np.tan(0.5 * angle))
    if len(found) == 2 and abs(found[0] - found[1]) > _SAME_FOCAL * abs(found[0]):
        raise ValueError(
            f"fl_{axis} = {found[0]:.6g} px and camera_angle_{axis}, which says {found[1]:.6g} px, contradict each "
            "other; keep the one that is right"
        )
    return found[0] if found else None


def _lens(values: Mapping[str, Any]) -> Lens:
    model, fisheye = values.get("camera_model"), bool(values.get("is_fisheye", False))
    k1, k2, k3, k4, p1, p2 = (float(numbers(values.get(key, 0.0), (), key)) for key in _COEFFICIENTS)
    if model == "OPENCV_FISHEYE" or (model is None and fisheye):
        if p1 or p2:
            raise ValueError("a fisheye camera with p1, p2; expected k1 k2 k3 k4 alone")
        return opencv_lens([k1, k2, k3, k4], fisheye=True)
    if model not in _PLAIN:
        raise ValueError(
            f"camera_model {model!r} is not supported; expected {', '.join(map(str, _PLAIN[1:]))} or OPENCV_FISHEYE"
        )
    if fisheye:
        raise ValueError(f"camera_model {model} and is_fisheye contradict each other; keep the one that is right")
    if k4:
        raise ValueError(f"k4 = {k4:g}: the term of r^8, which OpenCV's lens has not; calibrate with k1 k2 p1 p2 k3")
    if model in ("SIMPLE_PINHOLE", "PINHOLE") and any((k1, k2, k3, p1, p2)):
        raise ValueError(f"camera_model {model} with lens coefficients; expected OPENCV, or zeros")
    return opencv_lens([k1, k2, p1, p2, k3])


def _matrix4(value: Any) -> Matrix4:
    """From three rows or four."""
    rows = numbers(value, (None, 4), "transform")
    if len(rows) == 3:
        rows = np.vstack([rows, [0.0, 0.0, 0.0, 1.0]])
    if rows.shape != (4, 4) or not np.array_equal(rows[3], [0, 0, 0, 1]):
        raise ValueError(f"transform: expected 4x4 with the last row 0 0 0 1, got {rows.tolist()}")
    return rows


def find_nerfstudio(folder: Path) -> list[Path]:
    return [file for file in visible([folder / "transforms.json"]) if file.is_file()]


@by_content
def holds_nerfstudio(file: Path) -> bool:
    frames = json_object(file).get("frames")
    return isinstance(frames, list) and any(isinstance(frame, dict) and "transform_matrix" in frame for frame in frames)


FORMAT = RigFormat(read_nerfstudio, find_nerfstudio, ("transforms*.json",), holds=holds_nerfstudio, unit="unknown")
