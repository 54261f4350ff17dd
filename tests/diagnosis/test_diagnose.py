"""Every fault is named with its views and values, and a good sample is left in peace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import faults
from exact_samples import make_sample
from faults import FAULTS
from mouselift.consistency.cameras import check_sample
from mouselift.dataset.sample import Sample
from mouselift.diagnosis import explain, fitted
from mouselift.diagnosis.candidate import Candidate
from mouselift.diagnosis.changes import turned
from mouselift.diagnosis.explain import diagnose, few_views
from mouselift.diagnosis.fit import fits, lowest, ranked
from mouselift.diagnosis.readings import readings
from mouselift.diagnosis.search import _Batch
from mouselift.errors import DatasetError
from mouselift.geometry.camera_arrays import CameraArrays

CODES = {
    "half_pixel_all": "all-half-pixel",
    "views_rescaled": "each-scale-shift",
    "wrong_intrinsics_all": "all-scale",
    "anisotropic": "all-anisotropic",
    "k_transposed": "k-transposed",
    "image_size_wrong": "all-size",
    "one_intrinsics_for_all": "one-intrinsics",
    "normalised_intrinsics": "normalised-intrinsics",
    "fy_from_height": "fy-from-height",
    "fov_wrong_side": "fov-side",
    "principal_not_scaled": "all-principal",
    "crop_not_shifted": "all-shift",
    "crops_not_shifted": "each-shift",
    "lens_left": "lens-left",
    "pictures_turned": "turned",
    "picture_turned": "turned",
    "views_cycled": "views-cycled",
    "one_r_transposed": "rotation-transposed",
    "one_pose_for_all": "one-pose",
    "r_transposed": "rotation-transposed",
    "c2w_for_w2c": "c2w-for-w2c",
    "opengl_axes": "opengl-axes",
    "mirrored_view": "mirrored",
    "centre_moved": "each-distance",
    "swapped_views": "views-swapped",
    "copied_calibration": "calibration-copied",
}


def test_exact_samples_have_no_cause(exact_postures: tuple[Sample, ...]) -> None:
    for sample in exact_postures:
        found = diagnose(sample)
        assert found.cause is None
        assert found.residual_px is not None
        assert found.residual_px < 0.3


@pytest.mark.parametrize("fault", CODES)
def test_fault_is_named(exact_postures: tuple[Sample, ...], fault: str) -> None:
    injected = FAULTS[fault](exact_postures[0], np.random.default_rng(11))
    cause = diagnose(injected.sample).cause
    assert cause is not None
    assert cause.code == CODES[fault], cause.sentence
    assert cause.views == tuple(exact_postures[0].names[k] for k in injected.views)
    assert cause.residual_after_px is None or cause.residual_after_px < 0.3


def test_the_words_say_what_to_do(exact_postures: tuple[Sample, ...]) -> None:
    rng = np.random.default_rng(4)
    said = [
        diagnose(FAULTS[name](exact_postures[0], rng).sample).cause
        for name in ("normalised_intrinsics", "one_pose_for_all")
    ]
    assert [cause.sentence if cause else "" for cause in said] == [
        "all views: intrinsics are in units of the image's width: multiply by 512",
        "all views state one camera: one pose was written for all of them; their own are missing",
    ]
    turned = diagnose(faults.pictures_turned(exact_postures[0], rng, quarters=3).sample).cause
    assert turned is not None
    assert "by 90 degrees counter-clockwise" in turned.sentence


def test_a_field_of_view_is_not_told_from_a_focal_length(exact_postures: tuple[Sample, ...]) -> None:
    """The ratio of an image's sides may be chance: both are given, with what decides."""
    cause = diagnose(faults.fov_wrong_side(exact_postures[0], np.random.default_rng(1)).sample).cause
    assert cause is not None
    assert cause.code == "fov-side"
    assert set(cause.ambiguous_with) & {"all-focal", "all-scale"}
    assert "field of view" in cause.decided_by


def test_a_lens_has_its_k1(exact_postures: tuple[Sample, ...]) -> None:
    injected = faults.lens_left(exact_postures[0], np.random.default_rng(0), k1=-0.3)
    found = diagnose(injected.sample)
    assert found.cause is not None
    assert found.undone is None  # no camera can say it
    k1 = [found.cause.values[f"{name}.k1"] for name in exact_postures[0].names]
    assert k1 == pytest.approx([-0.3] * len(k1), abs=0.03)
    assert k1 != pytest.approx([0.0] * len(k1), abs=0.2)


