"""The mouse's posture, its trunk and head as one swept surface, and the frames on the spine that all else hangs from.

Lengths along the spine, `s`, run from the tail root (0) to the tip of the nose (80), millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.interpolate import PchipInterpolator

from mouselift.array_types import Array, Float64, Points3, Vector3
from mouselift.synthetic.mesh import Piece, swept, unit_vector
from mouselift.synthetic.shape import STANDARD_LENGTH, BodyShape

LENGTH = STANDARD_LENGTH  # tail root to nose, mm
HIPS, SHOULDERS, NECK = 17.0, 49.0, 56.0  # along the spine, mm
_RINGS, _SEGMENTS = 132, 72
_PELVIS_HEIGHT = 15.2  # of the spine at the hips, standing, mm
_CLEARANCE = 1.5  # of the belly over the floor, mm

# s, half width, height above the spine, depth below it (mm): a pear with a pointed snout
_PROFILE = np.array(
    [
        (0.0, 0.0, 0.0, 0.0),
        (2.0, 5.6, 5.2, 5.0),
        (6.0, 9.6, 8.8, 8.4),
        (12.0, 12.9, 12.0, 10.9),
        (20.0, 14.4, 13.9, 12.2),
        (28.0, 14.3, 13.8, 12.4),
        (36.0, 13.1, 12.6, 11.6),
        (44.0, 11.3, 10.7, 10.2),
        (51.0, 9.6, 9.0, 8.8),
        (57.0, 8.8, 8.1, 7.7),
        (62.0, 8.5, 7.4, 6.7),
        (66.0, 7.6, 6.5, 5.6),
        (70.0, 5.9, 5.0, 4.4),
        (74.0, 4.0, 3.5, 3.3),
        (77.5, 2.5, 2.3, 2.1),
        (79.3, 1.4, 1.4, 1.2),
        (80.0, 0.0, 0.0, 0.0),
    ]
)
# s, pitch of the spine standing (degrees, up towards the nose), share of the rearing angle, share of the yaw bend
_CURVE = np.array(
    [
        (0.0, 30.0, 0.62, -0.35),
        (8.0, 22.0, 0.66, -0.22),
        (17.0, 11.0, 0.75, 0.0),
        (28.0, 1.0, 0.90, 0.35),
        (38.0, -9.0, 1.0, 0.68),
        (49.0, -12.0, 1.0, 1.0),
        (57.0, -4.0, 1.0, 1.1),
        (63.0, -8.0, 1.0, 1.1),
        (80.0, -16.0, 1.0, 1.1),
    ]
)
_shape = PchipInterpolator(_PROFILE[:, 0], _PROFILE[:, 1:] ** 2)  # of squares: the ends close round, not pointed
_curve = PchipInterpolator(_CURVE[:, 0], _CURVE[:, 1:])
_BELLY, _BELLY_REACH = 24.0, 15.0  # where fat sits along the spine, mm


@dataclass(frozen=True)
class Pose:
    """One posture. Angles in radians, lengths in millimetres; the default stands at the origin and faces +x."""

    x: float = 0.0  # of the hips on the floor
    y: float = 0.0
    heading: float = 0.0  # of the hips, counter-clockwise from +x
    spine_bend: float = 0.0  # yaw from hips to shoulders, positive to the left
    arch: float = 0.0  # extra curvature of the back
    head_yaw: float = 0.0  # relative to the shoulders
    head_pitch: float = 0.0  # positive lifts the nose
    rear: float = 0.0  # angle of the trunk when standing up, 0 to about 1.2
    gait: float = 0.0  # phase of the walk in cycles
    stride: float = 0.0  # travel of a paw on the floor; 0 stands
    tail_bend: float = 0.0  # yaw from the tail's root to its tip, positive to its own left
    tail_wave: float = 0.0  # amplitude of the travelling wave
    tail_phase: float = 0.0  # of that wave


@lru_cache(maxsize=4)
def _stations(detail: float) -> tuple[np.ndarray, int]:
    """(places of the rings along the spine, points a ring). Rings crowd at the ends, where the surface turns most."""
    even = np.linspace(0.0, 1.0, counted(_RINGS, detail) + 2)
    crowded = LENGTH * 0.5 * (1 - np.cos(np.pi * even)) * 0.55 + LENGTH * 0.45 * even
    return crowded, counted(_SEGMENTS, detail)


def counted(full: int, detail: float, least: int = 6) -> int:
    """Rings or points a ring of a coarser mesh; `full` at detail 1."""
    return full if detail == 1.0 else max(least, round(full * detail))


def halves_at(s: Float64[Array, " k"], shape: BodyShape) -> Float64[Array, "k 3"]:
    """(half width, height above, depth below) of the body at `s`, mm of the standard mouse's length."""
    plain = np.sqrt(np.maximum(np.asarray(_shape(s)), 0.0))
    head, snout = smoothstep(s, 46.0, 60.0), smoothstep(s, 64.0, 72.0)
    girth = shape.girth + head * (shape.head - shape.girth)
    girth = girth * (1 + snout * (shape.snout_width - 1))
    belly = shape.fat * np.exp(-(((s - _BELLY) / _BELLY_REACH) ** 2))
    # a fat belly spreads sideways more than down: the floor is in the way
    return plain * girth[:, None] * (1 + belly[:, None] * [0.65, 0.35, 0.4])


