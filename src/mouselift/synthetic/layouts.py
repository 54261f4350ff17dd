"""Folder layouts and calibration files as other tools write them, from this project's cameras.

Conventions: each writer undoes at the border what the readers do (docs/concepts/conventions.md).
Ours: pixel centres at +0.5. MATLAB (DANNCE): at 1, so +0.5 on the principal point. OpenCV (MAMMAL,
Anipose): at 0, so -0.5.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import tomlkit
from jaxtyping import Float64, Int64
from scipy.io import savemat

from mouselift.array_types import Array
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady, Fisheye, Pinhole

Layout = Literal["dannce", "dannce_mat", "mammal", "anipose"]
_TO_MATLAB, _TO_OPENCV = 0.5, -0.5  # added to our pixels
_MAT_HEADER = b"MATLAB 5.0 MAT-file, written by mouselift.synthetic".ljust(116)  # SciPy's holds the time of day


@dataclass(frozen=True)
class Files:
    """Where one camera's frames go, relative to the capture: a video's path, or a folder of PNGs."""

    image: Path
    mask: Path


def files_of(layout: Layout, index: int, name: str, images: str, masks: str) -> Files:
    """Paths of the camera `index` (from 0); `images` and `masks` are "video" or "png"."""
    as_png, mask_png = images == "png", masks == "png"
    if layout == "mammal":
        return Files(
            Path("images_undist", str(index)) if as_png else Path("videos_undist", f"{index}.mp4"),
            Path("simpleclick_undist", str(index) if mask_png else f"{index}.mp4"),
        )
    if layout == "anipose":
        return Files(
            Path("images", name) if as_png else Path("videos", f"{name}.mp4"),
            Path("masks", name if mask_png else f"{name}.mp4"),
        )
    camera = f"Camera{index + 1}"
    return Files(
        Path("images", camera) if as_png else Path("videos", camera, "0.mp4"),
        Path("masks", camera if mask_png else f"{camera}.mp4"),
    )


@dataclass(frozen=True, eq=False)
class Labels:
    """Labelled points of some frames, as a person would have clicked them, without error."""

    frames: Int64[Array, " t"]
    points_world: Float64[Array, "t k 3"]
    frame_count: int  # of the videos
    fps: float


def write_calibration(folder: Path, layout: Layout, cameras: Sequence[Camera], labels: Labels) -> None:
    """The rig in the layout's own file. CalibrationError where the format cannot hold a camera.

    `labels` are stored by "dannce_mat" only: the other formats have no place for them.
    """
    if layout == "dannce":
        for i, camera in enumerate(cameras, start=1):
            _savemat(folder / "calibration" / f"hires_cam{i}_params.mat", _dannce_params(camera))
    elif layout == "dannce_mat":
        _savemat(folder / "label3d_dannce.mat", _label3d(cameras, labels))
    elif layout == "mammal":
        (folder / "new_cam.pkl").write_bytes(pickle.dumps([_mammal(camera) for camera in cameras], protocol=4))
    else:
        document = {f"cam_{i}": _anipose(camera) for i, camera in enumerate(cameras)}
        text = tomlkit.dumps({**document, "metadata": {"adjusted": True, "error": 0.0}})
        (folder / "calibration.toml").write_text(text, encoding="utf-8")


def _shifted_K(camera: Camera, shift: float) -> np.ndarray:
    K = camera.K.copy()
    K[:2, 2] += shift
    return K


def _brown(camera: Camera, form: str) -> BrownConrady:
    """The lens as k1 k2 p1 p2 k3; CalibrationError on any other."""
    lens = camera.lens
    if isinstance(lens, Pinhole):
        return BrownConrady()
    if isinstance(lens, Fisheye) or lens.k4 or lens.k5 or lens.k6:
        raise CalibrationError(f"camera {camera.name!r}: {form} holds k1 k2 p1 p2 k3 only, got {lens}")
    return lens


def _dannce_params(camera: Camera) -> dict[str, np.ndarray]:
    """Transposed K with a 1-based principal point; row-vector rotation (formats.md, a)."""
    lens = _brown(camera, "a DANNCE parameter file")
    return {
        "K": _shifted_K(camera, _TO_MATLAB).T,
        "RDistort": np.array([[lens.k1, lens.k2, lens.k3]]),
        "TDistort": np.array([[lens.p1, lens.p2]]),
        "r": camera.R_cam_world.T,
        "t": camera.t_cam_world[None],
    }


def _label3d(cameras: Sequence[Camera], labels: Labels) -> dict[str, np.ndarray]:
    """Label3D's file: `params`, `sync` (all frames) and `labelData` (labelled ones), one cell a camera."""
    n, k = labels.points_world.shape[:2]
    flat = labels.points_world.reshape(-1, 3)
    every = np.arange(labels.frame_count)
    names, params, sync, labelled = (np.empty((len(cameras), 1), dtype=object) for _ in range(4))
    for i, camera in enumerate(cameras):
        pixels = camera.project(flat) + _TO_MATLAB
        names[i, 0], params[i, 0] = f"Camera{i + 1}", _dannce_params(camera)
        blank = np.zeros((len(every), 1), dtype=np.uint8)
        sync[i, 0] = _rows(every, np.repeat(blank, 2 * k, 1), np.repeat(blank, 3 * k, 1), labels.fps)
        labelled[i, 0] = _rows(labels.frames, pixels.reshape(n, 2 * k), flat.reshape(n, 3 * k), labels.fps)
    return {"camnames": names.T, "params": params, "sync": sync, "labelData": labelled}


