"""Faults change what they say and nothing else; rough masks leave cameras alone."""

from __future__ import annotations

import numpy as np
import pytest

import faults
from faults import FAULTS, unscaled
from mouselift.dataset.sample import Sample, View
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import looking_at
from rough_masks import grow, lossy, with_holes, without_thin_parts

RNG = np.random.default_rng


@pytest.fixture(scope="module")
def sample() -> Sample:
    """Four cameras around a disc with a thin tail."""
    axis = np.arange(256) + 0.5
    alpha = ((axis[None] - 120) ** 2 + (axis[:, None] - 140) ** 2 < 40**2).astype(np.uint8) * 255
    alpha[138:142, 150:220] = 255
    views = []
    for k in range(4):
        centre = (2.0 + 0.3 * k) * np.array([np.cos(k), np.sin(k), 0.4])
        T = looking_at(np.zeros(3), centre)
        views.append(
            View(f"cam{k}", Camera(256, 256, 300.0 + k, 300.0 + k, 130.0 + k, 126.0, T, name=f"cam{k}"), alpha)
        )
    return Sample("sample_000007", tuple(views), 7)


@pytest.mark.parametrize("name", FAULTS)
def test_faults_spoil_what_they_name(name: str, sample: Sample) -> None:
    injected = FAULTS[name](sample, RNG(1))
    assert injected.fault == name
    changed = {
        k
        for k, (old, new) in enumerate(zip(sample.views, injected.sample.views, strict=True))
        if not np.array_equal(old.alpha, new.alpha)
        or old.camera.K.tolist() != new.camera.K.tolist()
        or not np.array_equal(old.camera.T_cam_world, new.camera.T_cam_world)
    }
    same_image = {"swapped_views", "views_cycled"}  # the fixture's images are alike
    unchanged_one = {"one_intrinsics_for_all", "one_pose_for_all"}
    if name not in same_image:
        assert changed <= set(injected.views)
        assert len(changed) >= len(injected.views) - (1 if name in unchanged_one else 0)
    assert injected.sample.names == sample.names
    again = FAULTS[name](sample, RNG(1))
    assert again.values == injected.values


def test_unscaled_is_the_camera_of_the_image_before(sample: Sample) -> None:
    """A point's pixel in the image before, scaled and shifted, is its pixel now; half a pixel would be seen."""
    now = sample.views[2].camera
    before = unscaled(now, 1.3, 4.0, -7.0)
    points = RNG(0).uniform(-0.3, 0.3, (20, 3))
    middle = np.array([128.0, 128.0])
    moved = middle + 1.3 * (before.project(points) - middle) + np.array([4.0, -7.0])
    assert np.allclose(moved, now.project(points), atol=1e-9)
    assert not np.allclose(moved + 0.5, now.project(points), atol=1e-3)


def test_values_are_those_of_the_image(sample: Sample) -> None:
    injected = faults.legacy(sample, RNG(4))
    points = RNG(0).uniform(-0.3, 0.3, (20, 3))
    middle = np.array([128.0, 128.0])
    for k, (old, new) in enumerate(zip(sample.views, injected.sample.views, strict=True)):
        values = injected.values
        shift = np.array([values[f"dx[{k}]"], values[f"dy[{k}]"]])
        moved = middle + values[f"scale[{k}]"] * (new.camera.project(points) - middle) + shift
        roll = moved - old.camera.project(points)  # the image was rolled by whole pixels besides
        assert np.allclose(roll, np.rint(roll[0]), atol=1e-9)
        x, y = (float(v) for v in np.rint(roll[0]))
        assert np.array_equal(np.roll(old.alpha, (int(y), int(x)), (0, 1)), new.alpha)
        levels = new.alpha.astype(float)
        com = np.array([levels.sum(0) @ (np.arange(256) + 0.5), levels.sum(1) @ (np.arange(256) + 0.5)]) / levels.sum()
        assert np.abs(com - middle).max() <= 0.5


def test_moved_centres_keep_their_direction(sample: Sample) -> None:
    injected = faults.centre_moved(sample, RNG(0))
    distances = [float(np.linalg.norm(view.camera.centre)) for view in injected.sample.views]
    assert np.ptp(distances) < 1e-9
    for k, (old, new) in enumerate(zip(sample.views, injected.sample.views, strict=True)):
        assert np.allclose(new.camera.centre, old.camera.centre * injected.values[f"ratio[{k}]"])
        assert np.array_equal(new.camera.R_cam_world, old.camera.R_cam_world)


def test_rough_masks_leave_cameras_alone(sample: Sample) -> None:
    injected = faults.rough(sample, RNG(3))
    for old, new in zip(sample.views, injected.sample.views, strict=True):
        assert new.camera is old.camera
    assert set(injected.values) == {"grown_px", "grown_view", "tailless_view"}


def test_growth_is_in_pixels(sample: Sample) -> None:
    alpha = sample.views[0].alpha
    area = float(alpha.sum() / 255)
    disc = np.where(np.arange(256)[None] < 158, alpha, 0).astype(np.uint8)
    for pixels in (2.0, 3.5):
        radius = np.sqrt(float(grow(disc, pixels).sum() / 255) / np.pi)
        assert radius == pytest.approx(40 + pixels, abs=0.35)
    assert float(without_thin_parts(alpha).sum() / 255) == pytest.approx(np.pi * 40**2, rel=0.05)
    assert float(with_holes(alpha, 3, RNG(0)).sum() / 255) < area - 30
    edge = np.abs(lossy(alpha, 40).astype(int) - alpha)
    assert 0 < np.count_nonzero(edge) < 0.2 * edge.size
