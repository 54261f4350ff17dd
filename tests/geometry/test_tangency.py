"""Epipolar tangency: silent on exact cameras, loud on wrong ones, silent where nothing can be said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Silhouette
from mouselift.geometry.similarity import looking_at
from tangency_reference import OutlineRays, pair_residuals, rms_per_view, tangency_residuals


def rms(cameras: list[Camera], silhouettes: list[Silhouette]) -> np.ndarray:
    views = [OutlineRays.from_silhouette(c, s) for c, s in zip(cameras, silhouettes, strict=True)]
    return rms_per_view(tangency_residuals(views), len(views))


def rescaled(camera: Camera, factor: float) -> Camera:
    """What a camera would be if its image were scaled by 1 / factor without anybody's telling it."""
    return replace(camera, fx=camera.fx * factor, fy=camera.fy * factor)


@pytest.mark.parametrize("distorted", [False, True])
def test_exact_outlines_agree_far_below_a_pixel(distorted: bool, ring: Callable[..., list[Camera]], solid: Any) -> None:
    cameras = ring(distorted)
    assert rms(cameras, [solid.silhouette(c) for c in cameras]).max() < 5e-3


@pytest.mark.parametrize("distorted", [False, True])
def test_pixel_masks_agree_below_half_a_pixel(distorted: bool, ring: Callable[..., list[Camera]], solid: Any) -> None:
    cameras = ring(distorted)
    assert rms(cameras, [Silhouette.from_mask(solid.mask(c)) for c in cameras]).max() < 0.5


@pytest.mark.parametrize("subpixel", [True, False])
@pytest.mark.parametrize("faulty", range(6))
@pytest.mark.parametrize("fault", ["one per cent", "one pixel", "rotation transposed"])
def test_one_wrong_view_is_detected(
    fault: str, faulty: int, subpixel: bool, ring: Callable[..., list[Camera]], solid: Any
) -> None:
    cameras = ring()
    silhouettes = [solid.silhouette(c) if subpixel else Silhouette.from_mask(solid.mask(c)) for c in cameras]
    exact = rms(cameras, silhouettes).max()
    camera = cameras[faulty]
    if fault == "rotation transposed":
        T = camera.T_cam_world.copy()
        T[:3, :3] = T[:3, :3].T
        cameras[faulty] = replace(camera, T_cam_world=T)
        residuals = rms(cameras, silhouettes)
        # Another camera altogether: residuals are huge or, where it looks away from the subject, there are none.
        assert np.isnan(residuals[faulty]) or np.nanmax(residuals) > 5
        return
    if fault == "one per cent":
        cameras[faulty] = rescaled(camera, 1.01)
    else:
        cameras[faulty] = replace(camera, cx=camera.cx + 0.7, cy=camera.cy + 0.7)
    residuals = rms(cameras, silhouettes)
    assert residuals[faulty] > 0.4
    assert residuals.max() > (30 if subpixel else 1.2) * exact
    if subpixel:
        assert int(residuals.argmax()) == faulty


def test_half_a_pixel_in_all_views_is_detected(ring: Callable[..., list[Camera]], solid: Any) -> None:
    cameras = ring()
    silhouettes = [solid.silhouette(c) for c in cameras]
    shifted = [replace(c, cx=c.cx - 0.5, cy=c.cy - 0.5) for c in cameras]
    assert rms(cameras, silhouettes).max() < 5e-3
    assert rms(shifted, silhouettes).max() > 0.4


def test_outlines_through_pixel_centres_would_be_seen(ring: Callable[..., list[Camera]], solid: Any) -> None:
    """Corners, not centres: an outline drawn in by half a pixel makes every silhouette too small."""
    cameras = ring()
    exact = [solid.silhouette(c) for c in cameras]
    moved = [replace(s, outline=s.outline - 0.5) for s in exact]
    assert rms(cameras, moved).max() > 50 * rms(cameras, exact).max()


def test_sign(ring: Callable[..., list[Camera]], solid: Any) -> None:
    """Positive: the point lies on the side of larger plane angles. One pixel of shift is one pixel of residual."""
    a, b = (Camera(640, 480, 900.0, 900.0, 320.0, 240.0, np.eye(4)) for _ in range(2))
    T = np.eye(4)
    T[0, 3] = -60.0  # the second camera 60 to the right: epipolar planes are rows
    b = replace(b, T_cam_world=T)
    ahead = replace(solid, centre=np.array([20.0, 0.0, 300.0]))
    views = [OutlineRays.from_silhouette(c, ahead.silhouette(c)) for c in (a, b)]
    # b = +x, u = roughly +z, v = b x u = -y: larger angles lie higher in the image.
    exact = pair_residuals(*views)
    assert len(exact) == 4
    assert max(abs(r) for _, _, r in exact) < 1e-2
    moved = views[0].pixels + np.array([0.0, 1.0])
    lowered = replace(views[0], pixels=moved, rays=a.rays(moved))
    for here, _, residual in pair_residuals(lowered, views[1]):
        assert residual == pytest.approx(-1.0 if here == 0 else 1.0, abs=0.02)


def test_residual_names_the_views(ring: Callable[..., list[Camera]], solid: Any) -> None:
    cameras = ring()[:3]
    found = tangency_residuals([OutlineRays.from_silhouette(c, solid.silhouette(c)) for c in cameras])
    assert len(found) == 12
    assert {(r.first, r.second) for r in found} == {(i, j) for i in range(3) for j in range(3) if i != j}
    assert {r.side for r in found} == {0, 1}


def facing_pair() -> list[Camera]:
    """Two cameras that look at each other through the origin."""
    cameras: list[Camera] = []
    for side in (-1.0, 1.0):
        T = looking_at(np.zeros(3), np.array([300.0 * side, 0.0, 0.0]))
        cameras.append(Camera(640, 480, 900.0, 900.0, 320.0, 240.0, T))
    return cameras


def test_an_epipole_inside_the_silhouette_says_nothing(solid: Any) -> None:
    cameras = facing_pair()
    on_baseline, beside = replace(solid, centre=np.zeros(3)), replace(solid, centre=np.array([0.0, 0.0, 45.0]))
    for subject, expected in ((on_baseline, 0), (beside, 4)):
        views = [OutlineRays.from_silhouette(c, subject.silhouette(c)) for c in cameras]
        assert len(pair_residuals(*views)) == expected


def test_one_centre_says_nothing(ring: Callable[..., list[Camera]], solid: Any) -> None:
    view = OutlineRays.from_silhouette(ring()[0], solid.silhouette(ring()[0]))
    assert pair_residuals(view, view) == []


def test_tangent_points_on_the_border_are_left_out(ring: Callable[..., list[Camera]], solid: Any) -> None:
    """An image that cuts the subject must not be blamed on its camera."""
    cameras = ring()[:4]
    masks = [solid.mask(c) for c in cameras]
    x1 = int(np.flatnonzero(masks[0].any(axis=0))[-1])
    cut_at = x1 - 25
    cameras[0] = cameras[0].cropped(0.0, 0.0, (cut_at, 480))
    masks[0] = np.ascontiguousarray(masks[0][:, :cut_at])
    silhouettes = [Silhouette.from_mask(m) for m in masks]
    assert silhouettes[0].touches_border()
    assert np.nanmax(rms(cameras, silhouettes)) < 0.5
    # Told that the image is wider, the same outline counts as the subject's, and misses by pixels.
    silhouettes[0] = replace(silhouettes[0], width=640)
    assert np.nanmax(rms(cameras, silhouettes)) > 5


def test_views_without_residuals_are_nan() -> None:
    assert np.isnan(rms_per_view([], 2)).all()
