"""Up, as cameras that were mounted upright tell it, in any world; and nothing where they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import Pinhole
from mouselift.geometry.level_cameras import level_up
from mouselift.synthetic.rigs import aimed_camera, markerless_rig

CAMERAS = markerless_rig().cameras


def turned(camera: Camera, R: np.ndarray) -> Camera:
    """In the world R x."""
    T = camera.T_cam_world.copy()
    T[:3, :3] = T[:3, :3] @ R.T
    return replace(camera, T_cam_world=T)


def rolled(camera: Camera, degrees: float) -> Camera:
    T = camera.T_cam_world.copy()
    T[:3] = Rotation.from_euler("z", degrees, degrees=True).as_matrix() @ T[:3]
    return replace(camera, T_cam_world=T)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("views", [6, 3])
def test_in_any_world(seed: int, views: int) -> None:
    R = Rotation.from_rotvec(3.0 * np.random.default_rng(seed).normal(size=3)).as_matrix()
    up = level_up([turned(camera, R) for camera in CAMERAS[:views]])
    assert up is not None
    assert np.linalg.norm(up) == pytest.approx(1.0)
    assert np.degrees(np.arccos(up @ R[:, 2])) < 3.0  # they are rolled by up to 1.5 degrees


def test_nothing_is_told_where_cameras_do_not_agree() -> None:
    assert level_up([rolled(camera, 15.0 * (-1) ** i) for i, camera in enumerate(CAMERAS)]) is None
    assert level_up([rolled(CAMERAS[0], 180.0), *CAMERAS[1:]]) is None, "one stands on its head"
    K = (900.0, 900.0, 0.0, 320.0, 240.0)
    places = ((300.0, 0.0, 80.0), (250.0, 30.0, 220.0), (310.0, -20.0, 20.0))
    sideways = [aimed_camera(str(p), (640, 480), K, Pinhole(), p, (0.0, 0.0, 10.0)) for p in places]
    assert level_up(sideways) is None, "from one side, their pitch shows nothing"
    assert level_up(CAMERAS[:2]) is None, "two always agree"


def test_rolls_seldom_pass_for_one_tilt() -> None:
    """One degree of freedom is left of three cameras' rolls: as a mean over three, 54 of 100 would pass."""
    rng = np.random.default_rng(0)
    draws = [
        [rolled(camera, roll) for camera, roll in zip(CAMERAS, rng.normal(0, 7, 3), strict=False)] for _ in range(300)
    ]
    assert sum(level_up(cameras) is not None for cameras in draws) < 0.42 * len(draws)


def test_all_on_their_heads_look_like_a_room_on_its_head() -> None:
    """So what is said of it says `if the cameras were mounted upright`."""
    up = level_up([rolled(camera, 180.0) for camera in CAMERAS])
    assert up is not None
    assert up[2] < -0.99
