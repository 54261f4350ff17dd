"""The visual hull of a sphere: size, place, and whether it covers the silhouettes that made it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hull_reference import centroid, covered, shadow
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import looking_at
from mouselift.geometry.visual_hull import VisualHull, carve, sample_mask

RADIUS = 25.0


@pytest.fixture(scope="module")
def sphere(solid: Any) -> Any:
    return replace(solid, radii=np.full(3, RADIUS))


@pytest.fixture(scope="module")
def scene(ring: Callable[..., list[Camera]], sphere: Any) -> tuple[list[Camera], list[np.ndarray]]:
    cameras = ring(distorted=True, views=10)
    for i in (1, 6):  # from above and from below the hull closes in on the sphere
        C = np.array([20.0 * i, 15.0, 300.0 if i == 1 else -280.0])
        T = looking_at(np.zeros(3), C, np.array([0.0, 1.0, 0.0]))
        cameras[i] = replace(cameras[i], T_cam_world=T)
    return cameras, [sphere.mask(c) for c in cameras]


def carved(cameras: list[Camera], masks: list[np.ndarray], **options: int) -> VisualHull:
    return carve(cameras, masks, np.array([3.0, -5.0, 4.0]), 40.0, **options)


def test_volume_and_place(scene: tuple[list[Camera], list[np.ndarray]], sphere: Any) -> None:
    hull = carved(*scene)
    assert hull.voxel == pytest.approx(80.0 / 64)
    volume = len(hull.points) * hull.voxel**3
    assert sphere.volume * 0.98 < volume < sphere.volume * 1.25  # a hull contains its solid
    assert np.linalg.norm(centroid(hull) - sphere.centre) < hull.voxel
    inside = np.linalg.norm(hull.points - sphere.centre, axis=1) < RADIUS - hull.voxel
    count = inside.sum() * hull.voxel**3
    assert count == pytest.approx(4 / 3 * np.pi * (RADIUS - hull.voxel) ** 3, rel=0.02)  # nothing of the solid is lost


def test_place_is_exact_to_a_fraction_of_a_voxel(sphere: Any) -> None:
    """Three opposite pairs of cameras on the axes: by symmetry the centroid is the centre."""
    cameras = symmetric_rig(sphere.centre)
    masks = [sphere.mask(c) for c in cameras]
    hull = carve(cameras, masks, sphere.centre, 40.0)
    assert np.abs(centroid(hull) - sphere.centre).max() < 0.05 * hull.voxel
    # Half a voxel off, from corners taken for centres, would show; so would half a pixel in every image.
    assert np.abs(hull.points.mean(axis=0) - hull.voxel / 2 - sphere.centre).max() > 0.4 * hull.voxel
    shifted = [replace(c, cx=c.cx + 4.0) for c in cameras]
    assert np.abs(centroid(carve(shifted, masks, sphere.centre, 40.0)) - sphere.centre).max() < hull.voxel
    assert len(carve(shifted, masks, sphere.centre, 40.0).points) < 0.97 * len(hull.points)


def symmetric_rig(centre: np.ndarray) -> list[Camera]:
    cameras: list[Camera] = []
    for axis in np.concatenate([np.eye(3), -np.eye(3)]):
        down = np.array([0.0, 0.0, -1.0]) if abs(axis[2]) < 0.5 else np.array([0.0, 1.0, 0.0])
        T = looking_at(centre, centre + 300.0 * axis, down)
        cameras.append(Camera(640, 480, 900.0, 900.0, 320.0, 240.0, T))
    return cameras


def test_coverage_is_whole_for_exact_cameras(scene: tuple[list[Camera], list[np.ndarray]]) -> None:
    hull = carved(*scene)
    for camera, mask in zip(*scene, strict=True):
        assert covered(hull, camera, mask) > 0.995
        projected = shadow(hull, camera, mask.shape)
        assert projected.sum() < 1.25 * mask.sum()  # and the shadow is not simply everything


@pytest.mark.parametrize("fault", [None, "shifted by 12 px", "scaled by 1.2", "rotation transposed"])
def test_coverage_falls_when_a_camera_is_wrong(
    fault: str | None, scene: tuple[list[Camera], list[np.ndarray]], solid: Any
) -> None:
    cameras = scene[0][:6]
    masks = [solid.mask(c) for c in cameras]
    camera = cameras[3]
    T = camera.T_cam_world.copy()
    T[:3, :3] = T[:3, :3].T
    cameras[3] = {
        None: camera,
        "shifted by 12 px": replace(camera, cx=camera.cx + 12.0),
        "scaled by 1.2": replace(camera, fx=camera.fx * 1.2, fy=camera.fy * 1.2),
        "rotation transposed": replace(camera, T_cam_world=T),
    }[fault]
    hull = carved(cameras, masks)
    shares = [covered(hull, c, m) for c, m in zip(cameras, masks, strict=True)]
    assert min(shares) > 0.999 if fault is None else min(shares) < 0.985


def test_one_bad_mask_may_be_allowed_for(scene: tuple[list[Camera], list[np.ndarray]], sphere: Any) -> None:
    cameras, masks = scene[0], list(scene[1])
    masks[2] = np.zeros_like(masks[2])
    masks[2][:5, :5] = True
    strict = carved(cameras, masks)
    assert len(strict.points) == 0
    with pytest.raises(ValueError, match="no common volume"):
        _ = centroid(strict)
    assert shadow(strict, cameras[0], (480, 640)).sum() == 0
    lenient = carved(cameras, masks, allow_missing=1)
    assert np.linalg.norm(centroid(lenient) - sphere.centre) < 2 * lenient.voxel


def test_a_camera_that_does_not_see_has_no_say(sphere: Any) -> None:
    cameras = symmetric_rig(sphere.centre)
    masks = [sphere.mask(c) for c in cameras]
    hull = carve(cameras, masks, sphere.centre, 40.0)
    away = cameras[0].turned(np.diag([-1.0, 1.0, -1.0]))
    blind = carve([*cameras, away], [*masks, np.ones((480, 640), dtype=bool)], sphere.centre, 40.0)
    np.testing.assert_array_equal(blind.points, hull.points)


def test_space_seen_by_one_camera_is_not_solid(sphere: Any) -> None:
    cameras = symmetric_rig(sphere.centre)
    away = cameras[1].turned(np.diag([-1.0, 1.0, -1.0]))
    full = [np.ones((480, 640), dtype=bool)] * 2
    assert len(carve([cameras[0], away], full, sphere.centre, 40.0).points) == 0


def test_sample_mask_takes_the_pixel_that_holds_the_point() -> None:
    camera = Camera(4, 3, 1.0, 1.0, 0.0, 0.0, np.eye(4))
    mask = np.zeros((3, 4), dtype=bool)
    mask[1, 2] = True
    points = np.array([[2.01, 1.01, 1.0], [2.99, 1.99, 1.0], [3.01, 1.5, 1.0], [1.99, 1.5, 1.0], [4.0, 1.5, 1.0]])
    inside, visible = sample_mask(camera, mask, points)
    assert inside.tolist() == [True, True, False, False, False]
    assert visible.tolist() == [True, True, True, True, False]


def test_coverage_of_an_empty_mask_is_refused(scene: tuple[list[Camera], list[np.ndarray]]) -> None:
    with pytest.raises(ValueError, match="mask is empty"):
        covered(carved(*scene), scene[0][0], np.zeros((480, 640), dtype=bool))
