"""Pixels and camera move together: marks stay where the moved camera projects them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mouselift.data.decode import Cutout
from mouselift.data.moves import ViewMove, resized, turned, window, zoomed
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import looking_at

SIDE, SIGMA = 96, 3.0
POINT = np.array([0.05, -0.1, 0.08])
Move = Callable[[Camera], Camera]


def source(side: int = SIDE) -> Camera:
    centre = np.array([1.9, 1.7, 0.9])
    T = looking_at(np.zeros(3), centre)
    return Camera(side, side, 1.1 * side, 1.13 * side, side / 2 + 3.3, side / 2 - 5.2, T, name="a")


def cutout(camera: Camera) -> Cutout:
    """A mark at POINT, not rounded to a file's levels' edges: alpha falls to zero."""
    x, y = camera.project(POINT[None])[0]
    i, j = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    alpha = np.exp(-((i - x) ** 2 + (j - y) ** 2) / (2 * SIGMA**2))
    rgba = np.rint(255 * np.dstack([np.ones((*alpha.shape, 3)), alpha])).astype(np.uint8)
    return Cutout(camera.width, camera.height, (0, 0, camera.width, camera.height), rgba)


def off_by(move: ViewMove, told: Camera | None = None) -> float:
    """Pixels between the mark's centroid in the moved image and its projection by `told` (default the target)."""
    values, (x0, y0, x1, y1) = move.apply(cutout(move.source))
    alpha = values[3].astype(float)
    assert alpha.shape == (y1 - y0, x1 - x0)
    i, j = np.meshgrid(np.arange(x0, x1) + 0.5, np.arange(y0, y1) + 0.5)
    centroid = np.array([(alpha * i).sum(), (alpha * j).sum()]) / alpha.sum()
    return float(np.linalg.norm(centroid - (told or move.target).project(POINT[None])[0]))


MOVES: dict[str, Move] = {
    "half": lambda c: resized(c, 48, 48),
    "two thirds": lambda c: resized(c, 64, 64),
    "odd": lambda c: resized(c, 61, 61),
    "larger": lambda c: resized(c, 144, 144),
    "odd larger": lambda c: resized(c, 131, 131),
    "turn": lambda c: turned(c, 31.0),
    "half turn": lambda c: turned(c, 180.0),
    "zoom in": lambda c: zoomed(c, 1.3),
    "zoom out": lambda c: zoomed(c, 0.7),
    "far out": lambda c: zoomed(resized(c, 32, 32), 0.9),
    "window": lambda c: window(c, 11.5, 7.25, 1.25),
    "all": lambda c: window(turned(resized(c, 72, 72), -20.0), 4.0, 9.0, 1.1),
}


@pytest.mark.parametrize("name", MOVES)
def test_marks_stay_on_the_camera(name: str) -> None:
    camera = source()
    assert off_by(ViewMove(camera, MOVES[name](camera))) < 0.03


@pytest.mark.parametrize("name", MOVES)
def test_faults_are_noticed(name: str) -> None:
    camera = source()
    target = MOVES[name](camera)
    move = ViewMove(camera, target)
    scale = move.scale
    integer_centres = replace(target, cx=(camera.cx + 0.5) * scale - 0.5)  # the usual half-pixel slip of a resize
    faults = [replace(target, cx=target.cx + 0.5), replace(target, fx=target.fx * 1.01, cx=target.cx * 1.01)]
    T = target.T_cam_world.copy()
    T[:3, :3] = T[:3, :3].T
    faults.append(replace(target, T_cam_world=T))
    if move.resize_only:
        faults.append(integer_centres)
    assert all(not off_by(move, told) < 0.08 for told in faults)


@given(st.floats(-180, 180), st.floats(0.5, 2.0), st.floats(-5, 5), st.floats(-5, 5))
def test_the_affine_map_is_the_cameras_own(degrees: float, factor: float, x0: float, y0: float) -> None:
    camera = source()
    move = ViewMove(camera, window(turned(camera, degrees), x0, y0, factor))
    X = np.random.default_rng(0).uniform(-0.4, 0.4, (20, 3))
    seen = move.target.project(X)
    back = seen @ move.to_source[:, :2].T + move.to_source[:, 2]
    np.testing.assert_allclose(back, camera.project(X), rtol=0, atol=1e-9)
    # a point that a turn takes from right to down: clockwise, y down
    right = turned(camera, 90.0).pixels_of(np.array([[0.0, 0.1]]))
    assert right[0, 1] > camera.cy


