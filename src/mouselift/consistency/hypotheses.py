"""Which camera is wrong: hypotheses about small changes of the images, against the noise of the outlines.

Each hypothesis is linear in the signed tangency residuals (`TangentPlanes.jacobian`): one view scaled and shifted (3
numbers), one shift of all views (2), every view scaled and shifted (3 a view, less the gauge). Its score is how much of
the residuals' squares it explains, in units of the noise: the outlines' known noise, or what the best explanation
leaves where that is more (rough masks); no single tangent plane may decide. An F-test with a floor under the noise, in
other words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array
from mouselift.consistency.limits import LIMITS, GeometryLimits
from mouselift.consistency.mask_errors import AskBodies, MaskFault, mask_fault
from mouselift.consistency.rough_outlines import ragged
from mouselift.geometry.outlines import Outline
from mouselift.geometry.tangent_planes import TangentPlanes

Kind = Literal["none", "masks", "view", "all", "several", "unknown"]
_TIP_RADIUS_PX = 5.0  # the outline's sharpness at a touching point is judged within this
_THIN_DEPTH_PX = 1.5  # and its width this far inside its end
_BLUNT = 0.4  # sharpness up to which a corner is as well defined as an edge
_LINEAR_SHARE = 0.2  # of the explained squares that a simple hypothesis may miss
_FREE = 10  # residuals more than unknowns that the fullest hypothesis needs before what it leaves is noise
_RANK = 1e-3  # singular values below this share of the largest belong to the gauge


@dataclass(frozen=True, eq=False)
class Suspicion:
    """What one sample's residuals say about its cameras."""

    kind: Kind  # unknown: too few tangent planes
    view: int | None  # the guilty one, where kind is "view"
    score: float  # of the hypothesis chosen (of the best one where kind is "none")
    limit: float  # that the score was compared with
    change: tuple[float, float, float]  # log-scale, dx, dy of the image(s), where kind is "view" or "all"
    noise_px: float  # deviation that the chosen hypothesis leaves, at well-defined outline points
    scores: Float64[Array, " v"]  # each view's
    best: tuple[float, float, float]  # of the hypotheses one view, all views alike, several views
    planes_used: int
    body_share: float | None = None  # disagreement of the bodies, where they decided that masks are ragged everywhere
    masks: MaskFault | None = None  # masks' faults that explain the residuals (kind "masks"), or most of them


def deviations(
    planes: TangentPlanes, outlines: Sequence[Outline | None], limits: GeometryLimits = LIMITS
) -> Float64[Array, " m"]:
    """Expected deviation of each residual on exact samples, pixels: more where a sharp or thin tip is touched.

    The half level cuts tips short, by an amount that depends on the direction one looks from.
    """
    outward = planes.gradient * np.where(planes.side == 1, 1.0, -1.0)[:, None, None]
    outward = outward / np.maximum(np.linalg.norm(outward, axis=2, keepdims=True), 1e-300)
    spread = np.full((len(planes.angle), 2), limits.noise_px)
    both = np.stack([planes.first, planes.second], axis=1)
    for k, outline in enumerate(outlines):
        if outline is None:
            continue
        here = np.nonzero(both == k)
        sharp, width = _tips(outline.points, planes.points[here], outward[here])
        tip = limits.sharp_px * np.maximum(sharp - _BLUNT, 0.0)
        spread[here] = np.sqrt(limits.noise_px**2 + tip**2 + (limits.thin_px / width**2) ** 2)
    slope = (planes.gradient**2).sum(axis=2)
    return np.sqrt((slope * spread**2).sum(axis=1) / np.maximum(slope.sum(axis=1), 1e-300))


