"""A rig with known cameras, and plain writers of every format: conventions written out here a second time."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from scipy.io import savemat

from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady, Pinhole
from mouselift.geometry.similarity import look_at

SIZE = (640, 480)


def _camera(index: int, bent: bool, name: str) -> Camera:
    angle = 0.4 + index * 1.3
    centre = np.array([300 * np.cos(angle), 300 * np.sin(angle), 90.0 + 20 * index])
    R = look_at(-centre + np.array([5.0, -3.0, 10.0 * index]), np.array([0.1, 0.0, -1.0]))
    K = np.array([[1650.0 + index, 0.0, 311.0 + index], [0.0, 1660.0 - index, 225.5 + index], [0.0, 0.0, 1.0]])
    if bent:
        K[0, 1] = -5.0 + 1.5 * index
    lens = BrownConrady(-0.16 + 0.01 * index, 0.3, -0.0011, 0.004, 0.5 * index) if bent else Pinhole()
    return Camera.from_matrices(K, R, -R @ centre, SIZE, lens, name)


def bent_cameras() -> list[Camera]:
    """Four cameras, millimetres, +Z up, with lens and skew; 640x480."""
    return [_camera(i, True, f"Camera{i + 1}") for i in range(4)]


def straight_cameras() -> list[Camera]:
    """The same without lens and skew, named "0" .. "3"."""
    return [_camera(i, False, str(i)) for i in range(4)]


@pytest.fixture
def truth() -> list[Camera]:
    return bent_cameras()


@pytest.fixture
def unskewed(truth: list[Camera]) -> list[Camera]:
    """`truth` as formats without skew hold it."""
    return [replace(camera, skew=0.0) for camera in truth]


@pytest.fixture
def straight() -> list[Camera]:
    return straight_cameras()


@pytest.fixture
def world_points() -> np.ndarray:
    """[20, 3] points about the origin that all cameras see."""
    return np.random.default_rng(7).uniform(-25, 25, (20, 3))


@pytest.fixture
def distance(world_points: np.ndarray) -> Callable[[Camera, Camera], float]:
    """Largest distance, in pixels, between two cameras' projections of the same points; inf where one sees none."""

    def measure(a: Camera, b: Camera) -> float:
        apart = np.linalg.norm(a.project(world_points) - b.project(world_points), axis=1)
        return float(np.nan_to_num(apart, nan=np.inf).max())

    return measure


def dannce_fields(camera: Camera, variant: str = "dannce") -> dict[str, Any]:
    """K, r, t, RDistort, TDistort as the named writer stores them."""
    lens = camera.lens if isinstance(camera.lens, BrownConrady) else BrownConrady()
    K = camera.K.copy()
    K[:2, 2] += 0.5 if variant == "dannce" else -0.5  # MATLAB counts pixels from 1, OpenCV from 0
    return {
        "K": K.T if variant in ("dannce", "newsdannce-old") else K,
        "r": camera.R_cam_world.T if variant in ("dannce", "odd") else camera.R_cam_world,
        "t": camera.t_cam_world[None],
        "RDistort": np.array([[lens.k1, lens.k2, lens.k3]]),
        "TDistort": np.array([[lens.p1, lens.p2]]),
    }


def _struct(fields: dict[str, Any]) -> np.ndarray:
    record = np.empty((1, 1), dtype=[(key, object) for key in fields])
    for key, value in fields.items():
        record[0, 0][key] = value
    return record


def _cells(values: Sequence[Any], shape: tuple[int, int]) -> np.ndarray:
    out = np.empty(shape, dtype=object)
    out.ravel()[:] = [None] * len(values)
    for index, value in enumerate(values):
        out[np.unravel_index(index, shape)] = value
    return out


