"""Ray statistics against the slow reference, the Wasserstein distance against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from mouselift.audit.distribution import (
    BINS,
    COMPONENTS,
    LIMIT_DIRECTION,
    LIMIT_NEAREST,
    RANGES,
    RayStatistics,
    distribution_findings,
    ray_distances,
    wasserstein,
)
from mouselift.audit.profile import facelift, ring, training_cameras
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import Similarity
from pluecker_reference import nearest_to_origin, pluecker


def reference(cameras: list[Camera]) -> np.ndarray:
    """[n, 6] by geometry/rays.py at the middles of 8 x 8 cells."""
    rows = []
    for camera in cameras:
        step = (np.arange(8) + 0.5) / 8
        x, y = np.meshgrid(step * camera.width, step * camera.height)
        d, m = pluecker(camera, np.stack([x.ravel(), y.ravel()], axis=1))
        rows.append(np.concatenate([d, nearest_to_origin(d, m)], axis=1))
    return np.concatenate(rows)


@pytest.fixture(scope="module")
def odd() -> list[Camera]:
    """Cameras with everything off the middle."""
    rng = np.random.default_rng(0)
    return [replace(c, cx=c.cx + rng.normal() * 40, fy=c.fy * 1.1, width=300) for c in training_cameras()[:5]]


def test_sums_are_the_reference_s(odd: list[Camera]) -> None:
    found, rays = RayStatistics.of(odd), reference(odd)
    assert np.allclose(found.mean, rays.mean(axis=0), atol=1e-12)
    assert np.allclose(found.covariance, np.cov(rays.T, bias=True), atol=1e-12)
    assert found.shares.sum(axis=1) == pytest.approx(np.ones(6))


@pytest.mark.parametrize("fault", ["half a pixel", "one per cent", "transposed"])
def test_faults_show_in_the_sums(odd: list[Camera], fault: str) -> None:
    changed = {
        "half a pixel": lambda c: replace(c, cx=c.cx + 0.5),
        "one per cent": lambda c: replace(c, fx=c.fx * 1.01),
        "transposed": lambda c: c.turned(c.R_cam_world.T @ c.R_cam_world.T),
    }[fault]
    wrong = RayStatistics.of([changed(c) for c in odd])
    assert (
        max(
            np.abs(wrong.mean - reference(odd).mean(axis=0)).max(),
            np.abs(wrong.covariance - np.cov(reference(odd).T, bias=True)).max(),
        )
        > 1e-5
    )


def test_merging_is_adding(odd: list[Camera]) -> None:
    whole = RayStatistics.of(odd)
    parts = RayStatistics.empty().merged(RayStatistics.of(odd[:2])).merged(RayStatistics.of(odd[2:]))
    assert parts.views == whole.views == 5
    assert np.allclose(parts.products, whole.products)
    assert np.allclose(parts.histogram, whole.histogram)


def test_wasserstein_of_shifted_histograms() -> None:
    a = np.zeros((6, BINS))
    b = np.zeros((6, BINS))
    a[:, 100] = 1
    b[:, 130] = 1
    assert wasserstein(a, b) == pytest.approx(30 * 2 * RANGES / BINS)
    assert wasserstein(a, a) == pytest.approx(np.zeros(6))


def test_wasserstein_against_scipy(odd: list[Camera]) -> None:
    a, b = reference(odd), reference(training_cameras())
    found = ray_distances(RayStatistics.of(odd), *facelift().arrays)
    for k, distance in enumerate(found):
        exact = wasserstein_distance(a[:, k], b[:, k])
        assert distance.component == COMPONENTS[k]
        assert distance.wasserstein == pytest.approx(exact, abs=2 * RANGES[k] / BINS)


def test_the_model_s_own_cameras_pass_and_set_the_limits() -> None:
    inference_cameras = ring((-90.0, -135.0, 180.0, 90.0, 0.0, -45.0), 0.0)
    own = ray_distances(RayStatistics.of(inference_cameras), *facelift().arrays)
    largest = {
        kind: max(d.wasserstein for d in own if d.component.startswith(kind)) for kind in ("direction", "nearest")
    }
    assert 0.30 < largest["direction"] < LIMIT_DIRECTION
    assert 0.10 < largest["nearest"] < LIMIT_NEAREST
    assert distribution_findings(own, "facelift") == []


def test_a_wrong_scale_or_axis_is_a_warning() -> None:
    millimetres = [c.in_world(Similarity(100.0)) for c in training_cameras()]
    y_up = Similarity(R_new_old=np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]))
    for cameras in (millimetres, [c.in_world(y_up) for c in training_cameras()]):
        found = distribution_findings(ray_distances(RayStatistics.of(cameras), *facelift().arrays), "facelift")
        assert found
        assert {f.code for f in found} == {"distribution"}
        assert {f.severity for f in found} == {"warning"}