@pytest.mark.parametrize("k1", [-0.15, 0.2])
def test_a_lens_of_less_than_a_pixel_rms_is_named(k1: float, make_exact: Callable[..., Sample]) -> None:
    """Residuals stay below half a pixel RMS, and no view's scale or shift stands out enough."""
    for time in (0.5, 1.3, 2.1, 3.4):
        injected = faults.lens_left(make_exact(time, "canonical"), np.random.default_rng(0), k1=k1)
        found = diagnose(injected.sample)
        assert found.residual_px is not None
        assert found.residual_px < 0.5
        assert found.cause is not None
        assert found.cause.code == "lens-left"
        name = injected.sample.names[0]
        value, sigma = (found.cause.values[f"{name}.{key}"] for key in ("k1", "k1_sigma"))
        assert value == pytest.approx(k1, abs=4 * sigma)


def test_a_principal_point_that_was_not_scaled_has_its_factor(exact_postures: tuple[Sample, ...]) -> None:
    injected = faults.principal_not_scaled(exact_postures[0], np.random.default_rng(2))
    cause = diagnose(injected.sample).cause
    assert cause is not None
    factor = cause.values[f"{exact_postures[0].names[0]}.principal"]
    assert factor == pytest.approx(injected.values["principal"], rel=1e-3)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turn_is_undone_to_the_true_camera(exact_postures: tuple[Sample, ...], quarters: int) -> None:
    """A point projects into the turned image where its pixel went; the other way round it would not."""
    camera = exact_postures[0].views[0].camera
    arrays = turned(quarters, (0,), CameraArrays.of([camera]))
    point = np.array([[0.1, -0.2, 0.15]])
    x, y = camera.project(point)[0]
    w, h = camera.width, camera.height
    went = {1: (h - y, x), 2: (w - x, h - y), 3: (y, w - x)}[quarters]
    np.testing.assert_allclose(arrays.camera(0, like=camera).project(point)[0], went, atol=1e-9)


def test_one_view_scaled_has_its_value(exact_postures: tuple[Sample, ...]) -> None:
    injected = faults.view_scale(exact_postures[0], np.random.default_rng(0), scale=1.42, view=3)
    cause = diagnose(injected.sample).cause
    assert cause is not None
    assert (cause.code, cause.views) == ("view-scale", (exact_postures[0].names[3],))
    assert cause.values[f"{cause.views[0]}.scale"] == pytest.approx(1.42, rel=0.003)
    assert f"view {cause.views[0]}" in cause.sentence
    assert "1.42" in cause.sentence


def test_one_view_shifted_has_its_value(exact_postures: tuple[Sample, ...]) -> None:
    injected = faults.view_shift(exact_postures[1], np.random.default_rng(5), pixels=20.0, view=1)
    cause = diagnose(injected.sample).cause
    assert cause is not None
    assert (cause.code, cause.views) == ("view-shift", (exact_postures[1].names[1],))
    name = cause.views[0]
    found = [cause.values[f"{name}.dx"], cause.values[f"{name}.dy"]]
    np.testing.assert_allclose(found, [injected.values["dx"], injected.values["dy"]], atol=0.3)


def test_a_check_that_knows_nothing_of_half_pixels_would_fail(exact_postures: tuple[Sample, ...]) -> None:
    """The sign matters: undoing half a pixel the wrong way would leave a whole one."""
    for step in (0.5, -0.5):
        found = diagnose(faults.half_pixel_all(exact_postures[0], np.random.default_rng(0), pixels=step).sample)
        assert found.undone is not None
        cameras = exact_postures[0].views[0].camera
        assert found.undone.corrected[0].principal[0, 0] == pytest.approx(cameras.cx)


def test_one_moved_centre_is_told_from_a_moved_image(exact_postures: tuple[Sample, ...]) -> None:
    view = exact_postures[0].views[2]
    T = view.camera.T_cam_world.copy()
    T[:3, 3] += [0.2, -0.1, 0.15]
    views = list(exact_postures[0].views)
    views[2] = replace(view, camera=replace(view.camera, T_cam_world=T))
    cause = diagnose(replace(exact_postures[0], views=tuple(views))).cause
    assert cause is not None
    assert (cause.code, cause.views) == ("view-centre", (view.name,))


