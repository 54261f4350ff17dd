from __future__ import annotations

import numpy as np
import pytest

from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.rigs import Arena, markerless_rig


@pytest.mark.parametrize("seed", range(4))
def test_it_stays_inside_the_arena_above_the_floor_and_in_all_images(mouse: Mouse, seed: int) -> None:
    inspect(mouse, seed, np.arange(0.0, 25.0, 1.07))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 24))
def test_so_it_does_in_a_thousand_poses(mouse: Mouse, seed: int) -> None:
    inspect(mouse, seed, np.arange(0.0, 50.0, 0.97))


def inspect(mouse: Mouse, seed: int, times: np.ndarray) -> None:
    rig = markerless_rig()
    motion = Motion(rig.arena, seed)
    for time in times:
        vertices = mouse.posed(motion.pose(float(time))).mesh.vertices
        assert np.hypot(vertices[:, 0] - rig.arena.x, vertices[:, 1] - rig.arena.y).max() < rig.arena.radius
        assert 0 <= vertices[:, 2].min() < 0.6
        for camera in rig.cameras:
            pixels = camera.project(vertices)
            assert (pixels > 2).all(), camera.name
            assert (pixels < [camera.width - 2, camera.height - 2]).all(), camera.name


def test_the_pose_is_a_pure_function_of_seed_and_time() -> None:
    arena = Arena()
    forwards = [Motion(arena, 3).pose(time) for time in (0.0, 1.2, 3.9, 7.7, 400.5, -2.0)]
    one = Motion(arena, 3)
    backwards = [one.pose(time) for time in (-2.0, 400.5, 7.7, 3.9, 1.2, 0.0)][::-1]
    assert forwards == backwards
    assert Motion(arena, 4).pose(1.2) != forwards[1]


def test_it_moves_smoothly_at_100_frames_a_second(mouse: Mouse) -> None:
    motion = Motion(Arena(), 1)
    for time in np.arange(4.6, 10.2, 0.23).tolist():
        a, b = (mouse.posed(motion.pose(t)).mesh.vertices for t in (time, time + 0.01))
        assert np.linalg.norm(b - a, axis=1).max() < 6.0  # mm a frame: no joint jumps


def test_it_walks_rears_and_turns() -> None:
    motion = Motion(Arena(), 2)
    poses = [motion.pose(time) for time in np.arange(0, 30, 0.1).tolist()]
    place = np.array([(p.x, p.y) for p in poses])
    speed = np.linalg.norm(np.diff(place, axis=0), axis=1) / 0.1
    assert np.percentile(speed, 75) == pytest.approx(75, rel=0.05)  # mm/s
    assert np.percentile(speed, 10) < 5
    assert max(p.rear for p in poses) > 0.6
    assert np.ptp([np.unwrap([p.heading for p in poses])]) > 2 * np.pi
    assert np.ptp([p.head_yaw for p in poses]) > 0.4


def test_planted_paws_hold_still_while_the_body_walks(mouse: Mouse) -> None:
    """In mid-stance a hind paw slides far less than the body travels."""
    motion = Motion(Arena(), 2)
    name, first, end = next(p for p in mouse.topology.parts if p[0] == "LH paw")
    ids = np.unique(mouse.topology.faces[first:end])
    times = np.arange(0.8, 2.4, 0.05)
    poses = [motion.pose(float(t)) for t in times]
    paws = np.array([mouse.posed(p).mesh.vertices[ids].mean(axis=0) for p in poses])
    planted = np.array([(p.gait % 1.0) < 0.55 for p in poses])
    slide = np.linalg.norm(np.diff(paws[:, :2], axis=0), axis=1)[planted[1:] & planted[:-1]] / 0.05
    assert np.median(slide) < 0.4 * 75, name
