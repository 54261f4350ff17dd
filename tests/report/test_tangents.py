"""Tangents as drawn: the numbers of the audit, lines that hold the plane's points, and faults that show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mouselift.dataset.sample import Sample
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import outline_of
from mouselift.geometry.tangent_planes import tangency
from mouselift.report.tangent_sheet import Tangent, across, best_reference, tangents, trace

Change = Callable[[Camera], Camera]
EXACT_PX = 0.15  # alpha has 8 x 8 sub-pixels: tangents are true to a tenth


def found(cameras: list[Camera], sample: Sample) -> list[Tangent]:
    return tangents(cameras, [outline_of(view.alpha) for view in sample.views])


def worst(cameras: list[Camera], sample: Sample) -> dict[int, float]:
    """View -> median absolute gap of all planes drawn in it."""
    gaps: dict[int, list[float]] = {}
    for t in found(cameras, sample):
        gaps.setdefault(t.view, []).append(abs(t.gap_px))
    return {view: float(np.median(values)) for view, values in gaps.items()}


def test_exact_cameras_touch_everywhere(sample: Sample) -> None:
    tangent = found([view.camera for view in sample.views], sample)
    assert len(tangent) == 6 * 5 * 2
    assert max(abs(t.gap_px) for t in tangent) < EXACT_PX


def test_gap_is_the_audits(sample: Sample) -> None:
    cameras = [view.camera for view in sample.views]
    cameras[2] = replace(cameras[2], cx=cameras[2].cx + 3)
    pixels = tangency(cameras, [outline_of(view.alpha) for view in sample.views]).pixels
    for t in found(cameras, sample):
        assert t.gap_px == pytest.approx(pixels[t.view, t.other, t.side], abs=1e-9)


def test_drawn_gap_is_the_one_that_is_written(sample: Sample) -> None:
    """The distance between the circle and the line on the page is the number beside it."""
    cameras = [view.camera for view in sample.views]
    cameras[4] = replace(cameras[4], fy=cameras[4].fy * 1.03)
    for t in found(cameras, sample):
        assert np.linalg.norm(t.touch - t.foot) == pytest.approx(abs(t.gap_px), abs=1e-9)
        assert t.line is not None
        (x0, y0), (x1, y1) = t.line
        length = np.hypot(x1 - x0, y1 - y0)
        off = ((x1 - x0) * (t.foot[1] - y0) - (y1 - y0) * (t.foot[0] - x0)) / length
        assert abs(off) < 1e-7, "the foot lies on the line that is drawn"


def test_trace_holds_every_point_of_the_ray(cameras: tuple[Camera, ...]) -> None:
    pixel = np.array([70.3, 91.8])
    ray = cameras[1].rays(pixel[None])[0]
    line = trace(cameras[0], cameras[1], pixel)
    for depth in (1.5, 2.0, 2.7):
        u = cameras[0].project((cameras[1].centre + depth * ray)[None])[0]
        assert abs(line[:2] @ u + line[2]) < 1e-9


@pytest.mark.parametrize(
    ("fault", "change"),
    [
        ("half a pixel", lambda c: replace(c, cx=c.cx + 0.5, cy=c.cy + 0.5)),
        ("one per cent", lambda c: replace(c, fx=c.fx * 1.01, fy=c.fy * 1.01)),
        ("transposed", lambda c: replace(c, T_cam_world=transposed(c.T_cam_world))),
    ],
)
def test_a_fault_in_one_view_shows_there(sample: Sample, fault: str, change: Change) -> None:
    cameras = [view.camera for view in sample.views]
    exact = worst(cameras, sample)
    cameras[3] = change(cameras[3])
    gaps = worst(cameras, sample)
    if 3 in gaps:  # a transposed rotation may leave the view with no plane at all: then nothing touches
        assert gaps[3] > 4 * exact[3], fault
        assert max(gaps, key=lambda view: gaps[view]) == 3
    else:
        assert fault == "transposed"


def transposed(T: np.ndarray) -> np.ndarray:
    out = T.copy()
    out[:3, :3] = T[:3, :3].T
    return out


def test_across_the_frame() -> None:
    line = across(np.array([0.0, 1.0, -20.0]), 100, 50)
    assert line is not None
    assert sorted(line.tolist()) == [[0.0, 20.0], [100.0, 20.0]]
    assert across(np.array([0.0, 1.0, -51.0]), 100, 50) is None
    diagonal = across(np.array([1.0, -1.0, 0.0]) / np.sqrt(2), 100, 50)
    assert diagonal is not None
    np.testing.assert_allclose(sorted(diagonal.tolist()), [[0, 0], [50, 50]], atol=1e-9)


def test_reference_is_a_view_that_is_right(sample: Sample) -> None:
    cameras = [view.camera for view in sample.views]
    cameras[0] = replace(cameras[0], cx=cameras[0].cx + 8)
    assert best_reference(found(cameras, sample), 6) != 0
