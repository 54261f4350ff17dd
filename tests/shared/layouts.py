"""Synthetic captures in the folder layouts and calibration files of other tools, from this project's cameras.

Conventions: each writer undoes at the border what the readers do (docs/concepts/conventions.md).
Ours: pixel centres at +0.5. MATLAB (DANNCE): at 1, so +0.5 on the principal point. OpenCV (MAMMAL,
Anipose): at 0, so -0.5. DANNCE's layout itself is written by mouselift.synthetic.capture.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import tomlkit
from jaxtyping import Float64, Int64

from mouselift.array_types import Array
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import Fisheye, Pinhole
from mouselift.sampling import evenly_spaced
from mouselift.synthetic.capture import (
    TO_MATLAB,
    CaptureSpec,
    as_brown,
    dannce_params,
    savemat_repeatable,
    shifted_K,
    write_capture,
    write_dannce_calibration,
)
from mouselift.synthetic.truth import Truth

Layout = Literal["dannce", "dannce_mat", "mammal", "anipose"]
_TO_OPENCV = -0.5  # added to our pixels


@dataclass(frozen=True, eq=False)
class Labels:
    """Labelled points of some frames, as a person would have clicked them, without error."""

    frames: Int64[Array, " t"]
    points_world: Float64[Array, "t k 3"]
    frame_count: int  # of the videos
    fps: float


def write_laid_out(folder: Path, layout: Layout, spec: CaptureSpec) -> Truth:
    """`write_capture` with videos, its files then moved to where `layout` has them; ten frames carry labels."""
    truth = write_capture(folder, spec)
    shutil.rmtree(folder / "calibration")
    frames = np.array(evenly_spaced(range(spec.frames), 10), dtype=np.int64)
    points = np.stack([truth.keypoints(int(frame)) for frame in frames])
    write_calibration(folder, layout, truth.cameras, Labels(frames, points, spec.frames, spec.fps))
    for index, camera in enumerate(truth.cameras):
        image, mask = f"videos/Camera{index + 1}/0.mp4", f"masks/Camera{index + 1}.mp4"
        if layout == "mammal":
            targets = f"videos_undist/{index}.mp4", f"simpleclick_undist/{index}.mp4"
        elif layout == "anipose":
            targets = f"videos/{camera.name}.mp4", f"masks/{camera.name}.mp4"
        else:
            targets = image, mask
        for source, target in zip((image, mask), targets, strict=True):
            (folder / target).parent.mkdir(exist_ok=True)
            (folder / source).rename(folder / target)
    for empty in (*(folder / "videos").glob("*/"), folder / "videos", folder / "masks"):
        if empty.is_dir() and not any(empty.iterdir()):
            empty.rmdir()
    return truth


def write_calibration(folder: Path, layout: Layout, cameras: Sequence[Camera], labels: Labels) -> None:
    """The rig in the layout's own file. CalibrationError where the format cannot hold a camera.

    `labels` are stored by "dannce_mat" only: the other formats have no place for them.
    """
    if layout == "dannce":
        write_dannce_calibration(folder, cameras)
    elif layout == "dannce_mat":
        savemat_repeatable(folder / "label3d_dannce.mat", _label3d(cameras, labels))
    elif layout == "mammal":
        (folder / "new_cam.pkl").write_bytes(pickle.dumps([_mammal(camera) for camera in cameras], protocol=4))
    else:
        document = {f"cam_{i}": _anipose(camera) for i, camera in enumerate(cameras)}
        text = tomlkit.dumps({**document, "metadata": {"adjusted": True, "error": 0.0}})
        (folder / "calibration.toml").write_text(text, encoding="utf-8")


def _label3d(cameras: Sequence[Camera], labels: Labels) -> dict[str, np.ndarray]:
    """Label3D's file: `params`, `sync` (all frames) and `labelData` (labelled ones), one cell a camera."""
    n, k = labels.points_world.shape[:2]
    flat = labels.points_world.reshape(-1, 3)
    every = np.arange(labels.frame_count)
    names, params, sync, labelled = (np.empty((len(cameras), 1), dtype=object) for _ in range(4))
    for i, camera in enumerate(cameras):
        pixels = camera.project(flat) + TO_MATLAB
        names[i, 0], params[i, 0] = f"Camera{i + 1}", dannce_params(camera)
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
            "use other_rigs.undistorted_rig"
        )
    return {
        "K": shifted_K(camera, _TO_OPENCV),
        "R": camera.R_cam_world.copy(),
        "T": camera.t_cam_world[:, None].copy(),
    }


def _anipose(camera: Camera) -> dict[str, object]:
    """One table of calibration.toml: K row by row, Rodrigues rotation, world to camera (formats.md, c)."""
    if camera.skew:
        raise CalibrationError(
            f"camera {camera.name!r}: Anipose's readers ignore skew, got {camera.skew} px; use other_rigs.unskewed_rig"
        )
    lens = camera.lens
    if isinstance(lens, Fisheye):
        distortions = [lens.k1, lens.k2, lens.k3, lens.k4]
    else:
        brown = as_brown(camera, "calibration.toml")
        distortions = [brown.k1, brown.k2, brown.p1, brown.p2, brown.k3]
    table: dict[str, object] = {
        "name": camera.name,
        "size": [camera.width, camera.height],
        "matrix": shifted_K(camera, _TO_OPENCV).tolist(),
        "distortions": [float(value) for value in distortions],
        "rotation": np.asarray(cv2.Rodrigues(camera.R_cam_world.copy())[0]).ravel().tolist(),
        "translation": camera.t_cam_world.tolist(),
    }
    return {**table, "fisheye": True} if isinstance(lens, Fisheye) else table