def test_samples_that_share_a_transform_are_fitted_together(exact_postures: tuple[Sample, ...]) -> None:
    change: Callable[[Sample], Sample] = lambda sample: (  # noqa: E731
        faults.view_scale(sample, np.random.default_rng(0), scale=0.8, view=5).sample
    )
    cause = diagnose([change(sample) for sample in exact_postures]).cause
    assert cause is not None
    assert cause.values[f"{exact_postures[0].names[5]}.scale"] == pytest.approx(0.8, rel=0.002)


def test_samples_of_other_cameras_do_not_mix(exact_postures: tuple[Sample, ...]) -> None:
    with pytest.raises(DatasetError, match="same cameras"):
        diagnose([exact_postures[0], replace(exact_postures[1], views=exact_postures[1].views[:5])])


def test_of_many_views_the_worst_are_looked_at(
    exact_postures: tuple[Sample, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five of six views: the faulty one is among them, and the sentence says how many there were."""
    monkeypatch.setattr(explain, "LOOKED_AT", 5)
    sample = exact_postures[0]
    for view in range(6):
        found = diagnose(faults.view_scale(sample, np.random.default_rng(0), scale=1.42, view=view).sample)
        assert found.cause is not None
        assert (found.cause.code, found.cause.views) == ("view-scale", (sample.names[view],))
        assert found.cause.sentence.startswith("5 of 6 views looked at: ")
        assert found.undone is None  # it would be the four views' cameras
    assert diagnose(sample).cause is None


def test_of_many_views_a_copied_calibration_is_looked_at_with_its_copy(
    exact_postures: tuple[Sample, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain, "LOOKED_AT", 5)
    for copied in range(6):
        for original in ((copied + 1) % 6, (copied + 3) % 6):
            fault = faults.copied_calibration(exact_postures[0], np.random.default_rng(0), pair=(copied, original))
            few = few_views([fault.sample], [check_sample(fault.sample)])[0]
            assert {fault.sample.names[original], fault.sample.names[copied]} <= set(few.names)


@pytest.mark.parametrize("turn", [2, -1])
def test_of_many_views_another_order_of_all_is_seen(
    exact_postures: tuple[Sample, ...], monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    """Of the views looked at, images may belong to cameras of views that are not."""
    monkeypatch.setattr(explain, "LOOKED_AT", 5)
    wrong: list[Sample] = []
    for sample in exact_postures[:2]:
        order = [(view + turn) % 6 for view in range(6)]
        views = tuple(replace(v, camera=sample.views[k].camera) for v, k in zip(sample.views, order, strict=True))
        wrong.append(replace(sample, views=views))
    for given in (wrong[0], wrong):
        cause = diagnose(given).cause
        assert cause is not None
        assert cause.code == "views-out-of-order"
        assert cause.sentence.startswith("5 of 6 views looked at: ")


def test_a_copied_pose_that_explains_everything_ends_the_search(
    exact_postures: tuple[Sample, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = faults.copied_calibration(exact_postures[0], np.random.default_rng(0), pair=(2, 4)).sample

    def refused(*_: object) -> None:
        raise AssertionError("fitted")

    monkeypatch.setattr(explain, "lens_fits", refused)
    cause = diagnose(copied).cause
    assert cause is not None
    assert (cause.code, cause.views) == ("calibration-copied", (copied.names[2],))


def test_searches_of_one_candidate_that_meet_go_on_as_one(exact_postures: tuple[Sample, ...]) -> None:
    sample = faults.wrong_intrinsics_all(exact_postures[0], np.random.default_rng(0), scale=1.2).sample
    problem, candidate = [explain.problem_of(sample)], next(fitted.all_views_alike(explain.problem_of(sample)[0]))
    batch = _Batch.of([candidate], [problem], [np.array([0.5])], quick=False)
    found = batch.descend_gradually([0, 0], [np.array([0.15]), np.array([0.2])])
    assert len(found) == 1
    assert found[0][1].x[0] == pytest.approx(np.log(1.2), abs=0.01)


def test_scores_are_bounded_before_they_are_counted(exact_postures: tuple[Sample, ...]) -> None:
    """The lowest is the lowest, and hardly any other was counted; the few best are the few best."""
    problem = [explain.problem_of(faults.swapped_views(exact_postures[0], np.random.default_rng(4)).sample)]
    found = fits(list(readings(problem[0][0])), problem)
    best, score = lowest(found)
    counted = sum("measurements" in f.residual.__dict__ for f in found)
    assert counted < len(found) / 4
    assert all(f.least_score <= f.score + 1e-9 for f in found)
    assert (best, score) == min(((f, f.score) for f in found), key=lambda each: each[1])
    for most in (1, 6, len(found) + 1):
        assert [each for each, _ in ranked(found, most)] == sorted(found, key=lambda f: f.score)[:most]


def test_a_zoom_of_all_views_is_not_put_down_to_masks(exact_postures: tuple[Sample, ...]) -> None:
    """3 % leave less than a pixel, which rough masks would explain; but one number makes exact masks agree."""
    for zoom, right in ((1.0, True), (1.03, False)):
        views = [replace(v, camera=replace(v.camera, fx=zoom * v.camera.fx, fy=zoom * v.camera.fy))
                 for v in exact_postures[0].views]  # fmt: skip
        sample = replace(exact_postures[0], views=tuple(views))
        check = check_sample(sample)
        assert check.tangency.rms_px < explain.LARGE_PX
        rough = replace(check, findings=(sample.finding("masks-rough", "as an audit of many views says"),))
        assert explain.in_order(sample, rough) is right


def test_a_cause_is_named_though_its_values_are_not_determined(
    exact_postures: tuple[Sample, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On arcs few measurements are to spare: what was done is certain, by how much is not, and nothing is undone."""
    sample = faults.views_rescaled(exact_postures[0], np.random.default_rng(3)).sample
    monkeypatch.setattr(explain, "REDUNDANT", 100)  # more than this sample has, as on an arc
    found = diagnose(sample)
    assert found.cause is not None
    assert (found.cause.code, found.cause.values, found.undone) == ("each-scale-shift", {}, None)
    assert found.cause.sentence.endswith("by how much, too few tangent planes say")
    monkeypatch.setattr(explain, "_CERTAIN_REDUNDANCY", 100)
    cause = diagnose(sample).cause
    assert cause is not None
    assert cause.code == "unexplained"


def test_masks_do_not_excuse_a_field_of_view_of_the_other_side(
    exact_postures: tuple[Sample, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A zoom by 16:9 is far for a fit, and needs none: its factor is known."""
    sample = zoomed(exact_postures[0], 16 / 9)
    check = check_sample(sample)
    rough = replace(check, findings=(sample.finding("masks-rough", "as the audit of some samples on a ring says"),))

    def unfitted(cameras: CameraArrays) -> list[Candidate]:
        return [c for c in fitted.all_views_alike(cameras) if c.parameters == 0]

    assert not explain.in_order(sample, rough)
    monkeypatch.setattr(explain, "fitted", SimpleNamespace(all_views_alike=unfitted, moved_centres=lambda _: []))
    assert not explain.in_order(sample, rough)


def test_a_focal_length_near_another_sides_is_not_stated_flatly() -> None:
    """0.7 % from the ratio of 9:8: the focal length fits better, and the field of view is not excluded."""
    cause = diagnose(zoomed(make_sample(0.5), 1.007 / 1.125)).cause
    assert cause is not None
    assert (cause.code, cause.ambiguous_with) == ("all-focal", ("fov-side",))


def test_an_exchange_of_cx_and_cy_is_not_believed_for_a_pixel(exact_postures: tuple[Sample, ...]) -> None:
    """Where cx and cy differ by 1.5 px, their exchange is nearly a shift; the shift that fits better is given."""
    views = list(exact_postures[0].views)
    camera = views[2].camera
    moved = [(camera.cy - camera.cx) / 2 + step for step in (0.75, -0.75)]  # the image, so that cx - cy is 1.5 px
    alpha = cv2.warpAffine(
        views[2].alpha, np.array([[1.0, 0.0, moved[0]], [0.0, 1.0, -moved[0]]]), views[2].alpha.shape
    )
    true = replace(camera, cx=camera.cx + moved[0], cy=camera.cy - moved[0])
    assert true.cx - true.cy == pytest.approx(1.5)
    views[2] = replace(views[2], alpha=alpha, camera=replace(true, cx=true.cx - 1.3, cy=true.cy + 1.6))
    cause = diagnose(replace(exact_postures[0], views=tuple(views))).cause
    assert cause is not None
    assert cause.code.startswith("view-")
    assert "view-shift" in (cause.code, *(rival.partition(" ")[0] for rival in cause.ambiguous_with))


def zoomed(sample: Sample, factor: float) -> Sample:
    views = (
        replace(v, camera=replace(v.camera, fx=factor * v.camera.fx, fy=factor * v.camera.fy)) for v in sample.views
    )
    return replace(sample, views=tuple(views))
