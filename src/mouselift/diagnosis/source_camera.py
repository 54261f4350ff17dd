"""What is known of cameras before silhouettes are looked at: square pixels, principal points near images' middles.

It holds of source cameras. A crop moves principal points away from the middle for a good reason, and then they differ
from view to view; so it is used only where all views state the same intrinsics, as one source camera's, a renderer's or
FaceLift's own. There it ranks causes that silhouettes do not tell apart, and names the size that intrinsics belong to;
it never contradicts silhouettes, and moves no fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array
from mouselift.diagnosis.candidate import Candidate
from mouselift.geometry.camera_arrays import CameraArrays

_SAME = 1e-6  # relative: one file writes one number for all views
_ASPECT = 0.01  # deviation of log(fx / fy): 18 calibrated cameras (docs/evidence/repair-rates.md) have 0.007
_OFF_MIDDLE = 0.05  # deviation of a principal point from the middle, share of the width
_ODD = 0.05  # share of cameras that keep to neither: log-normal aspects of deviation 1, principal points anywhere
_OTHER_SIZE = 0.02  # relative difference from the image's size, from which intrinsics may belong to another one
_NEAR = 0.1  # relative distance of a simple ratio from the one that the principal point says
_RATIOS = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 4 / 3, 3 / 2, 2.0, 3.0, 4.0)  # of image sizes


def one_camera_stated(cameras: CameraArrays) -> bool:
    """Whether all views state the same intrinsics."""
    numbers = np.concatenate([cameras.focal, cameras.principal], axis=1)
    return len(cameras) > 1 and bool((np.ptp(numbers, axis=0) <= _SAME * np.abs(numbers).max(axis=0)).all())


def improbability(stated: CameraArrays, corrected: CameraArrays) -> float:
    """-2 log of the corrected intrinsics' prior density over its peak; 0 where the file does not state one camera.

    Gaussians with a floor, so that evidence can outweigh it: about 14 at most for the principal point, 12 for the
    aspect. The mean over views: one camera is judged, not eight that agree.
    """
    if not one_camera_stated(stated):
        return 0.0
    aspect = (np.log(np.abs(corrected.focal[:, 0] / corrected.focal[:, 1])) / _ASPECT) ** 2
    off = ((corrected.principal - corrected.size / 2) / (_OFF_MIDDLE * corrected.size[:, :1])) ** 2
    odd = _ODD / (1 - _ODD)
    floors = (odd * _ASPECT, odd * 2 * np.pi * _OFF_MIDDLE**2)  # the odd cameras' density over the Gaussian's peak
    return float(
        sum(
            -2 * np.log((np.exp(-square / 2) + floor) / (1 + floor)).mean()
            for square, floor in zip((aspect, off.sum(axis=1)), floors, strict=True)
        )
    )


def other_sizes(cameras: CameraArrays) -> Iterator[Candidate]:
    """Intrinsics of an image of another size, which the principal point gives away: twice it is that size.

    The ratio of the sizes as it says, and simple ratios near it. Nothing is fitted.
    """
    if not one_camera_stated(cameras) or (cameras.principal <= 0).any():
        return
    told = (cameras.size / (2 * cameras.principal))[0]
    if np.abs(np.log(told)).max() < _OTHER_SIZE:
        return
    ratios = {tuple(told.tolist())} | {
        (x, y) for x in (told[0], *_RATIOS) for y in (told[1], *_RATIOS)
        if np.abs(np.log(np.array([x, y]) / told)).max() < _NEAR and (x == y or (x, y) == tuple(told))
    }  # fmt: skip
    for x, y in sorted(ratios):
        code = "all-size" if abs(np.log(x / y)) < _ASPECT else "all-anisotropic"
        change = partial(_resized, np.array([x, y]))
        yield Candidate(code, tuple(range(len(cameras))), apply=change, options=len(ratios))


def _resized(ratio: Float64[Array, " 2"], cameras: CameraArrays) -> CameraArrays:
    return replace(cameras, focal=cameras.focal * ratio, principal=cameras.principal * ratio)
