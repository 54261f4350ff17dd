from __future__ import annotations

import numpy as np
import pytest

from mouselift.errors import CalibrationError
from mouselift.geometry.lens import BrownConrady, Pinhole
from mouselift.synthetic.rigs import (
    Arena,
    Rig,
    demo_rig,
    markerless_rig,
    scaled_rig,
)
from other_rigs import ring_rig, undistorted_rig, unskewed_rig


def test_the_markerless_rig_has_the_facts_of_the_recording() -> None:
    rig = markerless_rig()
    assert len(rig.cameras) == 6
    distances = [float(np.linalg.norm(camera.centre)) for camera in rig.cameras]
    assert 243 < min(distances) < 250
    assert 408 < max(distances) < 420
    for camera in rig.cameras:
        assert (camera.width, camera.height) == (1152, 1024)
        assert 1630 < camera.focal < 1680
        assert camera.skew != 0
        assert isinstance(camera.lens, BrownConrady)
        assert all(getattr(camera.lens, k) != 0 for k in ("k1", "k2", "k3", "p1", "p2"))
        assert abs(camera.cx - 576) > 5
        assert 60 < camera.centre[2] < 160
        assert camera.R_cam_world[1, 2] < -0.9  # upright: world up is image up
    assert len({(c.fx, c.fy, c.cx, c.cy, c.lens) for c in rig.cameras}) == 6


def test_the_lens_and_the_skew_matter() -> None:
    rig = markerless_rig()
    points = np.random.default_rng(0).uniform([10, 2, 0], [110, 102, 60], (200, 3))
    for bare in (undistorted_rig(rig), unskewed_rig(rig)):
        moved = [
            np.abs(a.project(points) - b.project(points)).max() for a, b in zip(rig.cameras, bare.cameras, strict=True)
        ]
        assert max(moved) > 0.5
    assert all(isinstance(c.lens, Pinhole) and c.skew == 0 for c in undistorted_rig(rig).cameras)
    assert all(c.lens == d.lens and c.skew == 0 for c, d in zip(unskewed_rig(rig).cameras, rig.cameras, strict=True))


def test_scaling_a_rig_scales_its_pixels() -> None:
    rig, half = markerless_rig(), demo_rig()
    points = np.random.default_rng(1).uniform([10, 2, 0], [110, 102, 60], (50, 3))
    for a, b in zip(rig.cameras, half.cameras, strict=True):
        np.testing.assert_allclose(b.project(points), 0.5 * a.project(points), atol=1e-9)
        assert np.abs(b.project(points) - (0.5 * a.project(points) + 0.25)).min() > 0.2  # the integer-centre rule
    with pytest.raises(CalibrationError, match="not a whole number"):
        scaled_rig(rig, 0.3)


def test_ring_and_dome() -> None:
    arena = Arena(5.0, -7.0, 80.0)
    ring = ring_rig(8, (15.0,), distance=300.0, arena=arena)
    for camera in ring.cameras:
        assert np.linalg.norm(camera.centre - [5, -7, 20]) == pytest.approx(300)
        np.testing.assert_allclose(camera.project(np.array([[5.0, -7.0, 20.0]])), [[576, 512]], atol=1e-9)
    heights = [camera.centre[2] for camera in ring_rig(6, (10.0, 50.0)).cameras]
    assert heights[0] < 80 < heights[1]
    shaken = ring_rig(8, (15.0,), distance=300.0, arena=arena, jitter_deg=1.0, seed=2)
    off = [np.abs(c.project(np.array([[5.0, -7.0, 20.0]])) - [576, 512]).max() for c in shaken.cameras]
    assert 2 < max(off) < 150
    for still, moved in zip(ring.cameras, shaken.cameras, strict=True):
        np.testing.assert_allclose(still.centre, moved.centre, atol=1e-9)


def test_names_must_be_distinct() -> None:
    camera = markerless_rig().cameras[0]
    with pytest.raises(CalibrationError, match="distinct names"):
        Rig((camera, camera), Arena())
