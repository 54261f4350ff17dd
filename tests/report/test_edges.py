"""The drawn edge lies on the half level of the alpha, to a fraction of a pixel."""

from __future__ import annotations

import numpy as np
import pytest

from mouselift.report.edges import edge_lines, path_data

CENTRE, RADIUS = np.array([31.7, 28.2]), 17.4


def disc(centre: np.ndarray = CENTRE, fine: int = 16) -> np.ndarray:
    """A disc by area, pixel (j, i) covering [i, i+1) x [j, j+1)."""
    steps = (np.arange(64 * fine) + 0.5) / fine
    x, y = np.meshgrid(steps, steps)
    hit = np.hypot(x - centre[0], y - centre[1]) < RADIUS
    return (hit.reshape(64, fine, 64, fine).mean(axis=(1, 3)) * 255).round().astype(np.uint8)


def error(alpha: np.ndarray) -> float:
    points = np.concatenate(edge_lines(alpha))
    return float(np.abs(np.linalg.norm(points - CENTRE, axis=1) - RADIUS).max())


def test_a_disc() -> None:
    lines = edge_lines(disc())
    assert len(lines) == 1
    assert np.array_equal(lines[0][0], lines[0][-1]), "closed"
    assert error(disc()) < 0.12


def test_half_a_pixel_would_show() -> None:
    assert error(disc(CENTRE + 0.5)) > 0.4


def test_border_ends_a_line_and_specks_go() -> None:
    alpha = np.zeros((40, 40), np.uint8)
    alpha[20:, 10:30] = 255
    alpha[3, 3] = 255
    (line,) = edge_lines(alpha)
    assert not np.array_equal(line[0], line[-1])
    assert {line[0][1], line[-1][1]} == {39.5}
    assert line[:, 1].min() == pytest.approx(20, abs=0.01)


def test_nothing_and_everything_have_no_edge() -> None:
    assert edge_lines(np.zeros((9, 9), np.uint8)) == []
    assert edge_lines(np.full((9, 9), 255, np.uint8)) == []


def test_two_pieces_that_touch_at_a_corner() -> None:
    alpha = np.zeros((12, 12), np.uint8)
    alpha[2:6, 2:6] = alpha[6:10, 6:10] = 255
    assert sum(len(line) for line in edge_lines(alpha, tolerance=0.0)) >= 16


def test_path_data() -> None:
    assert path_data([np.array([[1.0, 2.0], [3.456, 4.0]])]) == "M1.00 2.00L3.46 4.00"
