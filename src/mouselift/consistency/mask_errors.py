"""Could rough masks explain what looks like a wrong camera? Masks too fat, masks that lack parts, against one camera.

Both leave traces that no camera has: a mask that is too fat by d pixels is so in every direction, whatever the distance
from the middle; one that lacks the tail is too short where the tail would be touched, and right elsewhere. All
explanations are compared by their likelihood (`consensus`): masks alone, and one camera (or all shifted alike) with or
without faults of masks beside it. Where both explain alike, the camera is blamed, and the finding says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array
from mouselift.consistency.likelihood import Explained, PlaneResiduals, explained, starts_of, without_a_view
from mouselift.consistency.limits import LIMITS, GeometryLimits
from mouselift.consistency.opened_silhouettes import Witness
from mouselift.geometry.tangent_planes import TangentPlanes

AskBodies = Callable[[], Witness]  # opening silhouettes takes 12 ms a sample: only where it decides

_FAT_PX = 1.0  # thinner growth is not told from a scale
_FATTEST_PX = 12.0  # and no mask is so fat that is otherwise right
_FAT_COST = 3.0  # log-likelihood of a mask that is too fat
_LOST_SHARE = 0.4  # of the planes that masks may lack
_LACKING = 3  # views that may lack parts; more, and their masks explain nothing
_BODY_NOISE = 0.02  # of the breadth: half width of the bodies' residuals (Cauchy), exact cameras and masks
_BODY_WRONG = 0.2  # the same of a view whose camera is wrong
_SILENT_SHARE = 1 / 3  # of the planes must agree before masks are thought of


@dataclass(frozen=True)
class MaskFault:
    """What the masks would have to be, and the one camera (or all) that is wrong besides."""

    fat_view: int | None
    fat_px: float
    short_views: tuple[int, ...]  # that lack parts which others see
    noise_px: float  # deviation that is left, at well-defined outline points
    camera: int | None  # None: masks alone explain it; the number of views: all views shifted alike
    change: tuple[float, float, float]  # of that camera's image: log-scale, dx, dy
    score: float  # log-likelihood by which the camera's change beats masks alone
    limit: float  # that it was compared with
    instead: tuple[int, float] | None = None  # (view, pixels): the fat mask that explains it less well

    @property
    def at_fault(self) -> bool:
        """Masks have a part in it."""
        return self.fat_view is not None or bool(self.short_views)


@dataclass(frozen=True, eq=False)
class _Model:
    likelihood: float
    fit: Explained
    camera: int | None = None
    fat: int | None = None

    @property
    def fat_px(self) -> float:
        return float(self.fit.values[-1]) if self.fat is not None else 0.0

    def plausible(self, residuals: PlaneResiduals, limits: GeometryLimits) -> bool:
        """Most planes agree, to the noise that rough masks have."""
        few = self.fit.lost <= _LOST_SHARE * len(residuals.z) and len(self.fit.lacking) <= _LACKING
        return few and self.fit.noise * limits.noise_px <= limits.mask_noise_px


def mask_fault(
    planes: TangentPlanes, spread: Float64[Array, " m"], body: AskBodies | None = None, limits: GeometryLimits = LIMITS
) -> MaskFault | None:
    """Masks' faults, with at most one camera's beside them or instead; None where nothing of the kind explains it.

    spread: expected deviations of exact masks (`suspect.deviations`). body: asked only where it decides.
    """
    residuals = PlaneResiduals.of(planes, spread)
    growth = _growth(planes) / spread[:, None]
    as_it_is = explained(residuals, np.zeros((len(spread), 0)), np.zeros((1, 0)))
    if len(residuals.z) - as_it_is.lost < _SILENT_SHARE * len(residuals.z):
        return None
    masks = max([_Model(as_it_is.likelihood, as_it_is), *_fat(residuals, growth)], key=lambda model: model.likelihood)
    jacobian = planes.jacobian() / spread[:, None, None]
    cameras = _cameras(residuals, jacobian, growth, masks)
    fuller = max(cameras, key=lambda model: model.likelihood)
    clean = fuller.fat is None and fuller.fit.lost == 0
    score = fuller.likelihood - masks.likelihood
    limit = limits.clean_likelihood if clean else limits.rough_likelihood
    small = not clean and _effect(planes, fuller) < limits.rough_change_px
    if not clean and not small and body is not None and score > limits.clean_likelihood:
        score += _bodies_say(fuller, body())
    blamed = score > limit and not small
    chosen = fuller if blamed else masks
    if not chosen.plausible(residuals, limits):
        return None
    if not blamed and _one_view_is_wrong(residuals, masks, body):
        return None
    instead = (masks.fat, masks.fat_px) if blamed and masks.fat is not None and masks.fat != fuller.fat else None
    return MaskFault(
        chosen.fat, chosen.fat_px, chosen.fit.lacking, chosen.fit.noise * limits.noise_px,
        fuller.camera if blamed else None, _change(chosen, planes.views), float(score), limit, instead,
    )  # fmt: skip


def _fat(residuals: PlaneResiduals, growth: Float64[Array, "m v"]) -> list[_Model]:
    """Each view's mask too fat, where that explains anything."""
    out: list[_Model] = []
    for k in range(residuals.views):
        column = growth[:, k : k + 1]
        starts = starts_of(column, residuals.z)
        starts = starts[(starts[:, 0] >= _FAT_PX) & (starts[:, 0] <= _FATTEST_PX)]
        if len(starts) == 0:
            continue
        fit = explained(residuals, column, starts)
        if _FAT_PX <= fit.values[0] <= _FATTEST_PX:
            out.append(_Model(fit.likelihood - _FAT_COST, fit, None, k))
    return out


