"""The finder on direct renders: 0.02 px; and what it must refuse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from marks import bead_outline, find_marks, marks_in_world, whole_marks
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import Similarity
from mouselift.synthetic.mesh import Mesh
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Marks, Mouse, Posed
from mouselift.synthetic.render import ViewRenderer, shadow_of
from mouselift.synthetic.rigs import markerless_rig

TOLERANCE = 0.02  # px


@pytest.fixture(scope="module")
def scene() -> tuple[Posed, Camera, np.ndarray, np.ndarray]:
    """(animal, camera, RGB, mask) at full size, lens and skew on."""
    rig = markerless_rig()
    posed = Mouse(marks=60).posed(Motion(rig.arena, 3).pose(1.7))
    rendering = ViewRenderer(rig.cameras[1], rig.arena, supersample=8).render(posed, shadow_of(posed))
    return posed, rig.cameras[1], rendering.rgb, rendering.mask


Scene = tuple[Posed, Camera, np.ndarray, np.ndarray]


def test_marks_are_found_to_two_hundredths_of_a_pixel(scene: Scene) -> None:
    posed, camera, rgb, _ = scene
    found = find_marks(rgb, camera, posed.marks, mesh=posed.mesh)
    assert len(found) >= 10
    assert max(mark.error_px for mark in found) < TOLERANCE


@pytest.mark.parametrize(("dx", "dy"), [(0.5, 0.0), (0.0, -0.5), (-0.1, 0.1)])
def test_a_shifted_camera_is_measured(scene: Scene, dx: float, dy: float) -> None:
    posed, camera, rgb, _ = scene
    wrong = replace(camera, cx=camera.cx + dx, cy=camera.cy + dy)
    found = find_marks(rgb, wrong, posed.marks, mesh=posed.mesh)
    assert len(found) >= 10
    gaps = np.array([np.subtract(mark.measured, mark.expected) for mark in found])
    np.testing.assert_allclose(gaps, np.tile([-dx, -dy], (len(gaps), 1)), atol=TOLERANCE)
    assert min(mark.error_px for mark in found) > TOLERANCE


def test_one_per_cent_of_focal_length_is_measured(scene: Scene) -> None:
    posed, camera, rgb, _ = scene
    wrong = replace(camera, fx=camera.fx * 1.01, fy=camera.fy * 1.01)
    found = find_marks(rgb, wrong, posed.marks, mesh=posed.mesh, search_px=8.0)
    assert np.median([mark.error_px for mark in found]) > 10 * TOLERANCE


def test_a_transposed_rotation_loses_the_marks(scene: Scene) -> None:
    posed, camera, rgb, _ = scene
    T = camera.T_cam_world.copy()
    T[:3, :3] = T[:3, :3].T
    T[:3, 3] = camera.to_cam(posed.marks.centres[:1])[0] - T[:3, :3] @ posed.marks.centres[0]
    found = find_marks(rgb, replace(camera, T_cam_world=T), posed.marks)
    assert all(mark.error_px > TOLERANCE for mark in found if mark.index != 0)
    assert len(found) < 4


def test_straight_alpha_and_another_world(scene: Scene) -> None:
    """As in a prepared sample: RGBA with blank surroundings, cameras and marks in a changed world."""
    posed, camera, rgb, mask = scene
    rgba = np.dstack([np.where(mask[..., None] > 0, rgb, 0), mask]).astype(np.uint8)
    world = Similarity(
        0.0087, np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), np.array([60.0, 50.0, 9])
    )
    mesh = Mesh(world.apply(posed.mesh.vertices), posed.mesh.topology)
    found = find_marks(rgba, camera.in_world(world), marks_in_world(posed.marks, world), mesh=mesh)
    assert len(found) >= 8
    assert max(mark.error_px for mark in found) < TOLERANCE


def test_a_partly_hidden_mark_is_left_out(scene: Scene) -> None:
    posed, camera, rgb, _ = scene
    first = find_marks(rgb, camera, posed.marks, mesh=posed.mesh)[0]
    spoilt = rgb.copy()
    x, y = int(first.measured[0]), int(first.measured[1])
    spoilt[y - 9 : y + 10, x + 2 : x + 10] = (100, 80, 60)
    assert first.index not in {mark.index for mark in find_marks(spoilt, camera, posed.marks)}


def test_hidden_marks_are_known_from_the_mesh(scene: Scene) -> None:
    posed, camera, _, _ = scene
    whole = whole_marks(posed.mesh, 60, camera)
    away = ((camera.centre - posed.marks.centres) * posed.marks.normals).sum(axis=1) < -100
    assert away.any()
    assert not whole[away].any()
    assert whole.sum() >= 10
    with pytest.raises(ValueError, match="no part 'marks'"):
        whole_marks(Mouse().posed(Motion(markerless_rig().arena).pose(0.0)).mesh, 3, camera)


def test_the_outline_is_not_centred_on_the_projected_centre() -> None:
    """The bias that the finder accounts for: a ball off the axis of a wide camera."""
    camera = Camera(1000, 1000, 500.0, 500.0, 500.0, 500.0, np.eye(4))
    centre = np.array([80.0, 0.0, 100.0])
    outline = bead_outline(camera, centre, 4.0)
    assert outline[:, 0].mean() - camera.project(centre[None])[0, 0] > 0.3
    with pytest.raises(ValueError, match="inside the bead"):
        bead_outline(camera, np.array([0.0, 0.0, 1.0]), 2.0)


def test_marks_can_be_empty() -> None:
    posed = Mouse().posed(Motion(markerless_rig().arena).pose(0.0))
    assert isinstance(posed.marks, Marks)
    assert len(posed.marks.centres) == 0
    assert find_marks(np.zeros((64, 64, 3), np.uint8), markerless_rig().cameras[0], posed.marks) == []
