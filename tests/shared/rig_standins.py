"""A random rig, and stand-ins for rig files of other tools, written from their documentation apart from the readers.

`View` is OpenCV's: world to camera, pixel centres at whole numbers. Every writer converts once, by hand.
"""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
from scipy.io import savemat
from scipy.spatial.transform import Rotation

from mat73 import save73
from mouselift.geometry.similarity import look_at


@dataclass(frozen=True, eq=False)
class View:
    """One camera as OpenCV takes it."""

    name: str
    size: tuple[int, int]
    K: np.ndarray
    R: np.ndarray
    t: np.ndarray
    dist: tuple[float, ...] = ()
    fisheye: bool = False

    def project(self, points: np.ndarray) -> np.ndarray:
        """[n, 2] by OpenCV, pixel centres at +0.5."""
        rvec, dist = cv2.Rodrigues(self.R)[0], np.array(self.dist or (0.0,) * 4)
        if self.fisheye:
            seen = cv2.fisheye.projectPoints(points[:, None], rvec, self.t, self.K, dist)[0]
        else:
            seen = cv2.projectPoints(points[:, None], rvec, self.t, self.K, dist)[0]
        return seen.reshape(-1, 2) + 0.5

    def halves(self) -> tuple[float, float, float, float]:
        """fx fy cx cy with pixel centres at +0.5."""
        return self.K[0, 0], self.K[1, 1], self.K[0, 2] + 0.5, self.K[1, 2] + 0.5


def random_rig(names: Sequence[str], lens: str = "brown", seed: int = 0) -> list[View]:
    """Cameras about the origin, some 300 away. lens: "none", "brown" (k1 k2 p1 p2 k3) or "fisheye"."""
    rng = np.random.default_rng([seed, 21])
    out: list[View] = []
    for name in names:
        direction = rng.normal(size=3)
        centre = 300 * direction / np.linalg.norm(direction) + rng.normal(scale=5, size=3)
        R = look_at(rng.normal(scale=3, size=3) - centre, rng.normal(size=3))
        K = np.array(
            [[900 + 100 * rng.random(), 0, 315 + 9 * rng.random()], [0, 880 + 90 * rng.random(), 0], [0, 0, 1]]
        )
        K[1, 2] = 230 + 9 * rng.random()
        wide = {"none": (), "brown": (-0.2, 0.1, 0.001, -0.002, 0.03), "fisheye": (-0.02, 0.01, -0.003, 0.001)}[lens]
        dist = tuple(value * (0.5 + rng.random()) for value in wide)
        out.append(View(name, (640, 480), K, R, -R @ centre, dist, lens == "fisheye"))
    return out


def faulty(views: Sequence[View], fault: str) -> list[View]:
    """The rig with one fault in every camera."""
    if fault == "half a pixel":
        return [replace(view, K=view.K + np.array([[0, 0, 0.5], [0, 0, 0], [0, 0, 0]])) for view in views]
    if fault == "R transposed":
        return [replace(view, R=view.R.T) for view in views]
    if fault == "1 % of f":
        return [replace(view, K=view.K * [[1.01, 1, 1], [1, 1, 1], [1, 1, 1]]) for view in views]
    raise ValueError(fault)


@dataclass(frozen=True)
class StandIn:
    """A writer. `write` fills a folder and returns what a user would name; `names`: of the cameras as they are read."""

    format: str
    write: Callable[[Path, Sequence[View]], Path]
    names: tuple[str, ...] = ("left", "right", "top")
    lens: str = "brown"
    size: bool = True  # the format holds image sizes
    variant: str | None = None  # what its files do not say

    def rig(self) -> list[View]:
        return random_rig(self.names, self.lens)


def _quaternion(R: np.ndarray) -> list[float]:
    x, y, z, w = Rotation.from_matrix(R).as_quat().tolist()
    return [w, x, y, z]


def _colmap_camera(view: View) -> tuple[str, int, list[float]]:
    fx, fy, cx, cy = view.halves()
    if view.fisheye:
        return "OPENCV_FISHEYE", 5, [fx, fy, cx, cy, *view.dist]
    if not view.dist:
        return "PINHOLE", 1, [fx, fy, cx, cy]
    return "FULL_OPENCV", 6, [fx, fy, cx, cy, *view.dist, 0.0, 0.0, 0.0]


