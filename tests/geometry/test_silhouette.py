"""Silhouettes: centres at +0.5, outlines at pixel corners."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from mouselift.geometry.outlines import Silhouette, convex_corners
from tangency_reference import convex_hull

SEED = st.integers(0, 10_000)


def blot(seed: int) -> np.ndarray:
    """A random mask: sparse, dense, rough, with holes and apart pieces."""
    rng = np.random.default_rng(seed)
    mask = rng.random((rng.integers(1, 30), rng.integers(1, 30))) < rng.choice([0.02, 0.1, 0.5, 0.95])
    mask[rng.integers(mask.shape[0]), rng.integers(mask.shape[1])] = True
    return mask


def corners(mask: np.ndarray) -> np.ndarray:
    """All four corners of all pixels."""
    y, x = np.nonzero(mask)
    return np.concatenate([np.stack([x + i, y + j], axis=1) for i in (0, 1) for j in (0, 1)]).astype(np.float64)


def as_set(points: np.ndarray) -> set[tuple[float, float]]:
    return {(float(x), float(y)) for x, y in points}


def test_one_pixel() -> None:
    mask = np.zeros((4, 5), dtype=bool)
    mask[1, 3] = True
    s = Silhouette.from_mask(mask)
    assert s.area == 1
    assert s.centroid.tolist() == [[3.5, 1.5]]
    assert s.box == (3, 1, 4, 2)
    assert (s.width, s.height) == (5, 4)
    assert as_set(s.outline) == {(3, 1), (4, 1), (3, 2), (4, 2)}


def test_an_L() -> None:
    mask = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 1]], dtype=bool)
    s = Silhouette.from_mask(mask)
    assert s.area == 5
    np.testing.assert_allclose(s.centroid, [[(0.5 * 3 + 1.5 + 2.5) / 5, (0.5 + 1.5 + 2.5 * 3) / 5]], rtol=1e-15)
    assert as_set(convex_hull(s.outline)) == {(0, 0), (1, 0), (3, 2), (3, 3), (0, 3)}


def test_a_full_image_has_its_centre_in_the_middle() -> None:
    s = Silhouette.from_mask(np.ones((480, 640), dtype=bool))
    assert s.centroid.tolist() == [[320.0, 240.0]]
    assert s.area == 480 * 640
    assert s.box == (0, 0, 640, 480)


@given(SEED)
def test_numbers_against_the_pixels(seed: int) -> None:
    mask = blot(seed)
    s = Silhouette.from_mask(mask)
    y, x = np.nonzero(mask)
    centres = np.stack([x + 0.5, y + 0.5], axis=1).mean(axis=0)
    np.testing.assert_allclose(s.centroid[0], centres, rtol=0, atol=1e-12)
    assert np.abs(s.centroid[0] - (centres - 0.5)).min() > 0.49  # integer centres would show
    assert s.area == mask.sum()
    assert s.box == (x.min(), y.min(), x.max() + 1, y.max() + 1)


@given(SEED)
def test_outline_holds_the_hull_of_all_corners(seed: int) -> None:
    mask = blot(seed)
    outline = as_set(Silhouette.from_mask(mask).outline)
    everything = corners(mask)
    assert outline <= as_set(everything)
    assert as_set(convex_hull(everything)) <= outline
    # Pixel centres in place of corners would leave the hull's corners out.
    assert not as_set(convex_hull(everything)) <= as_set(everything - 0.5) - as_set(everything)


@given(SEED, st.integers(-5, 40), st.integers(-5, 40))
def test_a_crop_says_the_same_as_the_whole(seed: int, dx: int, dy: int) -> None:
    mask = blot(seed)
    alone, shift = Silhouette.from_mask(mask), np.array([dx, dy])
    part = Silhouette.from_mask(mask, (dx, dy), (100, 90))
    assert (part.width, part.height, part.area) == (100, 90, alone.area)
    np.testing.assert_allclose(part.centroid, alone.centroid + shift, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(part.outline, alone.outline + shift)
    assert part.box == (alone.box[0] + dx, alone.box[1] + dy, alone.box[2] + dx, alone.box[3] + dy)


@pytest.mark.parametrize(
    ("y", "x", "at_once", "within_two"),
    [
        (0, 5, True, True),
        (9, 5, True, True),
        (5, 0, True, True),
        (5, 9, True, True),
        (2, 5, False, True),
        (5, 7, False, True),
        (5, 5, False, False),
        (3, 6, False, False),
    ],
)
def test_border_contact(y: int, x: int, at_once: bool, within_two: bool) -> None:
    mask = np.zeros((10, 10), dtype=bool)
    mask[y, x] = True
    s = Silhouette.from_mask(mask)
    assert s.touches_border() is at_once
    assert s.touches_border(2) is within_two


def test_border_contact_is_that_of_the_image_not_of_the_crop() -> None:
    crop = np.ones((4, 4), dtype=bool)
    assert not Silhouette.from_mask(crop, (10, 10), (100, 100)).touches_border()
    assert Silhouette.from_mask(crop, (96, 10), (100, 100)).touches_border()


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        Silhouette.from_mask(np.zeros((4, 4), dtype=bool))


@given(SEED, st.booleans())
def test_convex_hull_against_scipy(seed: int, on_grid: bool) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(60, 2)) * 4
    if on_grid:  # many repeated and collinear points
        points = np.round(points)
    hull = convex_hull(points)
    reference = ConvexHull(points)
    assert as_set(hull) == as_set(points[reference.vertices])
    x, y = hull.T
    area = float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)
    assert abs(area) == pytest.approx(reference.volume, rel=1e-12)  # in order, or the sum would be another


def test_convex_hull_of_few_points() -> None:
    assert convex_hull(np.array([[1.0, 2.0], [1.0, 2.0]])).tolist() == [[1.0, 2.0]]
    assert len(convex_hull(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]))) == 2
    assert convex_hull(np.zeros((0, 2))).shape == (0, 2)


@given(SEED)
def test_convex_corners_are_those_of_the_reference(seed: int) -> None:
    """On outlines of masks, whose corners are whole numbers: no corner more or less."""
    outline = Silhouette.from_mask(blot(seed)).outline
    assert as_set(outline[convex_corners(outline)]) == as_set(convex_hull(outline))
    assert as_set(outline[convex_corners(outline)]) != as_set(convex_hull(outline - 0.5))
