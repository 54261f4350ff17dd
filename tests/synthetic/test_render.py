from __future__ import annotations

import numpy as np
import pytest

from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse, Posed
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.render import ViewRenderer, cast_shadow, make_backdrop, shadow_of
from mouselift.synthetic.rigs import Rig
from sphere import sphere_mesh


@pytest.fixture(scope="module")
def posed(mouse: Mouse, small_rig: Rig) -> Posed:
    return mouse.posed(Motion(small_rig.arena, 0).pose(0.7))


def test_the_mask_is_the_silhouette(posed: Posed, small_rig: Rig) -> None:
    """Same samples, same bits: the rendered mask and the mask-only path."""
    camera = small_rig.cameras[0]
    rendering = ViewRenderer(camera, small_rig.arena).render(posed, shadow_of(posed))
    np.testing.assert_allclose(rendering.mask.astype(int), render_silhouette(posed.mesh, camera, 3).astype(int), atol=1)
    shifted = render_silhouette(posed.mesh, camera.cropped(-0.5, 0.0), 3)
    assert np.abs(rendering.mask.astype(int) - shifted).max() > 60  # half a pixel would be seen


def test_equal_arguments_give_equal_bytes(small_rig: Rig) -> None:
    pose = Motion(small_rig.arena, 1).pose(2.1)

    def once() -> bytes:
        posed = Mouse(seed=1).posed(pose)
        return ViewRenderer(small_rig.cameras[1], small_rig.arena, 1).render(posed, shadow_of(posed)).rgb.tobytes()

    assert once() == once()


def test_the_scene_is_still_but_for_animal_and_shadow(posed: Posed, mouse: Mouse, small_rig: Rig) -> None:
    renderer = ViewRenderer(small_rig.cameras[2], small_rig.arena)
    image = renderer.render(posed, shadow_of(posed))
    empty = np.rint(make_backdrop(small_rig.cameras[2], small_rig.arena, 0).rgb)
    difference = empty.mean(axis=2) - image.rgb.mean(axis=2)
    outside = image.mask == 0
    assert (np.abs(difference[outside]) > 20).mean() < 0.03  # only the shadow's core
    assert difference[outside].min() > -1.5  # which darkens, never brightens
    assert 5 < difference[outside].max() < 150


def test_the_floor_is_textured_and_the_shadow_is_under_the_animal(posed: Posed, small_rig: Rig) -> None:
    empty = np.rint(make_backdrop(small_rig.cameras[1], small_rig.arena, 0).rgb)
    floor = np.array([[60.0, 52.0, 0.0], [70.0, 52.0, 0.0], [60.0, 62.0, 0.0], [40.0, 52.0, 0.0]])
    x, y = np.floor(small_rig.cameras[1].project(floor)).astype(int).T
    assert np.ptp(empty[y, x].mean(axis=1)) > 1
    shadow = shadow_of(posed)
    rows, columns = np.nonzero(shadow.light < 0.5 * (1 + shadow.light.min()))
    middle = shadow.corner[0] + (np.array([columns.mean(), rows.mean()]) + 0.5) * 0.5
    body = posed.mesh.vertices[:9000, :2].mean(axis=0)
    assert np.linalg.norm(middle - body) < 12


def test_the_shadow_map_is_in_the_right_place() -> None:
    """A ball's sky shadow is centred below the ball, on the floor's coordinates."""
    ball = sphere_mesh(np.array([31.0, -17.0, 6.0]), 6.0)
    shadow = cast_shadow(ball, ball)
    dark = 1 - shadow.light
    n = len(dark)
    at = (np.arange(n) + 0.5) * 0.5
    centre = shadow.corner[0] + [(dark.sum(axis=0) @ at) / dark.sum(), (dark.sum(axis=1) @ at) / dark.sum()]
    lamp = 6.0 * np.array([-0.34, 0.26]) / 0.90  # the lamp throws its part away from itself
    offset = centre - [31.0, -17.0]
    assert 0 < offset @ lamp / (lamp @ lamp) < 1
    assert abs(offset @ [lamp[1], -lamp[0]]) / np.linalg.norm(lamp) < 0.3
