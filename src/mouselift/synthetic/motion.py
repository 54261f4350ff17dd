"""How the mouse moves: posture as a pure function of (seed, time).

It walks along a smooth closed path around the arena, stops, rears and looks about, and walks on. No
frame needs the one before it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mouselift.synthetic.body import Pose
from mouselift.synthetic.mouse import DUTY
from mouselift.synthetic.rigs import Arena

_CYCLE = 5.0  # s: one walk and one stop
_WALK_END = 3.0  # s into the cycle; then it stops
_EASE = 0.5  # s to start and to stop
_SPEED = 75.0  # mm/s while walking
_STRIDE = 36.0  # mm a gait cycle
_TABLE = 4096  # points of the path's arc-length table


@dataclass(frozen=True)
class Motion:
    """The postures of one animal in one arena."""

    arena: Arena
    seed: int = 0

    def pose(self, time: float) -> Pose:
        """The posture at `time` seconds (any real number)."""
        cycle, into = int(np.floor(time / _CYCLE)), float(time % _CYCLE)
        travelled = cycle * _distance(_CYCLE) + _distance(into)
        here = travelled + float(self._numbers[4] * self._loop[0][-1])
        x, y, heading = self._path(here)
        before, after = self._path(here - 35.0)[2], self._path(here + 35.0)[2]
        curvature = _wrap(after - before) / 70.0  # rad a mm, positive to the left
        going = _speed(into) / _SPEED
        standing = Pose(
            x=x,
            y=y,
            heading=heading,
            spine_bend=0.62 * curvature * 32.0 + 0.05 * float(np.sin(2 * np.pi * travelled / _STRIDE)) * going,
            arch=0.10 + 0.10 * (1 - going),
            head_yaw=self._wander(time, 0) * (0.22 + 0.30 * (1 - going)),
            head_pitch=-0.04 + 0.10 * self._wander(time, 1),
            gait=travelled / _STRIDE,
            stride=DUTY * _STRIDE * (0.25 + 0.75 * going),  # so that planted paws do not slide
            # the tail's root looks backwards: a left turn of the path is a right turn of the tail
            tail_bend=-0.85 * curvature * 80.0 + 0.25 * self._wander(time, 2),
            tail_wave=0.35,
            tail_phase=0.35 * time,
        )
        return self._reared(standing, cycle, into)

    def _reared(self, pose: Pose, cycle: int, into: float) -> Pose:
        """The same posture with this cycle's rearing and turning about mixed in."""
        rng = np.random.default_rng([self.seed, 0x72656172, cycle % 2**31])
        height, turn, tilt = rng.uniform(0.55, 1.1), rng.uniform(-0.6, 0.6), rng.uniform(0.0, 0.35)
        up = _bump((into - _WALK_END - 0.15) / (_CYCLE - _WALK_END - 0.3))
        return replace(
            pose,
            rear=float(height * up),
            heading=pose.heading + float(turn * up),
            head_pitch=pose.head_pitch + float((tilt - 0.1) * up),
            tail_bend=pose.tail_bend - float(1.2 * turn * up),
        )

    @cached_property
    def _numbers(self) -> np.ndarray:
        return np.random.default_rng([self.seed, 0x6D6F7665]).uniform(0.0, 1.0, 16)

    @cached_property
    def _loop(self) -> tuple[np.ndarray, np.ndarray]:
        """(arc length, points) of the closed path."""
        u = self._numbers
        angle = np.linspace(0.0, 2 * np.pi, _TABLE + 1) * (1.0 if u[0] < 0.5 else -1.0)
        wobble = (0.05 + 0.08 * u[1]) * np.cos(2 * angle + 2 * np.pi * u[2]) + 0.03 * np.cos(3 * angle + 6.28 * u[3])
        radius = 0.47 * self.arena.radius * (1 + wobble)
        points = np.stack([self.arena.x + radius * np.cos(angle), self.arena.y + radius * np.sin(angle)], axis=1)
        return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]), points

    def _path(self, s: float) -> tuple[float, float, float]:
        """(x, y, direction) at an arc length."""
        length, points = self._loop
        at = s % length[-1]
        ahead = (s + 0.5) % length[-1]
        behind = (s - 0.5) % length[-1]
        x, y = (float(np.interp(at, length, points[:, k])) for k in range(2))
        dx, dy = (
            float(np.interp(ahead, length, points[:, k]) - np.interp(behind, length, points[:, k])) for k in range(2)
        )
        return x, y, float(np.arctan2(dy, dx))

    def _wander(self, time: float, channel: int) -> float:
        """Slow aimless movement in [-1, 1]."""
        a, b, c = self._numbers[5 + 3 * channel : 8 + 3 * channel]
        slow, fast = 0.35 + 0.2 * a, 0.75 + 0.3 * b
        return float(0.6 * np.sin(2 * np.pi * (slow * time + b)) + 0.4 * np.sin(2 * np.pi * (fast * time + c)))


def _speed(into: float) -> float:
    """mm/s at a time in the cycle: up, steady, down, stop."""
    return _SPEED * (_step(into / _EASE) - _step((into - _WALK_END + _EASE) / _EASE))


def _distance(into: float) -> float:
    """mm walked since the cycle began: the integral of `_speed`."""
    return _SPEED * _EASE * (_step_integral(into / _EASE) - _step_integral((into - _WALK_END + _EASE) / _EASE))


def _step(x: float) -> float:
    x = min(max(x, 0.0), 1.0)
    return x * x * x * (10 - 15 * x + 6 * x * x)


def _step_integral(x: float) -> float:
    if x <= 0:
        return 0.0
    if x >= 1:
        return x - 0.5
    return x**4 * (2.5 - 3 * x + x * x)


def _bump(x: float) -> float:
    """0 outside (0, 1), 1 around the middle, smooth."""
    return _step(x / 0.35) * _step((1 - x) / 0.35)


def _wrap(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)
