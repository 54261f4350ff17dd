"""COLMAP's sparse model: `sparse/0/{cameras,images,points3D}` as .bin or .txt, `images/`, `masks/`.

From COLMAP's documentation ("Output Format", "FAQ", "Camera Models"; looked up 2026-11):

* Poses are world to camera, OpenCV axes, a Hamilton quaternion with w first and a translation: this project's pose.
* The upper left pixel's centre is (0.5, 0.5): this project's convention.
* PINHOLE fx fy cx cy; OPENCV adds k1 k2 p1 p2; FULL_OPENCV adds k3 k4 k5 k6 (OpenCV's rational model);
  OPENCV_FISHEYE fx fy cx cy k1 k2 k3 k4.
* In images.txt each image has two lines, the second (its 2D points) empty here. Where both forms lie in one folder,
  COLMAP reads the binary one, so only one is written.
* A mask is called after its whole image, `masks/cam.png.png`: 0 is ignored.
* Models without rigs and frames are read by all releases; each camera then is a rig of its own.
"""

from __future__ import annotations

import struct

import numpy as np
from scipy.spatial.transform import Rotation

from mouselift.calibration.colmap_files import MODELS
from mouselift.export.options import ColmapForm, Ground
from mouselift.export.scene import ExportScene, SceneView, lens_numbers, require
from mouselift.export.scenes import SceneFormat
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady, Fisheye
from mouselift.view.scene import HullSurface

MODEL = "sparse/0"
_NUMBERS = {name: number for number, (name, _) in MODELS.items()}  # of the models, in binary files
_NOT_KNOWN = -1.0  # COLMAP's own value for a point whose reprojection error was not computed


def colmap_files(scene: ExportScene, ground: Ground = "empty", form: ColmapForm = "binary") -> dict[str, bytes]:
    """The scene's files by their path in its folder; points3D from the hull's surface, without tracks.

    ground: `empty` writes straight RGBA (3DGS trainers take alpha for a mask), `ignored` writes RGB; masks are written
    in both cases. CalibrationError names a camera with a skew, which no model of COLMAP holds.
    """
    files: dict[str, bytes] = {}
    names = [f"{stem}.png" for stem in scene.files]
    for view, name in zip(scene.views, names, strict=True):
        files[f"images/{name}"] = view.image_png(ground)
        files[f"masks/{name}.png"] = view.mask_png
    write = _binary if form == "binary" else _text
    return files | {f"{MODEL}/{name}": data for name, data in write(scene.views, names, scene.hull).items()}


FORMAT = SceneFormat(
    "colmap",
    lambda scene, options: colmap_files(scene, options.ground, options.colmap_form),
    lambda cameras: [model_of(camera) for camera in cameras],
)


def model_of(camera: Camera) -> tuple[str, list[float]]:
    """(COLMAP's name, its parameters). CalibrationError for a skew."""
    require(camera, "COLMAP", ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"))
    numbers = [camera.fx, camera.fy, camera.cx, camera.cy]
    lens = list(lens_numbers(camera).values())
    if isinstance(camera.lens, Fisheye):
        return "OPENCV_FISHEYE", numbers + lens
    if not isinstance(camera.lens, BrownConrady) or not any(lens):
        return "PINHOLE", numbers
    return ("FULL_OPENCV", numbers + lens) if any(lens[4:]) else ("OPENCV", numbers + lens[:4])


def quaternion(camera: Camera) -> list[float]:
    """World to camera, w first, w not negative."""
    x, y, z, w = Rotation.from_matrix(camera.R_cam_world).as_quat(canonical=True).tolist()
    return [w, x, y, z]


def _text(views: tuple[SceneView, ...], names: list[str], hull: HullSurface | None) -> dict[str, bytes]:
    cameras, images = (
        ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]"],
        [
            "# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME",
            "# POINTS2D[] as (X, Y, POINT3D_ID)",
        ],
    )
    for number, (view, name) in enumerate(zip(views, names, strict=True), start=1):
        model, parameters = model_of(view.camera)
        cameras.append(_line(number, model, view.camera.width, view.camera.height, *parameters))
        pose = [*quaternion(view.camera), *view.camera.t_cam_world.tolist()]
        images += [_line(number, *pose, number, name), ""]
    points = ["# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[] as (IMAGE_ID, POINT2D_IDX)"]
    if hull is not None:
        for number, (place, colour) in enumerate(zip(hull.points.tolist(), hull.colours.tolist(), strict=True), 1):
            points.append(_line(number, *place, *colour, _NOT_KNOWN))
    tables = {"cameras.txt": cameras, "images.txt": images, "points3D.txt": points}
    return {name: "".join(f"{line}\n" for line in lines).encode() for name, lines in tables.items()}


def _line(*values: object) -> str:
    return " ".join(repr(value) if isinstance(value, float) else str(value) for value in values)


def _binary(views: tuple[SceneView, ...], names: list[str], hull: HullSurface | None) -> dict[str, bytes]:
    count = struct.pack("<Q", len(views))
    cameras, images = [count], [count]
    for number, (view, name) in enumerate(zip(views, names, strict=True), start=1):
        model, parameters = model_of(view.camera)
        cameras.append(struct.pack("<IiQQ", number, _NUMBERS[model], view.camera.width, view.camera.height))
        cameras.append(struct.pack(f"<{len(parameters)}d", *parameters))
        pose = [*quaternion(view.camera), *view.camera.t_cam_world.tolist()]
        images.append(struct.pack("<I7dI", number, *pose, number) + name.encode() + b"\0" + struct.pack("<Q", 0))
    row = np.dtype([("id", "<u8"), ("place", "<f8", 3), ("colour", "u1", 3), ("error", "<f8"), ("track", "<u8")])
    points = np.zeros(0 if hull is None else len(hull.points), row)
    if hull is not None:
        points["id"] = np.arange(1, len(points) + 1)
        points["place"], points["colour"], points["error"] = hull.points, hull.colours, _NOT_KNOWN
    return {
        "cameras.bin": b"".join(cameras),
        "images.bin": b"".join(images),
        "points3D.bin": struct.pack("<Q", len(points)) + points.tobytes(),
    }
