"""Cameras of samples that are drawn without a recording: rigs for training, framed as `prepare` frames them.

Three rigs: `surround`, the six cameras all round of rigs.py, framed by any preset of `prepare`; `facelift`, the ring
that FaceLift's network was trained to be given; `random`, cameras anywhere above the floor. Beside them, extra cameras
that are never given as input: nobody's rig, all round, some from below.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from mouselift.array_types import Points3, Vector3
from mouselift.framing.framing import PRESETS, PRETRAINED_DISTANCE, Framing
from mouselift.framing.plan import SamplePlan
from mouselift.framing.planning import plan_sample
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Silhouette
from mouselift.geometry.similarity import Similarity, looking_at
from mouselift.synthetic.mesh import Mesh
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import Rig, markerless_rig

RigName = Literal["surround", "facelift", "random"]
_UP = np.array([0.0, 0.0, 1.0])
# facts of the released inference rig: azimuth in degrees, elevation 0, distance 2.7, 50 degrees of view
_RING = (-90.0, -135.0, 180.0, 90.0, 0.0, -45.0)
_RING_FOCAL = 0.5 / np.tan(np.radians(25.0))  # per pixel of width
_SENSOR = 0.25  # of the recorded images: outlines for framing need no more
_LENS = 0.7  # focal length of `surround` per that of the recording's: tails do not leave the image
_MARGIN = 0.025  # share of the frame left free at each side, as by `prepare`


@dataclass(frozen=True, eq=False)
class Shot:
    """One view to draw."""

    name: str
    camera: Camera  # of the pixels: source world, mm
    written: Camera  # what the sample's file says: the sample's world, subject at the origin
    extra: bool  # never an input


@dataclass(frozen=True, eq=False)
class Shots:
    """All views of one sample."""

    views: tuple[Shot, ...]
    world: Similarity  # source world -> sample world
    plan: SamplePlan | None  # `prepare`'s, where it framed the views


@lru_cache(maxsize=8)
def surround_rig(size: float = 1.0) -> Rig:
    """The six cameras of rigs.py without lens distortion, with a shorter lens, and `size` times as far apart."""
    rig = markerless_rig()
    cameras: list[Camera] = []
    for k, camera in enumerate(rig.cameras):
        width, height = round(_SENSOR * camera.width), round(_SENSOR * camera.height)
        off = np.array([camera.cx - camera.width / 2, camera.cy - camera.height / 2]) * _SENSOR
        plain = camera.pinhole(
            _SENSOR * _LENS * camera.focal, (width / 2 + off[0], height / 2 + off[1]), (width, height)
        )
        moved = plain.in_world(Similarity(size))
        cameras.append(Camera(width, height, plain.fx, plain.fy, plain.cx, plain.cy, moved.T_cam_world, name=f"cam{k}"))
    return Rig(tuple(cameras), rig.arena)


def surround_shots(mesh: Mesh, rig: Rig, preset: str, size: int) -> Shots | None:
    """Framed by a preset, from silhouettes in the source cameras; None where one of those cuts the animal."""
    # whatever touches a pixel counts: images there are small, and half a pixel would be several of a larger sample
    masks = [render_silhouette(mesh, camera, 2) > 0 for camera in rig.cameras]
    silhouettes = [Silhouette.from_mask(mask) for mask in masks if mask.any()]
    if len(silhouettes) < len(masks) or any(silhouette.touches_border() for silhouette in silhouettes):
        return None
    framing = Framing(
        PRESETS[preset].aim, PRESETS[preset].zoom, PRESETS[preset].world, size=size, written=PRESETS[preset].written
    )
    plan = plan_sample(framing, rig.cameras, silhouettes, _UP)
    views = [Shot(view.name, view.target, plan.written_camera(k), extra=False) for k, view in enumerate(plan.views)]
    return Shots(tuple(views), plan.world, plan)


def facelift_shots(mesh: Mesh, size: int, rng: np.random.Generator) -> Shots:
    """The published ring about the middle of the subject's box, which fills 70 to 97 % of the view's half width."""
    centre, reach = _middle_and_reach(mesh.vertices)
    focal = _RING_FOCAL * size
    # a sphere of radius r at distance d covers f r / sqrt(d^2 - r^2)
    distance = reach * np.sqrt(1 + (2 * _RING_FOCAL / rng.uniform(0.70, 0.97)) ** 2)
    world = Similarity(PRETRAINED_DISTANCE / distance, np.eye(3), centre)
    views: list[Shot] = []
    for k, azimuth in enumerate(np.radians(_RING)):
        T = looking_at(centre, centre + distance * np.array([np.cos(azimuth), np.sin(azimuth), 0.0]))
        camera = Camera(size, size, focal, focal, size / 2, size / 2, T, name=f"cam{k}")
        views.append(Shot(camera.name, camera, camera.in_world(world), extra=False))
    return Shots(tuple(views), world, None)


def random_shots(mesh: Mesh, count: int, size: int, rng: np.random.Generator) -> Shots:
    """Cameras all round at uneven angles, heights and distances; one focal length, principal points off the middle."""
    centre, reach = _middle_and_reach(mesh.vertices)
    azimuth = rng.uniform(0.0, 2 * np.pi) + (np.arange(count) + rng.uniform(-0.4, 0.4, count)) * 2 * np.pi / count
    height = np.radians(rng.uniform(0.0, 65.0, count))
    distances = reach * rng.uniform(2.2, 4.5) * np.exp(rng.uniform(-0.2, 0.2, count))
    world = Similarity(PRETRAINED_DISTANCE / float(np.median(distances)), np.eye(3), centre)
    cameras: list[Camera] = []
    for k in range(count):
        target = centre + 0.15 * reach * rng.standard_normal(3)
        cameras.append(_aimed(f"cam{k}", centre + distances[k] * _towards(azimuth[k], height[k]), target, centre, size))
    focal = min(_focal_that_fits(camera, mesh.vertices, size) for camera in cameras) * rng.uniform(0.85, 1.0)
    framed = [_zoomed(camera, focal, size) for camera in cameras]
    views = [Shot(camera.name, camera, camera.in_world(world), extra=False) for camera in framed]
    return Shots(tuple(views), world, None)


def extra_shots(
    mesh: Mesh, shots: Shots, count: int, size: int, elevations: tuple[float, float], rng: np.random.Generator
) -> tuple[Shot, ...]:
    """Cameras that are never inputs: at `elevations` (degrees, from and to), at the inputs' distance +- 15 %.

    Zoomed to the same focal length, or up to 1.25 times it where the subject leaves room.
    """
    centre = shots.world.inverse().apply(np.zeros((1, 3)))[0] if shots.world.scale != 1.0 else _middle(shots, mesh)
    median = float(np.median([np.linalg.norm(shot.camera.centre - centre) for shot in shots.views]))
    cameras: list[Camera] = []
    start = rng.uniform(0.0, 2 * np.pi)
    for k in range(count):
        azimuth = start + (k + rng.uniform(-0.4, 0.4)) * 2 * np.pi / max(count, 1)
        height = np.radians(rng.uniform(*elevations))
        place = centre + median * rng.uniform(0.87, 1.15) * _towards(azimuth, height)
        cameras.append(_aimed(f"extra{k}", place, centre, centre, size))
    fits = [_focal_that_fits(camera, mesh.vertices, size) for camera in cameras]
    framed = [_zoomed(camera, min(fit, 1.25 * min(fits)), size) for camera, fit in zip(cameras, fits, strict=True)]
    return tuple(Shot(camera.name, camera, camera.in_world(shots.world), extra=True) for camera in framed)


def _middle(shots: Shots, mesh: Mesh) -> Vector3:
    """The subject's centre where the sample's world is the source's."""
    return shots.plan.centre if shots.plan is not None else _middle_and_reach(mesh.vertices)[0]


