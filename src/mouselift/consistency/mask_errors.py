"""Do errors of masks explain what looks like a wrong camera? Masks too fat, masks that lack parts, against one camera.

Both leave traces that no camera leaves. A mask that is too fat by d pixels is so in every direction, whatever the
distance from the middle; one that lacks the tail is too short where the tail would be tangent, and right elsewhere. All
explanations are compared by their likelihood: masks alone, and one camera (or all shifted alike) with or without errors
of masks beside it. Where both explain alike, the camera is blamed, and the finding says so.

The likelihood forgives masks that lack parts. A plane either agrees to the noise, or one of its two views lacks the
part that the other sees there (a tail): the residual's sign says which of the two. Such lost planes are cheap together
once their view is said to lack parts, and dear alone; a plane that agrees earns more, the less noise there is; the
noise is the least that the explanation needs. So a camera that brings ten planes into agreement beats a mask that
excuses them one by one, and one that would have to bend to three lost planes does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mouselift.array_types import Array, Float64, Int64
from mouselift.consistency.opened_silhouettes import OpenedTangency
from mouselift.consistency.outline_noise import NOISE_PX
from mouselift.consistency.rough_masks import MASK_NOISE_PX
from mouselift.geometry.tangent_planes import TangentPlanes
from mouselift.sampling import some_combinations

AskOpened = Callable[[], OpenedTangency]  # opening silhouettes takes 12 ms a sample: only where it decides

# `python benchmarks/audit_detection.py --calibrate`, 1,000 exact samples; with --rough, the others.
_CLEAN_GAIN = 11.0  # log-likelihood by which a camera alone must beat masks alone to be blamed
_ROUGH_GAIN = 20.0  # the same where masks are wrong beside it: 13 to 27 without a faulty camera
_ROUGH_CHANGE_PX = 1.0  # by which it must then move the outline: rough masks leave less (0.5)
_FAT_PX = 1.0  # thinner growth is not told from a scale
_FATTEST_PX = 12.0  # and no mask is so fat that is otherwise right
_FAT_COST = 3.0  # log-likelihood of a mask that is too fat
_LOST_SHARE = 0.4  # of the planes that masks may lack
_MOST_LACKING_SHARE = 0.5  # of the views may lack parts; with more, masks explain anything
_OPENED_NOISE = 0.02  # of the breadth: half width of opened silhouettes' residuals (Cauchy), exact cameras and masks
_OPENED_WRONG = 0.2  # the same of a view whose camera is wrong
_AGREE_SHARE = 1 / 3  # of the planes must agree before masks are thought of
_NOISES = np.array([1.0, 1.4, 2.0, 2.8, 4.0, 5.7, 8.0, 11.3, 16.0, 32.0, 64.0])  # times the sigma of exact masks
_RANGE_PX = 40.0  # of what a view lacks; longer tails are as likely
_LACKING_SHARE = 0.3  # share of a view's planes that are lost once it lacks parts
_STRAY_SHARE = 0.01  # share of planes that are lost in a view that lacks none
_LACKING_COST = 3.0  # log-likelihood a view that lacks parts
_STARTS = 150  # choices of planes that start the search for one view's camera,
_FEWEST_STARTS, _START_PLANES = 30, 4500  # fewer where a sample has more than 30 planes: choices times planes
_TRIED = 8  # views whose camera or mask is tried: those whose change explains most of the residuals' squares
_VIEW_PLANES = 10  # of a view, in samples that the gains were set on; among more, dependent ones count repeatedly
_ROUNDS = 4  # of refinement
_REFINED = 3  # starts that are refined


@dataclass(frozen=True)
class MaskErrors:
    """How the masks would have to be wrong, and the one camera (or all) that is wrong besides."""

    fat_view: int | None
    fat_px: float
    short_views: tuple[int, ...]  # that lack parts which others see
    noise_px: float  # sigma that is left, at well-defined outline points
    camera: int | None  # None: masks alone explain it; the number of views: all shifted alike; one more: their lens
    change: tuple[float, float, float]  # of that camera's image: log-scale, dx, dy
    score: float  # log-likelihood by which the camera's change beats masks alone
    limit: float  # that it was compared with
    instead: tuple[int, float] | None = None  # (view, pixels): the fat mask that explains it less well

    @property
    def found(self) -> bool:
        """Some mask is wrong."""
        return self.fat_view is not None or bool(self.short_views)


@dataclass(frozen=True, eq=False)
class _Model:
    """One explanation at its best values."""

    likelihood: float  # log, up to a constant common to all explanations of one sample
    values: Float64[Array, " p"]  # of its columns
    noise: float  # times the sigma of exact masks
    lacking: tuple[int, ...]  # views that lack parts
    lost: int  # planes that do not agree
    camera: int | None = None  # as in `MaskErrors`
    fat: int | None = None  # the view whose mask is too fat; by the last of the values

    @property
    def fat_px(self) -> float:
        return float(self.values[-1]) if self.fat is not None else 0.0

    def plausible(self, residuals: _Residuals) -> bool:
        """Most planes agree, to the noise that rough masks have."""
        few = self.lost <= _LOST_SHARE * len(residuals.z) and len(self.lacking) <= _MOST_LACKING_SHARE * residuals.views
        return few and self.noise * NOISE_PX <= MASK_NOISE_PX


def mask_errors(
    planes: TangentPlanes, sigma_px: Float64[Array, " m"], opened: AskOpened | None = None, *, lens: bool = False
) -> MaskErrors | None:
    """Errors of masks, with at most one camera's beside them or instead; None where nothing of the kind explains it.

    sigma_px: of each residual on exact masks (`OutlineNoise`). opened: asked only where it decides. lens: a lens that
    was left in all images is tried as well.
    """
    residuals = _Residuals.of(planes, sigma_px)
    growth = _growth(planes) / sigma_px[:, None]
    as_it_is = _likeliest(residuals, np.zeros((len(sigma_px), 0)), np.zeros((1, 0)))
    if len(residuals.z) - as_it_is.lost < _AGREE_SHARE * len(residuals.z):
        return None
    jacobian = planes.jacobian() / sigma_px[:, None, None]
    tried = _likeliest_views(residuals, jacobian)
    masks = max([as_it_is, *_fat(residuals, growth, tried)], key=lambda model: model.likelihood)
    changes = {k: jacobian[:, k] for k in tried} | {planes.views: jacobian[:, :, 1:].sum(axis=1)}
    if lens:
        changes[planes.views + 1] = planes.moved(planes.lens_shift())[:, None] / sigma_px[:, None]
    cameras = _cameras(residuals, changes, growth, masks)
    fuller = max(cameras, key=lambda model: model.likelihood)
    clean = fuller.fat is None and fuller.lost == 0
    score = fuller.likelihood - masks.likelihood
    crowd = max(1.0, 2 * len(sigma_px) / (planes.views * _VIEW_PLANES))
    limit = crowd * (_CLEAN_GAIN if clean else _ROUGH_GAIN)
    small = not clean and _effect(planes, fuller) < _ROUGH_CHANGE_PX
    if not clean and not small and opened is not None and score > crowd * _CLEAN_GAIN:
        score += _opened_gain(fuller, opened())
    blamed = score > limit and not small
    chosen = fuller if blamed else masks
    if not chosen.plausible(residuals):
        return None
    if not blamed and _one_view_is_wrong(residuals, masks, opened):
        return None
    instead = (masks.fat, masks.fat_px) if blamed and masks.fat is not None and masks.fat != fuller.fat else None
    return MaskErrors(
        chosen.fat, chosen.fat_px, chosen.lacking, chosen.noise * NOISE_PX,
        fuller.camera if blamed else None, _change(chosen, planes.views), float(score), limit, instead,
    )  # fmt: skip


def _likeliest_views(residuals: _Residuals, jacobian: Float64[Array, "m v 3"]) -> list[int]:
    """The views that are tried: all of a few, of many those whose change alone explains the most."""
    if residuals.views <= _TRIED:
        return list(range(residuals.views))
    z = residuals.z
    left = [np.sum((z - J @ np.linalg.lstsq(J, z, rcond=None)[0]) ** 2) for J in np.moveaxis(jacobian, 1, 0)]
    return sorted(np.argsort(left, kind="stable")[:_TRIED].tolist())


def _fat(residuals: _Residuals, growth: Float64[Array, "m v"], tried: Sequence[int]) -> list[_Model]:
    """Each view's mask too fat, where that explains anything."""
    out: list[_Model] = []
    for k in tried:
        column = growth[:, k : k + 1]
        starts = _starts(column, residuals.z)
        starts = starts[(starts[:, 0] >= _FAT_PX) & (starts[:, 0] <= _FATTEST_PX)]
        if len(starts) == 0:
            continue
        fit = _likeliest(residuals, column, starts)
        if _FAT_PX <= fit.values[0] <= _FATTEST_PX:
            out.append(replace(fit, likelihood=fit.likelihood - _FAT_COST, fat=k))
    return out


