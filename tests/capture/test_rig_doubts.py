"""What is odd about a calibration for its images is said: another size, poses the wrong way round, another unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from mouselift.capture.rig_doubts import doubts
from mouselift.geometry.camera import Camera

SIZE = (1280, 1024)


def ring(count: int = 6, seed: int = 0, aim: float = 20.0, mount: float = 20.0) -> list[Camera]:
    """Cameras round the origin at three heights. aim: of the optical axes, mm; mount: of the principal points, px."""
    rng = np.random.default_rng([seed, 5])
    out: list[Camera] = []
    for k in range(count):
        angle, height = 2 * np.pi * k / count + 0.3, (40.0, 150.0, 320.0)[k % 3]
        centre = np.array([400 * np.cos(angle), 400 * np.sin(angle), height])
        forward = rng.normal(scale=aim, size=3) - centre
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        R = np.stack([right, np.cross(forward, right), forward])
        K = np.array([[1500.0, 0, SIZE[0] / 2], [0, 1500, SIZE[1] / 2], [0, 0, 1]])
        K[:2, 2] += rng.normal(scale=mount, size=2)
        out.append(Camera.from_matrices(K, R, -R @ centre, SIZE, name=f"cam{k}"))
    return out


def moved(camera: Camera, R: np.ndarray, t: np.ndarray, K: np.ndarray | None = None) -> Camera:
    return Camera.from_matrices(camera.K if K is None else K, R, t, SIZE, name=camera.name)


def said(cameras: Sequence[Camera]) -> str:
    return " | ".join(doubts([camera.name for camera in cameras], cameras))


@pytest.mark.parametrize("count", [2, 3, 4, 6, 12])
@pytest.mark.parametrize("seed", range(40))
def test_sound_rigs_are_not_doubted(count: int, seed: int) -> None:
    assert said(ring(count, seed)) == ""


@pytest.mark.parametrize("factor", [0.5, 2 / 3, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("count", [2, 3, 6])
def test_a_calibration_of_another_size_is_said(factor: float, count: int) -> None:
    """Of formats that hold no size: K of the whole sensor with binned images, or the reverse."""
    scaled = [
        moved(camera, camera.R_cam_world, camera.t_cam_world, np.diag([factor, factor, 1.0]) @ camera.K)
        for camera in ring(count)
    ]
    width, height = (round(side * factor / 10) for side in SIZE)
    words = said(scaled)
    assert "is the calibration of another size" in words
    told = words.split("image of about ")[1].split(",")[0].split("x")
    assert [round(int(side) / 10) for side in told] == pytest.approx([width, height], rel=0.05)


def test_principal_points_that_are_anywhere_leave_the_place_they_look_at() -> None:
    """Sensors of which each camera records another part, K of the part: both sides, so no common factor is told."""
    rng = np.random.default_rng(1)
    parts = [replace(camera, cx=camera.cx + rng.choice([-400.0, 400.0])) for camera in ring()]
    assert "another size" not in said(parts)


def turned(camera: Camera) -> Camera:
    """The pose read the wrong way round."""
    return moved(camera, camera.R_cam_world.T.copy(), camera.centre)


def level(camera: Camera) -> Camera:
    """At one height, looking at the origin, from which its axis is not off."""
    centre = camera.centre * (1, 1, 0) + (0, 0, 100.0)
    forward = -centre / np.linalg.norm(centre)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    return moved(camera, R, -R @ centre)


def in_metres(camera: Camera) -> Camera:
    return moved(camera, camera.R_cam_world, camera.t_cam_world / 1000)


@pytest.mark.parametrize(
    ("change", "which", "words"),
    [
        (lambda camera: turned(level(camera)), range(6), "all cameras look the same way"),
        (in_metres, [3], "is its translation in another unit"),
        (lambda camera: moved(camera, camera.R_cam_world, camera.centre), range(6), "do all look at the animal"),
    ],
)
def test_poses_that_look_apart_are_said(change: Callable[[Camera], Camera], which: Sequence[int], words: str) -> None:
    cameras = ring()
    for k in which:
        cameras[k] = change(cameras[k])
    assert words in said(cameras)


def pointed(centre: Sequence[float], at: Sequence[float], name: str) -> Camera:
    """Looking from one place at another, up being up, or along y where it looks down."""
    forward = np.asarray(at, float) - centre
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0] if abs(forward[2]) < 0.9 else [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    return moved(ring()[0], R, -R @ np.asarray(centre, float), np.array([[1500.0, 0, 640], [0, 1500, 512], [0, 0, 1]]))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("down", [True, False])
def test_cameras_beside_each_other_are_not_doubted(seed: int, down: bool) -> None:
    """All overhead, or along a corridor."""
    rng = np.random.default_rng(seed)
    places = [(300.0 * x, 300.0 * y) for x in (0, 1) for y in (0, 1)]
    cameras: list[Camera] = []
    for k, (x, y) in enumerate(places):
        near = rng.normal(scale=10, size=2)
        centre, at = [x, y, 900.0], [x + near[0], y + near[1], 0.0]
        if not down:
            centre, at = [x, -900.0, y], [x + near[0], 0.0, y + near[1]]
        cameras.append(pointed(centre, at, f"cam{k}"))
    assert said(cameras) == ""


@pytest.mark.parametrize("seed", range(20))
def test_cameras_face_to_face_are_not_doubted(seed: int) -> None:
    """Where their axes come nearest lies anywhere along them."""
    rng = np.random.default_rng(seed)
    assert said([pointed([x, 0, 50.0], rng.normal(scale=20, size=3).tolist(), "") for x in (400.0, -400.0)]) == ""


def test_images_cut_out_about_the_animal_are_not_doubted() -> None:
    """K of the part: the principal point is far outside, and the place that all look at within."""
    cut = ring(aim=0.0)
    turns = np.radians([14.0, -14.0, 14.0, -14.0, 14.0, -14.0])
    for k, (camera, turn) in enumerate(zip(cut, turns.tolist(), strict=True)):
        aside = np.array([[np.cos(turn), 0, -np.sin(turn)], [0, 1, 0], [np.sin(turn), 0, np.cos(turn)]])
        K = np.array([[6000.0, 0, 640 + 6000 * np.tan(turn)], [0, 6000, 512], [0, 0, 1]])
        cut[k] = moved(camera, aside @ camera.R_cam_world, aside @ camera.t_cam_world, K)
    assert said(cut) == ""
    astray = [
        moved(each, each.R_cam_world, each.t_cam_world, each.K * [[1, 1, 3], [1, 1, 1], [1, 1, 1]]) for each in cut
    ]
    assert "its principal point lies far outside" in said(astray)


def test_a_stereo_pair_is_not_doubted() -> None:
    left = ring()[0]
    right = moved(left, left.R_cam_world, left.t_cam_world + np.array([60.0, 0, 0]))
    assert said([left, right]) == ""
