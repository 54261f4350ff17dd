"""The camera: pixels and rays, its exact changes, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mouselift.errors import CalibrationError, LensFoldError
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady, Fisheye, Pinhole
from mouselift.geometry.similarity import Similarity

LENS = BrownConrady(-0.1593, 0.9403, -0.0011, -0.0038, -2.7116)


def rotation(seed: int) -> np.ndarray:
    Q, R = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    Q = Q * np.sign(np.diag(R))
    return Q if np.linalg.det(Q) > 0 else -Q


def make(seed: int, lens: BrownConrady | Fisheye | Pinhole = LENS, skew: float = -5.8) -> Camera:
    K = np.array([[1667.7, skew, 603.4], [0.0, 1674.2, 492.5], [0.0, 0.0, 1.0]])
    return Camera.from_matrices(K, rotation(seed), np.array([10.3, 66.4, 236.7]), (1152, 1024), lens, f"cam{seed}")


def seen_points(camera: Camera, seed: int, count: int = 50) -> np.ndarray:
    """World points that project into the image."""
    rng = np.random.default_rng(seed)
    pixels = rng.random((count, 2)) * [camera.width, camera.height]
    return camera.unproject(pixels, rng.uniform(150.0, 450.0, count))


def by_opencv(camera: Camera, points_world: np.ndarray) -> np.ndarray:
    """Pixels in this project's convention, lens by OpenCV, K by hand: cv2 ignores skew and counts from centres."""
    lens = camera.lens
    assert isinstance(lens, BrownConrady)
    order = np.array([lens.k1, lens.k2, lens.p1, lens.p2, lens.k3, lens.k4, lens.k5, lens.k6])
    turn, _ = cv2.Rodrigues(camera.R_cam_world.copy())
    xy, _ = cv2.projectPoints(points_world[:, None], turn, camera.t_cam_world.copy(), np.eye(3), order)
    xy = np.asarray(xy).reshape(-1, 2)
    return (np.concatenate([xy, np.ones((len(xy), 1))], axis=1) @ camera.K.T)[:, :2]