@dataclass(frozen=True)
class Writers:
    """Writers of foreign files."""

    def dannce(
        self, folder: Path, cameras: Sequence[Camera], variant: str = "dannce", pattern: str = "hires_cam{}_params.mat"
    ) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for index, camera in enumerate(cameras):
            savemat(folder / pattern.format(index + 1), dannce_fields(camera, variant))
        return folder

    def fields(self, camera: Camera, variant: str = "dannce") -> dict[str, Any]:
        return dannce_fields(camera, variant)

    def label3d(self, file: Path, cameras: Sequence[Camera], points: np.ndarray, variant: str = "dannce") -> Path:
        """A *_dannce.mat; its labels are the exact projections in the file's own pixel base."""
        n = len(cameras)
        shift = 0.5 if variant == "dannce" else -0.5
        labels = []
        for camera in cameras:
            seen = (camera.project(points) + shift).reshape(2, -1)
            world = points.reshape(2, -1).copy()
            labels.append(
                _struct({"data_2d": seen, "data_3d": world, "data_frame": np.array([[0, 5]], dtype=np.uint16)})
            )
        savemat(
            file,
            {
                "camnames": _cells([camera.name for camera in cameras], (1, n)),
                "params": _cells([_struct(dannce_fields(camera, variant)) for camera in cameras], (n, 1)),
                "labelData": _cells(labels, (n, 1)),
            },
        )
        return file

    def calibration_json(self, file: Path, cameras: Sequence[Camera]) -> Path:
        entries = []
        for camera in cameras:
            fields = dannce_fields(camera, "opencv")
            entries.append(
                {
                    "camera_matrix": fields["K"].tolist(),
                    "r_distort": fields["RDistort"].tolist(),
                    "t_distort": fields["TDistort"].tolist(),
                    "rotation_matrix": fields["r"].tolist(),
                    "translation_vector": fields["t"].T.tolist(),
                }
            )
        names = [camera.name for camera in cameras]
        file.write_text(json.dumps({"camera_params": entries, "n_cameras": len(names), "camera_names": names}))
        return file

    def com(self, file: Path, cameras: Sequence[Camera], points: np.ndarray) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        content = {
            np.int32(frame + 1): {
                "triangulation": {},
                **{c.name: {"pred_max": np.float32(0.9), "COM": c.project(point[None])[0] - 0.5} for c in cameras},
            }
            for frame, point in enumerate(points)
        }
        file.write_bytes(pickle.dumps(content, protocol=3))
        return file

    def mammal(self, file: Path, cameras: Sequence[Camera], keyed: bool = False, protocol: int = 4) -> Path:
        entries = []
        for camera in cameras:
            K = camera.K.copy()
            K[:2, 2] -= 0.5
            entries.append({"K": K, "R": camera.R_cam_world.copy(), "T": camera.t_cam_world[:, None].copy()})
        file.write_bytes(pickle.dumps(dict(enumerate(entries)) if keyed else entries, protocol=protocol))
        return file

    def anipose(self, file: Path, cameras: Sequence[Camera], extra: str = "", metadata: str = "[metadata]\n") -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        text = ""
        for index, camera in enumerate(cameras):
            K = camera.K.copy()
            K[:2, 2] -= 0.5
            lens = camera.lens if isinstance(camera.lens, BrownConrady) else BrownConrady()
            rotation = cv2.Rodrigues(camera.R_cam_world.copy())[0].ravel()
            text += (
                f'[cam_{index}]\nname = "{camera.name}"\nsize = [ {camera.width}, {camera.height},]\n'
                f"matrix = {K.tolist()}\ndistortions = {[lens.k1, lens.k2, lens.p1, lens.p2, lens.k3]}\n"
                f"rotation = {rotation.tolist()}\ntranslation = {camera.t_cam_world.tolist()}\n{extra}\n"
            )
        file.write_text(text + metadata)
        return file

    def jarvis(self, folder: Path, cameras: Sequence[Camera]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for camera in cameras:
            K = camera.K.copy()
            K[:2, 2] -= 0.5
            lens = camera.lens if isinstance(camera.lens, BrownConrady) else BrownConrady()
            storage = cv2.FileStorage(str(folder / f"{camera.name}.yaml"), cv2.FILE_STORAGE_WRITE)
            storage.write("intrinsicMatrix", np.ascontiguousarray(K.T))
            storage.write("distortionCoefficients", np.array([[lens.k1, lens.k2, lens.p1, lens.p2, lens.k3]]))
            storage.write("R", np.ascontiguousarray(camera.R_cam_world.T))
            storage.write("T", camera.t_cam_world[:, None].copy())
            storage.release()
        return folder

    def video(self, file: Path, frames: int = 3, size: tuple[int, int] = SIZE) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(file), "w") as container:
            stream = container.add_stream("libx264", rate=30)
            stream.width, stream.height, stream.pix_fmt = size[0], size[1], "yuv420p"
            for index in range(frames):
                image = np.full((size[1], size[0], 3), 40 * index % 256, dtype=np.uint8)
                for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
        return file

    def images(self, folder: Path, frames: int = 2, size: tuple[int, int] = SIZE) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(frames):
            cv2.imwrite(str(folder / f"{index:06d}.png"), np.zeros((size[1], size[0], 3), dtype=np.uint8))
        return folder

    def dannce_capture(self, folder: Path, cameras: Sequence[Camera], toml: str = "") -> Path:
        """Calibration, one video a camera in videos/NAME/0.mp4, and a capture.toml."""
        self.dannce(folder / "calibration", cameras)
        text = 'format = 1\nunit = "mm"\nup = "+z"\n' + toml
        text += '[rig]\nfile = "calibration"\nformat = "dannce"\n'
        for camera in cameras:
            self.video(folder / f"videos/{camera.name}/0.mp4", size=(camera.width, camera.height))
            text += f'[[camera]]\nname = "{camera.name}"\nvideo = "videos/{camera.name}/0.mp4"\n'
        (folder / "capture.toml").write_text(text)
        return folder


@pytest.fixture
def write() -> Writers:
    return Writers()
