"""The subject's centre: exact rays meet, bad and cut masks are not believed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mouselift.errors import FramingError
from mouselift.framing.subject import locate_subject
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import look_at


def moved(silhouette: Any, x: float, y: float) -> Any:
    shift = np.array([x, y])
    return replace(silhouette, centroid=silhouette.centroid + shift, outline=silhouette.outline + shift)


def exact(scene: Any) -> list[Any]:
    """Silhouettes whose centroids are projections of one point."""
    out = []
    for camera, silhouette in zip(scene.cameras, scene.silhouettes, strict=True):
        out.append(replace(silhouette, centroid=camera.project(scene.subject[None])))
    return out


def test_exact_rays_meet_at_the_point(scene: Any) -> None:
    found = locate_subject(scene.cameras, exact(scene))
    assert np.abs(found.centre - scene.subject).max() < 1e-8
    assert found.rms_px < 1e-8
    assert all(found.trusted)


@pytest.mark.parametrize("shift", [0.5, -0.5])
def test_half_a_pixel_in_every_view_is_seen(scene: Any, shift: float) -> None:
    found = locate_subject(scene.cameras, [moved(s, shift, shift) for s in exact(scene)])
    assert found.rms_px > 0.05


def test_one_wrong_mask_is_left_out(scene: Any) -> None:
    views = exact(scene)
    views[2] = moved(views[2], 120.0, -90.0)
    found = locate_subject(scene.cameras, views)
    assert found.trusted == (True, True, False, True, True, True)
    assert np.abs(found.centre - scene.subject).max() < 1e-8
    assert found.residual_px[2] == pytest.approx(150.0, abs=1e-6)
    assert found.rms_px < 1e-8


def test_cut_views_are_not_believed_when_two_others_remain(scene: Any) -> None:
    views = exact(scene)
    for i in (0, 1, 3):
        box = views[i].box
        views[i] = replace(moved(views[i], 20.0, 0.0), box=(0, *box[1:]))
    found = locate_subject(scene.cameras, views)
    assert found.trusted == (False, False, True, False, True, True)
    assert np.abs(found.centre - scene.subject).max() < 1e-8


def test_cut_views_count_when_too_few_others_remain(scene: Any) -> None:
    views = [replace(s, box=(0, *s.box[1:])) for s in exact(scene)]
    views[0] = exact(scene)[0]
    assert all(locate_subject(scene.cameras, views).trusted)


def towards_origin(centre: np.ndarray, name: str) -> Camera:
    R = look_at(-centre, np.array([0.0, 0.0, -1.0]))
    K = np.array([[600.0, 0.0, 320.0], [0.0, 600.0, 240.0], [0.0, 0.0, 1.0]])
    return Camera.from_matrices(K, R, -R @ centre, (640, 480), name=name)


def test_two_uncut_views_from_opposite_sides_fix_no_depth(scene: Any, blobs: Any) -> None:
    """The cut third view must then be used, or the centre is anywhere along the line."""
    places = {"a": [300.0, 0.0, 0.0], "b": [-300.0, 0.0, 0.0], "c": [5.0, 300.0, 0.0]}
    cameras = [towards_origin(np.array(centre), name) for name, centre in places.items()]
    point = np.array([[4.0, 2.0, 1.0]])
    views = [replace(blobs(c.project(point), 40.0, (640, 480)), centroid=c.project(point)) for c in cameras]
    views[2] = replace(views[2], box=(0, *views[2].box[1:]))
    found = locate_subject(cameras, views)
    assert all(found.trusted)
    assert np.abs(found.centre - point[0]).max() < 1e-8
    axis = [blobs(np.array([[320.0, 240.0]]), 40.0, (640, 480))] * 2
    with pytest.raises(FramingError, match=r"\(a, b\) fix no 3D centre: their rays are parallel"):
        locate_subject(cameras[:2], axis)


def test_faults_name_the_camera(scene: Any) -> None:
    views = exact(scene)
    with pytest.raises(FramingError, match=r"at least 2 of 6 views, got 1 \(cam3\)"):
        locate_subject(scene.cameras, [None, None, None, views[3], None, None])
    with pytest.raises(FramingError, match="got 5 for 6 cameras"):
        locate_subject(scene.cameras, views[:5])
    small = replace(views[1], width=576)
    with pytest.raises(FramingError, match="cam1: expected a mask of the calibrated size 1152 x 1024, got 576 x 1024"):
        locate_subject(scene.cameras, [views[0], small, *views[2:]])
    back_to_front = scene.cameras[4].turned(np.diag([-1.0, 1.0, -1.0]))
    with pytest.raises(FramingError, match=r"cam4: the subject's centre .* lies behind this camera"):
        locate_subject([*scene.cameras[:4], back_to_front, scene.cameras[5]], views)