def test_resizing_the_box_is_resizing_the_whole() -> None:
    camera = source()
    whole = cutout(camera)
    whole.rgba[whole.rgba[..., 3] == 0] = 0
    shown = whole.rgba[..., 3] > 0
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    part = Cutout(SIDE, SIDE, box, whole.rgba[box[1] : box[3], box[0] : box[2]])
    for side in (48, 64, 61, 144):
        move = ViewMove(camera, resized(camera, side, side))
        full, _ = move.apply(whole)
        small, (x0, y0, x1, y1) = move.apply(part)
        np.testing.assert_allclose(small, full[:, y0:y1, x0:x1], rtol=0, atol=2e-7)
        rest = full.copy()
        rest[:, y0:y1, x0:x1] = 0
        assert not rest.any()


def test_halving_is_the_mean_of_four() -> None:
    rng = np.random.default_rng(0)
    rgba = rng.integers(0, 256, (8, 8, 4), dtype=np.uint8)
    camera = source(8)
    found, box = ViewMove(camera, resized(camera, 4, 4)).apply(Cutout(8, 8, (0, 0, 8, 8), rgba))
    assert box == (0, 0, 4, 4)
    values = rgba.astype(np.float64) / 255
    values[..., :3] *= values[..., 3:]
    np.testing.assert_allclose(
        found, values.reshape(4, 2, 4, 2, 4).mean(axis=(1, 3)).transpose(2, 0, 1), rtol=0, atol=1e-6
    )


def test_a_turn_keeps_detail() -> None:
    """There and back again: 60 degrees, then -60 degrees, against the image that was."""
    camera = source()
    there = ViewMove(camera, turned(camera, 60.0))
    values, (x0, y0, x1, y1) = there.apply(cutout(camera))
    frame = np.zeros((4, SIDE, SIDE), dtype=np.float32)
    frame[:, y0:y1, x0:x1] = values
    straight = np.dstack([np.ones((SIDE, SIDE, 3)), frame[3]])
    again = Cutout(SIDE, SIDE, (0, 0, SIDE, SIDE), np.rint(255 * straight).astype(np.uint8))
    back, (x0, y0, x1, y1) = ViewMove(there.target, camera).apply(again)
    frame = np.zeros((4, SIDE, SIDE), dtype=np.float32)
    frame[:, y0:y1, x0:x1] = back
    was = cutout(camera).premultiplied()
    assert np.abs(frame - was).max() < 0.02
    assert (frame[:3] <= frame[3] + 1e-6).all()


def test_what_is_no_move_is_refused() -> None:
    camera = source()
    away = camera.T_cam_world.copy()
    away[0, 3] += 0.1
    with pytest.raises(ValueError, match="centres are"):
        ViewMove(camera, replace(camera, T_cam_world=away))
    tilt = np.array([[1.0, 0, 0], [0, np.cos(0.1), -np.sin(0.1)], [0, np.sin(0.1), np.cos(0.1)]])
    with pytest.raises(ValueError, match="different directions"):
        ViewMove(camera, camera.turned(tilt))
    with pytest.raises(ValueError, match="image of 96 x 96, got 48 x 48"):
        ViewMove(camera, camera).apply(cutout(source(48)))


def test_rotations_rounded_in_the_file() -> None:
    """FaceLift's own samples hold seven digits: their transpose is no exact inverse."""
    camera = source()
    T = camera.T_cam_world.astype(np.float32).astype(np.float64)
    rounded = replace(camera, T_cam_world=T)
    assert ViewMove(rounded, rounded).resize_only
    assert ViewMove(rounded, resized(rounded, 48, 48)).resize_only
    assert off_by(ViewMove(rounded, turned(rounded, 20.0))) < 0.03


def test_blank_stays_blank() -> None:
    camera = source()
    nothing = Cutout(SIDE, SIDE, (0, 0, 0, 0), np.zeros((0, 0, 4), dtype=np.uint8))
    for target in (camera, resized(camera, 48, 48), turned(camera, 10.0)):
        values, _ = ViewMove(camera, target).apply(nothing)
        assert not values.any()
