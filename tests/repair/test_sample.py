"""Repair of one sample: the true cameras come back, good ones stay, what silhouettes do not say is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import faults
from mouselift.consistency.cameras import check_sample
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.candidate import Candidate
from mouselift.diagnosis.explain import problem_of
from mouselift.diagnosis.fit import Fit, FitResidual
from mouselift.geometry.camera_arrays import CameraArrays
from mouselift.repair.sample import _clearly_less, gauge_directions, repair_sample, unobservable
from rough_masks import Roughness


def without_gauge(true: CameraArrays, found: CameraArrays, directions: np.ndarray) -> np.ndarray:
    """Errors [v, 3] of log f, cx, cy that no common zoom or shift explains."""
    raw = np.concatenate([np.log(found.focal[:, :1] / true.focal[:, :1]), found.principal - true.principal], axis=1)
    weight = np.tile([150.0, 1.0, 1.0], len(raw))
    G = directions.reshape(-1, 4) * weight[:, None]
    part = G @ np.linalg.lstsq(G, raw.reshape(-1) * weight, rcond=None)[0]
    return raw - (part / weight).reshape(-1, 3)


def test_scales_and_shifts_of_all_views_come_back(exact_postures: tuple[Sample, ...]) -> None:
    sample = exact_postures[0]
    found = repair_sample(faults.views_rescaled(sample, np.random.default_rng(2)).sample)
    assert found.status == "repaired"
    assert found.residual_before_px is not None
    assert found.residual_after_px is not None
    assert found.residual_after_px < 0.01 * found.residual_before_px
    true, outlines = problem_of(sample, check_sample(sample))
    directions = gauge_directions(true, outlines)
    assert directions is not None
    error = without_gauge(true, CameraArrays.of(found.cameras), directions)
    assert np.abs(error[:, 0]).max() < 0.01
    assert np.hypot(error[:, 1], error[:, 2]).max() < 2.0
    assert found.gauge is not None
    assert 0 < found.gauge.zoom < 0.05


def test_three_good_views_are_not_said_to_disagree(exact_postures: tuple[Sample, ...]) -> None:
    """Six planes judge no sample alone."""
    sample = exact_postures[0]
    found = repair_sample(replace(sample, views=sample.views[:3]))
    assert found.status == "refused"
    assert found.reason.startswith("too few tangent planes to judge this sample alone: nothing says that its cameras")
    assert "disagree" not in found.reason


def test_the_measure_notices_one_per_cent_and_half_a_pixel(exact_postures: tuple[Sample, ...]) -> None:
    """In one view: the gauge, which is common, must not swallow them."""
    true, outlines = problem_of(exact_postures[0], check_sample(exact_postures[0]))
    directions = gauge_directions(true, outlines)
    assert directions is not None
    for column, size, least in ((0, 0.01, 0.003), (2, 0.5, 0.1)):
        change = np.zeros((6, 7))
        change[3, [0, 1] if column == 0 else [2]] = size
        error = without_gauge(true, true.moved(change), directions)
        assert np.abs(error[:, 0 if column == 0 else 1]).max() > least


def test_gauge_directions_are_those_of_a_larger_and_of_a_shifted_subject(
    exact_postures: tuple[Sample, ...],
) -> None:
    """A point of a larger subject, seen by the changed cameras, is where the old one was: to first order."""
    true, outlines = problem_of(exact_postures[0], check_sample(exact_postures[0]))
    directions = gauge_directions(true, outlines)
    assert directions is not None
    from mouselift.geometry.camera_arrays import subject_point

    point = subject_point(true, outlines)
    assert point is not None
    distance = float(np.linalg.norm(point - true.centre, axis=1).mean())
    near = point + np.array([0.02, -0.01, 0.015])
    step = 1e-4
    for k in range(4):
        change = np.zeros((6, 7))
        change[:, :2] = step * directions[:, :1, k]
        change[:, 2:4] = step * directions[:, 1:, k]
        moved = point + (near - point) * (1 + step) if k == 0 else near + step * distance * np.eye(3)[k - 1]
        for view, camera in enumerate(v.camera for v in exact_postures[0].views):
            after = true.moved(change).camera(view, camera)
            drift = after.project(moved[None]) - camera.project(near[None])
            unchanged = camera.project(moved[None]) - camera.project(near[None])
            assert np.linalg.norm(drift) < 0.1 * np.linalg.norm(unchanged) + 1e-4


@pytest.mark.parametrize(
    "fault", ["swapped_views", "opengl_axes", "r_transposed", "half_pixel_all", "image_size_wrong"]
)
def test_undone_exactly(exact_postures: tuple[Sample, ...], fault: str) -> None:
    injected = faults.FAULTS[fault](exact_postures[1], np.random.default_rng(8))
    found = repair_sample(injected.sample)
    assert found.status == "repaired"
    true = [view.camera for view in exact_postures[1].views]
    if fault == "swapped_views":  # the images stay exchanged: their cameras follow them
        i, j = injected.views
        true[i], true[j] = true[j], true[i]
    for a, b in zip(true, found.cameras, strict=True):
        np.testing.assert_allclose(a.T_cam_world, b.T_cam_world, atol=1e-9)
        np.testing.assert_allclose([a.fx, a.cx], [b.fx, b.cx], rtol=2e-3)


def test_distances_come_back_up_to_a_common_factor(exact_postures: tuple[Sample, ...]) -> None:
    found = repair_sample(faults.centre_moved(exact_postures[0], np.random.default_rng(0)).sample)
    assert found.status == "repaired"
    true = np.array([np.linalg.norm(view.camera.centre) for view in exact_postures[0].views])
    ratio = np.log(np.array([np.linalg.norm(camera.centre) for camera in found.cameras]) / true)
    assert np.abs(ratio - ratio.mean()).max() < 0.005


def test_a_good_sample_stays_as_it_is(exact_postures: tuple[Sample, ...]) -> None:
    for sample in exact_postures:
        found = repair_sample(sample)
        assert found.status == "good"
        assert found.cameras == tuple(view.camera for view in sample.views)


def test_a_mirrored_image_and_a_copied_calibration_are_refused(exact_postures: tuple[Sample, ...]) -> None:
    for fault, word in ((faults.mirrored_view, "flipped"), (faults.copied_calibration, "copy")):
        spoiled = fault(exact_postures[0], np.random.default_rng(1)).sample
        found = repair_sample(spoiled)
        assert found.status == "refused"
        assert word in found.reason
        assert found.cameras == tuple(view.camera for view in spoiled.views)


def test_two_views_are_too_few(exact_postures: tuple[Sample, ...]) -> None:
    spoiled = faults.view_scale(exact_postures[0], np.random.default_rng(0), scale=1.3, view=0).sample
    found = repair_sample(replace(spoiled, views=spoiled.views[:2]))
    assert found.status == "refused"
    assert "at least 3" in found.reason


def test_more_views_than_are_fitted_together_are_refused(
    exact_postures: tuple[Sample, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the cause that some of them show; cameras in order are told to be so."""
    monkeypatch.setattr("mouselift.diagnosis.explain.LOOKED_AT", 5)
    monkeypatch.setattr("mouselift.repair.sample.MOST_VIEWS", 5)
    assert repair_sample(exact_postures[0]).status == "good"
    found = repair_sample(faults.view_scale(exact_postures[0], np.random.default_rng(0), scale=1.42, view=3).sample)
    assert found.status == "refused"
    assert "without fx, fy; nothing was changed: 6 views; at most 5 are fitted together" in found.reason


