"""One crop of all views that cx, cy do not know of, before cameras on an arc: far from where a fit begins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exact_samples import make_sample
from faults import unscaled
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.explain import diagnose, problem_of
from mouselift.diagnosis.fit_starts import common_shift
from other_rigs import ring_rig


@pytest.fixture(scope="module")
def arc() -> Sample:
    """Six views of 256 px at one elevation, on 120 degrees."""
    rig = ring_rig(6, (20.0,), jitter_deg=2.0, seed=13, span_deg=120.0)
    return make_sample(1.3, "canonical", 256, rig)


def shifted(sample: Sample, dx: float, dy: float) -> Sample:
    views = (replace(view, camera=unscaled(view.camera, 1.0, dx, dy)) for view in sample.views)
    return replace(sample, views=tuple(views))


@pytest.mark.parametrize("shift", [(-38.0, -148.0), (-108.0, -134.0), (-133.0, -144.0)])
def test_a_shift_by_half_the_image_is_found(arc: Sample, shift: tuple[float, float]) -> None:
    """From 0 the fit ends on the other side of the subject, at 5 px: causes with more values were named."""
    wrong = shifted(arc, *shift)
    cameras, outlines = problem_of(wrong)
    assert common_shift(3, cameras, outlines) == pytest.approx((0.0, *shift), abs=15)
    cause = diagnose(wrong).cause
    assert cause is not None
    assert cause.code == "all-shift"
    name = arc.names[0]
    assert [cause.values[f"{name}.dx"], cause.values[f"{name}.dy"]] == pytest.approx(shift, abs=1)


def test_a_shift_along_the_principal_point_has_its_rival(arc: Sample) -> None:
    """One factor of cx, cy leaves the same cameras with one value less: that may be chance, so both are given."""
    cause = diagnose(shifted(arc, -70.0, -70.0)).cause
    assert cause is not None
    assert (cause.code, cause.ambiguous_with) == ("all-principal", ("all-shift",))
    assert "crop" in cause.decided_by
    assert "size of the images" in cause.decided_by


def test_cameras_that_look_alike_say_nothing_of_a_shift(arc: Sample) -> None:
    cameras, outlines = problem_of(arc)
    parallel = replace(cameras, R_cam_world=np.broadcast_to(np.eye(3), cameras.R_cam_world.shape))
    assert common_shift(2, parallel, outlines).tolist() == [0.0, 0.0]
