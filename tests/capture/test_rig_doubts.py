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


def test_a_stereo_pair_is_not_doubted() -> None:
    left = ring()[0]
    right = moved(left, left.R_cam_world, left.t_cam_world + np.array([60.0, 0, 0]))
    assert said([left, right]) == ""