def _cameras(
    residuals: PlaneResiduals, jacobian: Float64[Array, "m v 3"], growth: Float64[Array, "m v"], masks: _Model
) -> list[_Model]:
    """Each camera, and all shifted alike; each with and without the fat mask that masks alone would have."""
    out: list[_Model] = []
    for k in range(residuals.views + 1):
        columns = jacobian[:, k] if k < residuals.views else jacobian[:, :, 1:].sum(axis=1)
        fit = explained(residuals, columns, starts_of(columns, residuals.z))
        out.append(_Model(fit.likelihood, fit, k))
        if masks.fat is None or masks.fat == k:
            continue
        grown = growth[:, masks.fat : masks.fat + 1]
        starts = starts_of(columns, residuals.z - grown[:, 0] * masks.fat_px)
        starts = np.concatenate([starts, np.full((len(starts), 1), masks.fat_px)], axis=1)
        fit = explained(residuals, np.concatenate([columns, grown], axis=1), starts)
        if _FAT_PX <= fit.values[-1] <= _FATTEST_PX:
            out.append(_Model(fit.likelihood - _FAT_COST, fit, k, masks.fat))
    return out


def _bodies_say(model: _Model, witness: Witness) -> float:
    """Log-likelihood that a camera's change gains (or loses) between the bodies, which have no tails to lack."""
    planes = witness.planes
    if len(planes.angle) == 0:
        return 0.0
    jacobian, (s, dx, dy) = planes.jacobian(), _change(model, planes.views)
    if model.camera == planes.views:
        moved = jacobian[:, :, 1:].sum(axis=1) @ np.array([dx, dy])
    else:
        moved = jacobian[:, model.camera] @ np.array([s, dx, dy])
    width = _BODY_NOISE * witness.breadth_px
    return float(np.sum(_cauchy(planes.residual - moved, width) - _cauchy(planes.residual, width)))


def _one_view_is_wrong(residuals: PlaneResiduals, masks: _Model, body: AskBodies | None) -> bool:
    """Whether a camera that is wrong in another way than by scale and shift explains more than masks do."""
    apart, view = without_a_view(residuals)
    score = apart - masks.likelihood
    if body is not None and masks.fit.lost:
        witness = body()
        share = witness.planes.residual[witness.planes.of_view(view)] / witness.breadth_px
        score += float(np.sum(_cauchy(share, _BODY_WRONG) - _cauchy(share, _BODY_NOISE)))
    return score > 0


def _cauchy(x: Float64[Array, " n"], width: float) -> Float64[Array, " n"]:
    """Log density, up to a constant."""
    return -np.log(width * (1 + (x / width) ** 2))


def _change(model: _Model, views: int) -> tuple[float, float, float]:
    """Log-scale, dx, dy of a model's camera."""
    numbers = [float(value) for value in model.fit.values]
    if model.camera is None:
        return (0.0, 0.0, 0.0)
    return (0.0, numbers[0], numbers[1]) if model.camera == views else (numbers[0], numbers[1], numbers[2])


def _effect(planes: TangentPlanes, model: _Model) -> float:
    """Pixels by which a camera's change moves the outline: RMS over its touching points of the scale, and the shift."""
    s, dx, dy = _change(model, planes.views)
    if model.camera == planes.views:
        return float(np.hypot(dx, dy))
    rows, places = np.nonzero(np.stack([planes.first, planes.second], axis=1) == model.camera)
    if len(rows) == 0:
        return 0.0
    arms = np.linalg.norm(planes.points[rows, places] - planes.points[rows, places].mean(axis=0), axis=1)
    shift = (planes.points[rows, places] - planes.middle[model.camera]).mean(axis=0) * s + np.array([dx, dy])
    return float(np.hypot(abs(s) * float(np.sqrt(np.mean(arms**2))), float(np.linalg.norm(shift))))


def _growth(planes: TangentPlanes) -> Float64[Array, "m v"]:
    """d residual / d pixels by which each view's mask is too fat."""
    outward = planes.gradient * np.where(planes.side == 1, 1.0, -1.0)[:, None, None]
    outward = outward / np.maximum(np.linalg.norm(outward, axis=2, keepdims=True), 1e-300)
    out = np.zeros((len(planes.angle), planes.views))
    rows = np.arange(len(planes.angle))
    for place, view in ((0, planes.first), (1, planes.second)):
        shift = np.zeros_like(outward)
        shift[:, place] = outward[:, place]
        out[rows, view] += planes.moved(shift)
    return out