def colmap_text(folder: Path, views: Sequence[View]) -> Path:
    cameras, images = "# Camera list\n", "# Image list\n"
    for index, view in enumerate(views):
        model, _, parameters = _colmap_camera(view)
        cameras += " ".join(map(str, [7 + index, model, *view.size, *map(float, parameters)])) + "\n"
        pose = [*_quaternion(view.R), *view.t.tolist()]
        points = "1.5 2.5 -1 8.0 9.0 3" if index else ""
        images += " ".join(map(str, [50 - index, *pose, 7 + index, f"{view.name}.png"])) + f"\n{points}\n"
    (folder / "cameras.txt").write_text(cameras)
    (folder / "images.txt").write_text(images)
    return folder


def colmap_binary(folder: Path, views: Sequence[View]) -> Path:
    cameras = images = struct.pack("<Q", len(views))
    for index, view in enumerate(views):
        _, model, parameters = _colmap_camera(view)
        cameras += struct.pack(f"<IiQQ{len(parameters)}d", 7 + index, model, *view.size, *parameters)
        images += struct.pack("<I7dI", 50 - index, *_quaternion(view.R), *view.t, 7 + index)
        images += f"{view.name}.png".encode() + b"\0" + struct.pack("<Q", index) + index * struct.pack("<ddq", 1, 2, -1)
    (folder / "cameras.bin").write_bytes(cameras)
    (folder / "images.bin").write_bytes(images)
    return folder


def colmap_rig(folder: Path, views: Sequence[View], binary: bool = False) -> Path:
    """Two frames of a rig that moves: an image's pose is (camera from rig) (rig from world)."""
    moves = [np.eye(4), np.eye(4)]
    moves[1][:3, :3], moves[1][:3, 3] = Rotation.from_rotvec([0.3, -0.2, 0.1]).as_matrix(), [5.0, 6.0, 7.0]
    first = np.eye(4)
    first[:3, :3], first[:3, 3] = views[0].R, views[0].t  # the rig's frame is that of its first camera
    shots: list[View] = []
    for frame, move in enumerate(moves):
        for view in views:
            T = np.eye(4)
            T[:3, :3], T[:3, 3] = view.R, view.t
            T = T @ np.linalg.inv(first) @ move
            shots.append(replace(view, name=f"rig/{view.name}/{frame:04d}", R=T[:3, :3], t=T[:3, 3]))
    (colmap_binary if binary else colmap_text)(folder, views)
    line, data = f"3 {len(views)}", struct.pack("<QII", 1, 3, len(views))
    for index, view in enumerate(views):
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = view.R, view.t
        T = T @ np.linalg.inv(first)
        pose = [*_quaternion(T[:3, :3]), *T[:3, 3].tolist()]
        line += f" CAMERA {7 + index}" + (" 1 " + " ".join(map(str, pose)) if index else "")
        data += struct.pack("<iI", 0, 7 + index) + (struct.pack("<B7d", 1, *pose) if index else b"")
    text, raw = "", struct.pack("<Q", len(shots))
    for number, shot in enumerate(shots):
        pose, camera = [*_quaternion(shot.R), *shot.t.tolist()], 7 + number % len(views)
        text += " ".join(map(str, [number, *pose, camera, f"{shot.name}.png"])) + "\n\n"
        raw += struct.pack("<I7dI", number, *pose, camera) + f"{shot.name}.png".encode() + b"\0" + struct.pack("<Q", 0)
    if binary:
        (folder / "images.bin").write_bytes(raw)
        (folder / "rigs.bin").write_bytes(data)
    else:
        (folder / "images.txt").write_text(text)
        (folder / "rigs.txt").write_text(f"# Rig calib list\n{line}\n")
    return folder


