"""The silhouette renderer against closed forms: it is the truth that the pipeline is judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mouselift.errors import CalibrationError
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady
from mouselift.geometry.similarity import look_at
from mouselift.synthetic.mesh import Mesh, Topology, swept
from mouselift.synthetic.raster import nearest_triangles, render_silhouette
from sphere import sphere_mesh

TOLERANCE = 0.02  # px
LENS = BrownConrady(-0.16, 0.93, -0.0012, -0.0039, -2.6)


def a_camera() -> Camera:
    R = look_at(np.array([0.8, 0.55, -0.2]), np.array([0.1, 0.05, -1.0]))
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, -R @ np.array([-190.0, -130.0, 66.0])
    return Camera(600, 500, 820.0, 845.0, 311.3, 236.8, T, skew=-4.0)


CENTRE, RADIUS = np.array([48.0, 44.0, 22.0]), 19.0


def measured(mask: np.ndarray) -> dict[str, float]:
    """Centroid, radius of equal area and extents of a soft mask, pixels."""
    share = mask / 255.0
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]] + 0.5
    area = share.sum()
    return {
        "x": float((share * x).sum() / area),
        "y": float((share * y).sum() / area),
        "size": float(np.sqrt(area / np.pi)),
        "width": float(share.sum(axis=1).max()),
        "height": float(share.sum(axis=0).max()),
    }


def exact(camera: Camera, centre: np.ndarray, radius: float) -> dict[str, float]:
    """The same of a sphere seen by a pinhole (with skew), from the conic that its viewing cone cuts.

    A ray d touches the sphere where (c.d)^2 = (c.c - r^2) d.d (Hartley & Zisserman, 8.3 on the apparent contour).
    """
    c = camera.to_cam(centre[None])[0]
    cone = np.outer(c, c) - (c @ c - radius**2) * np.eye(3)
    inverse = np.linalg.inv(camera.K)
    conic = inverse.T @ cone @ inverse
    quadratic, linear = conic[:2, :2], conic[:2, 2]
    middle = -np.linalg.solve(quadratic, linear)
    level = conic[2, 2] + linear @ middle
    shape = -quadratic / level  # (x - m)^T shape (x - m) = 1
    det = np.linalg.det(shape)
    # the widest row of an ellipse passes through its centre: chord 2 / sqrt(S_xx)
    return {
        "x": float(middle[0]),
        "y": float(middle[1]),
        "size": float((1 / np.sqrt(det)) ** 0.5),
        "width": float(2 / np.sqrt(shape[0, 0])),
        "height": float(2 / np.sqrt(shape[1, 1])),
    }


def errors(camera: Camera, wanted: dict[str, float], supersample: int = 64) -> dict[str, float]:
    got = measured(render_silhouette(sphere_mesh(CENTRE, RADIUS, 240, 480), camera, supersample))
    return {key: abs(got[key] - wanted[key]) for key in wanted}


def test_a_sphere_has_its_exact_centroid_area_and_extents() -> None:
    camera = a_camera()
    assert max(errors(camera, exact(camera, CENTRE, RADIUS)).values()) < TOLERANCE


@pytest.mark.parametrize("supersample", [1, 2, 4])
def test_few_samples_add_scatter_but_no_bias(supersample: int) -> None:
    """Mean over 60 places of the sphere relative to the grid."""
    camera = a_camera()
    mesh = sphere_mesh(CENTRE, RADIUS, 120, 240)
    got: list[list[float]] = []
    for shift in np.random.default_rng(0).uniform(0, 1, (60, 2)):
        moved = camera.cropped(*shift)
        wanted = exact(moved, CENTRE, RADIUS)
        seen = measured(render_silhouette(mesh, moved, supersample))
        got.append([seen[key] - wanted[key] for key in ("x", "y", "size")])
    assert np.abs(np.mean(got, axis=0)).max() < TOLERANCE


def _transposed(camera: Camera) -> Camera:
    T = camera.T_cam_world.copy()
    T[:3, :3] = T[:3, :3].T
    T[:3, 3] = camera.to_cam(CENTRE[None])[0] - T[:3, :3] @ CENTRE
    return replace(camera, T_cam_world=T)


FAULTS: dict[str, Callable[[Camera], Camera]] = {
    "half a pixel in x": lambda c: c.cropped(-0.5, 0.0),
    "half a pixel in y": lambda c: c.cropped(0.0, 0.5),
    "focal length one per cent": lambda c: replace(c, fx=c.fx * 1.01, fy=c.fy * 1.01),
    "distance one per cent": lambda c: _nearer(c),
    "skew lost": lambda c: replace(c, skew=0.0),
}


def _nearer(camera: Camera) -> Camera:
    T = camera.T_cam_world.copy()
    T[:3, 3] = -T[:3, :3] @ (camera.centre + 0.01 * (CENTRE - camera.centre))
    return replace(camera, T_cam_world=T)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_check_notices_a_wrong_camera(fault: str) -> None:
    camera = a_camera()
    found = errors(FAULTS[fault](camera), exact(camera, CENTRE, RADIUS))
    assert max(found.values()) > 3 * TOLERANCE, found


def test_the_check_notices_a_transposed_rotation() -> None:
    """About the sphere's own centre, where a sphere hides it: two spheres show it."""
    camera, second = a_camera(), CENTRE + np.array([12.0, -30.0, 8.0])
    mask = render_silhouette(sphere_mesh(second, 8.0, 120, 240), _transposed(camera), 4)
    wanted = exact(camera, second, 8.0)
    assert abs(measured(mask)["x"] - wanted["x"]) + abs(measured(mask)["y"] - wanted["y"]) > 5.0


