"""Pluecker lines: the invariants of the design's section on rays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mouselift.geometry.camera import Camera
from pluecker_reference import nearest_to_origin, pixel_centres, pluecker


def incidence(X: np.ndarray, camera: Camera, told: Camera) -> float:
    """|X x d - m| for the rays that `told` gives to the pixels at which `camera` sees X: world units."""
    d, m = pluecker(told, camera.project(X))
    return float(np.abs(np.cross(X, d) - m).max())


def test_pixel_centres_row_by_row() -> None:
    assert pixel_centres(3, 2).tolist() == [[0.5, 0.5], [1.5, 0.5], [2.5, 0.5], [0.5, 1.5], [1.5, 1.5], [2.5, 1.5]]


def test_moment_does_not_depend_on_the_point(ring: Callable[..., list[Camera]]) -> None:
    for camera in ring(distorted=True):
        d, m = pluecker(camera, pixel_centres(640, 480)[::5000])
        np.testing.assert_allclose((d * m).sum(axis=1), 0.0, atol=1e-10)
        for along in (-100.0, 1.0, 345.6):
            np.testing.assert_allclose(np.cross(camera.centre + along * d, d), m, rtol=0, atol=1e-9)


def test_nearest_point_to_the_origin(ring: Callable[..., list[Camera]]) -> None:
    camera = ring()[2]
    d, m = pluecker(camera, pixel_centres(640, 480)[::5000])
    n = nearest_to_origin(d, m)
    o = camera.centre
    np.testing.assert_allclose(n, o - (d @ o)[:, None] * d, rtol=0, atol=1e-9)  # o - (o.d) d
    np.testing.assert_allclose((n * d).sum(axis=1), 0.0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(n, axis=1), np.linalg.norm(m, axis=1), rtol=1e-12)
    steps = np.linspace(-500, 500, 2001)
    distance = np.linalg.norm(o + steps[:, None, None] * d, axis=2).min(axis=0)
    assert (np.linalg.norm(n, axis=1) <= distance + 1e-9).all()


def test_lines_of_all_views_meet_in_the_point(ring: Callable[..., list[Camera]]) -> None:
    X = np.array([[12.0, -7.0, 5.0], [-20.0, 3.0, 18.0]])
    for camera in ring(distorted=True):
        assert incidence(X, camera, camera) < 1e-9


def test_the_incidence_notices_faults(ring: Callable[..., list[Camera]]) -> None:
    X = np.array([[12.0, -7.0, 5.0], [-20.0, 3.0, 18.0]])
    for camera in ring(distorted=True):
        T = camera.T_cam_world.copy()
        T[:3, :3] = T[:3, :3].T
        for fault in (
            replace(camera, cx=camera.cx + 0.5, cy=camera.cy + 0.5),
            replace(camera, fx=camera.fx * 1.01, fy=camera.fy * 1.01),
            replace(camera, T_cam_world=T),
        ):
            assert incidence(X, camera, fault) > 0.02