def smoothstep(x: Float64[Array, " n"], low: float, high: float) -> Float64[Array, " n"]:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


@dataclass(frozen=True, eq=False)
class Spine:
    """The posed spine: a curve with frames (forward, left, up) in the world."""

    s: Float64[Array, " k"]
    points: Points3
    forward: Points3
    left: Points3
    up: Points3

    def at(self, s: float) -> tuple[Vector3, Vector3, Vector3, Vector3]:
        """(point, forward, left, up) at one place along the spine."""
        arrays = (self.points, self.forward, self.left, self.up)
        rows = [np.array([np.interp(s, self.s, array[:, k]) for k in range(3)]) for array in arrays]
        return rows[0], unit_vector(rows[1]), unit_vector(rows[2]), unit_vector(rows[3])

    def place(self, s: float, left: float, up: float) -> Vector3:
        """A point off the spine, in the body's directions, mm."""
        point, _, sideways, upright = self.at(s)
        return point + left * sideways + up * upright


def pose_spine(pose: Pose, shape: BodyShape, detail: float = 1.0) -> Spine:
    """The spine of a pose, with the hips over their place on the floor and the belly clear of it.

    In millimetres of the standard mouse: `Mouse` scales what hangs on it by the shape's size. detail: see `Mouse`.
    """
    stations = _stations(detail)[0]
    standing, rearing, bending = np.asarray(_curve(stations)).T
    head = smoothstep(stations, NECK, NECK + 10.0)
    back = (stations - 32.0) / 14.0
    pitch = np.radians(standing) + pose.rear * rearing * (1 - 0.30 * head) + pose.head_pitch * head
    yaw = pose.heading + pose.spine_bend * bending + pose.head_yaw * head
    pitch = pitch - (pose.arch + shape.hunch) * back * np.exp(-(back**2))
    forward = np.stack([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)], axis=1)
    left = np.stack([-np.sin(yaw), np.cos(yaw), np.zeros_like(yaw)], axis=1)
    middle = 0.5 * (stations[1:] + stations[:-1])
    stretch = 1 + smoothstep(middle, 52.0, 58.0) * (shape.head - 1)
    stretch = stretch * (1 + smoothstep(middle, 64.0, 68.0) * (shape.snout - 1))
    step = 0.5 * (forward[1:] + forward[:-1]) * (np.diff(stations) * stretch)[:, None]
    points = np.concatenate([np.zeros((1, 3)), np.cumsum(step, axis=0)])
    hips = np.array([np.interp(HIPS, stations, points[:, k]) for k in range(3)])
    target = np.array([pose.x, pose.y, _PELVIS_HEIGHT * shape.limbs + 7.0 * np.sin(pose.rear)])
    spine = Spine(stations, points - hips + target, forward, left, np.cross(forward, left))
    lowest = float(body_piece(spine, shape, detail).vertices[:, 2].min())
    clearance = _CLEARANCE * (1 - 0.8 * shape.fat)
    return replace(spine, points=spine.points + np.array([0.0, 0.0, max(0.0, clearance - lowest)]))


def body_piece(spine: Spine, shape: BodyShape, detail: float = 1.0) -> Piece:
    """Trunk, head and snout."""
    return swept("body", spine.points, spine.left, spine.up, halves_at(spine.s, shape), spine.s, _stations(detail)[1])
