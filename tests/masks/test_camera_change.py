"""One change of one camera that brings outlines together names the camera, its kind and its value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from arena import Recording
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Silhouette
from mouselift.masks.camera_change import Residuals, camera_changes
from mouselift.masks.quality import planes_of

POSES = range(0, 40, 4)


@pytest.fixture(scope="module")
def shapes(recording: Recording) -> list[dict[int, Silhouette]]:
    """By frame and view, exact."""
    views = range(len(recording.arena.cameras))
    return [
        {view: Silhouette.from_mask(recording.arena.truth(view, recording.poses[pose]) > 0) for view in views}
        for pose in POSES
    ]


def residuals(cameras: Sequence[Camera], shapes: Sequence[dict[int, Silhouette]]) -> Residuals:
    return Residuals.of([(planes_of(cameras, one), float(np.sqrt(one[0].area))) for one in shapes])


@pytest.mark.parametrize("factor", [1.03, 0.97])
def test_a_focal_length(recording: Recording, shapes: list[dict[int, Silhouette]], factor: float) -> None:
    cameras = list(recording.arena.cameras)
    cameras[2] = replace(cameras[2], fx=cameras[2].fx * factor, fy=cameras[2].fy * factor)
    best, second, *_ = camera_changes(residuals(cameras, shapes), cameras)
    assert (best.camera, best.kind) == (2, "focal")
    assert best.value == pytest.approx(factor - 1, abs=0.005)
    assert best.gain > 2 * second.gain
    assert best.least > 0.5 * best.gain


@pytest.mark.parametrize("axis", [0, 1])
def test_a_turn(recording: Recording, shapes: list[dict[int, Silhouette]], axis: int) -> None:
    cameras, angle = list(recording.arena.cameras), np.radians(1.0)
    Q, a, b = np.eye(3), (axis + 1) % 3, (axis + 2) % 3
    Q[[a, a, b, b], [a, b, a, b]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
    cameras[3] = cameras[3].turned(Q)
    best, second, *_ = camera_changes(residuals(cameras, shapes), cameras)
    assert (best.camera, best.kind) == (3, "turn")
    assert best.value == pytest.approx(1.0, abs=0.1)
    assert best.gain > 2 * second.gain


def test_nothing_helps_right_cameras(recording: Recording, shapes: list[dict[int, Silhouette]]) -> None:
    found = camera_changes(residuals(recording.arena.cameras, shapes), recording.arena.cameras)
    assert max(one.gain for one in found) < 0.002
    assert max(one.moved for one in found) < 0.01


def test_few_frames_are_not_sure(recording: Recording, shapes: list[dict[int, Silhouette]]) -> None:
    cameras = list(recording.arena.cameras)
    cameras[2] = replace(cameras[2], fx=cameras[2].fx * 1.03, fy=cameras[2].fy * 1.03)
    many, few = (camera_changes(residuals(cameras, part), cameras)[0] for part in (shapes, shapes[:1]))
    assert many.least > 0
    assert few.least < 0


def test_a_camera_with_few_planes_is_not_fitted(recording: Recording, shapes: list[dict[int, Silhouette]]) -> None:
    found = residuals(recording.arena.cameras, shapes)
    own = found.of_camera(1)
    few = found.chosen(~own | (own.cumsum() < 8))
    assert few.of_camera(1).sum() == 7
    assert {one.camera for one in camera_changes(few, recording.arena.cameras)} == {0, 2, 3, 4}