def _middle_and_reach(points: Points3) -> tuple[Vector3, float]:
    """(middle of the box, distance of the farthest point from it)."""
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    return middle, float(np.linalg.norm(points - middle, axis=1).max())


def _towards(azimuth: float, height: float) -> Vector3:
    return np.array([np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height)])


def _aimed(name: str, place: Vector3, target: Vector3, centre: Vector3, size: int) -> Camera:
    """A camera of focal length 1 that looks at `target`, with its principal point so that `centre` is at the origin."""
    T = looking_at(target, place)
    seen = T[:3, :3] @ centre + T[:3, 3]
    return Camera(size, size, 1.0, 1.0, -seen[0] / seen[2], -seen[1] / seen[2], T, name=name)


def _focal_that_fits(camera: Camera, points: Points3, size: int) -> float:
    """The largest focal length with all points inside the frame less the margin; of a camera of `_aimed`."""
    return (0.5 - _MARGIN) * size / float(np.abs(camera.project(points)).max())


def _zoomed(camera: Camera, focal: float, size: int) -> Camera:
    """A camera of `_aimed` with a focal length, the point that it centres in the middle of the image."""
    centre = size / 2 + focal * np.array([camera.cx, camera.cy])
    return camera.pinhole(focal, (float(centre[0]), float(centre[1])), (size, size))