def _cameras(
    residuals: _Residuals, changes: Mapping[int, Float64[Array, "m p"]], growth: Float64[Array, "m v"], masks: _Model
) -> list[_Model]:
    """Each camera's change, and those of all alike; with and without the fat mask that masks alone would have."""
    out: list[_Model] = []
    for k, columns in changes.items():
        fit = _likeliest(residuals, columns, _starts(columns, residuals.z))
        out.append(replace(fit, camera=k))
        if masks.fat is None or masks.fat == k:
            continue
        grown = growth[:, masks.fat : masks.fat + 1]
        starts = _starts(columns, residuals.z - grown[:, 0] * masks.fat_px)
        starts = np.concatenate([starts, np.full((len(starts), 1), masks.fat_px)], axis=1)
        fit = _likeliest(residuals, np.concatenate([columns, grown], axis=1), starts)
        if _FAT_PX <= fit.values[-1] <= _FATTEST_PX:
            out.append(replace(fit, likelihood=fit.likelihood - _FAT_COST, camera=k, fat=masks.fat))
    return out


def _opened_gain(model: _Model, opened: OpenedTangency) -> float:
    """Log-likelihood that a camera's change gains (or loses) between opened silhouettes: they have no tails to lack."""
    planes = opened.planes
    if len(planes.angle) == 0:
        return 0.0
    if model.camera == planes.views + 1:
        moved = planes.moved(planes.lens_shift()) * _k1(model, planes.views)
    else:
        jacobian = planes.jacobian()
        own = jacobian.sum(axis=1) if model.camera == planes.views else jacobian[:, model.camera]
        moved = own @ np.array(_change(model, planes.views))
    width = _OPENED_NOISE * opened.silhouettes.breadth_px
    return float(np.sum(_cauchy(planes.residual - moved, width) - _cauchy(planes.residual, width)))


