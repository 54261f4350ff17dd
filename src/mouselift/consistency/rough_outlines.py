"""Are the masks ragged in all views, so that no outline can be trusted? Then bodies judge the cameras, coarsely.

The masks are good, and the cameras' fault it is, where some planes agree as those of exact masks do, where a small
change of every camera explains the residuals, or where one stretch or zoom of all images does.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array
from mouselift.consistency.limits import LIMITS, GeometryLimits
from mouselift.geometry.tangent_planes import TangentPlanes

_AGREE = 4.0  # deviations of exact masks within which a plane agrees
_AGREE_SHARE = 0.25  # of the planes: two exchanged views of six leave more
_FREE = 5  # residuals more than unknowns: fewer, and any change of cameras explains them
_STRETCHES = np.linspace(-0.35, 0.35, 29)
_STRETCHED = 0.8  # of the residuals: what one stretch leaves where it is the cause is less (0.06 to 0.68; ragged: 0.93)


def ragged(
    planes: TangentPlanes,
    z: Float64[Array, " m"],
    left_px: Float64[Array, " m"],
    free: int,
    limits: GeometryLimits = LIMITS,
) -> bool:
    """z: residuals over the deviations of exact masks. left_px: what a change of every camera leaves of them."""
    if free < _FREE or float(np.mean(np.abs(z) < _AGREE)) > _AGREE_SHARE:
        return False
    noise_px = float(np.sqrt(np.sum(left_px**2) / free))
    return noise_px > limits.mask_noise_px and least_stretched(planes) > _STRETCHED


def least_stretched(planes: TangentPlanes) -> float:
    """Share of the mean |residual| that the best stretch of all images, along x, y or both, leaves.

    In units of the stretched image: shrinking all images to nothing explains nothing.
    """
    if len(planes.angle) == 0:
        return 1.0
    views = np.stack([planes.first, planes.second], axis=1)
    arm, residual = planes.points - planes.middle[views], planes.residual
    moved = [planes.moved(arm * np.array(along)) for along in ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0))]
    left = [np.abs(residual - s * m).mean() / (1 - abs(s)) for m in moved for s in _STRETCHES]
    return float(min(left) / max(float(np.abs(residual).mean()), 1e-12))