def test_the_check_notices_a_shape_grown_by_half_a_pixel() -> None:
    """What drawing functions do that colour every pixel an edge touches."""
    camera = a_camera()
    wanted = exact(camera, CENTRE, RADIUS)
    grown = {**wanted, "size": wanted["size"] + 0.5, "width": wanted["width"] + 1.0}
    assert errors(camera, grown)["size"] > 20 * TOLERANCE


def test_a_sphere_through_a_real_lens() -> None:
    """Against the outline that the touching circle of the viewing cone draws through the lens."""
    turn, _ = cv2.Rodrigues(np.array([0.12, -0.16, 0.0]))  # to where the lens bends most
    camera = replace(a_camera(), lens=LENS).turned(np.asarray(turn))
    away = CENTRE - camera.centre
    distance = float(np.linalg.norm(away))
    axis = away / distance
    across = np.cross(axis, [0.0, 0.0, 1.0])
    across /= np.linalg.norm(across)
    t = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    circle = np.outer(np.cos(t), across) + np.outer(np.sin(t), np.cross(axis, across))
    rim = CENTRE - RADIUS**2 / distance * axis + RADIUS * np.sqrt(1 - (RADIUS / distance) ** 2) * circle
    x, y = camera.project(rim).T
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    area = cross.sum() / 2
    centroid = [((x + np.roll(x, -1)) * cross).sum() / 6 / area, ((y + np.roll(y, -1)) * cross).sum() / 6 / area]
    wanted = {"x": float(centroid[0]), "y": float(centroid[1]), "size": float(np.sqrt(abs(area) / np.pi))}
    assert max(errors(camera, wanted).values()) < TOLERANCE
    assert max(errors(replace(camera, lens=BrownConrady()), wanted).values()) > 0.5  # the lens matters


def cylinder(length: float, radius: float, centre: np.ndarray, direction: np.ndarray, side: np.ndarray) -> Mesh:
    s = np.linspace(-length / 2, length / 2, 40)
    lefts = np.tile(side, (40, 1))
    ups = np.tile(np.cross(direction, side), (40, 1))
    piece = swept("tube", centre + np.outer(s, direction), lefts, ups, np.full((40, 3), radius), s, 720)
    return Mesh(piece.vertices, Topology(piece.faces))


