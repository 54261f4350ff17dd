"""The scene: images stand where the intrinsics say, the hull fills the subject, contradictions are told."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from mouselift.dataset.sample import Sample, View
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import looking_at
from mouselift.view.live import image_plane
from mouselift.view.scene import SceneCamera, on_ground, scene_of

SIZE, RADIUS = 96, 0.4


def ring() -> list[Camera]:
    out = []
    for k in range(5):
        angle = 2 * np.pi * k / 5
        centre = np.array([2.5 * np.cos(angle), 2.5 * np.sin(angle), 0.4 * k])
        T = looking_at(np.zeros(3), centre)
        out.append(Camera(SIZE, SIZE, 130.0, 130.0, SIZE / 2 + 2.5, SIZE / 2 - 4.0, T, name=f"cam{k}"))
    return out


def ball(camera: Camera, radius: float = RADIUS) -> np.ndarray:
    """Alpha of a ball about the origin: a ray hits it where it passes the origin within the radius."""
    x, y = np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5)
    d = camera.rays(np.stack([x.ravel(), y.ravel()], axis=1))
    near = np.linalg.norm(np.cross(camera.centre, d), axis=1)
    return np.where(near < radius, 255, 0).astype(np.uint8).reshape(SIZE, SIZE)


@pytest.fixture(scope="module")
def sample() -> Sample:
    views = []
    for k, camera in enumerate(ring()):
        colours = np.full((SIZE, SIZE, 3), (40 * k, 90, 200 - 30 * k), np.uint8)
        views.append(View(camera.name, camera, ball(camera), colours))
    return Sample("s", tuple(views), 0)


def corner_error(camera: Camera, corners: np.ndarray) -> float:
    """Pixels between where an image's corners project and where they belong."""
    wanted = np.array([[0, 0], [SIZE, 0], [SIZE, SIZE], [0, SIZE]], dtype=np.float64)
    return float(np.abs(camera.project(corners) - wanted).max())


def test_images_stand_where_the_intrinsics_say(sample: Sample) -> None:
    for camera in scene_of(sample).cameras:
        assert corner_error(camera.camera, camera.corners) < 1e-9


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        ("half a pixel", lambda c: replace(c, cx=c.cx + 0.5)),
        ("one per cent", lambda c: replace(c, fx=1.01 * c.fx)),
        ("principal point taken for the middle", lambda c: replace(c, cx=c.width / 2, cy=c.height / 2)),
    ],
)
def test_the_check_notices(sample: Sample, fault: str, wrong) -> None:
    for view in sample.views:
        drawn = SceneCamera(wrong(view.camera), None, 0.3)
        assert corner_error(view.camera, drawn.corners) > 0.4, fault


def test_transposed_rotation_is_noticed(sample: Sample) -> None:
    camera = sample.views[1].camera
    T = camera.T_cam_world.copy()
    T[:3, :3] = T[:3, :3].T
    corners = SceneCamera(replace(camera, T_cam_world=T), None, 0.3).corners
    assert not corner_error(camera, corners) < 1


def test_hull_is_the_ball(sample: Sample) -> None:
    scene = scene_of(sample)
    assert scene.hull is not None
    distance = np.linalg.norm(scene.hull.points, axis=1)
    assert distance.min() > RADIUS - 2.5 * scene.hull.voxel, "the surface only, nothing inside the ball"
    assert np.median(distance) == pytest.approx(RADIUS, rel=0.12), "a hull of five views bulges"
    outwards = (scene.hull.normals * scene.hull.points).sum(axis=1) / distance
    assert np.median(outwards) > 0.9
    assert np.linalg.norm(scene.centre) < 0.02
    top = scene.hull.points[:, 2].argmax()
    assert scene.hull.normals[top, 2] > 0.5


def test_hull_has_the_images_colours(sample: Sample) -> None:
    scene = scene_of(sample)
    assert scene.hull is not None
    seen = {tuple(colour) for colour in scene.hull.colours.tolist()}
    assert seen <= {(40 * k, 90, 200 - 30 * k) for k in range(5)} | {(150, 150, 150)}
    # The point nearest to a camera has that camera's colour.
    for k, view in enumerate(sample.views):
        nearest = np.linalg.norm(scene.hull.points - view.camera.centre, axis=1).argmin()
        assert tuple(scene.hull.colours[nearest].tolist()) == (40 * k, 90, 200 - 30 * k)


def test_the_animal_is_where_its_hull_is(sample: Sample) -> None:
    scene = scene_of(sample)
    assert scene.hull is not None
    assert scene.subject is not None
    middle, reach = scene.subject
    points = scene.local(scene.hull.points)
    assert np.linalg.norm(middle - (points.max(axis=0) + points.min(axis=0)) / 2) < 0.1 * reach
    assert 0.8 < reach / np.linalg.norm(points - middle, axis=1).max() <= 1
    far = np.concatenate([scene.hull.points, scene.hull.points[:1] + 50])  # a Gaussian that flies about
    hull = replace(scene.hull, points=far, normals=np.zeros_like(far), colours=np.zeros((len(far), 3), np.uint8))
    again = replace(scene, hull=hull).subject
    assert again is not None
    assert again[1] == pytest.approx(reach, rel=0.05)
    assert replace(scene, hull=None).subject is None


def test_contradiction_is_told(sample: Sample) -> None:
    views = []
    for k, view in enumerate(sample.views):  # some say that it lies higher, some lower, by more than its size
        camera = replace(view.camera, cy=view.camera.cy + (-20 if k % 2 else 20))
        views.append(replace(view, camera=camera, alpha=ball(view.camera, 0.15)))
    scene = scene_of(replace(sample, views=tuple(views)))
    assert scene.hull is None
    assert "contradict" in scene.note


def test_one_view_has_no_hull(sample: Sample) -> None:
    scene = scene_of(replace(sample, views=sample.views[:1]))
    assert scene.hull is None
    assert "needs two" in scene.note
    assert len(scene.cameras) == 1


def test_on_ground_keeps_colours_straight() -> None:
    """A dark subject on a light ground: no bright fringe, no shift when shrunk."""
    alpha = np.zeros((64, 64), np.uint8)
    alpha[16:48, 24:40] = 255
    colours = np.full((64, 64, 3), 255, np.uint8)
    colours[16:48, 24:40] = 10
    small = on_ground(colours, alpha, 32)
    assert small.shape == (32, 32, 3)
    assert set(np.unique(small).tolist()) == {10, 226}
    dark = np.argwhere(small[:, :, 0] == 10)
    assert (dark.min(axis=0).tolist(), dark.max(axis=0).tolist()) == ([8, 12], [23, 19])
    assert cv2.countNonZero((small[:, :, 0] == 10).astype(np.uint8)) == 16 * 8


def test_image_plane_has_the_corners(sample: Sample) -> None:
    """viser's image node: x right, y down from its middle."""
    corners = scene_of(sample).cameras[2].corners
    wxyz, middle, width, height = image_plane(corners)
    w, x, y, z = wxyz
    R = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    local = np.array([[-width, -height, 0], [width, -height, 0], [width, height, 0], [-width, height, 0]]) / 2
    np.testing.assert_allclose(local @ R.T + middle, corners, atol=1e-9)