def test_views_from_one_side_are_refused(exact_postures: tuple[Sample, ...]) -> None:
    cameras, outlines = problem_of(exact_postures[0], check_sample(exact_postures[0]))
    one = cameras.take([0] * 6)
    together = replace(one, centre=one.centre + 1e-3 * np.arange(18).reshape(6, 3))
    reason = unobservable(together, outlines)
    assert reason is not None
    assert "one line" in reason


@pytest.mark.parametrize(("posture", "seed"), [(0, 11), (1, 0)])
def test_values_of_all_views_are_not_taken_from_spoiled_masks(
    posture: int, seed: int, exact_postures: tuple[Sample, ...]
) -> None:
    """Distances that bring residuals down by half, because masks lack parts: without the rule, wrong cameras."""
    spoiled = Roughness(holes=0, quality=None)
    rough = faults.rough(exact_postures[posture], np.random.default_rng(seed), what=spoiled).sample
    sample = faults.centre_moved(rough, np.random.default_rng(seed)).sample
    found = repair_sample(sample)
    assert found.status == "refused"
    assert "many samples together" in found.reason
    assert found.cameras == tuple(view.camera for view in sample.views)
    assert found.gauge is None
    assert found.residual_before_px is not None
    assert found.residual_after_px is not None
    assert found.residual_after_px < 0.5 * found.residual_before_px


def test_one_aspect_is_taken_from_lossy_masks(exact_postures: tuple[Sample, ...]) -> None:
    lossy = Roughness(grown_px=None, tail_lost=0.0)
    rough = faults.rough(exact_postures[0], np.random.default_rng(1), what=lossy).sample
    assert repair_sample(faults.anisotropic(rough, np.random.default_rng(1)).sample).status == "repaired"


@pytest.mark.parametrize(("fitted", "rms_px", "enough"), [(False, 9.0, True), (True, 9.0, False), (True, 4.0, True)])
def test_fitted_values_must_bring_down_what_masks_spoil_too(fitted: bool, rms_px: float, enough: bool) -> None:
    """Two views that were exchanged are put right though one mask is spoiled; values could be fitted to that mask."""

    def residual(rms_px: float, loss: float) -> FitResidual:
        return FitResidual(rms_px, 1.0, loss, rows=30, known=30, clipped=0, total=30 * loss)

    def one_shift(cameras: CameraArrays) -> np.ndarray:
        return np.zeros((len(cameras), 7, 1))

    candidate = Candidate("a-cause", (0,), basis=one_shift if fitted else None)
    undone = Fit(candidate, np.zeros(1), np.eye(1), (), residual(rms_px, 1.0), np.ones(1))
    assert _clearly_less(undone, residual(10.0, 8.0), residual(rms_px, 1.0)) == enough
    assert not _clearly_less(undone, residual(10.0, 8.0), residual(rms_px, 5.0)), "the robust loss falls in any case"
