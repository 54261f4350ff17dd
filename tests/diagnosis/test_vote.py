"""Many rough samples name what no single one does; right cameras under rough masks name nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from faults import FAULTS, rough
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.explain import problem_of
from mouselift.diagnosis.search import Problem
from mouselift.diagnosis.vote import MIN_SAMPLES, Vote, cast_votes, winning_vote
from mouselift.geometry.camera_arrays import CameraArrays

TIMES = (0.5, 1.3, 2.1, 2.9, 3.7, 4.5, 5.3)


@pytest.fixture(scope="module")
def ragged(make_exact: Callable[..., Sample]) -> list[Sample]:
    """Samples whose masks are grown in one view, lack the tail in another and have holes; the cameras are right."""
    return [rough(make_exact(time), np.random.default_rng(k)).sample for k, time in enumerate(TIMES)]


def problem(samples: Sequence[Sample], fault: str | None = None, seed: int = 4) -> Problem:
    if fault is not None:
        samples = [FAULTS[fault](sample, np.random.default_rng(seed)).sample for sample in samples]
    return [problem_of(sample) for sample in samples]


def test_right_cameras_under_rough_masks_elect_nothing(ragged: list[Sample]) -> None:
    assert winning_vote(problem(ragged)) is None


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("swapped_views", "views-swapped"),
        ("mirrored_view", "mirrored"),
        ("r_transposed", "rotation-transposed"),
        ("c2w_for_w2c", "c2w-for-w2c"),
        ("opengl_axes", "opengl-axes"),
        ("k_transposed", "k-transposed"),
        ("one_intrinsics_for_all", "one-intrinsics"),
        ("copied_calibration", "calibration-copied"),
    ],
)
def test_a_mix_up_in_all_of_them_is_named(ragged: list[Sample], fault: str, code: str) -> None:
    found = winning_vote(problem(ragged, fault))
    assert found is not None
    assert found.candidate.code == code
    assert found.candidate.views == FAULTS[fault](ragged[0], np.random.default_rng(4)).views


@pytest.mark.parametrize("fault", ["view_scale", "views_rescaled", "centre_moved", "anisotropic", "image_size_wrong"])
def test_what_no_reading_undoes_elects_nothing(ragged: list[Sample], fault: str) -> None:
    assert winning_vote(problem(ragged, fault)) is None


def test_few_samples_do_not_vote(ragged: list[Sample]) -> None:
    assert winning_vote(problem(ragged[: MIN_SAMPLES - 1], "swapped_views")) is None


def test_a_reading_that_few_samples_share_does_not_win(ragged: list[Sample]) -> None:
    """Another pair is exchanged in every sample: no one exchange explains them."""
    mixed = [problem([sample], "swapped_views", seed=seed)[0] for seed, sample in enumerate(ragged)]
    assert winning_vote(mixed) is None


def test_the_vote_notices_half_a_pixel_one_per_cent_and_a_transposed_rotation(
    make_exact: Callable[..., Sample],
) -> None:
    """On exact masks the medians see what a reading leaves: a swap undone with a spoiled camera is not undone."""
    given = problem([make_exact(time) for time in TIMES], "swapped_views")
    right = winning_vote(given)
    assert right is not None
    for spoil in (_half_pixel, _one_per_cent, _transposed):
        worse = _vote_for(right, [(spoil(cameras), outlines) for cameras, outlines in given])
        assert worse.after_px > 2 * right.after_px


def _vote_for(vote: Vote, given: Problem) -> Vote:
    same = (vote.candidate.code, vote.candidate.views)
    return next(v for v in cast_votes(given) if (v.candidate.code, v.candidate.views) == same)


def _half_pixel(cameras: CameraArrays) -> CameraArrays:
    return replace(cameras, principal=cameras.principal + 0.5)


def _one_per_cent(cameras: CameraArrays) -> CameraArrays:
    focal = cameras.focal.copy()
    focal[::2] *= 1.01
    return replace(cameras, focal=focal)


def _transposed(cameras: CameraArrays) -> CameraArrays:
    return replace(cameras, R_cam_world=np.swapaxes(cameras.R_cam_world, 1, 2).copy())
