"""The registry of causes: every candidate's code is in it, and every cause can be put into words."""

from __future__ import annotations

import numpy as np

from mouselift.dataset.sample import Sample
from mouselift.diagnosis.causes import CAUSES, VALUE_SENTENCES
from mouselift.diagnosis.fitted import (
    all_views_alike,
    each_scale,
    each_view,
    moved_centre,
    moved_centres,
    one_view,
    two_views,
)
from mouselift.diagnosis.readings import half_pixels, readings
from mouselift.geometry.camera_arrays import CameraArrays


def test_causes_with_values_have_a_sentence_for_them() -> None:
    for code in CAUSES:
        kind, _, changed = code.partition("-")
        assert kind not in ("view", "all") or code == "all-half-pixel" or changed in VALUE_SENTENCES, code


def test_every_candidate_is_registered_and_leaves_the_cameras_finite(exact_postures: tuple[Sample, ...]) -> None:
    cameras = CameraArrays.of([view.camera for view in exact_postures[0].views])
    views = len(cameras)
    found = [
        *readings(cameras),
        *half_pixels(cameras),
        *all_views_alike(cameras),
        *each_scale(cameras),
        *each_view(cameras),
    ]
    found += [*moved_centres(cameras), *one_view(views, 2), *moved_centre(views, 2), *two_views(cameras, [0, 3])]
    assert len(found) > 100
    for candidate in found:
        assert candidate.code in CAUSES
        undone = candidate.apply(cameras)
        assert np.isfinite(undone.focal).all()
        assert np.isfinite(undone.centre).all()
        if candidate.basis is not None:
            assert candidate.basis(cameras).shape == (views, 7, candidate.parameters)
