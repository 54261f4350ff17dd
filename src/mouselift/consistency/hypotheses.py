"""Which camera is wrong: hypotheses about small changes of the images, against the noise of the outlines.

Each hypothesis is linear in the signed tangency residuals (`TangentPlanes.jacobian`): one view scaled and shifted (3
numbers), one shift of all views (2), one lens left in all of them (k1), every view scaled and shifted (3 a view, less
the gauge). Its score is how much of the residuals' squares it explains, in units of the noise: the outlines' known
noise, or what the fullest hypothesis leaves where that is more (rough masks); no single tangent plane may decide, and
no single tip in one image, which many planes touch. This is an F-test with a floor under the noise. The limits follow
the number of views and planes (`outline_noise`).

Faults of all views whose size is known have a sharper test (`known_faults`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.consistency.known_faults import KNOWN_FAULTS, KnownFault, known_fault
from mouselift.consistency.mask_errors import AskOpened, MaskErrors, mask_errors
from mouselift.consistency.outline_noise import NOISE_PX, ChanceModel, OutlineNoise
from mouselift.consistency.rough_masks import finest_rough_noise, rough_everywhere, rough_for_the_size
from mouselift.consistency.touched_places import touched_corners, touched_places, touching_tips
from mouselift.geometry.outlines import Outline
from mouselift.geometry.tangent_planes import TangentPlanes

Kind = Literal["none", "masks", "view", "all", "lens", "several", "unknown"]

# Rates at which the model of `outline_noise` lets exact masks reach a limit. The model has the noise of corners, most
# outlines have less, so true rates are far lower. Set so that of 990 exact samples of 110 scenes (seed 0 of
# `benchmarks/many_views.py`, 6 to 64 views) and of 200 of the corpus (seed 0) none that masks do not explain is above
# 0.91 of a limit; one of 2,760 of seed 53 came to 0.95 of a view's.
_VIEW_RATE, _ALL_RATE, _SEVERAL_RATE = 0.15, 5e-3, 3e-3  # the first shared by all views
_LENS_RATE = 5e-3
ROUGH_PX = 0.25  # noise above this means rough masks: small faults of cameras go unseen. Same run: 0.12 at most
OPENED_SHARE = 0.14  # disagreement of opened silhouettes up to which cameras are right: 21 samples of mouse_cylinder
MIN_PLANES = 8  # of one sample: three unknowns of a view, the gauge of four, and one to spare
_FAR_PX, _FAR_SPARE = 0.5, 3  # residual RMS beyond which so few residuals to spare are enough to blame cameras
_ELSEWHERE = 0.6  # of a view's limit, that its score must reach without any one place
_LINEAR_SHARE = 0.2  # of the explained squares that a simple hypothesis may miss
_SPARE_RESIDUALS = 10  # beyond its unknowns, that the fullest hypothesis needs before what it leaves is noise
_ASKED = 1.5  # of 39 lenses on an arc that are found by what they are known to be, one has 1.1, all others 2 and more
_RANK = 1e-3  # singular values below this share of the largest belong to the gauge


@dataclass(frozen=True, eq=False)
class FaultHypothesis:
    """The hypothesis that explains one sample's residuals best: what they say about its cameras."""

    kind: Kind  # unknown: too few tangent planes
    view: int | None  # the faulty one, where kind is "view"
    score: float  # of this hypothesis (of the best rival where kind is "none")
    limit: float  # that the score was compared with
    change: tuple[float, float, float]  # log-scale, dx, dy of the image(s), where kind is "view" or "all"
    noise_px: float  # sigma that it leaves, at well-defined outline points
    scores: Float64[Array, " v"]  # each view's
    best: tuple[float, float, float, float]  # scores: one view, one shift of all, several views, one lens's distortion
    limits: tuple[float, float, float, float]  # that these are compared with
    planes_used: int
    opened_share: float | None = None  # disagreement of the opened silhouettes, where they have decided
    masks: MaskErrors | None = None  # errors of masks that explain the residuals (kind "masks"), or most of them
    k1: tuple[float, float] = (0.0, 0.0)  # of the images, and its sigma, where kind is "lens"


