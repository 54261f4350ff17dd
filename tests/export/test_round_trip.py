"""What is exported comes back through the rig readers: the same projections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from marked_scenes import MARKS
from mouselift.calibration.registry import load_rig
from mouselift.export.colmap import colmap_files
from mouselift.export.nerfstudio import nerfstudio_files
from mouselift.export.scene import ExportScene


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        if not name.startswith(("images/", "masks/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("lens", ["opencv", "fisheye"])
def test_exported_cameras_come_back(scenes: dict[str, ExportScene], lens: str, tmp_path: Path) -> None:
    scene = scenes[lens]
    for kind, place in (
        ("colmap", written(tmp_path / "text", colmap_files(scene, form="text")) / "sparse/0"),
        ("colmap", written(tmp_path / "binary", colmap_files(scene, form="binary")) / "sparse/0"),
        ("nerfstudio", written(tmp_path / "nerfstudio", nerfstudio_files(scene))),
    ):
        rig = load_rig(place)
        assert rig.format == kind
        for name, view in zip(scene.files, scene.views, strict=True):
            seen = rig[name].camera((view.camera.width, view.camera.height)).project(MARKS)
            assert np.abs(seen - view.camera.project(MARKS)).max() < 1e-9
