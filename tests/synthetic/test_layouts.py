"""Written calibration files, re-read by plain code as their own tools do, against the truth."""

from __future__ import annotations

import pickle
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import loadmat

from layouts import Labels, Layout, write_calibration
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady, Fisheye
from mouselift.synthetic.rigs import Rig, markerless_rig
from other_rigs import undistorted_rig, unskewed_rig

POINTS = np.random.default_rng(5).uniform([10, 2, 0], [110, 102, 60], (40, 3))
LABELS = Labels(np.array([0, 7, 19]), POINTS[:24].reshape(3, 8, 3), 20, 100.0)
Project = Callable[[np.ndarray], np.ndarray]


def dannce(params: dict[str, np.ndarray]) -> Project:
    """DANNCE's own way: row vectors, [X 1] [r; t] K, pixels counted from 1, then the lens (here: of OpenCV's order)."""

    def project(points: np.ndarray) -> np.ndarray:
        cam = points @ params["r"] + params["t"]
        x, y = (cam[:, :2] / cam[:, 2:]).T
        k1, k2, k3 = params["RDistort"].ravel()
        p1, p2 = params["TDistort"].ravel()
        r2 = x * x + y * y
        radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
        xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        pixels = np.stack([xd, yd, np.ones_like(xd)], axis=1) @ params["K"]
        return pixels[:, :2] - 0.5  # from MATLAB's first pixel centre at 1 to ours at 0.5

    return project


def read_dannce(folder: Path, count: int) -> list[Project]:
    return [dannce(loadmat(folder / "calibration" / f"hires_cam{i}_params.mat")) for i in range(1, count + 1)]


def read_dannce_mat(folder: Path, count: int) -> list[Project]:
    params = loadmat(folder / "label3d_dannce.mat")["params"]
    assert params.shape == (count, 1)
    fields = ("K", "r", "t", "RDistort", "TDistort")
    return [dannce({key: params[i, 0][0, 0][key] for key in fields}) for i in range(count)]


def read_mammal(folder: Path, count: int) -> list[Project]:
    with (folder / "new_cam.pkl").open("rb") as file:
        cameras = pickle.load(file)
    assert len(cameras) == count

    def of(cam: dict[str, np.ndarray]) -> Project:
        def project(points: np.ndarray) -> np.ndarray:
            pixels = (points @ cam["R"].T + cam["T"].ravel()) @ cam["K"].T
            return pixels[:, :2] / pixels[:, 2:] + 0.5

        return project

    return [of(cam) for cam in cameras]


def read_anipose(folder: Path, count: int) -> list[Project]:
    tables = tomllib.loads((folder / "calibration.toml").read_text(encoding="utf-8"))
    by_name = {t["name"]: t for key, t in tables.items() if key != "metadata"}

    def of(table: dict[str, list[float]]) -> Project:
        def project(points: np.ndarray) -> np.ndarray:
            args = (np.array(table["rotation"]), np.array(table["translation"]), np.array(table["matrix"]))
            if table.get("fisheye"):
                pixels, _ = cv2.fisheye.projectPoints(
                    points[None], args[0], args[1], args[2], np.array(table["distortions"])
                )
            else:
                pixels, _ = cv2.projectPoints(points, *args, np.array(table["distortions"]))
            return np.asarray(pixels).reshape(-1, 2) + 0.5

        return project

    return [of(by_name[f"Camera{i}"]) for i in range(1, count + 1)]


CASES: dict[Layout, tuple[Callable[[Path, int], list[Project]], Callable[[Rig], Rig]]] = {
    "dannce": (read_dannce, lambda rig: rig),
    "dannce_mat": (read_dannce_mat, lambda rig: rig),
    "mammal": (read_mammal, undistorted_rig),
    "anipose": (read_anipose, unskewed_rig),
}


def worst(projects: list[Project], cameras: tuple[Camera, ...]) -> float:
    gaps = [np.abs(p(POINTS) - c.project(POINTS)).max() for p, c in zip(projects, cameras, strict=True)]
    return float(max(gaps))


