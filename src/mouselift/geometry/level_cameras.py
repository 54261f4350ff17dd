"""Which way is up, as cameras that were mounted upright tell it: the direction about which their images are level.

A camera on a tripod or a frame is pitched towards its subject and hardly rolled, so the x axes of all cameras are
horizontal, and up is at right angles to them. Three cameras of markerless_mouse_1 and all of it, mouse_cylinder and
markerless_rat, whose world has +Z up: 2, 1, 6 and 8 degrees from it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mouselift.array_types import Vector3
from mouselift.geometry.camera import Camera

# Standard deviation of the cameras' roll, as its sine, that still counts as level: 3 degrees. The direction is fitted
# to the same rolls, which takes two of their degrees of freedom. Rigs that were mounted so have 0.5 to 1.0 degrees
# (markerless_mouse_1, mouse_cylinder); two that were not, 6.9 and 11.5 (anipose's of the Allen Institute and of SLEAP).
_LEVEL = 0.05
_AROUND = 0.3  # root mean square of the x axes along the second direction: all from one side say nothing about tilt
_UPRIGHT = 0.2  # least share of a camera's own upright direction: a camera on its head contradicts the others


def level_up(cameras: Sequence[Camera]) -> Vector3 | None:
    """Unit world direction; None with two cameras, where they are rolled, look from one side, or one is on its head.

    Rolls that happen to fit one tilt of the world pass, the rarer the more cameras there are: rolled by chance with a
    deviation of 7 degrees, three cameras pass in 33 of 100 draws, six in 5, and the direction is off by up to 16 and 10
    degrees (2,000 draws of markerless_rig).
    """
    if len(cameras) < 3:  # two always agree
        return None
    across = np.stack([camera.R_cam_world[0] for camera in cameras])
    _, sizes, directions = np.linalg.svd(across, full_matrices=True)
    roll, around = sizes[2] / np.sqrt(len(cameras) - 2), sizes[1] / np.sqrt(len(cameras))
    upright = np.stack([-camera.R_cam_world[1] for camera in cameras]) @ directions[2]
    upright, up = (upright, directions[2]) if upright.sum() > 0 else (-upright, -directions[2])
    if roll > _LEVEL or around < _AROUND or upright.min() < _UPRIGHT:
        return None
    return up
