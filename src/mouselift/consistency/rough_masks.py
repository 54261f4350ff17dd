"""Are masks rough in all views, so that a disagreement of outlines says nothing about cameras?

Whatever is wrong with cameras, something agrees as exact masks do: the views without the two that are wrong, planes of
single views, what one change of all images leaves. Where nothing does, the opened silhouettes are asked.
"""

from __future__ import annotations

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.consistency.outline_noise import NOISE_PX
from mouselift.geometry.tangent_planes import TangentPlanes

# Set on 21 samples of mouse_cylinder (rough masks) and rough samples of `python benchmarks/audit_detection.py --rough`.
MASK_NOISE_PX = 0.6  # the most that outlines disagree by where no mask lacks a part
_AGREE = 4.0  # sigma of exact masks within which a plane agrees
_AGREE_SHARE = 0.25  # of the planes: more of them agree where two views of six are exchanged
_SPARE_RESIDUALS = 5  # residuals beyond the unknowns; with fewer, some change of the cameras explains everything
_STRETCHES = np.linspace(-0.35, 0.35, 29)
_STRETCHED = 0.8  # share of the residuals that one stretch leaves: 0.06 to 0.68 where it is the cause, else 0.93
# Rough masks of small subjects leave less than a pixel. What four of six views leave, of 40 samples a rig (three rigs
# of `mouselift.synthetic.samples`, seed 5, 128 px, subjects of 16 to 48 px): exact masks 0.02 to 0.064 px; rough ones
# 0.0034 of the size and more, whose median |residual| is 0.037 of the size at most. 99 % of 1,000 exact samples of
# 512 px leave up to 0.08 px.
_EXACT_PX, _ROUGH_SHARE, _MASKS_SHARE = 0.08, 0.003, 0.04
_LEAST_LEFT = 6  # planes: four views have up to twelve


def rough_for_the_size(
    planes: TangentPlanes, z: Float64[Array, " m"], shifted: Float64[Array, " m"], left_px: float, size_px: float
) -> bool:
    """Whether all views' masks are rougher than exact ones of so large a subject, and no worse than masks are.

    z, shifted: residuals over their sigma, and what the best shift of all views leaves of them. left_px: noise that the
    fullest change of cameras leaves. size_px: square root of the smallest subject's area.
    """
    exact_px = finest_rough_noise(size_px)
    rough = min(least_noise(planes, z), least_noise(planes, shifted)) > exact_px
    # The fullest change leaves few residuals to spare, and planes that touch one corner count once: less is enough.
    rough &= left_px > exact_px * NOISE_PX / _EXACT_PX
    rough &= float(np.median(np.abs(planes.residual))) <= _MASKS_SHARE * size_px
    return bool(rough) and not stretched(planes)


def finest_rough_noise(size_px: float) -> float:
    """Noise at well-defined points, pixels, below which masks of a subject of that size are as good as exact ones."""
    return max(_EXACT_PX, _ROUGH_SHARE * size_px)


def least_noise(planes: TangentPlanes, z: Float64[Array, " m"]) -> float:
    """Noise at well-defined points, pixels, of the views that are left without the two that disagree most.

    Whatever is wrong with one camera or two exchanged ones, the others of an exact sample agree exactly; rough masks
    are rough in all views. Infinite where no two views leave enough planes. z: residuals over their sigma.
    """
    squares, count = np.zeros((2, planes.views, planes.views))
    np.add.at(squares, (planes.first, planes.second), z**2)
    np.add.at(count, (planes.first, planes.second), 1.0)
    left, many = (_without_two(one + one.T) for one in (squares, count))
    enough = many >= _LEAST_LEFT
    return NOISE_PX * float(np.sqrt((left[enough] / many[enough]).min(initial=np.inf)))


def _without_two(of_pairs: Float64[Array, "v v"]) -> Float64[Array, " p"]:
    """What remains of a symmetric table's sum without two views, for every two."""
    own = of_pairs.sum(axis=1)
    left = own.sum() / 2 - own[:, None] - own + of_pairs
    return np.asarray(left[np.triu_indices(len(own), 1)])


def rough_everywhere(
    planes: TangentPlanes, z: Float64[Array, " m"], left_px: Float64[Array, " m"], spare_residuals: int
) -> bool:
    """Whether masks are so rough in all views that no outline can be trusted.

    z: residuals over the sigma of exact masks. left_px: what a small change of every camera leaves of them. The masks
    are good, and the fault is the cameras', where some planes agree as those of exact masks do, where a small change of
    every camera explains the residuals, or where one stretch or zoom of all images does.
    """
    if spare_residuals < _SPARE_RESIDUALS or float(np.mean(np.abs(z) < _AGREE)) > _AGREE_SHARE:
        return False
    noise_px = float(np.sqrt(np.sum(left_px**2) / spare_residuals))
    return noise_px > MASK_NOISE_PX and not stretched(planes)


def stretched(planes: TangentPlanes) -> bool:
    """Whether one stretch or zoom of all images explains the residuals."""
    return least_stretched(planes) <= _STRETCHED


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
