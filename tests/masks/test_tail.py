"""A tail in space and in one view: lines, the path to the tip, the outline at the half level."""

from __future__ import annotations

import numpy as np
import pytest

from mouselift.geometry.camera import Camera
from mouselift.masks.changes import Changes
from mouselift.masks.tail_curve import Path, _best_path, body_core, line_votes
from mouselift.masks.tail_outline import draw_tail

SIZE = 100.0  # world units: pixels at depth 1000 with a focal length of 1000


def changes_of(luma: np.ndarray, ground: float = 120.0) -> Changes:
    lit = np.full(luma.shape, ground, np.uint8)
    unit = np.full(luma.shape, max(12.0, 0.12 * ground), np.float32)
    bright = np.abs(luma.astype(np.float32) - lit) / unit
    away = np.full((*luma.shape, 2), 128, np.uint8)
    return Changes(
        luma, lit, away, bright, unit, np.zeros_like(bright), np.zeros(luma.shape, bool), away, np.zeros_like(luma)
    )


def line_image(middle: float, width: float, level: float, shape: tuple[int, int] = (80, 240)) -> np.ndarray:
    """A level line whose rows are covered exactly, to fractions; the ground is 120."""
    rows = np.arange(shape[0])
    cover = np.clip(np.minimum(rows + 1, middle + width / 2) - np.maximum(rows, middle - width / 2), 0, 1)
    return np.repeat(np.round(120 + cover * (level - 120))[:, None], shape[1], axis=1).astype(np.uint8)


@pytest.mark.parametrize("level", [70, 170])
def test_lines_are_votes_and_nothing_is_a_vote_against(level):
    votes = line_votes(changes_of(line_image(40.0, 3.0, level)), 1.3)
    assert (votes[39:41, 20:220] == 1).all()
    assert (votes[:30] < -0.5).all()
    assert (votes[50:] < -0.5).all()


def test_a_broad_part_and_an_unknown_background_are_no_line():
    broad = line_image(40.0, 40.0, 30)
    assert (line_votes(changes_of(broad), 1.3)[32:48] < 0).all()
    line = changes_of(line_image(40.0, 3.0, 70))
    line.uncovered[:] = True
    assert not line_votes(line, 1.3).any()


def test_core_of_a_hull_has_no_thin_parts():
    axis = np.arange(-8.0, 9.0)
    ball = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    ball = ball[np.linalg.norm(ball, axis=1) <= 8]
    tail = np.array([[x, 0.0, 0.0] for x in range(9, 40)])
    core = body_core(np.concatenate([ball, tail]), 1.0)
    assert core[:, 0].max() < 11
    assert len(core) > 0.9 * len(ball)


@pytest.mark.parametrize(("width", "off"), [(3.0, 0.0), (4.4, 1.7), (4.4, -2.3)])
def test_outline_is_at_the_half_level_though_the_curve_is_beside_it(width, off):
    middle = 40.3
    camera = Camera(240, 80, 1000.0, 1000.0, 120.0, 40.0, np.eye(4))
    curve = np.stack([np.linspace(-80, 80, 81), np.full(81, middle + off - 40.0), np.full(81, 1000.0)], axis=1)
    empty = np.zeros((80, 240), bool)
    drawn = draw_tail(empty, changes_of(line_image(middle, width, 60)), (0, 0, 240, 80), camera, curve, SIZE * 1.6)
    rows = np.nonzero(drawn[:, 60:180])[0] + 0.5
    assert abs(rows.mean() - middle) < 0.6
    assert abs(drawn[:, 60:180].sum(axis=0).mean() - width) < 1.0
    # Where the view shows nothing, the curve itself is drawn.
    unseen = draw_tail(empty, changes_of(np.full((80, 240), 120, np.uint8)), (0, 0, 240, 80), camera, curve, SIZE)
    assert abs(np.nonzero(unseen[:, 60:180])[0].mean() + 0.5 - middle - off) < 0.6


def test_what_the_mask_has_already_stays_as_it_is():
    camera = Camera(240, 80, 1000.0, 1000.0, 120.0, 40.0, np.eye(4))
    curve = np.stack([np.linspace(-80, 80, 81), np.zeros(81), np.full(81, 1000.0)], axis=1)
    mask = np.zeros((80, 240), bool)
    mask[39:41] = True
    drawn = draw_tail(mask, changes_of(line_image(40.0, 6.0, 60)), (0, 0, 240, 80), camera, curve, SIZE)
    assert np.array_equal(drawn, mask)


def test_no_path_leads_to_an_island_out_of_reach() -> None:
    far = np.array([[60.0, 0.0, 0.0]])
    body = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    faint = Path(np.concatenate([far, body]), np.array([3.0, 1.0, 1.0, 1.0]))
    assert _best_path(faint, np.array([False, True, False, False]), 1.0) is None  # the body's own end is the best
