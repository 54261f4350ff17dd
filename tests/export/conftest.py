"""Scenes and a dataset with painted marks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from marked_scenes import LENSES, painted, ring, scene_with
from mouselift.calibration.facelift import ViewEntry, sample_json
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.export.scene import ExportScene
from mouselift.geometry.lens import Pinhole
from mouselift.geometry.triangulation import triangulate
from mouselift.media.png import encode_png
from mouselift.synthetic.capture import write_dannce_calibration
from mouselift.synthetic.rigs import markerless_rig, scaled_rig


@pytest.fixture(scope="session")
def scenes() -> dict[str, ExportScene]:
    """A scene a lens. Read only."""
    return {name: scene_with(lens) for name, lens in LENSES.items()}


@pytest.fixture(scope="session")
def marked_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two samples of three views, and the lists. Read only."""
    root = tmp_path_factory.mktemp("marked")
    for number in (3, 7):
        folder = root / f"sample_{number:06d}"
        (folder / "images").mkdir(parents=True)
        views = [ViewEntry(replace(c, name=f"cam{k}"), f"images/{k}.png", k) for k, c in enumerate(ring(Pinhole()))]
        for view in views:
            (folder / view.file_path).write_bytes(encode_png(painted(view.camera)))
        (folder / "opencv_cameras.json").write_bytes(sample_json(folder.name, views, {}))
    (root / "data_train.txt").write_text(f"{root / 'sample_000003'}\n")
    (root / "data_val.txt").write_text(f"{root / 'sample_000007'}\n")
    return root


@pytest.fixture(scope="session")
def small_capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two frames of a ball, six cameras with skew and lenses, and a capture.toml. Read only."""
    folder = tmp_path_factory.mktemp("capture") / "ball"
    cameras = scaled_rig(markerless_rig(), 0.25).cameras
    write_dannce_calibration(folder, cameras)
    centre = triangulate(cameras, np.array([[c.cx, c.cy] for c in cameras])).point
    for number, camera in enumerate(cameras, start=1):
        i, j = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
        x, y = camera.project(centre[None])[0]
        radius = 20 * camera.focal / np.linalg.norm(camera.centre - centre)  # mm
        mask = ((i - x) ** 2 + (j - y) ** 2 < radius**2) * np.uint8(255)
        image = np.where(mask[..., None] > 0, [200, 120, 60], [90, 100, 110]).astype(np.uint8)
        for kind, pixels in (("images", image), ("masks", mask)):
            place = folder / kind / f"Camera{number}"
            place.mkdir(parents=True)
            for frame in range(2):
                (place / f"{frame:06d}.png").write_bytes(encode_png(pixels))
    write_capture_toml(folder / "capture.toml", discover(folder).spec)
    return folder
