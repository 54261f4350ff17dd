"""The point that all views see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mouselift.geometry.camera import Camera
from mouselift.geometry.triangulation import meeting_point, meeting_points, ray_distances, triangulate

X = np.array([[12.0, -7.0, 5.0]])


def seen(cameras: list[Camera]) -> np.ndarray:
    return np.concatenate([camera.project(X) for camera in cameras])


def to_rays(point: np.ndarray, cameras: list[Camera], pixels: np.ndarray) -> np.ndarray:
    rays = np.concatenate([camera.rays(pixel[None]) for camera, pixel in zip(cameras, pixels, strict=True)])
    return ray_distances(point, np.stack([camera.centre for camera in cameras]), rays)


@pytest.mark.parametrize("views", [2, 3, 6])
@pytest.mark.parametrize("distorted", [False, True])
def test_exact_point(views: int, distorted: bool, ring: Callable[..., list[Camera]]) -> None:
    cameras = ring(distorted)[:views]
    met = triangulate(cameras, seen(cameras))
    np.testing.assert_allclose(met.point, X[0], rtol=0, atol=1e-8)
    assert to_rays(met.point, cameras, seen(cameras)).max() < 1e-8
    assert met.used.all()
    assert met.residual_px(cameras, seen(cameras)).max() < 1e-7


@pytest.mark.parametrize("fault", ["half a pixel", "one per cent", "rotation transposed"])
def test_a_fault_in_one_camera_leaves_a_residual(fault: str, ring: Callable[..., list[Camera]]) -> None:
    cameras = ring()
    pixels = seen(cameras)
    wrong = cameras[2]
    T = wrong.T_cam_world.copy()
    T[:3, :3] = T[:3, :3].T
    cameras[2] = {
        "half a pixel": replace(wrong, cx=wrong.cx + 0.5, cy=wrong.cy + 0.5),
        "one per cent": replace(wrong, fx=wrong.fx * 1.01, fy=wrong.fy * 1.01),
        "rotation transposed": replace(wrong, T_cam_world=T),
    }[fault]
    met = triangulate(cameras, pixels)
    residual = met.residual_px(cameras, pixels)
    assert not np.nanmax(residual) < 0.1
    if fault != "rotation transposed":
        assert int(residual.argmax()) == 2


def test_least_squares_against_a_search(ring: Callable[..., list[Camera]]) -> None:
    """No nearby point has a smaller sum of squared distances, and the distances are those to the lines."""
    cameras = ring()
    pixels = seen(cameras) + np.random.default_rng(0).normal(size=(6, 2)) * 3
    rays = np.concatenate([camera.rays(pixel[None]) for camera, pixel in zip(cameras, pixels, strict=True)])
    origins = np.stack([camera.centre for camera in cameras])
    met = triangulate(cameras, pixels)
    distances = ray_distances(met.point, origins, rays)
    best = float((distances**2).sum())
    for step in np.concatenate([np.eye(3), -np.eye(3)]) * 0.01:
        assert float((ray_distances(met.point + step, origins, rays) ** 2).sum()) > best
    along = np.linspace(0.0, 600.0, 600_001)
    on_ray = origins[0] + along[:, None] * rays[0]
    assert distances[0] == pytest.approx(np.linalg.norm(on_ray - met.point, axis=1).min(), rel=1e-4)


def test_an_outlier_view_is_dropped(ring: Callable[..., list[Camera]]) -> None:
    cameras = ring()
    pixels = seen(cameras)
    pixels[4] += [60.0, -25.0]
    dragged = triangulate(cameras, pixels)
    assert np.linalg.norm(dragged.point - X[0]) > 1.0
    met = triangulate(cameras, pixels, outlier_px=5.0)
    assert met.used.tolist() == [True, True, True, True, False, True]
    np.testing.assert_allclose(met.point, X[0], rtol=0, atol=1e-8)
    assert met.residual_px(cameras, pixels)[4] == pytest.approx(65.0, rel=1e-6)


def test_two_outliers_are_dropped(ring: Callable[..., list[Camera]]) -> None:
    cameras = ring()
    pixels = seen(cameras)
    pixels[1] += [0.0, 150.0]
    pixels[4] += [60.0, -25.0]
    met = triangulate(cameras, pixels, outlier_px=5.0)
    assert met.used.tolist() == [True, False, True, True, False, True]
    np.testing.assert_allclose(met.point, X[0], rtol=0, atol=1e-8)


def test_noise_drops_nobody(ring: Callable[..., list[Camera]]) -> None:
    cameras = ring()
    pixels = seen(cameras) + np.random.default_rng(1).normal(size=(6, 2))
    assert triangulate(cameras, pixels, outlier_px=10.0).used.all()


def test_two_views_that_disagree_are_both_kept(ring: Callable[..., list[Camera]]) -> None:
    """Of two, nobody can say which is wrong; the residual tells."""
    cameras = ring()[:2]
    pixels = seen(cameras)
    pixels[0, 1] += 80.0
    met = triangulate(cameras, pixels, outlier_px=5.0)
    assert met.used.all()
    assert met.residual_px(cameras, pixels).max() > 20.0


def test_parallel_rays_are_refused(ring: Callable[..., list[Camera]]) -> None:
    camera = ring()[0]
    T = camera.T_cam_world.copy()
    T[0, 3] += 50.0
    beside = replace(camera, T_cam_world=T)
    pixel = np.array([[300.0, 200.0], [300.0, 200.0]])
    with pytest.raises(ValueError, match="parallel"):
        triangulate([camera, beside], pixel)
    with pytest.raises(ValueError, match="parallel"):
        triangulate([camera, camera], pixel)


def test_too_few_rays_are_refused(ring: Callable[..., list[Camera]]) -> None:
    with pytest.raises(ValueError, match="at least 2 rays, got 1"):
        triangulate(ring()[:1], np.array([[1.0, 2.0]]))


def test_a_pixel_that_is_nan_is_refused(ring: Callable[..., list[Camera]]) -> None:
    cameras = ring()[:3]
    pixels = seen(cameras)
    pixels[1] = np.nan
    with pytest.raises(ValueError, match="pixels of cameras cam1 are not finite"):
        triangulate(cameras, pixels)


def test_meeting_point_of_axes() -> None:
    origins = np.array([[5.0, 1.0, 2.0], [1.0, -5.0, 2.0], [1.0, 1.0, 9.0]])
    np.testing.assert_allclose(meeting_point(origins, np.eye(3)), [1.0, 1.0, 2.0], atol=1e-12)


def test_several_sets_of_rays_meet_as_each_alone() -> None:
    rng = np.random.default_rng(5)
    origins, directions = rng.normal(size=(2, 4, 6, 3))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    directions[2] = directions[2, 0]  # parallel: no point
    points, known = meeting_points(origins, directions)
    assert known.tolist() == [True, True, False, True]
    for k in np.flatnonzero(known):
        np.testing.assert_allclose(points[k], meeting_point(origins[k], directions[k]), rtol=0, atol=1e-12)
