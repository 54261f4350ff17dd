"""Planes that touch the same thing: a place or a tip of one view's outline, or one corner of the subject in all views.

They share its error, so however many they are they say one thing. `hypotheses` believes nothing that only one of these
groups says.
"""

from __future__ import annotations

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.consistency.outline_noise import BLUNT, TIP_RADIUS_PX
from mouselift.geometry.tangent_planes import TangentPlanes

# Scenes of seed 0 of `benchmarks/many_views.py`: 990 exact samples of 6 to 64 views.
# A plane belongs to a tip that would touch it if it were so much longer; with 0.5 one more alarm.
_TIP_REACH_PX = 1.0
# Residuals up to which they may be its loss; beyond, a mask lacks a part. Same scenes: 1.99; seed 11: 3.1, the end of a
# tail in one view of a mouse of 39 px; seed 47: 4.1, of images of 256 px. Only a needle loses so much: the half level
# cuts a right angle by a third of a pixel.
_TIP_LOSS_PX, _NEEDLE_LOSS_PX = 2.0, 6.0
_NEEDLE = 0.7  # sharpness of a right angle; corners of boxes have up to 0.64, ends of tails 0.76 to 1
# Blunt places of one image, too, may be off by 0.3 px over 10 px, and cameras on an arc touch few places: 4 of 5 alarms
# among 1,600 exact samples on an arc (benchmarks/corpus.py, 100 to 1699) came of one, and are gone with this.
_PLACE_PX, _PLACE_LOSS_PX = 10.0, 0.45  # planes so near touch one place; residuals up to which it may be the outline's
# On bodies with few facets one corner has up to a third of the planes of 32 views, in all of them alike: 3 of the 6
# alarms of seed 31 came of one or two, and are gone with 6 and with 10 px. Residuals reach 0.6 px there.
_BODY_PX, _BODY_LOSS_PX = 6.0, 1.0  # size of a corner, as the median camera sees it; residuals up to which it is that


def touching_tips(planes: TangentPlanes, sharp: Float64[Array, "m 2"], view: int) -> list[np.ndarray]:
    """Of each tip of a view's outline the planes that touch it, where there are several: one error, and a small one.

    Where the half level cuts a tip short, a plane that ought to touch its end touches the outline elsewhere: planes
    that would touch the tip if it were a little longer belong to it, too.
    """
    row, place = np.nonzero(np.stack([planes.first, planes.second], axis=1) == view)
    points, outward = planes.points[row, place], planes.outward[row, place]
    ends = np.flatnonzero(sharp[row, place] > BLUNT)
    off = points[ends, None] - points[None]
    near = np.hypot(off[..., 0], off[..., 1]) < TIP_RADIUS_PX
    near |= (off * outward).sum(axis=2) > -_TIP_REACH_PX
    groups = [own for own in np.unique(near, axis=0) if own.sum() > 1]
    most = [_NEEDLE_LOSS_PX if sharp[row, place][own].max() > _NEEDLE else _TIP_LOSS_PX for own in groups]
    return [row[own] for own, px in zip(groups, most, strict=True) if np.abs(planes.residual[row[own]]).max() < px]


def touched_places(planes: TangentPlanes, view: int) -> list[np.ndarray]:
    """Of each place of a view's outline the planes that touch it, where there are several that are off by little."""
    row, place = np.nonzero(np.stack([planes.first, planes.second], axis=1) == view)
    off = planes.points[row, place][:, None] - planes.points[row, place]
    groups = [row[near] for near in np.unique(np.hypot(off[..., 0], off[..., 1]) < _PLACE_PX, axis=0) if near.sum() > 1]
    return [own for own in groups if np.abs(planes.residual[own]).max() < _PLACE_LOSS_PX]


def touched_corners(planes: TangentPlanes) -> list[np.ndarray]:
    """Of each place of the subject the planes that touch it, in whatever views, where there are several that are off
    by little.

    Places are cells of two grids, one shifted by half a cell: a corner on one's border is inside the other's.
    """
    both = np.stack([planes.first, planes.second], axis=1)
    away = np.linalg.norm(planes.touched[:, None] - planes.centre[both], axis=2)
    size = _BODY_PX * float(np.median(away / planes.focal[both].mean(axis=2)))
    out: list[np.ndarray] = []
    for shift in (0.0, 0.5):
        cell = np.unique(np.floor(planes.touched / size + shift), axis=0, return_inverse=True)[1].ravel()
        order = np.argsort(cell, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(cell[order])) + 1)
        out += [own for own in groups if len(own) > 1 and np.abs(planes.residual[own]).max() < _BODY_LOSS_PX]
    return out