@pytest.mark.parametrize("lens", [Pinhole(), LENS, BrownConrady(0.2, 0.1, 0.001, 0.0, 0.0, 0.3, 0.1), Fisheye(0.05)])
@pytest.mark.parametrize("seed", range(4))
def test_project_undoes_unproject(lens: BrownConrady | Fisheye | Pinhole, seed: int) -> None:
    camera = make(seed, lens)
    pixels = np.random.default_rng(seed).random((200, 2)) * [1152, 1024]
    depth = np.linspace(50.0, 500.0, 200)
    world = camera.unproject(pixels, depth)
    np.testing.assert_allclose(camera.project(world), pixels, rtol=0, atol=1e-7)
    np.testing.assert_allclose(camera.depth(world), depth, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_project_agrees_with_opencv(seed: int) -> None:
    camera = make(seed)
    points = seen_points(camera, seed)
    np.testing.assert_allclose(camera.project(points), by_opencv(camera, points), rtol=0, atol=1e-9)


def faults(camera: Camera) -> dict[str, Camera]:
    """The same camera with one classic mistake in it."""
    T = camera.T_cam_world.copy()
    T[:3, :3] = T[:3, :3].T
    return {
        "half a pixel": replace(camera, cx=camera.cx + 0.5),
        "one per cent": replace(camera, fx=camera.fx * 1.01),
        "rotation transposed": replace(camera, T_cam_world=T),
        "skew ignored": replace(camera, skew=0.0),
        "lens ignored": replace(camera, lens=Pinhole()),
    }


@pytest.mark.parametrize(
    "fault", ["half a pixel", "one per cent", "rotation transposed", "skew ignored", "lens ignored"]
)
def test_the_comparison_with_opencv_notices(fault: str) -> None:
    camera = make(1)
    points = seen_points(camera, 1)
    wrong = faults(camera)[fault].project(points)
    error = np.linalg.norm(wrong - by_opencv(camera, points), axis=1)
    assert not np.nanmedian(error) < 0.2
    # The round trip notices as well: pixels of one camera, rays of the other.
    with_right_rays = camera.unproject(camera.project(points), camera.depth(points))
    np.testing.assert_allclose(with_right_rays, points, rtol=0, atol=1e-7)


def test_pixel_centres() -> None:
    """A point on the axis of a centred 4 x 2 camera lies on the corner between the middle pixels, not in one."""
    camera = Camera(4, 2, 10.0, 10.0, 2.0, 1.0, np.eye(4))
    np.testing.assert_allclose(camera.project(np.array([[0.0, 0.0, 5.0]])), [[2.0, 1.0]])
    left = camera.rays(np.array([[0.5, 0.5]]))[0]
    right = camera.rays(np.array([[3.5, 1.5]]))[0]
    np.testing.assert_allclose(left * [-1, -1, 1], right, rtol=0, atol=1e-15)
    shifted = replace(camera, cx=1.5, cy=0.5)  # the other convention's number for a centred camera
    assert np.abs(shifted.rays(np.array([[0.5, 0.5]]))[0] * [-1, -1, 1] - right).max() > 0.01


def test_axes_are_those_of_opencv() -> None:
    camera = Camera(640, 480, 500.0, 500.0, 320.0, 240.0, np.eye(4))
    pixels = camera.project(np.array([[1.0, 0.0, 10.0], [0.0, 1.0, 10.0]]))
    assert pixels[0].tolist() == [370.0, 240.0]  # x goes right
    assert pixels[1].tolist() == [320.0, 290.0]  # y goes down


def test_no_pixel_behind_the_camera_or_beyond_the_fold() -> None:
    camera = Camera(640, 480, 500.0, 500.0, 320.0, 240.0, np.eye(4), BrownConrady(k1=-0.4))
    points = np.array([[0.1, 0.0, 1.0], [0.1, 0.0, -1.0], [0.0, 0.0, 0.0], [2.0, 0.0, 1.0]])
    pixels = camera.project(points)
    assert np.isfinite(pixels[0]).all()
    assert np.isnan(pixels[1:]).all()
    outside = np.array([[320.0 + 500.0 * 0.7, 240.0]])
    with pytest.raises(LensFoldError):
        camera.rays(outside)
    assert np.isnan(camera.rays(outside, on_fold="nan")).all()


@given(st.integers(0, 1000))
def test_rays_go_through_the_points(seed: int) -> None:
    camera = make(seed)
    points = seen_points(camera, seed)
    d = camera.rays(camera.project(points))
    np.testing.assert_allclose(np.linalg.norm(d, axis=1), 1.0, rtol=1e-14)
    straight = points - camera.centre
    np.testing.assert_allclose(d, straight / np.linalg.norm(straight, axis=1, keepdims=True), rtol=0, atol=1e-10)


@given(st.integers(0, 1000))
def test_turned_keeps_the_centre_and_every_ray(seed: int) -> None:
    camera, Q = make(seed, Pinhole(), 0.0), rotation(seed + 7)
    turned = camera.turned(Q)
    np.testing.assert_allclose(turned.centre, camera.centre, rtol=0, atol=1e-10)
    np.testing.assert_allclose(turned.R_cam_world, Q @ camera.R_cam_world, rtol=0, atol=1e-14)
    points = seen_points(camera, seed)
    np.testing.assert_allclose(turned.to_cam(points), camera.to_cam(points) @ Q.T, rtol=0, atol=1e-9)
    # The transposed turn is another camera.
    assert np.abs(camera.turned(Q.T).to_cam(points) - camera.to_cam(points) @ Q.T).max() > 1.0


def test_cropped_moves_the_corner() -> None:
    camera = make(3)
    points = seen_points(camera, 3)
    part = camera.cropped(100.0, 37.5, (300, 200))
    np.testing.assert_allclose(part.project(points), camera.project(points) - [100.0, 37.5], rtol=0, atol=1e-9)
    assert (part.width, part.height) == (300, 200)
    assert (camera.cropped(1.0, 1.0).width, camera.cropped(1.0, 1.0).height) == (1152, 1024)


def test_pinhole_has_the_same_pose_and_no_lens() -> None:
    camera = make(4)
    plain = camera.pinhole(500.0, (256.0, 256.0), (512, 512))
    assert (plain.width, plain.height, plain.fx, plain.fy, plain.cx, plain.cy) == (512, 512, 500.0, 500.0, 256.0, 256.0)
    assert plain.lens == Pinhole()
    assert plain.skew == 0.0
    assert plain.name == camera.name
    np.testing.assert_array_equal(plain.T_cam_world, camera.T_cam_world)


@given(st.integers(0, 1000), st.floats(0.01, 100.0))
def test_no_pixel_moves_when_the_world_changes(seed: int, scale: float) -> None:
    camera = make(seed)
    points = seen_points(camera, seed)
    change = Similarity(scale, rotation(seed + 1), np.random.default_rng(seed).normal(size=3) * 100)
    moved = camera.in_world(change)
    np.testing.assert_allclose(moved.project(change.apply(points)), camera.project(points), rtol=0, atol=1e-6)
    np.testing.assert_allclose(moved.centre, change.apply(camera.centre[None])[0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(moved.depth(change.apply(points)), scale * camera.depth(points), rtol=1e-9)
    back = moved.in_world(change.inverse())
    np.testing.assert_allclose(back.T_cam_world, camera.T_cam_world, rtol=0, atol=1e-9)


def test_moving_one_centre_alone_moves_pixels() -> None:
    """The usual "set every distance to 2.7" is no change of the world."""
    camera = make(5)
    points = seen_points(camera, 5)
    T = camera.T_cam_world.copy()
    T[:3, 3] *= 1.01
    moved = np.linalg.norm(replace(camera, T_cam_world=T).project(points) - camera.project(points), axis=1)
    assert np.median(moved) > 0.3


def test_from_matrices() -> None:
    K = np.array([[1667.7, -5.8, 603.4], [0.0, 1674.2, 492.5], [0.0, 0.0, 1.0]])
    camera = make(2)
    np.testing.assert_array_equal(camera.K, K)
    np.testing.assert_array_equal(camera.R_cam_world, rotation(2))
    np.testing.assert_array_equal(camera.t_cam_world, [10.3, 66.4, 236.7])
    np.testing.assert_allclose(camera.centre, -rotation(2).T @ [10.3, 66.4, 236.7], rtol=1e-14)
    assert camera.focal == pytest.approx(np.sqrt(1667.7 * 1674.2), rel=1e-15)


@pytest.mark.parametrize("change", ["transposed", "scaled"])
def test_from_matrices_refuses_another_layout_of_K(change: str) -> None:
    K = np.array([[1667.7, 0.0, 603.4], [0.0, 1674.2, 492.5], [0.0, 0.0, 1.0]])
    wrong = K.T if change == "transposed" else K / 2
    with pytest.raises(CalibrationError, match=r"camera 'side': K: expected upper triangular .* transposed"):
        Camera.from_matrices(wrong, np.eye(3), np.zeros(3), (1152, 1024), name="side")


def _pose(R: np.ndarray) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = R
    return T


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fx": np.nan}, "not finite"),
        ({"cy": np.inf}, "not finite"),
        ({"fx": 0.0}, "positive focal lengths, got fx = 0.0"),
        ({"fy": -900.0}, "positive focal lengths"),
        ({"width": 0}, "positive image size, got 0 x 480"),
        ({"T_cam_world": np.full((4, 4), np.nan)}, "not finite"),
        ({"T_cam_world": _pose(np.diag([1.0, 1.0, -1.0]))}, r"det = -1\.000, expected \+1"),
        ({"T_cam_world": _pose(1.01 * np.eye(3))}, "not a rotation"),
        ({"T_cam_world": _pose(np.diag([1.0, 1.0, 1.0001]))}, "not a rotation"),
        ({"T_cam_world": np.diag([1.0, 1.0, 1.0, 2.0])}, "last row"),
    ],
)
def test_impossible_cameras_are_refused_by_name(changes: dict[str, object], message: str) -> None:
    good = Camera(640, 480, 900.0, 900.0, 320.0, 240.0, np.eye(4), name="top")
    with pytest.raises(CalibrationError, match=f"camera 'top': .*{message}"):
        replace(good, **changes)  # pyright: ignore[reportArgumentType]


def test_a_camera_does_not_change(ring: Callable[..., list[Camera]]) -> None:
    given_pose = np.eye(4)
    camera = Camera(640, 480, 900.0, 900.0, 320.0, 240.0, given_pose)
    given_pose[0, 3] = 7.0
    assert camera.t_cam_world[0] == 0.0
    with pytest.raises(FrozenInstanceError):
        camera.fx = 1.0  # pyright: ignore[reportAttributeAccessIssue]
    for view in (camera.T_cam_world, camera.R_cam_world, camera.t_cam_world):
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 1.0
    K = camera.K
    K[0, 0] = 1.0
    assert camera.fx == 900.0
    assert len({c.name for c in ring()}) == 6