def _one_view_is_wrong(residuals: _Residuals, masks: _Model, opened: AskOpened | None) -> bool:
    """Whether a camera that is wrong in another way than by scale and shift explains more than masks do."""
    apart, view = _without_a_view(residuals)
    score = apart - masks.likelihood
    if opened is not None and masks.lost:
        found = opened()
        share = found.planes.residual[found.planes.of_view(view)] / found.silhouettes.breadth_px
        score += float(np.sum(_cauchy(share, _OPENED_WRONG) - _cauchy(share, _OPENED_NOISE)))
    return score > 0


def _cauchy(x: Float64[Array, " n"], width: float) -> Float64[Array, " n"]:
    """Log density, up to a constant."""
    return -np.log(width * (1 + (x / width) ** 2))


def _change(model: _Model, views: int) -> tuple[float, float, float]:
    """Log-scale, dx, dy of a model's camera."""
    numbers = [float(value) for value in model.values]
    if model.camera is None or model.camera > views:
        return (0.0, 0.0, 0.0)
    return (0.0, numbers[0], numbers[1]) if model.camera == views else (numbers[0], numbers[1], numbers[2])


def _k1(model: _Model, views: int) -> float:
    """Of a lens left in all images; 0 where the model has none."""
    return float(model.values[0]) if model.camera == views + 1 else 0.0