@pytest.mark.parametrize("layout", CASES)
def test_re_read_cameras_project_as_the_truth(layout: Layout, tmp_path: Path) -> None:
    read, prepare = CASES[layout]
    cameras = prepare(markerless_rig()).cameras
    write_calibration(tmp_path, layout, cameras, LABELS)
    assert worst(read(tmp_path, 6), cameras) < 1e-8


@pytest.mark.parametrize("layout", CASES)
def test_the_check_notices_half_a_pixel_one_per_cent_and_a_transposed_rotation(layout: Layout, tmp_path: Path) -> None:
    read, prepare = CASES[layout]
    cameras = prepare(markerless_rig()).cameras

    def transposed(camera: Camera) -> Camera:
        T = camera.T_cam_world.copy()
        T[:3, :3] = T[:3, :3].T
        T[:3, 3] = camera.to_cam(POINTS[:1])[0] - T[:3, :3] @ POINTS[0]
        return replace(camera, T_cam_world=T)

    wrong = {
        "half": tuple(replace(c, cx=c.cx + 0.5) for c in cameras),
        "focal": tuple(replace(c, fy=c.fy * 1.01) for c in cameras),
        "rotation": tuple(map(transposed, cameras)),
    }
    for name, spoilt in wrong.items():
        folder = tmp_path / name
        folder.mkdir()
        write_calibration(folder, layout, spoilt, LABELS)
        with np.errstate(all="ignore"):
            gap = worst(read(folder, 6), cameras)
        assert gap > 0.49 or np.isnan(gap), name


def test_labels_are_exact_reprojections_counted_from_one(tmp_path: Path) -> None:
    cameras = markerless_rig().cameras
    write_calibration(tmp_path, "dannce_mat", cameras, LABELS)
    data = loadmat(tmp_path / "label3d_dannce.mat")
    assert [str(name[0]) for name in data["camnames"][0]] == [f"Camera{i}" for i in range(1, 7)]
    for i, camera in enumerate(cameras):
        labels = data["labelData"][i, 0][0, 0]
        points = labels["data_3d"].reshape(-1, 3)
        np.testing.assert_allclose(labels["data_2d"].reshape(-1, 2), camera.project(points) + 0.5, atol=1e-9)
        np.testing.assert_array_equal(labels["data_frame"], [[0], [7], [19]])
        np.testing.assert_allclose(labels["data_sampleID"], [[1.0], [71.0], [191.0]])
        sync = data["sync"][i, 0][0, 0]
        assert sync["data_2d"].shape == (20, 16)
        assert sync["data_3d"].shape == (20, 24)
        np.testing.assert_array_equal(sync["data_frame"].ravel(), np.arange(20))


def test_fisheye_goes_into_anipose(tmp_path: Path) -> None:
    lens = Fisheye(-0.02, 0.01, 0.0, 0.0)
    cameras = tuple(replace(c, lens=lens) for c in unskewed_rig(markerless_rig()).cameras)
    write_calibration(tmp_path, "anipose", cameras, LABELS)
    assert worst(read_anipose(tmp_path, 6), cameras) < 1e-8


@pytest.mark.parametrize(
    ("layout", "change", "message"),
    [
        ("mammal", {}, "undistorted_rig"),
        ("anipose", {}, "unskewed_rig"),
        ("dannce", {"lens": Fisheye(0.1)}, "k1 k2 p1 p2 k3 only"),
        ("dannce_mat", {"lens": BrownConrady(k4=0.1)}, "k1 k2 p1 p2 k3 only"),
        ("anipose", {"lens": BrownConrady(k6=0.1), "skew": 0.0}, "k1 k2 p1 p2 k3 only"),
    ],
)
def test_a_camera_that_the_format_cannot_hold_is_refused(
    layout: Layout, change: dict[str, object], message: str, tmp_path: Path
) -> None:
    camera = replace(markerless_rig().cameras[0], **change)  # type: ignore[arg-type]
    with pytest.raises(CalibrationError, match=message):
        write_calibration(tmp_path, layout, [camera], LABELS)
