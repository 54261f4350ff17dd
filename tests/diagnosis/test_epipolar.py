"""Tangency of all pairs: equal to its slow twin, its derivatives equal to differences, faults noticed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mouselift.dataset.sample import SampleViews
from mouselift.diagnosis.camera_arrays import Hulls, Stated
from mouselift.diagnosis.epipolar import linearised, residuals
from mouselift.diagnosis.explain import look, problem_of
from mouselift.geometry.tangent_planes import contacts


@pytest.fixture(scope="module")
def problem(exact_postures: tuple[SampleViews, ...]) -> tuple[Stated, Hulls]:
    return problem_of(exact_postures[0], look(exact_postures[0]))


def rms(stated: Stated, hulls: Hulls) -> float:
    return float(np.sqrt(np.nanmean(residuals(stated, hulls)[0] ** 2)))


def test_equals_the_audits_own_residuals(
    exact_postures: tuple[SampleViews, ...], problem: tuple[Stated, Hulls]
) -> None:
    """Spoiled by 1 %, so that the residuals are not only noise: bilinear form against plane angles."""
    stated, hulls = problem
    change = np.zeros((6, 7))
    change[2, :2] = 0.01
    spoiled = stated.moved(change)
    cameras = [spoiled.camera(k, view.camera) for k, view in enumerate(exact_postures[0].views)]
    there = contacts(cameras, look(exact_postures[0]).outlines)
    here, _, touch = residuals(spoiled, hulls)
    assert len(there.residual) == int(touch.good.sum())
    np.testing.assert_allclose(
        np.sort(np.abs(here[touch.good])), np.sort(np.abs(there.residual)), rtol=0.02, atol=1e-3
    )  # angles against first-order distances


@pytest.mark.parametrize("column", range(7))
def test_derivatives_are_those_of_differences(problem: tuple[Stated, Hulls], column: int) -> None:
    stated, hulls = problem
    step = np.zeros((6, 7))
    step[1, column] = 1e-6
    high, _, _ = linearised(stated.moved(step), hulls)
    low, _, _ = linearised(stated.moved(-step), hulls)
    _, J, _ = linearised(stated, hulls)
    scale = float(np.abs(J[:, 1, column]).max())
    # The residual's unit depends on the cameras too; that part vanishes with the residual.
    np.testing.assert_allclose((high - low) / 2e-6, J[:, 1, column], atol=0.01 * scale)


def test_exact_cameras_agree_to_a_fraction_of_a_pixel(problem: tuple[Stated, Hulls]) -> None:
    assert rms(*problem) < 0.25


def test_half_a_pixel_one_per_cent_and_a_transposed_rotation_are_noticed(problem: tuple[Stated, Hulls]) -> None:
    stated, hulls = problem
    good = rms(stated, hulls)
    half, cent = np.zeros((6, 7)), np.zeros((6, 7))
    half[:, 2:4] = 0.5
    cent[4, :2] = 0.01
    turned = replace(stated, R_cam_world=np.swapaxes(stated.R_cam_world, 1, 2).copy())
    assert rms(stated.moved(half), hulls) > 2 * good
    assert rms(stated.moved(cent), hulls) > 2 * good
    assert rms(turned, hulls) > 10


def test_a_view_without_a_silhouette_says_nothing(problem: tuple[Stated, Hulls]) -> None:
    stated, hulls = problem
    area = hulls.area.copy()
    area[3] = 0.0
    _, _, touch = residuals(stated, replace(hulls, area=area))
    assert not touch.good[(touch.pair == 3).any(axis=1)].any()
    assert int(touch.good.sum()) == 20
