"""Could rough masks explain what looks like a wrong camera? One view's mask too fat, one view's lacking its tail.

Both leave traces that no camera has: a mask that is too fat by d pixels is so in every direction, whatever the distance
from the middle; one that lacks the tail is too short where the tail would be touched, and right elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from mouselift.audit.limits import LIMITS, GeometryLimits
from mouselift.audit.tangency import Contacts
from mouselift.core.types import Array

_SHORT_PX = 2.0  # a tangent plane misses a part that a mask lacks by at least this
_AGREE_PLANES = 3  # of the view that must agree all the same
_FAT_PX = 1.0  # thinner growth is not told from a scale
_PLANE_COST = 12.0  # squared deviations that leaving out one plane must save
_UNEXPLAINED = 0.15  # of the residuals' squares that the explanation may leave
_SLACK = 3.0  # masks that lack a part are rough elsewhere too: deviations are this many times those of exact ones


@dataclass(frozen=True)
class MaskFault:
    """What the masks would have to be, and the one camera (or all) that is wrong besides."""

    fat_view: int | None
    fat_px: float
    short_view: int | None
    noise_px: float  # deviation that is left, at well-defined outline points
    camera: int | None  # None: masks alone explain it; the number of views: all views shifted alike
    change: tuple[float, float, float]  # of that camera's picture: log-scale, dx, dy
    score: float  # what the camera's change adds to the masks' faults, over the noise


@dataclass(frozen=True, eq=False)
class _Model:
    cost: float
    left: float
    free: int
    fat: tuple[int, float] | None
    short: int | None
    values: tuple[float, ...]  # of all columns: the camera's first


def mask_fault(contacts: Contacts, spread: Float64[Array, " m"], limits: GeometryLimits = LIMITS) -> MaskFault | None:
    """Masks' faults, with at most one camera's beside them, that explain the residuals; None where none do.

    spread: expected deviations of exact masks (`suspect.deviations`).
    """
    z, J = contacts.residual / spread, contacts.jacobian() / spread[:, None, None]
    growth = _growth(contacts) / spread[:, None]
    cameras = [None, *(J[:, k] for k in range(contacts.views)), J[:, :, 1:].sum(axis=1)]
    shorts = [(None, np.ones(len(z), dtype=bool)), *_shorts(contacts)]
    best: list[_Model] = []
    for columns in cameras:
        found = [_model(z, columns, growth, keep, short) for short, keep in shorts]
        best.append(min((m for models in found for m in models), key=lambda model: model.cost))
    guilty = 1 + int(np.argmin([model.cost for model in best[1:]]))
    masks, fuller = best[0], best[guilty]
    score = (masks.cost - fuller.cost) / max(1.0, fuller.left / max(fuller.free, 1))
    rough = fuller.fat is not None or fuller.short is not None
    effect = _effect(contacts, guilty - 1, fuller.values)
    alone = score <= limits.rough_score or (rough and effect < limits.rough_change_px)
    chosen = masks if alone else fuller
    noise = limits.noise_px * float(np.sqrt(chosen.left / max(chosen.free, 1)))
    unexplained = chosen.left > _UNEXPLAINED * float(z @ z)
    if (chosen.fat is None and chosen.short is None) or noise > limits.mask_noise_px or unexplained:
        return None
    view, pixels = chosen.fat if chosen.fat is not None else (None, 0.0)
    change = (0.0, 0.0, 0.0)
    if not alone:
        numbers = [float(value) for value in chosen.values]
        change = (numbers[0], numbers[1], numbers[2]) if guilty <= contacts.views else (0.0, numbers[0], numbers[1])
    return MaskFault(view, pixels, chosen.short, noise, None if alone else guilty - 1, change, float(score))


def _effect(contacts: Contacts, camera: int, values: tuple[float, ...]) -> float:
    """Pixels by which a camera's change moves the outline: RMS over its touching points of the scale, and the shift."""
    if camera == contacts.views:
        return float(np.hypot(values[0], values[1]))
    rows, places = np.nonzero(np.stack([contacts.first, contacts.second], axis=1) == camera)
    if len(rows) == 0:
        return 0.0
    arms = np.linalg.norm(contacts.points[rows, places] - contacts.points[rows, places].mean(axis=0), axis=1)
    shift = (contacts.points[rows, places] - contacts.middle[camera]).mean(axis=0) * values[0] + np.array(values[1:3])
    return float(np.hypot(abs(values[0]) * float(np.sqrt(np.mean(arms**2))), float(np.linalg.norm(shift))))


def _growth(contacts: Contacts) -> Float64[Array, "m v"]:
    """d residual / d pixels by which each view's mask is too fat."""
    outward = contacts.gradient * np.where(contacts.side == 1, 1.0, -1.0)[:, None, None]
    outward = outward / np.maximum(np.linalg.norm(outward, axis=2, keepdims=True), 1e-300)
    out = np.zeros((len(contacts.angle), contacts.views))
    rows = np.arange(len(contacts.angle))
    for place, view in ((0, contacts.first), (1, contacts.second)):
        shift = np.zeros_like(outward)
        shift[:, place] = outward[:, place]
        out[rows, view] += contacts.moved(shift)
    return out


def _shorts(contacts: Contacts) -> list[tuple[int, Bool[Array, " m"]]]:
    """(view, planes that stay) for each view that is too short in some planes and agrees in others."""
    out: list[tuple[int, Bool[Array, " m"]]] = []
    outer = np.where(contacts.side == 1, 1.0, -1.0)
    for k in range(contacts.views):
        touching = contacts.touching(k)
        # Positive: the other view's silhouette reaches farther than this one's.
        lacking = -outer * contacts.residual * np.where(contacts.first == k, 1.0, -1.0)
        missed = touching & (lacking > _SHORT_PX)
        if missed.any() and int((touching & ~missed).sum()) >= _AGREE_PLANES:
            out.append((k, np.asarray(~missed)))
    return out


def _model(
    z: np.ndarray, camera: np.ndarray | None, growth: np.ndarray, keep: np.ndarray, short: int | None
) -> list[_Model]:
    """Least squares of a camera's columns with each view's growth, and without; planes outside `keep` left out."""
    out: list[_Model] = []
    dropped = _PLANE_COST * _SLACK**2 * float((~keep).sum())
    for fat in (None, *range(growth.shape[1])):
        parts = [part for part in (camera, None if fat is None else growth[:, fat : fat + 1]) if part is not None]
        used = np.concatenate(parts, axis=1)[keep] if parts else np.zeros((int(keep.sum()), 0))
        values = np.linalg.lstsq(used, z[keep], rcond=None)[0] if parts else np.zeros(0)
        pixels = float(values[-1]) if fat is not None else 0.0
        if fat is not None and pixels < _FAT_PX:
            continue
        left = float(np.sum((z[keep] - used @ values) ** 2))
        grown = None if fat is None else (fat, pixels)
        out.append(_Model(left + dropped, left, int(keep.sum()) - len(values), grown, short, tuple(values.tolist())))
    return out
