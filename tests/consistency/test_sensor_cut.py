"""Old frame edges are recognised at any angle, tails and flanks are not, and tangency leaves them out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mouselift.consistency.sensor_cut import cut_line, without_cuts
from mouselift.dataset.sample import Sample, View
from mouselift.geometry.outlines import outline_of
from mouselift.geometry.tangent_planes import tangency


def cut_view(view: View, angle_deg: float, share: float = 0.45) -> View:
    """Alpha blanked beyond a soft straight line across the body, as a turned camera would show an old frame edge."""
    levels = view.alpha.astype(np.float64)
    y, x = np.mgrid[0 : levels.shape[0], 0 : levels.shape[1]] + 0.5
    a = np.radians(angle_deg)
    along = x * np.cos(a) + y * np.sin(a)
    inside = along[view.alpha > 127]
    edge = float(np.quantile(inside, 1 - share))
    keep = np.clip(edge - along + 0.5, 0.0, 1.0)
    return replace(view, alpha=np.rint(levels * keep).astype(np.uint8))


def test_whole_subjects_have_no_cut(make_exact: Callable[..., Sample]) -> None:
    for time in (0.5, 1.3, 2.1):
        for view in make_exact(time).views:
            outline = outline_of(view.alpha)
            assert outline is not None
            assert cut_line(outline) is None


@pytest.mark.parametrize("angle", [0.0, 17.0, 90.0, 200.0])
def test_a_straight_cut_is_seen_at_any_angle(angle: float, exact: Sample) -> None:
    outline = outline_of(cut_view(exact.views[1], angle).alpha)
    assert outline is not None
    line = cut_line(outline)
    assert line is not None
    direction = (line.end - line.start) / line.length
    normal = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    assert abs(float(direction @ normal)) < 0.02
    # half a pixel is noticed: the run lies where the edge was put, to a tenth
    assert abs(float((line.start - line.end) @ normal)) < 1.0


def test_cut_corners_are_left_out_and_a_note_says_so(exact: Sample) -> None:
    views = (exact.views[0], cut_view(exact.views[1], 0.0), *exact.views[2:])
    sample = replace(exact, views=tuple(replace(view, cut=None) for view in views))
    outlines = [outline_of(view.alpha) for view in sample.views]
    cameras = [view.camera for view in sample.views]
    kept, findings = without_cuts(sample, outlines)
    assert [(f.code, f.severity, f.camera) for f in findings] == [("cut-by-sensor", "note", exact.views[1].name)]
    assert np.nanmax(tangency(cameras, outlines).view_rms_px) > 5
    assert np.nanmax(tangency(cameras, kept).view_rms_px) < 0.6


def test_what_the_file_says_counts(exact: Sample) -> None:
    outlines = [outline_of(view.alpha) for view in exact.views]
    told = replace(exact, views=(replace(exact.views[0], cut=True), *exact.views[1:]))
    kept, findings = without_cuts(told, outlines)
    assert kept[0] is not None
    assert kept[0].uninformative.all()
    assert len(findings) == 1
    uncut = replace(exact, views=(replace(cut_view(exact.views[0], 0.0), cut=False), *exact.views[1:]))
    assert without_cuts(uncut, [outline_of(v.alpha) for v in uncut.views])[1] == ()


def test_the_images_own_border_is_not_an_old_edge() -> None:
    alpha = np.zeros((256, 256), np.uint8)
    cv2.circle(alpha, (128, 250), 90, (255,), cv2.FILLED)
    outline = outline_of(alpha)
    assert outline is not None
    assert outline.uninformative.any()
    assert cut_line(outline) is None
