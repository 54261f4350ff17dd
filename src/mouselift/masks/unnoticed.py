"""How large would what is wrong with a camera have to be for the test of cameras to tell it?

Silence is no agreement: where few cameras, or an animal near a camera's axis, leave little to compare, a wrong one is
not told. So what a focal length or a turn would do to the outlines is added to those that were compared, and the same
test asked. The floor and the hulls, which a wrong camera moves too, stay as they are: mostly it is told sooner.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.geometry.camera import Camera
from mouselift.masks.camera_change import Residuals, changes_of

FOCAL, DEGREES = 0.03, 1.0  # what the test of cameras is to tell
_LARGER = 1.5  # times: the next that is tried
_TRIED = 8  # to 50 % and 17 degrees


class Unnoticed(NamedTuple):
    """Of one camera; 0 where less than `FOCAL` and `DEGREES` would be told."""

    focal: float  # share of the focal length: so much would not be told, in one direction or the other
    degrees: float  # of a turn, in some direction across the optical axis


def unnoticed(found: Residuals, number: int, camera: Camera, limit: float) -> Unnoticed:
    """found: outlines of right cameras, as far as the test told. camera: of the outlines' pixels. limit: the gain that
    the test asks for, a share of the subject's size.
    """
    own = found.chosen(found.of_camera(number))
    shift = camera.focal * np.tan(np.radians(DEGREES))
    focal = _largest([np.array([sign * np.log1p(FOCAL), 0.0, 0.0]) for sign in (-1, 1)], own, number, limit)
    turn = _largest([shift * np.array([0.0, *way]) for way in ((1, 0), (-1, 0), (0, 1), (0, -1))], own, number, limit)
    return Unnoticed(FOCAL * focal, DEGREES * turn)


def _largest(ways: list[Float64[Array, 3]], own: Residuals, number: int, limit: float) -> float:
    """How many times as much would not be told in one of these ways; 0 where each is."""
    most = 0.0
    for numbers in ways:
        times = 1.0
        while times < _LARGER**_TRIED and not _told(own, number, times * numbers, limit):
            most = max(most, times)
            times *= _LARGER
    return most


def _told(own: Residuals, number: int, numbers: Float64[Array, 3], limit: float) -> bool:
    moved = replace(own, residual=own.residual + own.columns[:, number] @ numbers)
    return any(change.least > limit for change in changes_of(moved, number))