@pytest.mark.parametrize("angle", [0.0, 0.4, 1.1])
def test_a_cylinder_has_its_exact_width(angle: float) -> None:
    """Axis parallel to the image plane at distance Z: its edges are the lines v = +- f r / sqrt(Z^2 - r^2)."""
    camera = Camera(400, 400, 900.0, 900.0, 203.3, 198.1, np.eye(4))
    direction = np.array([np.cos(angle), np.sin(angle), 0.0])
    side = np.array([-np.sin(angle), np.cos(angle), 0.0])
    radius, depth = 3.0, 310.0
    mask = render_silhouette(
        cylinder(400.0, radius, np.array([0.0, 0.0, depth]), direction, side), camera, 8 if angle else 64
    )
    share = mask / 255.0
    half = 900.0 * radius / np.sqrt(depth**2 - radius**2)
    columns = slice(120, 280)
    across = share[:, columns].sum(axis=0) * np.cos(angle)
    y = (share * (np.arange(400) + 0.5)[:, None]).sum(axis=0)[columns] / share[:, columns].sum(axis=0)
    middle = 198.1 + np.tan(angle) * (np.arange(120, 280) + 0.5 - 203.3)
    assert abs(across.mean() - 2 * half) < TOLERANCE
    assert abs((y - middle).mean()) < TOLERANCE
    assert abs(across.mean() - 2 * half * 1.01) > TOLERANCE  # one per cent would be seen
    assert abs((y - middle + 0.5).mean()) > TOLERANCE


def test_front_layers_do_not_cancel() -> None:
    """A ball before another ball: the union, not the exclusive or."""
    camera = Camera(200, 200, 300.0, 300.0, 100.0, 100.0, np.eye(4))
    near, far = sphere_mesh(np.array([0.0, 0.0, 80.0]), 10.0), sphere_mesh(np.array([4.0, 0.0, 150.0]), 25.0)
    both = Mesh(
        np.concatenate([near.vertices, far.vertices]),
        Topology(np.concatenate([near.topology.faces, far.topology.faces + len(near.vertices)])),
    )
    union = np.maximum(render_silhouette(near, camera, 1), render_silhouette(far, camera, 1))
    np.testing.assert_array_equal(render_silhouette(both, camera, 1), union)


def test_the_nearest_surface_wins_and_values_are_interpolated() -> None:
    camera = a_camera()
    mesh = sphere_mesh(CENTRE, RADIUS, 120, 240)
    visible = nearest_triangles(mesh, camera, 2)
    points = visible.interpolate(mesh.topology.faces, mesh.vertices)
    np.testing.assert_allclose(np.linalg.norm(points - CENTRE, axis=1), RADIUS, atol=0.02)
    x = (visible.cell % visible.window.columns + 0.5) / 2 + visible.window.x0
    y = (visible.cell // visible.window.columns + 0.5) / 2 + visible.window.y0
    gap = camera.project(points.astype(np.float64)) - np.stack([x, y], axis=1)
    assert np.abs(gap).max() < 0.02  # each sample lies where its surface point projects


def test_z_buffer_and_silhouette_cover_the_same_samples() -> None:
    camera = a_camera()
    mesh = sphere_mesh(CENTRE, RADIUS)
    visible = nearest_triangles(mesh, camera, 1)
    mask = render_silhouette(mesh, camera, 1)
    y, x = np.nonzero(mask)
    window = visible.window
    np.testing.assert_array_equal(visible.cell, (y - window.y0) * window.columns + x - window.x0)


def test_a_subject_partly_or_wholly_outside_the_image() -> None:
    camera = a_camera()
    mesh = sphere_mesh(CENTRE, RADIUS)
    whole = render_silhouette(mesh, camera)
    y, x = np.nonzero(whole)
    x0, y0 = int(x.mean()), int(y.mean())
    cut = camera.cropped(float(x0), float(y0), (300, 300))
    np.testing.assert_array_equal(render_silhouette(mesh, cut), whole[y0 : y0 + 300, x0 : x0 + 300])
    assert not render_silhouette(mesh, camera.cropped(2000.0, 0.0)).any()
    assert len(nearest_triangles(mesh, camera.cropped(2000.0, 0.0), 2).cell) == 0


def test_a_mesh_behind_the_camera_is_refused() -> None:
    camera = Camera(100, 100, 100.0, 100.0, 50.0, 50.0, np.eye(4), name="cam7")
    with pytest.raises(CalibrationError, match=r"cam7.*behind the camera"):
        render_silhouette(sphere_mesh(np.array([0.0, 0.0, -50.0]), 5.0), camera)
