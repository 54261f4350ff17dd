"""The mouse's posture, its trunk and head as one swept surface, and the frames on the spine that all else hangs from.

Lengths along the spine, `s`, run from the tail root (0) to the tip of the nose (80), millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from scipy.interpolate import PchipInterpolator

from mouselift.array_types import Array, Points3, Vector3
from mouselift.synthetic.mesh import Piece, swept, unit_vector

LENGTH = 80.0  # tail root to nose, mm
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
# rings crowd together at both ends, where the surface turns fastest
_STATIONS = LENGTH * 0.5 * (1 - np.cos(np.pi * np.linspace(0.0, 1.0, _RINGS + 2))) * 0.55 + LENGTH * 0.45 * np.linspace(
    0.0, 1.0, _RINGS + 2
)


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


def halves_at(s: Float64[Array, " k"]) -> Float64[Array, "k 3"]:
    """(half width, height above, depth below) of the body at `s`, mm."""
    return np.sqrt(np.maximum(np.asarray(_shape(s)), 0.0))


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


def pose_spine(pose: Pose) -> Spine:
    """The spine of a pose, with the hips over their place on the floor and the belly clear of it."""
    standing, rearing, bending = np.asarray(_curve(_STATIONS)).T
    head = smoothstep(_STATIONS, NECK, NECK + 10.0)
    back = (_STATIONS - 32.0) / 14.0
    pitch = np.radians(standing) + pose.rear * rearing * (1 - 0.30 * head) + pose.head_pitch * head
    yaw = pose.heading + pose.spine_bend * bending + pose.head_yaw * head
    pitch = pitch - pose.arch * back * np.exp(-(back**2))
    forward = np.stack([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)], axis=1)
    left = np.stack([-np.sin(yaw), np.cos(yaw), np.zeros_like(yaw)], axis=1)
    step = 0.5 * (forward[1:] + forward[:-1]) * np.diff(_STATIONS)[:, None]
    points = np.concatenate([np.zeros((1, 3)), np.cumsum(step, axis=0)])
    hips = np.array([np.interp(HIPS, _STATIONS, points[:, k]) for k in range(3)])
    target = np.array([pose.x, pose.y, _PELVIS_HEIGHT + 7.0 * np.sin(pose.rear)])
    spine = Spine(_STATIONS, points - hips + target, forward, left, np.cross(forward, left))
    lowest = float(body_piece(spine).vertices[:, 2].min())
    return replace(spine, points=spine.points + np.array([0.0, 0.0, max(0.0, _CLEARANCE - lowest)]))


def body_piece(spine: Spine) -> Piece:
    """Trunk, head and snout."""
    return swept("body", spine.points, spine.left, spine.up, halves_at(spine.s), spine.s, _SEGMENTS)