def _tips(points: np.ndarray, corners: np.ndarray, outward: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(sharpness: 0 on a straight edge .. 1 at a needle's end; width in pixels, at least 1) of an outline's corners.

    The mean offset of the outline near a corner of half opening angle a is radius / 2 times cos a.
    """
    x, y = (points[None, :, axis] - corners[:, None, axis] for axis in (0, 1))
    row, near = np.nonzero(x * x + y * y < _TIP_RADIUS_PX**2)
    dx, dy, count = x[row, near], y[row, near], len(corners)
    number = np.maximum(np.bincount(row, minlength=count), 1)
    mean = [np.bincount(row, d, minlength=count) / number for d in (dx, dy)]
    sharp = np.hypot(mean[0], mean[1]) / (_TIP_RADIUS_PX / 2)
    end = -(dx * outward[row, 0] + dy * outward[row, 1]) < _THIN_DEPTH_PX
    along = np.where(end, dy * outward[row, 0] - dx * outward[row, 1], 0.0)
    low, high = np.zeros(count), np.zeros(count)
    np.minimum.at(low, row, along)
    np.maximum.at(high, row, along)
    return sharp, np.maximum(high - low, 1.0)


def suspect(
    planes: TangentPlanes,
    outlines: Sequence[Outline | None],
    limits: GeometryLimits = LIMITS,
    body: AskBodies | None = None,
) -> Suspicion:
    """Chooses among: nothing wrong, one view, one shift of all views, several views.

    What looks like a wrong camera is compared with faults of masks (`mask_faults`) before it is blamed; `body` is asked
    only where that is close.
    """
    planes_used, views = len(planes.angle), planes.views
    if planes_used < limits.min_planes:
        nothing = np.full(views, np.nan)
        return Suspicion(
            "unknown",
            None,
            float("nan"),
            float("nan"),
            (0.0, 0.0, 0.0),
            float("nan"),
            nothing,
            (0.0, 0.0, 0.0),
            planes_used,
        )
    spread = deviations(planes, outlines, limits)
    z, J = planes.residual / spread, planes.jacobian() / spread[:, None, None]
    fits = [_Fit.of(J[:, k], z) for k in range(views)]
    common = _Fit.of(J[:, :, 1:].sum(axis=1), z)
    whole = _Fit.of(J.reshape(planes_used, -1), z)
    scores = np.array([fit.score(whole) for fit in fits])
    best = int(scores.argmax())
    candidates: list[tuple[Kind, _Fit, float]] = [
        ("view", fits[best], limits.view_score),
        ("all", common, limits.all_score),
        ("several", whole, limits.several_score),
    ]
    far = float(np.sqrt(np.mean(planes.residual**2))) > limits.few_px
    kind, fit, limit = _choice(candidates, whole, far)
    loudest = (candidates[0][1].score(whole), candidates[1][1].score(whole), candidates[2][1].score(whole))
    numbers = fit.values.tolist()
    change = (numbers[0], numbers[1], numbers[2]) if kind == "view" else (0.0, 0.0, 0.0)
    if kind == "all":
        change = (0.0, numbers[0], numbers[1])
    left = float(np.sum(z**2)) if kind == "none" else fit.left
    used = 0 if kind == "none" else fit.rank
    noise = limits.noise_px * float(np.sqrt(left / max(planes_used - used, 1)))
    view = best if kind == "view" else None
    plain = Suspicion(kind, view, fit.score(whole), limit, change, noise, scores, loudest, planes_used)
    quiet = kind == "none" and noise <= limits.rough_px
    masks = None if quiet else mask_fault(planes, spread, body, limits)
    if masks is not None:
        return _with_masks(plain, masks, views)
    if quiet or body is None:
        return plain
    left_px = (z - J.reshape(planes_used, -1) @ whole.values) * spread
    return _with_bodies(plain, body, limits) if ragged(planes, z, left_px, whole.free, limits) else plain


def _with_bodies(plain: Suspicion, body: AskBodies, limits: GeometryLimits) -> Suspicion:
    """The same, but where outlines are ragged in all views and the bodies agree all the same, masks are at fault.

    The bodies must agree better than with any two cameras exchanged.
    """
    witness = body()
    if len(witness.planes.angle) < limits.min_planes:
        return plain
    share = witness.share
    if share > limits.body_share or witness.best_exchange() < share:
        return plain
    return replace(
        plain, kind="masks", view=None, change=(0.0, 0.0, 0.0), score=share, limit=limits.body_share,
        noise_px=float(np.sqrt(np.mean(witness.planes.residual**2))), body_share=share,
    )  # fmt: skip


def _with_masks(plain: Suspicion, masks: MaskFault, views: int) -> Suspicion:
    """The same where masks have their part in it, or might have: without, the plain decision is the sharper one."""
    if not masks.at_fault and (masks.camera is None or plain.kind in ("view", "all")):
        return replace(plain, masks=masks if masks.instead and masks.camera == plain.view else None)
    kind: Kind = "masks" if masks.camera is None else "all" if masks.camera == views else "view"
    view = masks.camera if kind == "view" else None
    return replace(
        plain, kind=kind, view=view, score=masks.score, limit=masks.limit, change=masks.change,
        noise_px=masks.noise_px, masks=masks if masks.at_fault or masks.instead else None,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Fit:
    """Least squares of one hypothesis on the whitened residuals."""

    values: np.ndarray
    gain: float  # squares explained, less what any one tangent plane alone contributes
    left: float  # squares not explained
    rank: int
    free: int  # residuals less rank

    @classmethod
    def of(cls, columns: np.ndarray, z: np.ndarray) -> _Fit:
        size = np.maximum(np.linalg.norm(columns, axis=0), 1e-12)
        U, s, Vt = np.linalg.svd(columns / size, full_matrices=False)
        keep = s > _RANK * max(float(s[0]), 1e-300)
        basis = U[:, keep]
        part = basis.T @ z
        off = z - basis @ part
        lever = 1 - (basis**2).sum(axis=1)
        # Gain without plane m: its square goes from the total, its leave-one-out square from what is left.
        single = z**2 - off**2 / np.maximum(lever, 1e-9) * (lever > 1e-6)
        gain = float(part @ part) - max(float(single.max()), 0.0)
        values = (Vt[keep].T @ (part / s[keep])) / size
        rank = int(keep.sum())
        return cls(values, max(gain, 0.0), float(off @ off), rank, len(z) - rank)

    def score(self, whole: _Fit) -> float:
        """Squares explained over the noise: 1, or what the fullest hypothesis leaves a degree of freedom."""
        floor = whole.left / whole.free if whole.free >= _FREE else self.left / max(self.free, 1)
        return self.gain / max(1.0, floor)


def _choice(candidates: Sequence[tuple[Kind, _Fit, float]], whole: _Fit, far: bool) -> tuple[Kind, _Fit, float]:
    """The simplest hypothesis that stands out and that fuller ones do not beat by more than noise would.

    far: the residuals are so large that hypotheses with almost as many unknowns count too.
    """
    loud = [item for item in candidates if item[1].score(whole) > item[2] and (item[1].free >= _FREE or far)]
    if not loud:
        _, fit, limit = max(candidates, key=lambda item: item[1].score(whole) / item[2])
        return "none", fit, limit
    simple = [item for item in loud if item[0] != "several"]
    if simple:
        found = max(simple, key=lambda item: item[1].score(whole) - 2 * item[1].rank)
        total = whole.score(whole)
        # What is left must look like noise, or be a small share: the linear model is off by that for large changes.
        if total - found[1].score(whole) <= max(candidates[-1][2], _LINEAR_SHARE * total):
            return found
    return candidates[-1]
