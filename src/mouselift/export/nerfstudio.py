"""nerfstudio's `transforms.json` with images, masks and seed points; instant-ngp and most 3DGS trainers read it too.

From nerfstudio's documentation ("Data conventions", "Using custom data") and what its parser does (looked up 2026-11):

* `transform_matrix` is camera to world, OpenGL axes (x right, y up, z backwards): OpenCV's with y and z turned round.
* Rays go through pixel centres at +0.5, and cx, cy count from the image's corner: this project's convention. (Its page
  words it the other way round; `Cameras.get_image_coords` adds 0.5 by default.)
* `camera_model` stands once a file: OPENCV (k1, k2, p1, p2, and k3, k4 as coefficients of r^6 and r^8) or
  OPENCV_FISHEYE (k1 .. k4 of OpenCV's fisheye). `k4` of OPENCV is not OpenCV's k4, a term of the denominator.
* `mask_path`: one channel, every level above 0 is used and 0 is ignored; all frames have one, or none.
* `ply_file_path`: points from which splatfacto starts, in the world of the matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from mouselift.array_types import Matrix4
from mouselift.calibration.nerfstudio import OPENGL_AXES
from mouselift.errors import CalibrationError
from mouselift.export.options import Ground
from mouselift.export.scene import WAY_OUT, ExportScene, lens_numbers, require
from mouselift.export.scenes import SceneFormat
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import Fisheye, Pinhole
from mouselift.view.scene import HullSurface

TRANSFORMS, POINTS = "transforms.json", "points.ply"


def nerfstudio_files(scene: ExportScene, ground: Ground = "empty") -> dict[str, bytes]:
    """The scene's files by their path in its folder. CalibrationError names a camera that the format cannot hold.

    ground: `empty` writes straight RGBA, so trainers learn that nothing is around the subject; `ignored` writes RGB and
    names the masks by `mask_path`, so they learn nothing there.
    """
    model = model_of([view.camera for view in scene.views])
    files: dict[str, bytes] = {}
    frames: list[dict[str, Any]] = []
    for view, stem in zip(scene.views, scene.files, strict=True):
        frame = {"file_path": f"images/{stem}.png", **_intrinsics(view.camera)}
        files[frame["file_path"]] = view.image_png(ground)
        if ground == "ignored":
            frame["mask_path"] = f"masks/{stem}.png"
            files[frame["mask_path"]] = view.mask_png
        frame["transform_matrix"] = T_world_opengl(view.camera).tolist()
        frames.append(frame)
    content: dict[str, Any] = {"camera_model": model}
    if scene.hull is not None:
        content["ply_file_path"] = POINTS
        files[POINTS] = points_ply(scene.hull)
    content["frames"] = frames
    files[TRANSFORMS] = msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"
    return files


FORMAT = SceneFormat(
    "nerfstudio",
    lambda scene, options: nerfstudio_files(scene, options.ground),
    lambda cameras: model_of(cameras),
)


def T_world_opengl(camera: Camera) -> Matrix4:
    """Camera (OpenGL axes) to world."""
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = camera.R_cam_world.T, camera.centre
    return T @ OPENGL_AXES


def points_ply(hull: HullSurface) -> bytes:
    """A point cloud, binary: x y z as float, red green blue as uchar."""
    rows = np.zeros(len(hull.points), [*((axis, "<f4") for axis in "xyz"), *((c, "u1") for c in _COLOURS)])
    for column, axis in enumerate("xyz"):
        rows[axis] = hull.points[:, column]
    for column, colour in enumerate(_COLOURS):
        rows[colour] = hull.colours[:, column]
    lines = [f"property float {axis}" for axis in "xyz"] + [f"property uchar {colour}" for colour in _COLOURS]
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}", *lines, "end_header", ""]
    return "\n".join(head).encode() + rows.tobytes()


_COLOURS = ("red", "green", "blue")


def model_of(cameras: Sequence[Camera]) -> str:
    """The camera_model. CalibrationError for a camera that it cannot hold, and for cameras that need two."""
    for camera in cameras:
        require(camera, "transforms.json", ("k1", "k2", "p1", "p2", "k3"))
    models = {"OPENCV_FISHEYE" if isinstance(camera.lens, Fisheye) else "OPENCV": camera.name for camera in cameras}
    if len(models) > 1:
        said = " and ".join(f"{model} ({name!r})" for model, name in models.items())
        raise CalibrationError(f"transforms.json has one camera_model for all views, these need {said}; {WAY_OUT}")
    return next(iter(models))


def _intrinsics(camera: Camera) -> dict[str, Any]:
    fisheye = isinstance(camera.lens, Fisheye)
    numbers = {key: value for key, value in lens_numbers(camera).items() if fisheye or value}
    if isinstance(camera.lens, Pinhole):
        numbers = {"k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0}  # some readers demand them
    return {
        "w": camera.width,
        "h": camera.height,
        "fl_x": camera.fx,
        "fl_y": camera.fy,
        "cx": camera.cx,
        "cy": camera.cy,
        **numbers,
    }