def choose_hypothesis(
    planes: TangentPlanes, outlines: Sequence[Outline | None], opened: AskOpened | None = None
) -> FaultHypothesis:
    """Chooses among: nothing wrong, one view, one shift of all views, a lens left in all, several views, masks.

    What looks like a wrong camera is compared with errors of masks before it is blamed. `opened` gives the opened
    silhouettes; it is asked only where that is close.
    """
    count, nan, none = len(planes.angle), float("nan"), (0.0, 0.0, 0.0)
    if count < MIN_PLANES:
        nothing = np.full(planes.views, np.nan)
        return FaultHypothesis("unknown", None, nan, nan, none, nan, nothing, (*none, 0.0), (*none, 0.0), count)
    fits = _Fits.of(planes, outlines)
    plain, known = fits.chosen()
    exact = NOISE_PX * float(np.sqrt(np.mean(fits.z**2))) <= ROUGH_PX  # without any hypothesis: masks need not be asked
    if exact and (plain.kind == "none" or known):
        return plain
    size_px = float(min(np.sqrt(outline.area) for outline in outlines if outline is not None))
    coarse = rough_for_the_size(planes, fits.z, fits.common.off, fits.whole.noise_px, size_px)
    masks = mask_errors(planes, fits.noise.sigma_px, opened, lens=plain.kind == "lens")
    if masks is not None:
        found = _with_masks(plain, masks, planes.views)
        # A camera and faults of single masks that leave what exact masks do: the others are no rough ones.
        coarse &= masks.camera is None or masks.noise_px > finest_rough_noise(size_px)
        return _with_opened(found, opened) if coarse and found.kind != "masks" and opened is not None else found
    left_px = (fits.z - fits.columns[:, : 3 * planes.views] @ fits.whole.values) * fits.noise.sigma_px
    if opened is None or not (coarse or rough_everywhere(planes, fits.z, left_px, fits.whole.spare)):
        return plain
    return _with_opened(plain, opened)


def _with_masks(plain: FaultHypothesis, masks: MaskErrors, views: int) -> FaultHypothesis:
    """`plain` with masks at fault, or a camera beside them; where no mask is, the plain decision is the sharper one."""
    if not masks.found and (masks.camera is None or plain.kind in ("none", "view", "all", "lens")):
        return replace(plain, masks=masks if masks.instead and masks.camera == plain.view else None)
    kinds: dict[int | None, Kind] = {None: "masks", views: "all", views + 1: "lens"}
    kind = kinds.get(masks.camera, "view")
    return replace(
        plain, kind=kind, view=masks.camera if kind == "view" else None, score=masks.score, limit=masks.limit,
        change=masks.change, noise_px=masks.noise_px, masks=masks if masks.found or masks.instead else None,
        k1=plain.k1 if kind == "lens" else (0.0, 0.0),
    )  # fmt: skip