def _effect(planes: TangentPlanes, model: _Model) -> float:
    """Pixels by which a camera's change moves the outline: RMS over its tangent points of the scale, and the shift."""
    s, dx, dy = _change(model, planes.views)
    if model.camera == planes.views + 1:
        lengths = np.linalg.norm(planes.lens_shift(), axis=2)
        return abs(_k1(model, planes.views)) * float(np.sqrt(np.mean(lengths**2)))
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
    outward, out = planes.outward, np.zeros((len(planes.angle), planes.views))
    rows = np.arange(len(planes.angle))
    for place, view in ((0, planes.first), (1, planes.second)):
        shift = np.zeros_like(outward)
        shift[:, place] = outward[:, place]
        out[rows, view] += planes.moved(shift)
    return out


@dataclass(frozen=True, eq=False)
class _Residuals:
    """A sample's tangency residuals in units of their sigma on exact masks."""

    z: Float64[Array, " m"]
    sigma_px: Float64[Array, " m"]
    lacking_if_positive: Int64[Array, " m"]  # the view that lacks a part where the residual is above 0
    lacking_if_negative: Int64[Array, " m"]
    views: int

    @classmethod
    def of(cls, planes: TangentPlanes, sigma_px: Float64[Array, " m"]) -> _Residuals:
        outer = planes.side == 1
        positive = np.where(outer, planes.second, planes.first)
        negative = np.where(outer, planes.first, planes.second)
        return cls(planes.residual / sigma_px, sigma_px, positive, negative, planes.views)

    @cached_property
    def stray(self) -> Float64[Array, " m"]:
        """`lost_density` in a view that lacks no part."""
        return self.lost_density(_STRAY_SHARE)

    @cached_property
    def lost(self) -> Float64[Array, " m"]:
        """`lost_density` in a view that lacks a part."""
        return self.lost_density(_LACKING_SHARE)

    def lost_density(self, share: float) -> Float64[Array, " m"]:
        """Log density of a lost plane's residual, in units of `z`, less that of a normal deviate's peak."""
        return np.log(share / _RANGE_PX * self.sigma_px * np.sqrt(2 * np.pi))


def _likelihoods(residuals: _Residuals, z: Float64[Array, "n m"]) -> tuple[Float64[Array, " n"], Float64[Array, " n"]]:
    """(log-likelihood at the best noise, that noise) of n explanations that leave the residuals z."""
    noises, count = _NOISES[:, None, None], (len(_NOISES), len(z), residuals.views)
    fine = -0.5 * z**2 / noises**2 - np.log(noises)
    alone, together = np.maximum(fine, residuals.stray), np.maximum(fine, residuals.lost)
    own = np.arange(count[0] * count[1]).reshape(-1, count[1], 1)  # a row of each noise and explanation
    slot = (own * residuals.views + _short_view(residuals, z)).ravel()
    saved = np.bincount(slot, (together - alone).ravel(), own.size * residuals.views).reshape(count)
    found = alone.sum(axis=2) + np.maximum(saved - _LACKING_COST, 0.0).sum(axis=2)
    best = found.argmax(axis=0)
    return found[best, np.arange(len(z))], _NOISES[best]


