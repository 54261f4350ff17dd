"""The old pipeline's images (`--preset legacy`): repaired where enough outline is left, refused where it is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import faults
from mouselift.consistency.cameras import check_sample
from mouselift.dataset.sample import Sample, View
from mouselift.diagnosis.explain import problem_of
from mouselift.diagnosis.fit_starts import SeenSubject, starts_from_positions
from mouselift.framing.framing import PRESETS
from mouselift.framing.planning import plan_sample
from mouselift.geometry.camera import Camera
from mouselift.geometry.camera_arrays import CameraArrays, subject_point
from mouselift.geometry.outlines import Silhouette
from mouselift.repair.sample import repair_sample
from mouselift.synthetic.body import Pose
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import markerless_rig
from other_rigs import undistorted_rig, unskewed_rig

_POSE = Pose(x=66.0, y=44.0, heading=2.2, rear=0.7, tail_bend=-0.5, spine_bend=0.3)


def prepared(fill: float) -> tuple[Sample, tuple[Camera, ...], int]:
    """(sample with the cameras that the old scripts wrote, the true ones, views clipped)."""
    rig = unskewed_rig(undistorted_rig(markerless_rig()))
    mesh = Mouse().posed(_POSE).mesh
    outlines = [Silhouette.from_mask(render_silhouette(mesh, camera, 1) >= 128) for camera in rig.cameras]
    plan = plan_sample(replace(PRESETS["legacy"], fill=fill), rig.cameras, outlines, np.array([0.0, 0.0, 1.0]))
    views = tuple(
        View(v.name, plan.written_camera(k), render_silhouette(mesh, v.target, 4)) for k, v in enumerate(plan.views)
    )
    return Sample("000000", views), tuple(v.target for v in plan.views), sum(bool(v.clipped) for v in plan.views)


@pytest.fixture(scope="module")
def small() -> tuple[Sample, tuple[Camera, ...], int]:
    return prepared(0.22)


def test_images_with_whole_outlines_are_repaired(small: tuple[Sample, tuple[Camera, ...], int]) -> None:
    sample, true, _ = small
    found = repair_sample(sample)
    assert found.status == "repaired"
    ratio = np.log([a.fx / b.fx for a, b in zip(found.cameras, true, strict=True)])
    assert np.ptp(ratio) < 0.01
    assert found.residual_after_px is not None
    assert found.residual_after_px < 0.3


def test_clipped_images_are_refused_though_a_fit_would_leave_nothing() -> None:
    """18 unknowns fit what clipping leaves of the equations to 0.01 px, with scales off by a tenth and more."""
    sample, _, clipped = prepared(0.6)
    assert clipped >= 4
    found = repair_sample(sample)
    assert found.status == "refused"
    assert "borders cut" in found.reason
    assert "need at least 23" in found.reason
    assert found.cameras == tuple(view.camera for view in sample.views)


def test_a_start_near_the_truth_is_among_the_places(small: tuple[Sample, tuple[Camera, ...], int]) -> None:
    sample, true, _ = small
    cameras, outlines = problem_of(sample, check_sample(sample))
    log_scale = np.log([a.fx / view.camera.fx for a, view in zip(true, sample.views, strict=True)])
    off = [np.abs(start.reshape(-1, 3)[:, 0] - log_scale).max() for start in starts_from_positions(cameras, outlines)]
    assert 0 < len(off) <= 5
    assert min(off) < 0.5  # of a grid whose steps are 0.4


def test_values_put_the_place_where_the_images_show_it(small: tuple[Sample, tuple[Camera, ...], int]) -> None:
    """With the true cameras as stated, the values of the true place are those of no change; half a pixel is seen."""
    sample, true, _ = small
    _, outlines = problem_of(sample, check_sample(sample))
    cameras = CameraArrays.of(true)
    point = subject_point(cameras, outlines)
    assert point is not None
    subject = SeenSubject.of(cameras, outlines)
    values = subject.values(cameras, point, np.zeros(()))
    at = np.array([camera.project(point[None])[0] for camera in true])
    scale = np.exp(values[:, :1])
    middle = cameras.size / 2
    np.testing.assert_allclose(middle + scale * (at - middle) + values[:, 1:], subject.anchor, atol=1e-9)
    shifted = replace(cameras, principal=cameras.principal + 0.5)
    assert np.abs(subject.values(shifted, point, np.zeros(()))[:, 1:] - values[:, 1:]).min() > 0.3


def test_rough_masks_with_right_cameras_are_left_alone(exact_postures: tuple[Sample, ...]) -> None:
    for number, sample in enumerate(exact_postures):
        rough = faults.rough(sample, np.random.default_rng(number)).sample
        found = repair_sample(rough)
        assert found.status != "repaired"
        assert found.cameras == tuple(view.camera for view in rough.views)
