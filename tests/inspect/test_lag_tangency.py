"""Tangency over windows: equal to its slow twin, exact on exact views, and it notices what is wrong with one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

import tangency_reference as reference
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import Pinhole
from mouselift.geometry.tangent_planes import OutlineRays, tangency, window_residuals
from mouselift.inspect.sampled_frames import ViewOutline, view_outline
from mouselift.synthetic.body import Pose
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import demo_rig

PLACES = [(60.0, 52.0, 0.3), (63.0, 55.0, 0.4), (70.0, 49.0, 0.7)]


@pytest.fixture(scope="module")
def cameras() -> tuple[Camera, ...]:
    """Four of the demo rig, 576 x 512, lens and skew included."""
    return demo_rig().cameras[:4]


@pytest.fixture(scope="module")
def masks(cameras: tuple[Camera, ...]) -> list[list[np.ndarray]]:
    """[camera][place] alphas of a walking mouse, with six samples along each side of a pixel."""
    mouse = Mouse()
    meshes = [mouse.posed(Pose(x=x, y=y, heading=turn)).mesh for x, y, turn in PLACES]
    return [[render_silhouette(mesh, camera, 6) for mesh in meshes] for camera in cameras]


def seen(camera: Camera, masks: list[np.ndarray]) -> list[ViewOutline]:
    out = [view_outline(camera, mask)[0] for mask in masks]
    assert all(view is not None for view in out)
    return [view for view in out if view is not None]


def pair_residuals(first: Sequence[ViewOutline], second: Sequence[ViewOutline]) -> np.ndarray:
    """[in which view, side, frame, frame] of two windows, as lag measures them."""
    views = [*first, *second]
    outlines = [view.outline for view in views]
    rays = OutlineRays.of(
        [view.camera for view in views],
        [outline.convex for outline in outlines],
        [outline.uninformative for outline in outlines],
        areas=[outline.area for outline in outlines],
        rays=[view.rays for view in views],
        unit_length=True,
    )
    return window_residuals(rays, len(first))[0]


def rms(cameras: Sequence[Camera], masks: list[list[np.ndarray]], place: int = 0) -> float:
    """Over the pairs of the second camera, at `place`, with the others at the first place."""
    views = [seen(c, [masks[i][place if i == 1 else 0]])[0] for i, c in enumerate(cameras)]
    found = [pair_residuals([views[i]], [views[1]]) for i in (0, 2, 3)]
    said = np.concatenate([pair.ravel() for pair in found])
    return float(np.sqrt(np.nanmean(said**2)))


def test_equal_to_the_slow_twin(cameras: tuple[Camera, ...], masks: list[list[np.ndarray]]) -> None:
    """Frame by frame, on the same corners; lens and skew included."""
    first, second = (seen(cameras[i], masks[i]) for i in (0, 2))
    fast = pair_residuals(first, second)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            rays = [
                reference.OutlineRays(
                    v.camera, v.outline.convex, v.camera.rays(v.outline.convex), v.outline.uninformative
                )
                for v in (a, b)
            ]
            for here, side, pixels in reference.pair_residuals(*rays):
                assert fast[here, side, i, j] == pytest.approx(pixels, rel=2e-3, abs=1e-4)


def test_equal_to_the_audit(cameras: tuple[Camera, ...], masks: list[list[np.ndarray]]) -> None:
    """All pairs of one instant at once."""
    views = [seen(camera, own[:1])[0] for camera, own in zip(cameras, masks, strict=True)]
    expected = tangency(cameras, [view.outline for view in views]).pixels
    for i, j in combinations(range(4), 2):
        found = pair_residuals([views[i]], [views[j]])
        np.testing.assert_allclose(found[0, :, 0, 0], expected[i, j], atol=1e-3)
        np.testing.assert_allclose(found[1, :, 0, 0], expected[j, i], atol=1e-3)


def test_exact_views_touch(cameras: tuple[Camera, ...], masks: list[list[np.ndarray]]) -> None:
    assert rms(cameras, masks) < 0.15


@pytest.mark.parametrize("fault", ["half a pixel", "one per cent", "lens left out", "one frame on"])
def test_faults_are_noticed(fault: str, cameras: tuple[Camera, ...], masks: list[list[np.ndarray]]) -> None:
    a, b, *rest = cameras
    spoilt = {
        "half a pixel": replace(b, cx=b.cx + 0.5, cy=b.cy + 0.5),
        "one per cent": replace(b, fx=b.fx * 1.01, fy=b.fy * 1.01),
        "lens left out": replace(b, lens=Pinhole()),
        "one frame on": b,
    }[fault]
    assert rms((a, spoilt, *rest), masks, place=int(fault == "one frame on")) > 0.4


def test_a_transposed_rotation_is_noticed(cameras: tuple[Camera, ...], masks: list[list[np.ndarray]]) -> None:
    """The epipole then lies anywhere: no pair speaks, or the planes miss by far."""
    T = cameras[1].T_cam_world.copy()
    T[:3, :3] = cameras[1].R_cam_world.T
    wrong = seen(replace(cameras[1], T_cam_world=T), masks[1][:1])
    for i in (0, 2, 3):
        found = pair_residuals(seen(cameras[i], masks[i][:1]), wrong)
        assert np.isnan(found).all() or np.nanmax(np.abs(found)) > 10


def test_a_cut_outline_says_nothing(cameras: tuple[Camera, ...], masks: list[list[np.ndarray]]) -> None:
    a, b = cameras[:2]
    alpha = masks[0][0]
    rows = np.flatnonzero(alpha.any(axis=1))
    middle = int(rows.min() + 0.15 * np.ptp(rows))
    cut = a.cropped(0.0, float(middle), (a.width, a.height - middle))
    found = pair_residuals(seen(cut, [alpha[middle:].copy()]), seen(b, masks[1][:1]))
    assert np.isnan(found[:, 0]).all() != np.isnan(found[:, 1]).all(), "the tangent that was cut away, not the other"
    assert np.nanmax(np.abs(found)) < 0.3
