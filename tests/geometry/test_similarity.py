"""Similarities form a group; look-at and the shortest turn are rotations that do what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mouselift.geometry.similarity import (
    Similarity,
    check_rotation,
    look_at,
    looking_at,
    rotation_error,
    shortest_turn,
)

SEED = st.integers(0, 10_000)
VECTOR = arrays(np.float64, 3, elements=st.floats(-10, 10, allow_subnormal=False)).filter(
    lambda v: bool(np.linalg.norm(v) > 1e-3)
)


def random_similarity(seed: int) -> Similarity:
    rng = np.random.default_rng(seed)
    R = shortest_turn(rng.normal(size=3), rng.normal(size=3))
    return Similarity(float(np.exp(rng.uniform(-4, 4))), R, rng.normal(size=3) * 50)


def cloud(seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 1).normal(size=(20, 3)) * 30


@given(SEED)
def test_inverse(seed: int) -> None:
    change, points = random_similarity(seed), cloud(seed)
    np.testing.assert_allclose(change.inverse().apply(change.apply(points)), points, rtol=0, atol=1e-9)
    np.testing.assert_allclose(change.inverse().inverse().apply(points), change.apply(points), rtol=1e-10, atol=1e-9)


@given(SEED)
def test_composition(seed: int) -> None:
    first, second, third = (random_similarity(seed + i) for i in range(3))
    points = cloud(seed)
    expected = second.apply(first.apply(points))
    tolerance = 1e-9 * float(np.abs(expected).max())
    np.testing.assert_allclose(second.after(first).apply(points), expected, rtol=0, atol=tolerance)
    left, right = third.after(second).after(first), third.after(second.after(first))
    np.testing.assert_allclose(left.apply(points), right.apply(points), rtol=1e-9, atol=1e-6)
    # The order matters, so the check above can fail.
    assert np.abs(first.after(second).apply(points) - expected).max() > 1e-3


@given(SEED)
def test_identity_and_lengths(seed: int) -> None:
    change, points = random_similarity(seed), cloud(seed)
    np.testing.assert_array_equal(Similarity().apply(points), points)
    np.testing.assert_allclose(change.after(Similarity()).apply(points), change.apply(points), rtol=1e-12, atol=1e-9)
    before = np.linalg.norm(points[1:] - points[:-1], axis=1)
    after = np.linalg.norm(np.diff(change.apply(points), axis=0), axis=1)
    np.testing.assert_allclose(after, change.scale * before, rtol=1e-9)
    np.testing.assert_allclose(change.apply(change.origin_old[None]), [[0.0, 0.0, 0.0]], atol=1e-12)


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_impossible_scales_are_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="positive finite scale"):
        Similarity(scale)


def test_what_is_not_a_rotation_is_refused() -> None:
    for R in (-np.eye(3), np.diag([1.0, 1.0, -1.0]), 1.01 * np.eye(3), np.full((3, 3), np.nan)):
        with pytest.raises(ValueError, match="not a rotation"):
            Similarity(1.0, R)
    check_rotation(np.eye(3), "fine")


@given(st.integers(0, 2**32 - 1))
def test_a_rotation_s_error_is_what_numpy_says(seed: int) -> None:
    R = np.random.default_rng(seed).normal(size=(3, 3))
    det, off = rotation_error(R)
    assert det == pytest.approx(np.linalg.det(R), abs=1e-12)
    assert off == pytest.approx(np.abs(R @ R.T - np.eye(3)).max(), abs=1e-12)
    R[seed % 3, seed % 2] = (np.nan, np.inf, -np.inf)[seed % 3]
    assert np.isnan(rotation_error(R)[0])


def test_a_similarity_does_not_change() -> None:
    origin = np.array([1.0, 2.0, 3.0])
    change = Similarity(2.0, np.eye(3), origin)
    origin[:] = 0.0
    assert change.origin_old.tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="read-only"):
        change.origin_old[0] = 5.0


@given(VECTOR, VECTOR)
def test_look_at(forward: np.ndarray, down: np.ndarray) -> None:
    if np.linalg.norm(np.cross(forward, down)) < 1e-4 * np.linalg.norm(forward) * np.linalg.norm(down):
        return
    R = look_at(forward, down)
    check_rotation(R, "look_at", 1e-10)
    np.testing.assert_allclose(R @ forward, [0.0, 0.0, float(np.linalg.norm(forward))], rtol=1e-9, atol=1e-9)
    seen = R @ down  # straight down in the image: no sideways part, positive y
    assert abs(seen[0]) < 1e-9
    assert seen[1] > 0


def test_look_at_from_the_side() -> None:
    """From +x towards the origin with +Z up: world +y lies on the right, world +z at the top."""
    R = look_at(np.array([-1.0, 0.0, 0.0]), np.array([0.0, 0.0, -1.0]))
    np.testing.assert_allclose(R @ [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(R @ [0.0, 0.0, 1.0], [0.0, -1.0, 0.0], atol=1e-15)
    assert np.abs(R.T @ [0.0, 1.0, 0.0] - [1.0, 0.0, 0.0]).max() > 0.5  # transposed would not do


@pytest.mark.parametrize(
    ("forward", "down"),
    [([0.0, 0.0, 1.0], [0.0, 0.0, -2.0]), ([0.0, 0.0, 0.0], [0.0, 0.0, 1.0]), ([1.0, 0.0, 0.0], [0.0, 0.0, 0.0])],
)
def test_look_at_without_a_direction_is_refused(forward: list[float], down: list[float]) -> None:
    with pytest.raises(ValueError, match="parallel or zero"):
        look_at(np.array(forward), np.array(down))


def test_looking_at_a_point_from_another() -> None:
    target, centre = np.array([0.3, -0.2, 0.1]), np.array([2.0, 1.0, 0.7])
    T = looking_at(target, centre)
    distance = float(np.linalg.norm(target - centre))
    np.testing.assert_allclose(T @ [*target, 1.0], [0.0, 0.0, distance, 1.0], atol=1e-12)
    np.testing.assert_allclose(T @ [*centre, 1.0], [0.0, 0.0, 0.0, 1.0], atol=1e-12)
    np.testing.assert_array_equal(T[:3, :3], look_at(target - centre, np.array([0.0, 0.0, -1.0])))
    np.testing.assert_array_equal(looking_at(target, centre, np.array([0.0, 1.0, 0.0]))[0, 1], 0.0)  # x is level
    wrong = T.copy()
    wrong[:3, :3] = T[:3, :3].T
    assert np.abs(wrong @ [*centre, 1.0] - [0.0, 0.0, 0.0, 1.0]).max() > 0.5


@given(VECTOR, VECTOR)
def test_shortest_turn(a: np.ndarray, b: np.ndarray) -> None:
    R = shortest_turn(a, b)
    check_rotation(R, "shortest_turn", 1e-10)
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    np.testing.assert_allclose(R @ a, b, rtol=0, atol=1e-9)
    # Shortest: its angle is the one between the vectors.
    assert np.trace(R) == pytest.approx(1 + 2 * float(a @ b), abs=1e-9)


@pytest.mark.parametrize("gap", [0.0, 1e-12, 1e-9, 1e-7, 1e-6, 1e-5, 1e-4, 1e-2])
@pytest.mark.parametrize("axis", range(3))
def test_shortest_turn_between_opposite_vectors(axis: int, gap: float) -> None:
    a = np.eye(3)[axis]
    for b in (-a + gap * np.eye(3)[axis - 1], -(a + gap * np.array([0.3, -0.2, 0.5]))):
        R = shortest_turn(a, b)
        check_rotation(R, "shortest_turn", 1e-12)
        np.testing.assert_allclose(R @ a, b / np.linalg.norm(b), rtol=0, atol=1e-11)
