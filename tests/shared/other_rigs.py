"""Rigs beside the demo's: cameras evenly around the arena, and rigs without distortion or skew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mouselift.errors import CaptureError
from mouselift.geometry.lens import Lens, Pinhole
from mouselift.synthetic.rigs import Arena, Rig, aimed_camera


def ring_rig(
    cameras: int = 6,
    elevations_deg: tuple[float, ...] = (20.0,),
    distance: float = 320.0,
    focal: float = 1650.0,
    size: tuple[int, int] = (1152, 1024),
    lens: Lens | None = None,
    jitter_deg: float = 0.0,
    seed: int = 0,
    arena: Arena | None = None,
    span_deg: float = 360.0,
) -> Rig:
    """Cameras evenly around the arena; `elevations_deg` are taken in turn (one: a ring; several: a dome).

    span_deg: below 360, the cameras stand on an arc of so many degrees, one at each end.

    `distance` (mm) and the aim refer to a point 20 mm over the arena's centre; `focal` in pixels;
    `jitter_deg` is the deviation of a random turn about each axis of each camera (aim and roll).
    """
    arena = arena if arena is not None else Arena()
    rng = np.random.default_rng([seed, 0x72696700])
    centre = np.array([arena.x, arena.y, 20.0])
    step = np.radians(span_deg) / (cameras if span_deg >= 360 else cameras - 1)
    out = []
    for i in range(cameras):
        azimuth, elevation = step * i, np.radians(elevations_deg[i % len(elevations_deg)])
        away = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
        x, y, z = centre + distance * away
        K = (focal, focal, 0.0, size[0] / 2, size[1] / 2)
        chosen = lens if lens is not None else Pinhole()
        camera = aimed_camera(f"Camera{i + 1}", size, K, chosen, (x, y, z), (centre[0], centre[1], centre[2]))
        out.append(camera.turned(_turn(np.radians(jitter_deg) * rng.standard_normal(3))))
    return Rig(tuple(out), arena)


def undistorted_rig(rig: Rig) -> Rig:
    """The same places and focal lengths, without lens distortion and skew (what MAMMAL's videos hold)."""
    return Rig(tuple(replace(camera, lens=Pinhole(), skew=0.0) for camera in rig.cameras), rig.arena)


def unskewed_rig(rig: Rig) -> Rig:
    """The same rig without skew: what OpenCV-based calibrations (Anipose) can hold."""
    return Rig(tuple(replace(camera, skew=0.0) for camera in rig.cameras), rig.arena)


def cut_rig(rig: Rig, view: int, box: tuple[int, int, int, int]) -> Rig:
    """One camera is left a part (x0, y0, x1, y1) of its sensor, and is calibrated as such."""
    camera, (x0, y0, x1, y1) = rig.cameras[view], box
    if not (0 <= x0 < x1 <= camera.width and 0 <= y0 < y1 <= camera.height):
        raise CaptureError(
            f"cut {box} of camera {camera.name!r} does not lie in its {camera.width} x {camera.height} image"
        )
    cameras = list(rig.cameras)
    cameras[view] = camera.cropped(float(x0), float(y0), (x1 - x0, y1 - y0))
    return Rig(tuple(cameras), rig.arena)


def _turn(vector: np.ndarray) -> np.ndarray:
    """Rotation by |vector| radians about it (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-15:
        return np.eye(3)
    x, y, z = vector / angle
    S = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * S + (1 - np.cos(angle)) * (S @ S)
