"""Cameras of a recording exchanged before `prepare`: each crop is its own image's, made with another's camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mouselift.dataset.sample import Sample, View
from mouselift.diagnosis.explain import problem_of
from mouselift.diagnosis.source_camera import exchanged_before_prepare, source_swaps
from mouselift.diagnosis.vote import winning_vote
from mouselift.framing.framing import PRESETS
from mouselift.framing.planning import plan_sample
from mouselift.geometry.outlines import Silhouette
from mouselift.repair.sample import repair_sample
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import markerless_rig
from other_rigs import undistorted_rig

TIMES = (0.5, 1.3, 2.1, 2.9, 3.7, 4.5)
UP = np.array([0.0, 0.0, 1.0])


def prepared(time: float, among: tuple[int, ...] = (0, 2, 4), order: tuple[int, ...] = (1, 0, 2)) -> Sample:
    """Views as `prepare` makes them from right images, where camera order[k] of those `among` stands for the k-th."""
    rig = undistorted_rig(markerless_rig())
    right = [rig.cameras[camera] for camera in among]
    stated = [replace(right[k], name=right[i].name) for i, k in enumerate(order)]
    mesh = Mouse().posed(Motion(rig.arena, 3).pose(time)).mesh
    outlines = [Silhouette.from_mask(render_silhouette(mesh, camera, 1) > 0) for camera in right]
    plan = plan_sample(PRESETS["per-sample"], stated, outlines, UP)
    views: list[View] = []
    for k, (view, own, file) in enumerate(zip(plan.views, right, stated, strict=True)):
        # The crop's pixels are those of the image's own camera, cropped and scaled as the file's camera said.
        grow, target = view.target.fx / file.fx, view.target
        cx, cy = target.cx + grow * (own.cx - file.cx), target.cy + grow * (own.cy - file.cy)
        size = (target.width, target.height)
        seen = replace(own, width=size[0], height=size[1], fx=grow * own.fx, fy=grow * own.fy, cx=cx, cy=cy)
        views.append(View(view.name, plan.written_camera(k), render_silhouette(mesh, seen, 2)))
    return Sample(f"sample_{round(time * 100):06d}", tuple(views), frame=round(time * 100), plan=plan.to_json())


@pytest.fixture(scope="module")
def exchanged() -> list[Sample]:
    return [prepared(time) for time in TIMES]


def test_the_exchange_is_named_among_three_views(exchanged: list[Sample]) -> None:
    found = winning_vote([problem_of(sample) for sample in exchanged], list(source_swaps(exchanged[0])))
    assert found is not None
    assert (found.candidate.code, found.candidate.views) == ("views-swapped", (0, 1))
    assert found.after_px < 0.2  # exactly undone
    assert found.before_px > 5


def test_without_a_record_no_false_cause_is_named(exchanged: list[Sample]) -> None:
    assert list(source_swaps(replace(exchanged[0], plan=b""))) == []
    found = winning_vote([problem_of(sample) for sample in exchanged])
    assert found is None or found.candidate.views == (0, 1)


@pytest.mark.parametrize(
    ("among", "order", "wrong"),
    [((0, 1, 3, 4), (1, 2, 0, 3), (0, 1, 2)), ((0, 1, 2, 3, 5), (0, 4, 2, 1, 3), (1, 3, 4))],
    ids=["of four", "of five"],
)
def test_three_exchanged_files_are_named(
    among: tuple[int, ...], order: tuple[int, ...], wrong: tuple[int, ...]
) -> None:
    samples = [prepared(time, among, order) for time in TIMES]
    found = winning_vote([problem_of(sample) for sample in samples], list(source_swaps(samples[0])))
    assert found is not None
    assert (found.candidate.code, found.candidate.views) == ("views-cycled", wrong)
    assert found.after_px < 0.5


@pytest.mark.parametrize("order", [(1, 0, 2, 3), (1, 2, 0, 3)], ids=["two", "three"])
def test_repair_says_to_exchange_the_files(order: tuple[int, ...]) -> None:
    """No change of the cameras in the file undoes it: the crops themselves are wrong."""
    sample = prepared(TIMES[0], (0, 1, 3, 4), order)
    names = ", ".join(name for k, name in enumerate(sample.names) if order[k] != k)
    found = repair_sample(sample)
    assert found.status == "refused"
    assert f"exchange the files of cameras {names} in `capture.toml` and prepare again" in found.reason


def test_right_files_are_not_called_exchanged() -> None:
    sample = prepared(TIMES[0], (0, 1, 3, 4), (0, 1, 2, 3))
    assert exchanged_before_prepare(sample, problem_of(sample)[1]) == ()
