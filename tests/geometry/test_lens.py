"""Lens models: against OpenCV, round trips, and points that have no unique ray."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mouselift.errors import CalibrationError, LensFoldError
from mouselift.geometry.lens import BrownConrady, Fisheye, Lens, Pinhole


def between(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_subnormal=False)


STANDARD = st.builds(
    BrownConrady,
    k1=between(-0.45, 0.45),
    k2=between(-0.6, 0.95),
    p1=between(-0.005, 0.005),
    p2=between(-0.005, 0.005),
    k3=between(-2.8, 1.0),
)
RATIONAL = st.builds(
    BrownConrady,
    k1=between(-0.4, 0.6),
    k2=between(-0.3, 0.5),
    p1=between(-0.003, 0.003),
    p2=between(-0.003, 0.003),
    k3=between(-0.3, 0.3),
    k4=between(-0.4, 0.8),
    k5=between(-0.3, 0.5),
    k6=between(-0.2, 0.2),
)
FISHEYE = st.builds(
    Fisheye, k1=between(-0.1, 0.2), k2=between(-0.1, 0.1), k3=between(-0.05, 0.05), k4=between(-0.02, 0.02)
)
SEED = st.integers(0, 10_000)


def rays_within(limit: float, seed: int, count: int = 200) -> np.ndarray:
    rng = np.random.default_rng(seed)
    radius, turn = limit * np.sqrt(rng.random(count)), 2 * np.pi * rng.random(count)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)


def by_opencv(lens: Lens, rays: np.ndarray) -> np.ndarray:
    points, zero, K = np.concatenate([rays, np.ones((len(rays), 1))], axis=1)[:, None], np.zeros(3), np.eye(3)
    if isinstance(lens, Fisheye):
        out, _ = cv2.fisheye.projectPoints(points, zero, zero, K, np.array([lens.k1, lens.k2, lens.k3, lens.k4]))
    else:
        assert isinstance(lens, BrownConrady)
        order = np.array([lens.k1, lens.k2, lens.p1, lens.p2, lens.k3, lens.k4, lens.k5, lens.k6])
        out, _ = cv2.projectPoints(points, zero, zero, K, order)
    return np.asarray(out).reshape(-1, 2)


@given(st.one_of(STANDARD, RATIONAL), SEED)
def test_brown_conrady_agrees_with_opencv(lens: BrownConrady, seed: int) -> None:
    rays = rays_within(min(0.95 * lens.fold_radius, 0.8), seed)
    np.testing.assert_allclose(lens.distort(rays), by_opencv(lens, rays), rtol=0, atol=1e-11)


@given(FISHEYE, SEED)
def test_fisheye_agrees_with_opencv(lens: Fisheye, seed: int) -> None:
    rays = rays_within(min(0.95 * np.tan(lens.fold_angle), 3.0), seed)
    np.testing.assert_allclose(lens.distort(rays), by_opencv(lens, rays), rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    "wrong",
    [
        BrownConrady(-0.16, 0.5, -0.003, -0.001, -0.4),  # p1 and p2 changed places
        BrownConrady(-0.16, 0.5, -0.4, -0.001, -0.003),  # read as k1 k2 k3 p1 p2
        BrownConrady(-0.16 * 1.01, 0.5, -0.001, -0.003, -0.4),  # one per cent
    ],
)
def test_a_wrong_lens_differs_from_opencv(wrong: BrownConrady) -> None:
    right, rays = BrownConrady(-0.16, 0.5, -0.001, -0.003, -0.4), rays_within(0.4, 1)
    assert np.abs(right.distort(rays) - by_opencv(right, rays)).max() < 1e-11
    assert np.abs(right.distort(rays) - by_opencv(wrong, rays)).max() > 1e-5


@given(st.one_of(STANDARD, RATIONAL), SEED)
def test_brown_conrady_round_trip(lens: BrownConrady, seed: int) -> None:
    rays = rays_within(min(0.8 * lens.fold_radius, 0.8), seed)
    np.testing.assert_allclose(lens.undistort(lens.distort(rays)), rays, rtol=0, atol=1e-10)


@given(FISHEYE, SEED)
def test_fisheye_round_trip(lens: Fisheye, seed: int) -> None:
    rays = rays_within(float(np.tan(min(0.9 * lens.fold_angle, 1.3))), seed)
    np.testing.assert_allclose(lens.undistort(lens.distort(rays)), rays, rtol=0, atol=1e-10)


def test_round_trip_notices_a_lens_one_per_cent_off() -> None:
    rays = rays_within(0.4, 2)
    wrong = BrownConrady(k1=-0.2 * 1.01).undistort(BrownConrady(k1=-0.2).distort(rays))
    assert np.abs(wrong - rays).max() > 1e-5


def test_pinhole_changes_nothing_and_copies() -> None:
    rays = rays_within(1.0, 3)
    for out in (Pinhole().distort(rays), Pinhole().undistort(rays)):
        np.testing.assert_array_equal(out, rays)
        assert not np.shares_memory(out, rays)


@pytest.mark.parametrize("lens", [Pinhole(), BrownConrady(-0.3, 0.1), Fisheye(0.1)])
def test_axis_and_no_points(lens: Lens) -> None:
    axis, nothing = np.zeros((1, 2)), np.zeros((0, 2))
    np.testing.assert_array_equal(lens.distort(axis), axis)
    np.testing.assert_array_equal(lens.undistort(axis), axis)
    assert lens.distort(nothing).shape == lens.undistort(nothing).shape == (0, 2)


# Where the lens folds: two rays share a pixel, so there is no answer.


def test_fold_radius_in_closed_form() -> None:
    assert BrownConrady(k1=-0.4).fold_radius == pytest.approx(1 / np.sqrt(1.2), rel=1e-12)
    assert BrownConrady(k1=0.4).fold_radius == np.inf
    assert Fisheye(k1=-0.3).fold_angle == pytest.approx(1 / np.sqrt(0.9), rel=1e-12)
    assert np.pi / 2 - 2e-6 < Fisheye().fold_angle < np.pi / 2
    # A pole of the rational model: the image has no place for rays at or beyond it.
    assert BrownConrady(k4=-0.5).fold_radius == pytest.approx(np.sqrt(2.0), rel=1e-12)


@pytest.mark.parametrize("pole", [np.sqrt(2.0), 2.0])
def test_a_pole_is_no_place_for_rays(pole: float) -> None:
    lens = BrownConrady(k4=-1 / pole**2)
    rays = pole * np.array([[0.85, 0.0], [0.999, 0.0], [1.001, 0.0]])
    out = lens.distort(rays)
    assert np.isnan(out[2]).all()
    np.testing.assert_allclose(lens.undistort(out[:2]), rays[:2], rtol=0, atol=1e-10)


@pytest.mark.parametrize("speck", [0.0, 1e-300, 1e-20, -1e-14])
def test_a_vanishing_last_coefficient_does_not_hide_the_fold(speck: float) -> None:
    assert BrownConrady(k1=-0.4, k3=speck).fold_radius == pytest.approx(1 / np.sqrt(1.2), rel=1e-9)
    assert Fisheye(k1=-0.3, k4=speck).fold_angle == pytest.approx(1 / np.sqrt(0.9), rel=1e-9)


@pytest.mark.parametrize("lens", [BrownConrady(k1=-0.4), Fisheye(k1=-0.3), BrownConrady(-0.3, 0.2, 0.001, 0.002, -0.5)])
def test_points_beyond_the_fold_are_refused(lens: BrownConrady | Fisheye) -> None:
    limit = lens.fold_radius if isinstance(lens, BrownConrady) else float(np.tan(lens.fold_angle))
    assert np.isfinite(lens.distort(np.array([[0.99 * limit, 0.0]]))).all()
    assert np.isnan(lens.distort(np.array([[1.01 * limit, 0.0], [0.0, -3 * limit]]))).all()
    edge = float(lens.distort(np.array([[0.999999 * limit, 0.0]]))[0, 0])
    outside = np.array([[1.02 * edge, 0.0], [0.1, 0.0], [2.0, 2.0]])
    with pytest.raises(LensFoldError, match="2 of 3 points lie where the lens model folds over"):
        lens.undistort(outside)
    out = lens.undistort(outside, on_fold="nan")
    assert np.isnan(out[[0, 2]]).all()
    assert np.isfinite(out[1]).all()


@given(st.one_of(STANDARD, RATIONAL, FISHEYE), SEED)
def test_never_a_wrong_ray(lens: BrownConrady | Fisheye, seed: int) -> None:
    """Whatever is asked, an answer maps forward to the question and lies before the fold; else NaN."""
    pixels = np.random.default_rng(seed).uniform(-2.5, 2.5, (300, 2))
    rays = lens.undistort(pixels, on_fold="nan")
    known = np.isfinite(rays).all(axis=1)
    limit = lens.fold_radius if isinstance(lens, BrownConrady) else float(np.tan(lens.fold_angle))
    assert (np.hypot(*rays[known].T) <= limit).all()
    if known.any():
        forward = by_opencv(lens, rays[known])
        np.testing.assert_allclose(forward, pixels[known], rtol=0, atol=1e-9)


@given(st.floats(-0.6, -0.05), st.floats(-0.3, 0.6), st.floats(-1.5, 0.5), SEED)
def test_answers_are_the_first_ray_that_reaches_the_pixel(k1: float, k2: float, k3: float, seed: int) -> None:
    """Against a scan along the radius, which knows nothing of Newton or of polynomial roots."""
    lens = BrownConrady(k1=k1, k2=k2, k3=k3)
    radius = np.linspace(0.0, 3.0, 300_001)
    reach = radius * (1 + k1 * radius**2 + k2 * radius**4 + k3 * radius**6)
    falls = np.flatnonzero(np.diff(reach) < 0)
    top = int(falls[0]) if falls.size else len(radius) - 1
    assume(top > 1000)
    asked = np.random.default_rng(seed).uniform(0.0, 1.5 * reach[top], 100)
    asked = asked[np.abs(asked / reach[top] - 1) > 1e-3]
    answers = lens.undistort(np.stack([asked, np.zeros_like(asked)], axis=1), on_fold="nan")[:, 0]
    below = asked < reach[top]
    if falls.size:
        assert np.isnan(answers[~below]).all()
    np.testing.assert_allclose(answers[below], np.interp(asked[below], reach[: top + 1], radius[: top + 1]), atol=1e-6)


def test_the_usual_iteration_would_fail_these_checks() -> None:
    """OpenCV's fixed-point undistortion answers beyond the fold, with rays that do not lead back."""
    lens, pixel = BrownConrady(k1=-0.4), np.array([[0.7, 0.0]])
    usual = cv2.undistortPoints(pixel[:, None], np.eye(3), np.array([lens.k1, 0.0, 0.0, 0.0])).reshape(-1, 2)
    assert np.isfinite(usual).all()
    assert np.abs(by_opencv(lens, usual) - pixel).max() > 1e-2
    assert np.isnan(lens.undistort(pixel, on_fold="nan")).all()


@pytest.mark.parametrize("lens", [BrownConrady(-0.2, 0.1), BrownConrady(0.2, k4=0.1), Fisheye(0.05)])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_points_that_are_not_finite_are_refused(lens: BrownConrady | Fisheye, bad: float) -> None:
    points = np.array([[0.1, 0.1], [bad, 0.0]])
    with pytest.raises(CalibrationError, match="1 of 2 points"):
        lens.undistort(points)
    out = lens.undistort(points, on_fold="nan")
    assert np.isfinite(out[0]).all()
    assert np.isnan(out[1]).all()
