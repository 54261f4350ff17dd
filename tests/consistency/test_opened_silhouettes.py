"""Thin parts go, the rest of the outline stays as it was, and exchanged cameras are told from rough masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mouselift.consistency.opened_silhouettes import RADIUS_SHARE, open_silhouettes
from mouselift.dataset.sample import Sample
from mouselift.geometry.outlines import outline_of
from rough_masks import without_thin_parts

SIZE, CENTRE, RADIUS = 200, np.array([100.3, 97.8]), 40.0


def disc(tail_px: float = 0.0) -> np.ndarray:
    """Alpha of a disc; `tail_px`: width of a tail from its middle to x = 190."""
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    alpha = np.clip(RADIUS - np.hypot(x - CENTRE[0], y - CENTRE[1]) + 0.5, 0, 1)
    tail = np.clip(tail_px / 2 - np.abs(y - CENTRE[1]) + 0.5, 0, 1) * ((x > CENTRE[0]) & (x < 190))
    return np.rint(255 * np.maximum(alpha, tail)).astype(np.uint8)


def test_a_convex_silhouette_keeps_its_outline() -> None:
    alpha = disc()
    whole = outline_of(alpha)
    assert whole is not None
    found = open_silhouettes([alpha], [whole])
    (opened,) = found.outlines
    assert opened is not None
    assert np.array_equal(opened.convex, whole.convex)
    assert found.breadth_px == pytest.approx(RADIUS, abs=1.0)


@pytest.mark.parametrize(("tail_px", "stays"), [(0.6 * 2 * RADIUS_SHARE * RADIUS, False), (30.0, True)])
def test_a_thin_tail_goes_and_a_thick_one_stays(tail_px: float, stays: bool) -> None:
    alpha = disc(tail_px)
    outline = outline_of(alpha)
    (opened,) = open_silhouettes([alpha], [outline]).outlines
    assert opened is not None
    far = float(np.linalg.norm(opened.convex - CENTRE, axis=1).max())
    assert (far > RADIUS + 20) == stays
    # Half a pixel of bias would show here: what is left is the disc's own outline, and the tail's stump.
    left = opened.convex[opened.convex[:, 0] < CENTRE[0]]
    assert np.linalg.norm(left - CENTRE, axis=1) == pytest.approx(RADIUS, abs=0.1)
    if not stays:
        assert far < RADIUS + 2.5


def test_marks_of_cuts_are_carried_over() -> None:
    alpha = disc()
    outline = outline_of(alpha)
    assert outline is not None
    low = outline.convex[:, 1] > CENTRE[1] + 30
    (opened,) = open_silhouettes([alpha], [outline.leaving_out(low)]).outlines
    assert opened is not None
    assert opened.uninformative[opened.convex[:, 1] > CENTRE[1] + 30].all()
    assert not opened.uninformative[opened.convex[:, 1] < CENTRE[1] + 25].any()


def test_opened_silhouettes_agree_though_tails_are_gone_and_disagree_when_cameras_are_exchanged(
    make_exact: Callable[..., Sample],
) -> None:
    sample = make_exact(1.3)
    views = tuple(replace(v, alpha=without_thin_parts(v.alpha)) if k % 2 else v for k, v in enumerate(sample.views))
    found = open_silhouettes([v.alpha for v in views], [outline_of(v.alpha) for v in views])
    cameras = [view.camera for view in sample.views]
    assert found.disagreement(cameras) < 0.06
    exchanged = [cameras[1], cameras[0], *cameras[2:]]
    assert found.disagreement(exchanged) > 0.12


def test_a_view_without_outline_has_no_opened_silhouette() -> None:
    found = open_silhouettes([disc(), disc()], [outline_of(disc()), None])
    assert found.outlines[1] is None
    nothing = open_silhouettes([disc()], [None])
    assert np.isnan(nothing.breadth_px)
    with pytest.raises(ValueError, match="expected one alpha an outline"):
        open_silhouettes([disc()], [])