def _rows(frames: np.ndarray, data_2d: np.ndarray, data_3d: np.ndarray, fps: float) -> dict[str, np.ndarray]:
    return {
        "data_2d": data_2d,
        "data_3d": data_3d,
        "data_frame": frames[:, None],  # counted from 0
        "data_sampleID": frames[:, None] * 1000.0 / fps + 1,  # milliseconds + 1
    }


def _mammal(camera: Camera) -> dict[str, np.ndarray]:
    """OpenCV column convention, world to camera, millimetres; the videos hold undistorted images."""
    if not isinstance(camera.lens, Pinhole) or camera.skew:
        raise CalibrationError(
            f"camera {camera.name!r}: new_cam.pkl belongs to undistorted videos, got {camera.lens} and "
            f"skew {camera.skew}; "
            "use mouselift.synthetic.rigs.undistorted_rig"
        )
    return {
        "K": _shifted_K(camera, _TO_OPENCV),
        "R": camera.R_cam_world.copy(),
        "T": camera.t_cam_world[:, None].copy(),
    }


def _anipose(camera: Camera) -> dict[str, object]:
    """One table of calibration.toml: K row by row, Rodrigues rotation, world to camera (formats.md, c)."""
    if camera.skew:
        raise CalibrationError(
            f"camera {camera.name!r}: Anipose's readers ignore skew, got {camera.skew} px; "
            "use mouselift.synthetic.rigs.unskewed_rig"
        )
    lens = camera.lens
    if isinstance(lens, Fisheye):
        distortions = [lens.k1, lens.k2, lens.k3, lens.k4]
    else:
        brown = _brown(camera, "calibration.toml")
        distortions = [brown.k1, brown.k2, brown.p1, brown.p2, brown.k3]
    table: dict[str, object] = {
        "name": camera.name,
        "size": [camera.width, camera.height],
        "matrix": _shifted_K(camera, _TO_OPENCV).tolist(),
        "distortions": [float(value) for value in distortions],
        "rotation": np.asarray(cv2.Rodrigues(camera.R_cam_world.copy())[0]).ravel().tolist(),
        "translation": camera.t_cam_world.tolist(),
    }
    return {**table, "fisheye": True} if isinstance(lens, Fisheye) else table


def _savemat(path: Path, values: dict[str, np.ndarray]) -> None:
    """A MATLAB v5 file with a fixed header, so that equal captures are equal bytes."""
    buffer = io.BytesIO()
    savemat(buffer, values)
    data = bytearray(buffer.getvalue())
    data[: len(_MAT_HEADER)] = _MAT_HEADER
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(data))
