"""Samples that show the subject where another one does are no further evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mouselift.consistency.places import distinct_places
from mouselift.consistency.sample_planes import SamplePlanes
from mouselift.dataset.sample import Sample
from mouselift.geometry.outlines import outline_of
from mouselift.geometry.tangent_planes import tangent_planes


def planes_of(sample: Sample) -> SamplePlanes:
    outlines = [outline_of(view.alpha) for view in sample.views]
    return SamplePlanes.of(sample, tangent_planes([view.camera for view in sample.views], outlines), outlines)


def moved(one: SamplePlanes, sizes: float) -> SamplePlanes:
    """Every camera sees it so many of its sizes further to one side."""
    aside = np.cross(one.towards, [0.0, 0.0, 1.0])
    aside *= (sizes * one.reach / np.linalg.norm(aside, axis=1))[:, None]
    return replace(one, towards=one.towards + aside)


def test_half_its_size_is_another_place(make_exact: Callable[..., Sample]) -> None:
    one = planes_of(make_exact(0.2))
    assert distinct_places([one, one, moved(one, 0.4)]) == 1
    assert distinct_places([one, moved(one, 0.6), moved(one, 1.2), moved(one, 0.1)]) == 3


def test_one_camera_that_sees_it_move_is_enough(make_exact: Callable[..., Sample]) -> None:
    one = planes_of(make_exact(0.2))
    towards = one.towards.copy()
    towards[3] = moved(one, 0.6).towards[3]
    assert distinct_places([one, replace(one, towards=towards)]) == 2


def test_views_without_outline_say_nothing(make_exact: Callable[..., Sample]) -> None:
    one = planes_of(make_exact(0.2))
    hidden = replace(one, towards=np.full_like(one.towards, np.nan), reach=np.full_like(one.reach, np.nan))
    assert distinct_places([hidden, hidden]) == 1
    towards, reach = moved(one, 0.6).towards.copy(), one.reach.copy()
    towards[0], reach[0] = np.nan, np.nan
    assert distinct_places([one, replace(one, towards=towards, reach=reach)]) == 2


def test_the_direction_is_that_of_the_centroid_in_the_world(make_exact: Callable[..., Sample]) -> None:
    sample = make_exact(0.2)
    one = planes_of(sample)
    for k, view in enumerate(sample.views):
        outline = outline_of(view.alpha)
        assert outline is not None
        ahead = view.camera.centre + 2.7 * one.towards[k]
        np.testing.assert_allclose(view.camera.project(ahead[None]), outline.centroid, atol=1e-6)
        assert abs(one.reach[k] * view.camera.fx / np.sqrt(outline.area) - 1) < 0.02