def _with_opened(plain: FaultHypothesis, opened: AskOpened) -> FaultHypothesis:
    """Masks at fault where the opened silhouettes agree, and better than with any two cameras exchanged."""
    found = opened()
    if len(found.planes.angle) < MIN_PLANES:
        return plain
    share = found.silhouettes.disagreement_of(found.planes)
    if share > OPENED_SHARE or found.least_exchanged() < share:
        return plain
    return replace(
        plain, kind="masks", view=None, change=(0.0, 0.0, 0.0), k1=(0.0, 0.0), score=share, limit=OPENED_SHARE,
        noise_px=float(np.sqrt(np.mean(found.planes.residual**2))), opened_share=share,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Fit:
    """Least squares of one hypothesis on the whitened residuals."""

    values: np.ndarray
    basis: Float64[Array, "m r"]  # orthonormal, of the hypothesis's columns
    off: Float64[Array, " m"]  # what it leaves of the whitened residuals
    turn: np.ndarray  # takes all columns of `ChanceModel` to an orthonormal basis of this hypothesis
    gain: float  # squares explained, less what any single tangent plane, or all at one tip, contribute
    left: float  # squares not explained
    rank: int
    spare: int  # residuals less rank

    @property
    def noise_px(self) -> float:
        """Sigma that it leaves, at well-defined outline points."""
        return NOISE_PX * float(np.sqrt(self.left / max(self.spare, 1)))

    @classmethod
    def of(cls, columns: np.ndarray, own: slice, z: np.ndarray, gram: np.ndarray) -> _Fit:
        """own: which of the columns; gram: inner products of all columns. Their squares grow with the views only."""
        square = gram[own, own]
        size = np.maximum(np.sqrt(np.diag(square)), 1e-12)
        values, vectors = np.linalg.eigh(square / size[:, None] / size)
        keep = values > _RANK**2 * max(float(values[-1]), 1e-300)
        to_basis = vectors[:, keep] / np.sqrt(values[keep]) / size[:, None]
        basis = columns[:, own] @ to_basis
        part = basis.T @ z
        off = z - basis @ part
        lever = 1 - (basis**2).sum(axis=1)
        # Gain without plane m: its square goes from the total, its leave-one-out square from what is left.
        single = z**2 - off**2 / np.maximum(lever, 1e-9) * (lever > 1e-6)
        gain = float(part @ part) - max(float(single.max()), 0.0)
        turn = np.zeros((columns.shape[1], int(keep.sum())))
        turn[own] = to_basis
        return cls(
            to_basis @ part, basis, off, turn, max(gain, 0.0), float(off @ off), turn.shape[1], len(z) - turn.shape[1]
        )

    def without_one(self, groups: Sequence[np.ndarray], z: Float64[Array, " m"]) -> _Fit:
        """Gained without the group of planes that contributes most: leave-one-out, several planes at a time."""
        explained, most = float(np.sum((z - self.off) ** 2)), 0.0
        for planes in groups:
            held, off = self.basis[planes], self.off[planes]
            # off' (1 - held held')^-1 off, in the smaller of two spaces: one corner has up to a third of the planes.
            wide = len(planes) > held.shape[1]
            share, vectors = np.linalg.eigh(held.T @ held if wide else held @ held.T)
            along = (vectors.T @ (held.T @ off if wide else off)) ** 2 / (np.maximum(share, 1e-12) if wide else 1.0)
            single = share > 1 - 1e-6  # what this group alone determines
            grown = np.where(single, 0.0, 1 / np.where(single, 1.0, 1 - share))
            left = float(along @ (grown - 1) + off @ off) if wide else float(along @ grown)
            most = max(most, float(np.sum(z[planes] ** 2)) - left)
        return replace(self, gain=max(min(self.gain, explained - most), 0.0))

    def borne_out(self, places: Sequence[np.ndarray], z: Float64[Array, " m"]) -> _Fit:
        """Gained as far as other places than any one of these say so, too."""
        return replace(self, gain=min(self.gain, self.without_one(places, z).gain / _ELSEWHERE))

    def limit(self, chance: ChanceModel, rate: float, far: bool) -> float:
        """What the score is compared with.

        far: the residuals are so large that hypotheses with nearly as many unknowns are believed as others are.
        """
        known = self.spare >= (_FAR_SPARE if far else _SPARE_RESIDUALS)
        return chance.limit(self.turn, rate, None if known else self.spare)

    def score(self, whole: _Fit) -> float:
        """Squares explained over the noise: 1, or what the fullest hypothesis leaves a degree of freedom."""
        floor = whole.left / whole.spare if whole.spare >= _SPARE_RESIDUALS else self.left / max(self.spare, 1)
        return self.gain / max(1.0, floor)


@dataclass(frozen=True, eq=False)
class _Candidate:
    """One hypothesis, and whether it stands out."""

    kind: Kind
    fit: _Fit
    score: float
    limit: float

    @property
    def clear(self) -> bool:
        return self.score > self.limit


@dataclass(frozen=True, eq=False)
class _Fits:
    """Every hypothesis fitted to one sample's residuals, and what chance makes of each."""

    planes: TangentPlanes
    noise: OutlineNoise
    z: Float64[Array, " m"]  # whitened residuals
    columns: Float64[Array, "m k"]  # d z / d (three numbers a view, the shift of all views, k1 of all views)
    chance: ChanceModel
    views: tuple[_Fit, ...]
    common: _Fit
    lens: _Fit
    whole: _Fit
    view_limits: Float64[Array, " v"]
    limits: tuple[float, float, float]  # one shift of all, several views, one lens's distortion

    @classmethod
    def of(cls, planes: TangentPlanes, outlines: Sequence[Outline | None]) -> _Fits:
        """outlines: one a view, those that the planes touch."""
        count, views = len(planes.angle), planes.views
        far = float(np.sqrt(np.mean(planes.residual**2))) > _FAR_PX
        # What corners lose is small, and taking it off would spread a camera that is far off over all planes.
        noise = OutlineNoise.of(planes, outlines, corners=not far)
        z, J = noise.whitened(planes.residual), planes.jacobian()
        k1 = planes.moved(planes.lens_shift())
        columns = np.concatenate([J.reshape(count, -1), J[:, :, 1:].sum(axis=1), k1[:, None]], axis=1)
        columns = noise.less_corners(columns / noise.sigma_px[:, None])
        chance = ChanceModel.of(planes, columns, noise)
        each = tuple(_Fit.of(columns, slice(3 * k, 3 * k + 3), z, chance.gram) for k in range(views))
        common = _Fit.of(columns, slice(3 * views, 3 * views + 2), z, chance.gram)
        lens = _Fit.of(columns, slice(3 * views + 2, 3 * views + 3), z, chance.gram)
        whole = _Fit.of(columns, slice(3 * views), z, chance.gram)
        view_limits = np.array([fit.limit(chance, _VIEW_RATE / views, far) for fit in each])
        of_all, of_several = common.limit(chance, _ALL_RATE, far), whole.limit(chance, _SEVERAL_RATE, far)
        limits = (of_all, of_several, lens.limit(chance, _LENS_RATE, far))
        fits = cls(planes, noise, z, columns, chance, each, common, lens, whole, view_limits, limits)
        return fits._borne_out()

    @property
    def scores(self) -> Float64[Array, " v"]:
        """Each view's."""
        return np.array([fit.score(self.whole) for fit in self.views])

    @property
    def scores_of_several(self) -> tuple[float, float, float]:
        """As `limits`."""
        return self.common.score(self.whole), self.whole.score(self.whole), _lens_score(self.lens, self.whole)

    def _borne_out(self) -> _Fits:
        """The same, where any score is above its limit as far as no one place or tip alone says so."""
        clear = self.scores > self.view_limits
        if not clear.any() and not any(s > limit for s, limit in zip(self.scores_of_several, self.limits, strict=True)):
            return self
        corners, z = touched_corners(self.planes), self.z
        every = [tip for own in self.tips for tip in own] + corners
        views = tuple(
            fit.without_one(self.tips[k] + corners, z).borne_out(touched_places(self.planes, k), z) if clear[k] else fit
            for k, fit in enumerate(self.views)
        )
        common, lens, whole = (fit.without_one(every, z) for fit in (self.common, self.lens, self.whole))
        return replace(self, views=views, common=common, lens=lens, whole=whole)

    @cached_property
    def tips(self) -> list[list[np.ndarray]]:
        """By view: of each tip the planes that touch it."""
        return [touching_tips(self.planes, self.noise.sharpness, k) for k in range(self.planes.views)]

    def chosen(self) -> tuple[FaultHypothesis, bool]:
        """(the hypothesis that explains the residuals best, masks not thought of; whether it is a `KnownFault`)."""
        scores, (of_all, of_several, of_lens) = self.scores, self.scores_of_several
        clear = scores > self.view_limits
        best = int(np.where(clear, scores, -1.0).argmax() if clear.any() else (scores / self.view_limits).argmax())
        candidates = [
            _Candidate("view", self.views[best], float(scores[best]), float(self.view_limits[best])),
            _Candidate("all", self.common, of_all, self.limits[0]),
            _Candidate("lens", self.lens, of_lens, self.limits[2]),
            _Candidate("several", self.whole, of_several, self.limits[1]),
        ]
        found, known = _choice(candidates), None
        if not found.clear and self.whole.spare >= _SPARE_RESIDUALS:
            known = self._known_fault()
        if known is not None:
            found = _Candidate(known.kind, self.common if known.kind == "all" else self.lens, known.score, known.limit)
        kind: Kind = found.kind if found.clear else "none"
        numbers, change = found.fit.values.tolist(), (0.0, 0.0, 0.0)
        if kind == "view":
            change = (numbers[0], numbers[1], numbers[2])
        elif kind == "all":
            change = (0.0, numbers[0], numbers[1]) if known is None else known.change
        left, used = (float(np.sum(self.z**2)), 0) if kind == "none" else (found.fit.left, found.fit.rank)
        noise_px = NOISE_PX * float(np.sqrt(left / max(len(self.z) - used, 1)))
        plain = FaultHypothesis(
            kind, best if kind == "view" else None, found.score, found.limit, change, noise_px, scores,
            (float(scores[best]), of_all, of_several, of_lens), (float(self.view_limits[best]), *self.limits),
            len(self.z), k1=_k1(self.lens, self.chance, self.planes) if kind == "lens" else (0.0, 0.0),
        )  # fmt: skip
        return plain, known is not None

    def _known_fault(self) -> KnownFault | None:
        """Asked where one stands out by `_ASKED` standard deviations, were all planes weighed alike."""
        alike = slice(3 * self.planes.views, None)
        floor, columns = max(1.0, self.whole.left / self.whole.spare), self.columns[:, alike] @ KNOWN_FAULTS.T
        variance = floor * np.diag(KNOWN_FAULTS @ self.chance.noise[alike, alike] @ KNOWN_FAULTS.T)
        if not ((self.z @ columns) ** 2 > _ASKED**2 * variance).any():
            return None
        return known_fault(
            self.z, columns, floor,
            lambda kept: ChanceModel.of(self.planes, np.eye(len(self.z))[:, kept], self.noise).noise,
            [tip for own in self.tips for tip in own],
        )  # fmt: skip


def _choice(candidates: Sequence[_Candidate]) -> _Candidate:
    """The simplest hypothesis that stands out and that fuller ones do not beat by more than noise would.

    The last of the candidates is the fullest. Where none stands out, the one that comes nearest.
    """
    whole = candidates[-1]
    simple = [item for item in candidates[:-1] if item.clear]
    if not simple and not whole.clear:
        return max(candidates, key=lambda item: item.score / item.limit)
    if simple:
        found = max(simple, key=lambda item: item.score - 2 * item.fit.rank)
        # What is left must look like noise, or be a small share: the linear model is off by that for large changes.
        if whole.score - found.score <= max(whole.limit, _LINEAR_SHARE * whole.score):
            return found
    return whole


def _lens_score(lens: _Fit, whole: _Fit) -> float:
    """Squares explained over the noise: what the lens leaves itself may be less than the fullest hypothesis does.

    0 where it leaves more than exact masks do: among rough ones a lens is asked for by a fit (`diagnosis.lens_fit`).
    """
    return max(lens.score(lens), lens.score(whole)) if lens.noise_px <= ROUGH_PX else 0.0


def _k1(lens: _Fit, chance: ChanceModel, planes: TangentPlanes) -> tuple[float, float]:
    """k1 and its sigma: planes that touch one place are one measurement.

    Images show x' = x (1 + k1 |x|^2), and the column is made of x': its factor is k1 (1 - 3 k1 |x'|^2) to second order,
    |x'|^2 weighted by what planes tell of k1.
    """
    first, (direction,) = float(lens.values[0]), lens.turn.T
    noise = max(1.0, lens.left / max(lens.spare, 1))
    sigma = float(np.sqrt(noise * (direction @ chance.noise @ direction)) * np.abs(direction).max())
    column, longer = planes.moved(planes.lens_shift()), planes.moved(planes.lens_shift(5))
    return first + 3 * first**2 * float(column @ longer / (column @ column)), sigma
