"""Outlines: sub-pixel, centred at +0.5, and what happens at the edges of the definition."""

from __future__ import annotations

from time import process_time

import cv2
import numpy as np
import pytest

from mouselift.geometry.outlines import LEVEL, outline_of
from tangency_reference import convex_hull

CENTRE, RADIUS = np.array([60.3, 47.8]), 31.4


def disc(centre: np.ndarray = CENTRE, radius: float = RADIUS, size: int = 128, samples: int = 16) -> np.ndarray:
    """Coverage of a disc, 0..255, by supersampling."""
    axis = (np.arange(size * samples) + 0.5) / samples
    inside = (axis[None] - centre[0]) ** 2 + (axis[:, None] - centre[1]) ** 2 < radius**2
    share = inside.reshape(size, samples, size, samples).mean(axis=(1, 3))
    return np.round(share * 255).astype(np.uint8)


def radial(points: np.ndarray, centre: np.ndarray = CENTRE) -> np.ndarray:
    return np.linalg.norm(points - centre, axis=1)


def offset(points: np.ndarray) -> np.ndarray:
    """Of the circle through `points` from CENTRE: least squares on the radial errors."""
    ray = points - CENTRE
    unit = ray / radial(points)[:, None]
    design = np.concatenate([unit, np.ones((len(unit), 1))], axis=1)
    return np.linalg.lstsq(design, radial(points) - RADIUS, rcond=None)[0][:2]


def test_disc_outline_lies_on_the_circle() -> None:
    outline = outline_of(disc())
    assert outline is not None
    error = radial(outline.points) - RADIUS
    assert np.abs(error).max() < 0.12
    assert abs(error.mean()) < 0.01
    assert np.abs(offset(outline.points)).max() < 0.02
    assert outline.area == pytest.approx(np.pi * RADIUS**2, rel=1e-3)
    assert np.allclose(outline.centroid, CENTRE, atol=5e-3)
    assert not outline.uninformative.any()


@pytest.mark.parametrize("fault", ["half a pixel", "one per cent", "level"])
def test_the_circle_test_notices_faults(fault: str) -> None:
    """The tolerances above would catch an outline half a pixel or one per cent away, or of another level."""
    alpha = disc()
    if fault == "level":
        alpha = np.where(alpha > 0, 255, 0).astype(np.uint8)
    outline = outline_of(alpha)
    assert outline is not None
    points = outline.points
    if fault == "half a pixel":
        points = points - 0.5
    if fault == "one per cent":
        points = (points - CENTRE) * 1.01 + CENTRE
    error = radial(points) - RADIUS
    assert np.abs(error).max() > 0.2
    assert abs(error.mean()) > 0.1 or np.abs(offset(points)).max() > 0.2


def test_hull_is_that_of_all_points() -> None:
    outline = outline_of(disc())
    assert outline is not None
    slow = {tuple(p) for p in np.round(convex_hull(outline.points), 3).tolist()}
    fast = {tuple(p) for p in np.round(outline.convex, 3).tolist()}
    assert len(fast ^ slow) <= 4  # nearly collinear corners may differ
    area = abs(float(cv2.contourArea(outline.convex.astype(np.float32))))
    assert area == pytest.approx(np.pi * RADIUS**2, rel=5e-3)


def test_no_subject_is_none() -> None:
    assert outline_of(np.zeros((9, 9), np.uint8)) is None
    assert outline_of(np.full((9, 9), 127, np.uint8)) is None


def test_single_pixel() -> None:
    alpha = np.zeros((9, 9), np.uint8)
    alpha[3, 5] = 255
    outline = outline_of(alpha)
    assert outline is not None
    assert outline.box == (5, 3, 6, 4)
    assert np.allclose(outline.centroid, [[5.5, 3.5]])
    assert np.allclose(sorted(outline.convex.tolist()), [[5.0, 3.5], [5.5, 3.0], [5.5, 4.0], [6.0, 3.5]])
    assert outline.area == 1.0
    assert LEVEL == 127.5


def test_single_pixel_images() -> None:
    outline = outline_of(np.full((1, 1), 255, np.uint8))
    assert outline is not None
    assert outline.uninformative.all()


@pytest.mark.parametrize("side", range(4))
def test_subject_on_the_border(side: int) -> None:
    """The outline runs along the image's edge there, and the hull's corners on it are marked."""
    alpha = np.rot90(disc(np.array([10.0, 60.0])), side).copy()
    outline = outline_of(alpha)
    assert outline is not None
    assert outline.uninformative.any()
    assert not outline.uninformative.all()
    on_edge = np.minimum(outline.convex, 128 - outline.convex).min(axis=1) <= 1.0
    assert (on_edge == outline.uninformative).all()
    assert np.minimum(outline.points, 128 - outline.points).min() == 0.0


def test_holes_and_several_components_count() -> None:
    alpha = disc()
    alpha[40:50, 55:65] = 0
    outline, whole = outline_of(alpha), outline_of(disc())
    assert outline is not None
    assert whole is not None
    assert len(outline.points) > len(whole.points)
    assert np.allclose(outline.convex, whole.convex)
    alpha[5, 120] = 200
    with_speck, cleaned = outline_of(alpha), outline_of(alpha, speck_share=0.01)
    assert with_speck is not None
    assert cleaned is not None
    assert with_speck.box[2] == 121
    assert with_speck.convex[:, 0].max() > 120
    assert np.allclose(cleaned.convex, whole.convex)
    assert cleaned.box == whole.box
    assert cleaned.area == pytest.approx(outline.area)


def test_leaving_out_adds_to_the_border() -> None:
    outline = outline_of(disc(np.array([10.0, 60.0])))
    assert outline is not None
    low = outline.convex[:, 1] > 80
    assert (outline.leaving_out(low).uninformative == (outline.uninformative | low)).all()


def test_speed() -> None:
    """About 0.3 ms a 512-px view; the limit is generous for a loaded machine."""
    alpha = disc(np.array([250.0, 260.0]), 150.0, 512, 2)
    outline_of(alpha)
    start = process_time()
    for _ in range(30):
        outline_of(alpha)
    assert (process_time() - start) / 30 < 5e-3
