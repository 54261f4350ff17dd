"""Readers against the writers of synthetic captures, which were written apart from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from layouts import Labels, Layout, write_calibration
from mouselift.calibration.registry import load_rig
from mouselift.synthetic.rigs import demo_rig
from other_rigs import undistorted_rig


@pytest.mark.parametrize(
    ("layout", "rig_format", "file"),
    [
        ("dannce", "dannce", "calibration"),
        ("dannce_mat", "dannce", "label3d_dannce.mat"),
        ("mammal", "mammal", "new_cam.pkl"),
        ("anipose", "anipose", "calibration.toml"),
    ],
)
def test_cameras_come_back(layout: Layout, rig_format: str, file: str, tmp_path: Path) -> None:
    rig = demo_rig() if rig_format == "dannce" else undistorted_rig(demo_rig())
    points = np.random.default_rng(0).uniform([-30, -30, -10], [30, 30, 50], (50, 3))
    labels = Labels(np.array([0, 1]), points.reshape(2, 25, 3), 2, 25.0)
    (tmp_path / "calibration").mkdir()
    write_calibration(tmp_path, layout, rig.cameras, labels)
    read = load_rig(tmp_path / file, rig_format)
    assert any("Decided by that evidence" in line for line in read.evidence) == (layout == "dannce_mat")
    for got, camera in zip(read.cameras, rig.cameras, strict=True):
        projected = got.camera((camera.width, camera.height)).project(points)
        np.testing.assert_allclose(projected, camera.project(points), atol=1e-9)
        assert np.abs(projected + 0.5 - camera.project(points)).min() > 0.4  # half a pixel is seen
