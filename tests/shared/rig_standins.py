"""A random rig, and stand-ins for rig files of other tools, written from their documentation apart from the readers.

`View` is OpenCV's: world to camera, pixel centres at whole numbers. Every writer converts once, by hand.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

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


STANDINS: dict[str, StandIn] = {
    "COLMAP text": StandIn("colmap", colmap_text),
    "COLMAP binary": StandIn("colmap", colmap_binary, lens="fisheye"),
    "nerfstudio": StandIn("nerfstudio", transforms),
    "nerfstudio fisheye": StandIn("nerfstudio", transforms, lens="fisheye"),
}
