"""Tangency of all pairs: equal to its slow twin, its derivatives equal to differences, faults noticed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mouselift.consistency.cameras import check_sample
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.explain import problem_of
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines, linearised, sampson_residuals
from mouselift.geometry.tangent_planes import tangent_planes


@pytest.fixture(scope="module")
def problem(exact_postures: tuple[Sample, ...]) -> tuple[CameraArrays, ConvexOutlines]:
    return problem_of(exact_postures[0], check_sample(exact_postures[0]))


def rms(arrays: CameraArrays, outlines: ConvexOutlines) -> float:
    return float(np.sqrt(np.nanmean(sampson_residuals(arrays, outlines)[0] ** 2)))


def test_equals_the_audits_own_residuals(
    exact_postures: tuple[Sample, ...], problem: tuple[CameraArrays, ConvexOutlines]
) -> None:
    """Spoiled by 1 %, so that the residuals are not only noise: bilinear form against plane angles."""
    arrays, outlines = problem
    change = np.zeros((6, 7))
    change[2, :2] = 0.01
    spoiled = arrays.moved(change)
    cameras = [spoiled.camera(k, view.camera) for k, view in enumerate(exact_postures[0].views)]
    there = tangent_planes(cameras, check_sample(exact_postures[0]).outlines)
    here, corners = sampson_residuals(spoiled, outlines)
    assert len(there.residual) == int(corners.usable.sum())
    np.testing.assert_allclose(
        np.sort(np.abs(here[corners.usable])), np.sort(np.abs(there.residual)), rtol=0.02, atol=1e-3
    )  # angles against first-order distances


@pytest.mark.parametrize("column", range(7))
def test_derivatives_are_those_of_differences(problem: tuple[CameraArrays, ConvexOutlines], column: int) -> None:
    arrays, outlines = problem
    step = np.zeros((6, 7))
    step[1, column] = 1e-6
    high, _, _ = linearised(arrays.moved(step), outlines)
    low, _, _ = linearised(arrays.moved(-step), outlines)
    _, J, _ = linearised(arrays, outlines)
    scale = float(np.abs(J[:, 1, column]).max())
    # The residual's unit depends on the cameras too; that part vanishes with the residual.
    np.testing.assert_allclose((high - low) / 2e-6, J[:, 1, column], atol=0.01 * scale)


def test_sets_of_cameras_together_are_each_as_alone(problem: tuple[CameraArrays, ConvexOutlines]) -> None:
    """Nine sets, one of them with its views exchanged; a set in another's place would be seen."""
    arrays, outlines = problem
    changes = 0.02 * np.random.default_rng(0).standard_normal((8, 6, 7))
    sets = [*(arrays.moved(change) for change in changes), arrays.take([1, 0, 2, 3, 4, 5])]
    r, J, corners = linearised(CameraArrays.joined(sets), outlines)
    alone = [linearised(each, outlines) for each in sets]
    np.testing.assert_allclose(r, np.concatenate([own for own, _, _ in alone]), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(J, np.concatenate([own for _, own, _ in alone]), rtol=1e-9, atol=1e-9)
    assert (corners.usable == np.concatenate([own.usable for _, _, own in alone])).all()
    assert np.abs(alone[0][0] - alone[1][0]).max() > 0.1


def test_exact_cameras_agree_to_a_fraction_of_a_pixel(problem: tuple[CameraArrays, ConvexOutlines]) -> None:
    assert rms(*problem) < 0.25


def test_half_a_pixel_one_per_cent_and_a_transposed_rotation_are_noticed(
    problem: tuple[CameraArrays, ConvexOutlines],
) -> None:
    arrays, outlines = problem
    good = rms(arrays, outlines)
    half, cent = np.zeros((6, 7)), np.zeros((6, 7))
    half[:, 2:4] = 0.5
    cent[4, :2] = 0.01
    turned = replace(arrays, R_cam_world=np.swapaxes(arrays.R_cam_world, 1, 2).copy())
    assert rms(arrays.moved(half), outlines) > 2 * good
    assert rms(arrays.moved(cent), outlines) > 2 * good
    assert rms(turned, outlines) > 10


def test_a_view_without_a_silhouette_says_nothing(problem: tuple[CameraArrays, ConvexOutlines]) -> None:
    arrays, outlines = problem
    area = outlines.area.copy()
    area[3] = 0.0
    _, corners = sampson_residuals(arrays, replace(outlines, area=area))
    assert not corners.usable[(corners.pair == 3).any(axis=1)].any()
    assert int(corners.usable.sum()) == 20
