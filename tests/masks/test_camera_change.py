"""One change of one camera that brings outlines together names the camera, its kind and its value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from arena import Recording
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Silhouette
from mouselift.masks.camera_change import Residuals, camera_changes, changes_of
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
    best, second, *_ = camera_changes(residuals(cameras, shapes))
    assert (best.camera, best.kind) == (2, "focal")
    assert best.too_long == pytest.approx(factor - 1, abs=0.005)
    assert best.gain > 2 * second.gain
    assert best.least > 0.5 * best.gain
    assert [one.kind for one in changes_of(residuals(cameras, shapes), 2)] == ["focal", "turn"]


@pytest.mark.parametrize("axis", [0, 1])
def test_a_turn(recording: Recording, shapes: list[dict[int, Silhouette]], axis: int) -> None:
    cameras, angle = list(recording.arena.cameras), np.radians(1.0)
    Q, a, b = np.eye(3), (axis + 1) % 3, (axis + 2) % 3
    Q[[a, a, b, b], [a, b, a, b]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
    cameras[3] = cameras[3].turned(Q)
    best, second, *_ = camera_changes(residuals(cameras, shapes))
    assert (best.camera, best.kind) == (3, "turn")
    assert best.degrees(cameras[3]) == pytest.approx(1.0, abs=0.1)
    assert best.gain > 2 * second.gain


def test_nothing_helps_right_cameras(recording: Recording, shapes: list[dict[int, Silhouette]]) -> None:
    found = camera_changes(residuals(recording.arena.cameras, shapes))
    assert max(one.gain for one in found) < 0.002
    assert max(one.moved for one in found) < 0.01


def test_few_frames_are_not_sure(recording: Recording, shapes: list[dict[int, Silhouette]]) -> None:
    cameras = list(recording.arena.cameras)
    cameras[2] = replace(cameras[2], fx=cameras[2].fx * 1.03, fy=cameras[2].fy * 1.03)
    many, few = (camera_changes(residuals(cameras, part))[0] for part in (shapes, shapes[:1]))
    assert many.least > 0
    assert few.least < 0


def test_a_camera_with_few_planes_is_not_fitted(recording: Recording, shapes: list[dict[int, Silhouette]]) -> None:
    found = residuals(recording.arena.cameras, shapes)
    own = found.of_camera(1)
    few = found.chosen(~own | (own.cumsum() < 8))
    assert few.of_camera(1).sum() == 7
    assert {one.camera for one in camera_changes(few)} == {0, 2, 3, 4}


@pytest.mark.parametrize("kind", ["focal", "turn"])
def test_what_is_undone_is_wanted_no_more(recording: Recording, shapes: list[dict[int, Silhouette]], kind: str) -> None:
    """Outlines of half the size, as the test of cameras has them: a full-size camera is put right by twice as much."""
    cameras = list(recording.arena.cameras)
    wrong = cameras[2]
    cameras[2] = replace(wrong, fx=wrong.fx * 1.03, fy=wrong.fy * 1.03) if kind == "focal" else replace(wrong, cx=195.0)
    best, *_ = camera_changes(residuals(cameras, shapes))
    assert best.kind == kind
    enlarged = [replace(c, fx=2 * c.fx, fy=2 * c.fy, cx=2 * c.cx, cy=2 * c.cy) for c in cameras]
    undone = best.undone_in(enlarged)
    assert undone[:2] + undone[3:] == tuple(enlarged[:2] + enlarged[3:])
    assert undone[2].fx / 2 == pytest.approx(wrong.fx, rel=0.01)
    assert undone[2].cx / 2 == pytest.approx(wrong.cx, abs=1.0)
    cameras[2] = replace(wrong, fx=undone[2].fx / 2, fy=undone[2].fy / 2, cx=undone[2].cx / 2, cy=undone[2].cy / 2)
    assert max(one.gain for one in camera_changes(residuals(cameras, shapes))) < 0.25 * best.gain
