"""The joint parameters of the synthetic mouse."""

from __future__ import annotations

from dataclasses import dataclass


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
