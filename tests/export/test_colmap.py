"""COLMAP's models, read back by readers that are written down anew here."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from marked_scenes import LENSES, MARKS, decoded, measured, opencv_distorted
from mouselift.errors import CalibrationError
from mouselift.export.colmap import colmap_files
from mouselift.export.options import ColmapForm
from mouselift.export.scene import ExportScene
from mouselift.geometry.camera import Camera

MODELS = {"pinhole": "PINHOLE", "opencv": "OPENCV", "k3": "FULL_OPENCV", "rational": "FULL_OPENCV",
          "fisheye": "OPENCV_FISHEYE"}  # fmt: skip
NAMES = {1: "PINHOLE", 4: "OPENCV", 5: "OPENCV_FISHEYE", 6: "FULL_OPENCV"}
LENS = {
    "PINHOLE": (),
    "OPENCV": ("k1", "k2", "p1", "p2"),
    "FULL_OPENCV": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
    "OPENCV_FISHEYE": ("k1", "k2", "k3", "k4"),
}


@dataclass
class Image:
    name: str
    q: list[float]
    t: list[float]
    model: str
    size: tuple[int, int]
    parameters: list[float]

    def project(self, points: np.ndarray) -> np.ndarray:
        """Where a point of the world is in an image whose upper left pixel has its centre at (0.5, 0.5)."""
        w, x, y, z = self.q
        R = np.array([
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ])  # fmt: skip
        seen = points @ R.T + self.t
        numbers = dict(zip(LENS[self.model], self.parameters[4:], strict=True))
        bent = opencv_distorted(seen[:, :2] / seen[:, 2:], numbers, self.model == "OPENCV_FISHEYE")
        return bent * self.parameters[:2] + self.parameters[2:4]


def read_text(files: dict[str, bytes]) -> tuple[list[Image], np.ndarray]:
    cameras = {}
    for line in files["sparse/0/cameras.txt"].decode().splitlines():
        if not line.startswith("#"):
            number, model, width, height, *rest = line.split()
            cameras[number] = model, (int(width), int(height)), [float(value) for value in rest]
    lines = [line for line in files["sparse/0/images.txt"].decode().splitlines() if not line.startswith("#")]
    images = []
    for head, points in zip(lines[::2], lines[1::2], strict=True):
        assert points == ""
        _, *pose, camera, name = head.split()
        numbers = [float(value) for value in pose]
        images.append(Image(name, numbers[:4], numbers[4:], *cameras[camera]))
    rows = [line.split() for line in files["sparse/0/points3D.txt"].decode().splitlines() if not line.startswith("#")]
    return images, np.array([[float(value) for value in row[1:7]] for row in rows])


def read_binary(files: dict[str, bytes]) -> tuple[list[Image], np.ndarray]:
    data, at, cameras = files["sparse/0/cameras.bin"], 8, {}
    for _ in range(struct.unpack_from("<Q", data)[0]):
        number, model, width, height = struct.unpack_from("<IiQQ", data, at)
        count = 4 + len(LENS[NAMES[model]])
        cameras[number] = NAMES[model], (width, height), list(struct.unpack_from(f"<{count}d", data, at + 24))
        at += 24 + 8 * count
    assert at == len(data)
    data, at, images = files["sparse/0/images.bin"], 8, []
    for _ in range(struct.unpack_from("<Q", data)[0]):
        _, *pose, camera = struct.unpack_from("<I7dI", data, at)
        end = data.index(b"\0", at + 64)
        images.append(Image(data[at + 64 : end].decode(), pose[:4], pose[4:], *cameras[camera]))
        assert struct.unpack_from("<Q", data, end + 1) == (0,)
        at = end + 9
    assert at == len(data)
    data, at, points = files["sparse/0/points3D.bin"], 8, []
    for _ in range(struct.unpack_from("<Q", data)[0]):
        _, x, y, z, r, g, b, _, tracks = struct.unpack_from("<Q3d3BdQ", data, at)
        assert tracks == 0
        points.append([x, y, z, r, g, b])
        at += 51
    assert at == len(data)
    return images, np.array(points)


def read(files: dict[str, bytes], form: ColmapForm) -> tuple[list[Image], np.ndarray]:
    return read_text(files) if form == "text" else read_binary(files)


@pytest.mark.parametrize("form", ["text", "binary"])
@pytest.mark.parametrize("lens", LENSES)
def test_marks_lie_where_colmap_puts_them(scenes: dict[str, ExportScene], lens: str, form: ColmapForm) -> None:
    scene = scenes[lens]
    files = colmap_files(scene, form=form)
    images, points = read(files, form)
    for image, view in zip(images, scene.views, strict=True):
        assert image.model == MODELS[lens]
        assert image.size == (view.camera.width, view.camera.height)
        expected = image.project(MARKS)
        assert np.abs(expected - view.camera.project(MARKS)).max() < 1e-6
        assert np.abs(measured(decoded(files[f"images/{image.name}"])) - expected).max() < 0.03
    assert scene.hull is not None
    assert np.array_equal(points, np.column_stack([scene.hull.points, scene.hull.colours]))


def test_a_wrong_camera_shows(scenes: dict[str, ExportScene], camera_fault: Callable[[Camera], Camera]) -> None:
    scene = scenes["opencv"]
    spoiled = replace(scene, views=tuple(replace(v, camera=camera_fault(v.camera)) for v in scene.views))
    files = colmap_files(spoiled)
    for image in read_binary(files)[0]:
        where = measured(decoded(files[f"images/{image.name}"]))
        assert np.abs(image.project(MARKS) - where).max() > 0.1


def test_masks_are_called_after_the_whole_image(scenes: dict[str, ExportScene]) -> None:
    files = colmap_files(scenes["pinhole"], "ignored")
    assert np.array_equal(decoded(files["masks/cam_2.png.png"]), scenes["pinhole"].views[2].mask)
    assert decoded(files["images/cam_2.png"]).shape[2] == 3


def test_a_skew_is_refused_by_name_and_no_hull_gives_no_points(scenes: dict[str, ExportScene]) -> None:
    scene = scenes["pinhole"]
    skewed = replace(scene.views[0], camera=replace(scene.views[0].camera, skew=-5.8))
    with pytest.raises(CalibrationError, match=r"camera 'cam/0'.*COLMAP cannot hold skew = -5.8"):
        colmap_files(replace(scene, views=(skewed, *scene.views[1:])))
    for form in ("text", "binary"):
        assert len(read(colmap_files(replace(scene, hull=None), form=form), form)[1]) == 0
