"""One map from source pixels to target pixels, exact both ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mouselift.geometry.camera import Camera, Reframe
from mouselift.geometry.similarity import look_at
from resample_reference import scale_at


def aimed(source: Camera, focal: float = 700.0) -> Camera:
    """A pinhole that looks at the origin from the same centre."""
    R = look_at(-source.centre, np.array([0.0, 0.0, -1.0]))
    return source.turned(R @ source.R_cam_world.T).pinhole(focal, (256.0, 256.0), (512, 512))


@pytest.mark.parametrize("view", range(6))
def test_there_and_back(view: int, ring: Callable[..., list[Camera]]) -> None:
    source = replace(ring(distorted=True)[view], skew=-3.0)
    change = Reframe(source, aimed(source))
    pixels = np.random.default_rng(view).random((300, 2)) * [640, 480]
    np.testing.assert_allclose(change.to_source(change.to_target(pixels)), pixels, rtol=0, atol=1e-7)


@given(st.integers(0, 5), st.floats(200.0, 3000.0))
def test_exact_at_every_depth(ring: Callable[..., list[Camera]], view: int, focal: float) -> None:
    """Where the source sees a point, the target sees it where the map says; for near and far points alike."""
    source = ring(distorted=True)[view]
    target = aimed(source, focal)
    points = np.random.default_rng(view).uniform(-40, 40, (60, 3)) * np.linspace(0.1, 1.0, 60)[:, None]
    change = Reframe(source, target)
    np.testing.assert_allclose(change.to_target(source.project(points)), target.project(points), rtol=0, atol=1e-6)
    np.testing.assert_allclose(change.to_source(target.project(points)), source.project(points), rtol=0, atol=1e-6)


@pytest.mark.parametrize("fault", ["half a pixel", "one per cent", "turn transposed"])
def test_the_check_notices(fault: str, ring: Callable[..., list[Camera]]) -> None:
    source = ring(distorted=True)[0]
    target = aimed(source)
    Q = target.R_cam_world @ source.R_cam_world.T
    written = {
        "half a pixel": replace(target, cx=target.cx + 0.5),
        "one per cent": replace(target, fx=target.fx * 1.01, fy=target.fy * 1.01),
        "turn transposed": source.turned(Q.T).pinhole(target.fx, (256.0, 256.0), (512, 512)),
    }[fault]
    points = np.random.default_rng(0).uniform(-40, 40, (60, 3))
    error = np.linalg.norm(Reframe(source, target).to_target(source.project(points)) - written.project(points), axis=1)
    assert np.median(error) > 0.2


@pytest.mark.parametrize("view", range(6))
def test_scale_against_finite_differences(view: int, ring: Callable[..., list[Camera]]) -> None:
    source = ring(distorted=True)[view]
    change = Reframe(source, aimed(source))
    pixel, dx, dy = np.array([[250.0, 300.0]]), np.array([1e-3, 0.0]), np.array([0.0, 1e-3])
    right, left = change.to_target(pixel + dx)[0], change.to_target(pixel - dx)[0]
    below, above = change.to_target(pixel + dy)[0], change.to_target(pixel - dy)[0]
    jacobian = np.stack([right - left, below - above], axis=1) / 2e-3
    assert scale_at(change, pixel) == pytest.approx(np.sqrt(abs(np.linalg.det(jacobian))), rel=1e-5)


def test_scale_of_a_plain_zoom_is_the_focal_ratio(ring: Callable[..., list[Camera]]) -> None:
    source = ring()[1]
    target = source.pinhole(2.0 * source.focal, (100.0, 90.0), (512, 512))
    assert scale_at(Reframe(source, target), np.array([[320.0, 240.0]])) == pytest.approx(2.0, rel=1e-12)


def test_nothing_behind_the_camera(ring: Callable[..., list[Camera]]) -> None:
    source = ring()[0]
    backwards = source.turned(np.diag([-1.0, 1.0, -1.0])).pinhole(500.0, (256.0, 256.0), (512, 512))
    change = Reframe(source, backwards)
    assert np.isnan(change.to_target(np.array([[320.0, 240.0]]))).all()
    assert np.isnan(change.to_source(np.array([[256.0, 256.0]]))).all()


def test_a_moved_centre_is_refused(ring: Callable[..., list[Camera]]) -> None:
    source = ring()[0]
    T = source.T_cam_world.copy()
    T[:3, 3] *= 1 + 1e-6
    with pytest.raises(ValueError, match=r"centres are .* apart; moving a centre changes parallax"):
        Reframe(source, replace(source, T_cam_world=T))


def test_a_target_with_a_lens_is_refused(ring: Callable[..., list[Camera]]) -> None:
    source = ring(distorted=True)[0]
    with pytest.raises(ValueError, match="must be a pinhole"):
        Reframe(source, source)
