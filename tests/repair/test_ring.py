"""Rings of cameras, the subject cut by the border: few corners carry all planes. Right, or refused; never wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import scenes
from mouselift.consistency.cameras import check_sample
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.explain import problem_of
from mouselift.diagnosis.independence import measurements, shared_errors
from mouselift.diagnosis.source_camera import improbability, other_sizes
from mouselift.geometry.camera import Camera
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines, touched_points
from mouselift.repair.sample import repair_sample


@pytest.fixture(scope="module")
def cut() -> Sample:
    return scenes.sample_of(scenes.ring(8), scenes.bust(np.random.default_rng(5)))


def stated(sample: Sample, change: Callable[[Camera], Camera]) -> Sample:
    return replace(sample, views=tuple(replace(view, camera=change(view.camera)) for view in sample.views))


def test_intrinsics_of_another_size_are_undone_exactly(cut: Sample) -> None:
    spoiled = stated(cut, lambda c: replace(c, fx=2 * c.fx, fy=2 * c.fy, cx=2 * c.cx, cy=2 * c.cy))
    found = repair_sample(spoiled)
    assert found.status == "repaired"
    assert found.cause is not None
    assert found.cause.code == "all-size"
    assert found.cause.values["cam_000.scale"] == 0.5
    for camera, view in zip(found.cameras, cut.views, strict=True):
        expected = [view.camera.fx, view.camera.fy, 128.0, 128.0]
        np.testing.assert_allclose([camera.fx, camera.fy, camera.cx, camera.cy], expected, rtol=1e-12)


def test_another_fy_is_right_and_what_else_may_be_is_named(cut: Sample) -> None:
    """A principal point 24 px higher fits as well: only that cameras are not so decides."""
    found = repair_sample(stated(cut, lambda c: replace(c, fy=0.75 * c.fy)))
    assert found.status == "repaired"
    assert found.cause is not None
    for camera, view in zip(found.cameras, cut.views, strict=True):
        np.testing.assert_allclose([camera.fx, camera.fy], view.camera.fx, rtol=0.005)
        np.testing.assert_allclose([camera.cx, camera.cy], 128.0, atol=0.5)
    assert "all-shift" in found.cause.ambiguous_with
    assert found.cause.decided_by


def test_scales_of_all_views_are_refused(cut: Sample) -> None:
    """Eight scales fit what is left to nothing; they are not determined by it."""
    scales = iter(np.exp(np.random.default_rng(3).uniform(-0.3, 0.3, 8)).tolist())

    def scaled(camera: Camera) -> Camera:
        s = next(scales)
        return replace(camera, fx=camera.fx * s, fy=camera.fy * s)

    spoiled = stated(cut, scaled)
    found = repair_sample(spoiled)
    if found.status == "repaired":
        ratio = [a.fx / v.camera.fx for a, v in zip(found.cameras, cut.views, strict=True)]
        assert np.abs(np.log(ratio)).max() < 0.05
    else:
        assert found.cameras == tuple(view.camera for view in spoiled.views)


def _errors_at_once(cameras: CameraArrays, outlines: ConvexOutlines) -> np.ndarray:
    """J S J^T over all touched points of all views: what `shared_errors` adds up view by view."""
    corners, slope = touched_points(cameras, outlines)
    view, along = corners.pair.ravel(), slope.reshape(-1, 2)
    point = outlines.points[view, corners.at.ravel()]
    apart = ((point[:, None] - point[None]) ** 2).sum(axis=2)
    both = np.where(view[:, None] == view[None], np.exp(-apart / (2 * 2.0**2)), 0.0) * (along @ along.T)
    rows = len(corners.pair)
    return both.reshape(rows, 2, rows, 2).sum(axis=(1, 3))


def test_planes_through_one_corner_are_few_measurements(cut: Sample) -> None:
    """With intrinsics of twice the size, all planes touch the head's top."""
    cameras, outlines = problem_of(cut, check_sample(cut))
    true = shared_errors(cameras, outlines)
    wrong = shared_errors(replace(cameras, focal=2 * cameras.focal, principal=2 * cameras.principal), outlines)
    rows = [int((np.diag(errors) > 0).sum()) for errors in (true, wrong)]
    np.testing.assert_allclose(true, _errors_at_once(cameras, outlines), atol=1e-12)
    assert measurements(true) > 0.8 * rows[0]
    assert measurements(wrong) < 0.6 * rows[1]


def test_measurements_count_what_is_independent() -> None:
    assert measurements(np.zeros((0, 0))) == 0
    assert measurements(np.eye(7)) == pytest.approx(7)
    assert measurements(np.ones((5, 5))) == pytest.approx(1, abs=0.05)
    assert measurements(np.kron(np.eye(3), np.ones((4, 4)))) == pytest.approx(3, abs=0.1)


def test_errors_are_those_of_moved_outline_points(cut: Sample) -> None:
    """The residual's change, where one corner of one view is moved by a hundredth of a pixel."""
    from mouselift.geometry.camera_arrays import sampson_residuals

    cameras, outlines = problem_of(cut, check_sample(cut))
    before, corners = sampson_residuals(cameras, outlines)
    _, slope = touched_points(cameras, outlines)
    row = int(np.flatnonzero(corners.usable)[3])
    view, at = int(corners.pair[row, 1]), int(corners.at[row, 1])
    for axis in (0, 1):
        points = outlines.points.copy()
        points[view, at, axis] += 1e-4
        moved = replace(outlines, points=points)
        after, now = sampson_residuals(cameras, moved)
        same = (corners.at == now.at).all(axis=1) & corners.usable
        touched = same & (corners.pair == view).any(axis=1)
        expected = np.zeros(len(before))
        for k in (0, 1):
            mine = touched & (corners.pair[:, k] == view) & (corners.at[:, k] == at)
            expected[mine] = slope[mine, k, axis]
        np.testing.assert_allclose((after - before)[same] / 1e-4, expected[same], atol=0.02)


def test_sizes_are_read_from_principal_points_of_one_camera(cut: Sample) -> None:
    cameras = CameraArrays.of([view.camera for view in cut.views])
    assert not list(other_sizes(cameras))
    off = replace(cameras, principal=cameras.principal * 1.98, focal=cameras.focal * 2)
    ratios = [c.apply(off).focal[0, 0] / off.focal[0, 0] for c in other_sizes(off)]
    assert any(abs(ratio - 0.5) < 1e-12 for ratio in ratios)
    framed = replace(off, principal=off.principal + np.arange(8.0)[:, None])
    assert not list(other_sizes(framed))  # crops of their own: principal points say nothing about sizes


def test_crops_of_their_own_are_not_improbable(cut: Sample) -> None:
    cameras = CameraArrays.of([view.camera for view in cut.views])
    away = replace(cameras, principal=cameras.principal + 40.0)
    assert improbability(cameras, away) > 5
    assert improbability(cameras, cameras) == pytest.approx(0)
    assert improbability(cameras, replace(cameras, focal=cameras.focal * [1.0, 1.1])) > 5
    framed = replace(away, principal=away.principal + np.arange(8.0)[:, None])
    assert improbability(framed, away) == 0