def _likeliest(residuals: _Residuals, columns: Float64[Array, "m p"], starts: Float64[Array, "n p"]) -> _Model:
    """The likeliest values of `columns` (d z / d value): refined from the likeliest of some starts."""
    score, noise = _likelihoods(residuals, residuals.z - starts @ columns.T)
    order = np.argsort(-score)[:_REFINED]
    best, value, sigma = float(score[order[0]]), starts[order[0]], float(noise[order[0]])
    for start in order if columns.shape[1] else ():
        values, level = starts[start], float(noise[start])
        for _ in range(_ROUNDS):
            agree = ~_lost_planes(residuals, residuals.z - columns @ values, level)[0]
            if int(agree.sum()) < columns.shape[1]:
                break
            values = np.linalg.lstsq(columns[agree], residuals.z[agree], rcond=None)[0]
            found, levels = _likelihoods(residuals, (residuals.z - columns @ values)[None])
            level = float(levels[0])
            if found[0] > best:
                best, value, sigma = float(found[0]), values, level
    lost, lacking = _lost_planes(residuals, residuals.z - columns @ value, sigma)
    return _Model(best, value, sigma, tuple(lacking), int(lost.sum()))


def _short_view(residuals: _Residuals, z: Float64[Array, "*n m"]) -> Int64[Array, "*n m"]:
    """The view that lacks a part, were each plane lost."""
    return np.where(z > 0, residuals.lacking_if_positive, residuals.lacking_if_negative)


def _lost_planes(residuals: _Residuals, z: Float64[Array, " m"], sigma: float) -> tuple[np.ndarray, list[int]]:
    """(whether each plane is lost, the views that lack parts)."""
    fine = -0.5 * (z / sigma) ** 2 - np.log(sigma)
    lacks = _short_view(residuals, z)
    saved = np.bincount(lacks, np.maximum(fine, residuals.lost) - np.maximum(fine, residuals.stray), residuals.views)
    lacking = [int(k) for k in np.flatnonzero(saved > _LACKING_COST)]
    return np.asarray(np.where(np.isin(lacks, lacking), residuals.lost, residuals.stray) > fine), lacking


def _starts(columns: Float64[Array, "m p"], z: Float64[Array, " m"]) -> Float64[Array, "n p"]:
    """Values that bring p planes into agreement, for many choices of p planes; the least squares; no change."""
    p = columns.shape[1]
    if p == 0:
        return np.zeros((1, 0))
    rows = np.flatnonzero(np.abs(columns).sum(axis=1) > 0)
    plain = np.linalg.lstsq(columns, z, rcond=None)[0]
    most = max(min(_STARTS, _START_PLANES // len(z)), _FEWEST_STARTS)
    chosen = rows[np.array(some_combinations(len(rows), p, most), dtype=np.intp).reshape(-1, p)]
    if len(chosen) == 0:
        return np.stack([plain, np.zeros(p)])
    A, b = columns[chosen], z[chosen]
    size = np.maximum(np.linalg.norm(A, axis=1, keepdims=True), 1e-12)
    sound = np.abs(np.linalg.det(A / size)) > 1e-4
    values = np.linalg.solve((A / size)[sound], b[sound][..., None])[..., 0] / size[sound][:, 0]
    return np.concatenate([plain[None], np.zeros((1, p)), values])


def _without_a_view(residuals: _Residuals) -> tuple[float, int]:
    """(log-likelihood, view) of "one view's camera is wrong, whatever it is": all its planes lost, to either side."""
    found: list[tuple[float, int]] = []
    for k in range(residuals.views):
        own = (residuals.lacking_if_positive == k) | (residuals.lacking_if_negative == k)
        rest = replace(
            residuals, z=residuals.z[~own], sigma_px=residuals.sigma_px[~own],
            lacking_if_positive=residuals.lacking_if_positive[~own],
            lacking_if_negative=residuals.lacking_if_negative[~own],
        )  # fmt: skip
        found.append((float(_likelihoods(rest, rest.z[None])[0][0]) + float(residuals.lost_density(0.5)[own].sum()), k))
    return max(found)