def transforms(folder: Path, views: Sequence[View], **more: Any) -> Path:
    """nerfstudio's: camera to world, OpenGL axes."""
    frames = []
    for view in views:
        fx, fy, cx, cy = view.halves()
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = view.R.T, -view.R.T @ view.t
        T[:, 1:3] *= -1
        intrinsics: dict[str, Any] = {"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "w": view.size[0], "h": view.size[1]}
        if view.fisheye:
            intrinsics |= {
                "camera_model": "OPENCV_FISHEYE",
                **dict(zip(("k1", "k2", "k3", "k4"), view.dist, strict=True)),
            }
        elif view.dist:
            intrinsics |= dict(zip(("k1", "k2", "p1", "p2", "k3"), view.dist, strict=True))
        frames.append({"file_path": f"images/{view.name}.png", "transform_matrix": T.tolist(), **intrinsics})
    file = folder / "transforms.json"
    file.write_text(json.dumps({"aabb_scale": 4, "scale": 0.3, "offset": [0.5, 0.5, 0.5], **more, "frames": frames}))
    return file


def _storage(file: Path, nodes: dict[str, Any]) -> None:
    """By OpenCV's own writer, in the form that the suffix says."""
    storage = cv2.FileStorage(str(file), cv2.FILE_STORAGE_WRITE)
    for name, value in nodes.items():
        storage.write(name, value)
    storage.release()


def opencv_files(suffix: str, rotation: str, translation: str, inverse: bool = False) -> Callable[..., Path]:
    """A file a camera. inverse: the pose is camera to world."""

    def write(folder: Path, views: Sequence[View]) -> Path:
        for view in views:
            R, t = (view.R.T, -view.R.T @ view.t) if inverse else (view.R, view.t)
            nodes = {
                "image_width": view.size[0],
                "image_height": view.size[1],
                "camera_matrix": view.K,
                "distortion_coefficients": np.array([view.dist]).T,
                rotation: cv2.Rodrigues(R)[0] if rotation == "rvec" else np.ascontiguousarray(R),
                translation: t[:, None].copy(),
            }
            _storage(folder / f"{view.name}{suffix}", nodes)
        return folder

    return write


def stereo(folder: Path, views: Sequence[View]) -> Path:
    """OpenCV's stereo_calib: two files, the world is the first camera's."""
    first, second = views
    relative = second.R @ first.R.T
    D = {view.name: np.array([view.dist]) for view in views}
    _storage(folder / "intrinsics.yml", {"M1": first.K, "D1": D["left"], "M2": second.K, "D2": D["right"]})
    _storage(folder / "extrinsics.yml", {"R": relative, "T": (second.t - relative @ first.t)[:, None].copy()})
    return folder / "intrinsics.yml"


def ccalib(folder: Path, views: Sequence[View]) -> Path:
    nodes: dict[str, Any] = {"nCameras": len(views)}
    for index, view in enumerate(views):
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = view.R, view.t
        nodes |= {f"camera_matrix_{index}": view.K, f"camera_distortion_{index}": np.array([view.dist])}
        nodes[f"camera_pose_{index}"] = T
    _storage(folder / "multi-camera-results.xml", nodes)
    return folder / "multi-camera-results.xml"


def multical(folder: Path, views: Sequence[View]) -> Path:
    cameras, poses = {}, {}
    for view in views:
        cameras[view.name] = {
            "model": "standard", "image_size": list(view.size), "K": view.K.tolist(), "dist": [list(view.dist)]
        }  # fmt: skip
        poses[view.name] = {"R": view.R.tolist(), "T": view.t.tolist()}
    file = folder / "calibration.json"
    file.write_text(json.dumps({"cameras": cameras, "camera_poses": poses, "image_sets": {"rgb": []}}))
    return file


def caliscope(folder: Path, views: Sequence[View]) -> Path:
    text = ""
    for view in views:
        text += (
            f"[cameras.{view.name.removeprefix('cam_')}]\ncam_id = 1\nsize = {list(view.size)}\nrotation_count = 0\n"
            f"matrix = {view.K.tolist()}\ndistortions = {list(view.dist)}\ntranslation = {view.t.tolist()}\n"
            f"rotation = {cv2.Rodrigues(view.R)[0].ravel().tolist()}\nfisheye = {str(view.fisheye).lower()}\n"
        )
    (folder / "camera_array.toml").write_text(text)
    return folder / "camera_array.toml"


def easymocap(folder: Path, views: Sequence[View]) -> Path:
    """As its own writer does, but with all decimals."""

    def matrix(name: str, values: np.ndarray) -> str:
        rows, columns = values.shape
        data = ", ".join(map(repr, values.ravel().tolist()))
        return f"{name}: !!opencv-matrix\r\n  rows: {rows}\r\n  cols: {columns}\r\n  dt: d\r\n  data: [{data}]\r\n"

    names = "%YAML:1.0\r\n---\r\nnames:\r\n" + "".join(f'  - "{view.name}"\r\n' for view in views)
    intri = extri = names
    for view in views:
        intri += matrix(f"K_{view.name}", view.K) + matrix(f"dist_{view.name}", np.array([view.dist]))
        intri += f"H_{view.name}: {view.size[1]}\r\nW_{view.name}: {view.size[0]}\r\n"
        extri += matrix(f"R_{view.name}", cv2.Rodrigues(view.R)[0]) + matrix(f"Rot_{view.name}", view.R)
        extri += matrix(f"T_{view.name}", view.t[:, None])
    (folder / "intri.yml").write_bytes(intri.encode())
    (folder / "extri.yml").write_bytes(extri.encode())
    return folder


def deepfly3d(folder: Path, views: Sequence[View], **more: Any) -> Path:
    content: dict[Any, Any] = {
        index: {"R": view.R, "tvec": view.t, "intr": view.K, "distort": np.array(view.dist)}
        for index, view in enumerate(views)
    }
    file = folder / "calib__home_user_data_test.pkl"
    file.write_bytes(pickle.dumps({**content, "points3d": np.zeros((2, 38, 3)), **more}))
    return file


def qualisys(folder: Path, views: Sequence[View]) -> Path:
    """The camera's axes are the rows of r: x right, y up, z backwards."""
    cameras = ""
    for view in views:
        (width, height), centre = view.size, -view.R.T @ view.t
        r = np.diag([1.0, -1, -1]) @ view.R
        rotation = " ".join(f'r{i + 1}{j + 1}="{float(r[i, j])!r}"' for i in range(3) for j in range(3))
        fov = f'left="0" top="0" right="{width - 1}" bottom="{height - 1}"'
        names = [
            f"{kind}Distortion{i}" for kind, i in (("radial", 1), ("radial", 2), ("tangental", 1), ("tangental", 2))
        ]
        lens = dict(zip([*names, "radialDistortion3"], view.dist or (0.0,) * 5, strict=True))
        inside = {
            "focalLengthU": 64 * view.K[0, 0], "focalLengthV": 64 * view.K[1, 1], "centerPointU": 64 * view.K[0, 2],
            "centerPointV": 64 * view.K[1, 2], "skew": 0.0, **lens,
        }  # fmt: skip
        numbers = " ".join(f'{key}="{float(value)!r}"' for key, value in inside.items())
        x, y, z = map(float, centre)
        cameras += (
            f'<camera active="1" serial="{view.name}" model="Miqus Video" viewrotation="0">'
            f'<fov_video {fov}/><fov_video_max {fov}/><transform x="{x!r}" y="{y!r}" z="{z!r}" {rotation}/>'
            f"<intrinsic {numbers}/></camera>"
        )
    file = folder / "session.qca.txt"
    file.write_text(f"<?xml version='1.0' encoding='ASCII'?><calibration><cameras>{cameras}</cameras></calibration>")
    return file


def acinoset(folder: Path, views: Sequence[View]) -> Path:
    cameras = [
        {"k": v.K.tolist(), "d": [[k] for k in v.dist], "r": v.R.tolist(), "t": v.t[:, None].tolist()} for v in views
    ]
    file = folder / "3_cam_scene_sba.json"
    file.write_text(json.dumps({"timestamp": "", "camera_resolution": list(views[0].size), "cameras": cameras}))
    return file


def label3d(newer: bool) -> Callable[..., Path]:
    """MATLAB's convention: K transposed, its first pixel at (1, 1); r transposed; imageSize: height, width."""

    def write(folder: Path, views: Sequence[View]) -> Path:
        cameras: list[Any] = []
        for view in views:
            K = view.K.copy()
            K[:2, 2] += 1
            k1, k2, p1, p2, k3 = view.dist
            lens = {"RDistort": np.array([[k1, k2, k3]]), "TDistort": np.array([[p1, p2]])}
            cameras.append({"K": K.T.copy(), **lens, "r": view.R.T.copy(), "t": view.t[None].copy()})
        sizes = np.array([[view.size[1], view.size[0]] for view in views], dtype="f8")
        file = folder / "20200623_174153_Label3D.mat"
        if newer:
            return save73(
                file, {"camParams": cameras, "imageSize": sizes, "status": np.zeros((3, 4)), "videos": [sizes]}
            )
        cell = np.empty((len(views), 1), dtype=object)
        cell[:, 0] = cameras
        savemat(file, {"camParams": cell, "imageSize": sizes, "status": np.zeros((3, 4))})
        return file

    return write


def pose_splatter(folder: Path, views: Sequence[View]) -> Path:
    file = folder / "camera_params.h5"
    with h5py.File(file, "w") as root:
        for name, values in (
            ("rotation", [view.R for view in views]),
            ("translation", [view.t for view in views]),
            ("intrinsic", [view.K for view in views]),
        ):
            root[f"camera_parameters/{name}"] = np.stack(values)
    return file


def sleap(folder: Path, views: Sequence[View], **more: Any) -> Path:
    """As sleap-io 0.9 writes a session."""
    calibration: dict[str, Any] = {"metadata": {}}
    for index, view in enumerate(views):
        calibration[f"cam_{index}"] = {
            "name": view.name, "size": list(view.size), "matrix": view.K.tolist(), "distortions": list(view.dist),
            "rotation": cv2.Rodrigues(view.R)[0].ravel().tolist(), "translation": view.t.tolist(),
        }  # fmt: skip
    sessions = [{"calibration": calibration, "camcorder_to_video_idx_map": {}, "frame_group_dicts": []}]
    file = folder / "labels.slp"
    with h5py.File(file, "w") as root:
        lines = [json.dumps(session) for session in [*sessions, *more.get("others", [])]]
        root.create_dataset("sessions_json", data=lines, dtype=h5py.string_dtype(), maxshape=(None,))
        root["videos_json"] = np.array([b"{}"])
    return file


STANDINS: dict[str, StandIn] = {
    "COLMAP text": StandIn("colmap", colmap_text),
    "COLMAP binary": StandIn("colmap", colmap_binary, lens="fisheye"),
    "nerfstudio": StandIn("nerfstudio", transforms),
    "nerfstudio fisheye": StandIn("nerfstudio", transforms, lens="fisheye"),
    "OpenCV yaml": StandIn("opencv", opencv_files(".yaml", "rc_ext", "tc_ext")),
    "OpenCV json": StandIn("opencv", opencv_files(".json", "rvec", "tvec")),
    "OpenCV xml": StandIn("opencv", opencv_files(".xml", "R", "T"), variant="world-to-camera"),
    "OpenCV inverse": StandIn("opencv", opencv_files(".yml", "R", "T", inverse=True), variant="camera-to-world"),
    "OpenCV ccalib": StandIn(
        "opencv", ccalib, ("camera0", "camera1", "camera2"), size=False, variant="world-to-camera"
    ),
    "multical": StandIn("multical", multical),
    "Caliscope": StandIn("caliscope", caliscope, ("cam_0", "cam_1", "cam_2")),
    "Caliscope fisheye": StandIn("caliscope", caliscope, ("cam_0", "cam_1", "cam_2"), lens="fisheye"),
    "EasyMocap": StandIn("easymocap", easymocap),
    "DeepFly3D": StandIn("deepfly3d", deepfly3d, ("camera_0", "camera_1", "camera_2"), size=False, variant="x-y"),
    "Qualisys": StandIn("qualisys", qualisys, ("21001", "21002", "21003"), variant="lens-plain"),
    "Qualisys without lens": StandIn("qualisys", qualisys, ("21001", "21002", "21003"), lens="none"),
    "AcinoSet": StandIn("acinoset", acinoset, ("cam1", "cam2", "cam3"), lens="fisheye"),
    "Label3D": StandIn("label3d", label3d(newer=False), ("Camera1", "Camera2", "Camera3")),
    "Label3D 7.3": StandIn("label3d", label3d(newer=True), ("Camera1", "Camera2", "Camera3")),
    "Pose Splatter": StandIn(
        "pose-splatter", pose_splatter, ("Camera1", "Camera2", "Camera3"), lens="none", size=False
    ),
    "SLEAP": StandIn("sleap", sleap),
}
