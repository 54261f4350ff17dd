"""Do the cameras of a rig match its silhouettes, over many samples?

The samples of a recording share their cameras: a wrong focal length, or a camera that was turned, is the same in all of
them, while errors of masks change. So few views and rough masks, of which one sample says nothing, still leave a
verdict over many. Each residual is linear in four numbers a camera (`sample_planes`), and all questions are put to one
robust fit of such numbers (Huber's weights):

* One camera: fitted on half of the samples, does its change bring the outlines of the other half together?
* All cameras, where samples have too few planes for a verdict of their own: Hotelling's test (Annals of Mathematical
  Statistics 2, 1931), the fit against its scatter between blocks of neighbouring samples, which holds whatever noise
  masks have. What repeats itself in masks is no noise: a fault must also be larger than a share of what it leaves.

That share follows the number of places in which the samples show the subject (`places`): where it hardly moves, masks
err alike in all samples, and what repeats itself there is masks as well as cameras.

Pixels are those of the source image where the samples' own record says how much they were magnified.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.consistency.places import distinct_places
from mouselift.consistency.sample_planes import NUMBERS, SamplePlanes, by_camera, columns_of
from mouselift.geometry.outline_mismatch import LEAST_PX, RATIO, ROUGH_PX, outline_mismatch
from mouselift.geometry.robust_fit import robust_fit

_LEAST_SAMPLES = 5  # as `mouselift inspect`: fewer instants say nothing
_CAPPED = 5.0  # times the median: a lost tail counts so much and no more
# A camera's change must explain so many times what it leaves (squares add): outlines then come together by 1.4 times.
# Under right cameras masks allow more, the fewer the places: docs/evidence/audit-rates.md, short stretches.
_EXPLAINS, _EXPLAINS_PLACE = 0.98, 4.0  # of many places; of one, falling with the square root of their number
MANY_PLACES = 16
# In one place masks repeat themselves whole, and what a change leaves does not tell how much they err: it must move
# outlines by shares of the subject's size, one camera's and all cameras'. Right: 1.3 and 3.7 % in 24 stretches.
_TELLING_PLACES, _ONE_SHARE, _ALL_SHARE = 4, 0.02, 0.04
_CERTAIN = 4.0  # standard errors over samples by which it must help
_FALSE_ALARMS = 1e-4  # of Hotelling's test, were residuals noise alone
_POWER_SIGMA = 1.65  # a fault that shows in 95 of 100 datasets lies so far beyond the limit
_BLOCKS = 32  # of neighbouring samples; more say little more about the scatter
_SPARE_BLOCKS = 4  # blocks beyond the numbers that are seen: fewer give no scatter
_SEEN = 1e-3  # share of the largest eigenvalue below which a combination of numbers is not seen by any sample
# Exact masks repeat 0.01 to 0.04 px in all samples: 4 choices of 2 and 3 of six cameras, 20 to 200 samples, corpus 0.
FLOOR_PX = 0.1
# The same of all cameras' changes together. Pairs and triples of five cameras of mouse_cylinder, and masks of three,
# the whole recording: right 0.1 to 1.12, a focal length off by 3 % from 2.97.
_REPEATED, _REPEATED_PLACE = 1.5, 6.0
_GROSS_SHARE = 0.02  # of the image's width: residuals that no small change explains, and no mask (`diagnosis.vote`)
# Outlines of exact masks with soft edges miss each other by 0.02 to 0.05 px of the source, of hard edges by 0.1 to 0.2
# (rounding to whole pixels: 0.29 px of sigma an outline). What changes of all cameras leave must be as rough as that.
_HARD_PX = 0.08
# mouse_cylinder: 1.5 with five right cameras, 1.3 to 3.2 with three; 1.3 to 8.4 in one place, to 4.4 in two or three.
_MOST_SHRINK, _MOST_SHRINK_PLACE = 4.0, 10.0
_MOST_CAMERAS = 16  # unknowns of all grow by four a camera
SIZE_SHARE = 0.05  # of the subject's size that outlines may miss each other by: more is no roughness
_RIVAL = 0.9  # of three cameras: share of the named one's gain that another may bring; mouse_cylinder: 0.3 to 0.85
_SAME_RIG = 1e-3  # rad: baselines of samples of one rig agree to this


@dataclass(frozen=True)
class Blame:
    """Why the cameras of a rig are wrong.

    kind: one small change of one camera explains it, or of all of them `together`; one camera stands `elsewhere`; two
    are `exchanged`, or both are wrong; `gross`: nothing small explains it.
    """

    kind: Literal["change", "together", "elsewhere", "exchanged", "gross"]
    cameras: tuple[str, ...]  # none where it cannot be told which
    value_px: float  # what is off,
    other_px: float  # what is left without the fault, or what masks may make of it


@dataclass(frozen=True, eq=False)
class PooledTangency:
    """What all samples of one rig say together."""

    names: tuple[str, ...]
    samples: int
    places: int  # in which they show the subject
    source: bool  # pixels are the source image's
    few: bool  # most samples have too few planes for a verdict of their own
    mismatch_px: float  # the outline mismatch of all cameras
    size_share: float  # the same over the subject's size
    settles: bool  # a sample that disagrees has rough masks: nothing that repeats itself explains what it sees
    blame: Blame | None
    test: PooledTest | None  # where `few`

    @property
    def enough(self) -> bool:
        """Samples without a verdict of their own have one together."""
        return self.test is not None and bool(np.isfinite(self.test.limit))

    @property
    def right(self) -> bool:
        """No camera is to blame, and outlines miss each other by no more than rough masks do."""
        return self.blame is None and self.mismatch_px <= ROUGH_PX and self.size_share <= SIZE_SHARE


@dataclass(frozen=True, eq=False)
class PooledTest:
    """Hotelling's, of all cameras' numbers."""

    blocks: int
    seen: int  # combinations of the cameras' numbers that show at all, of NUMBERS a camera
    statistic: float  # T^2
    limit: float  # inf: too few samples
    noise_px: float  # residual of most planes, 1.48 times the median, that one change of all cameras leaves
    fault_px: float  # RMS of the part that it explains
    needed_px: float  # that a fault must reach
    least_scale: float  # the smallest wrong focal length of any one camera that would show, as a share; inf: none
    least_turn_rad: float  # the smallest turn, about the worst axis across the optical one


def pool(samples: Sequence[SamplePlanes]) -> PooledTangency | None:
    """Of samples in the dataset's order; those of the commonest rig. None where too few say anything."""
    known = _one_rig([sample for sample in samples if len(sample.residual)])
    few = 2 * sum(sample.few for sample in known) > len(known)
    if not known or (len(known) < _LEAST_SAMPLES and not few):
        return None
    planes, places = _Planes.of(known), distinct_places(known)
    total = outline_mismatch(planes.residual)
    size, source = float(np.nanmedian([s.size_px for s in known])), all(sample.source for sample in known)
    still = size if places < _TELLING_PLACES else 0.0
    test, some = _test(planes, places, _ALL_SHARE * still) if few else None, len(known) >= _LEAST_SAMPLES
    tested = test is not None and bool(np.isfinite(test.limit))
    rough = some and planes.rough(total, places)
    least = max(FLOOR_PX if tested else LEAST_PX, _ONE_SHARE * still)
    blamed, repeats = _blamed(planes, least, rough, places) if some else (None, True)
    if test is not None and tested:
        # Sharper than single cameras' medians: it says whether a camera is wrong, those which.
        gross = _GROSS_SHARE * float(np.mean([s.width_px for s in known]))
        if test.statistic > test.limit and test.fault_px > test.needed_px:
            if blamed is None or blamed.kind == "together":
                blamed = Blame("together", (), test.fault_px, test.needed_px)
        else:
            blamed = Blame("gross", (), test.noise_px, gross) if test.noise_px > gross else None
    elif blamed is None and some and source and (total > ROUGH_PX or total > SIZE_SHARE * size):
        blamed = Blame("gross", (), total, ROUGH_PX)
    settles = rough and not repeats
    return PooledTangency(planes.names, len(known), places, source, few, total, total / size, settles, blamed, test)


def _one_rig(samples: Sequence[SamplePlanes]) -> list[SamplePlanes]:
    """Those with the cameras and the baselines' directions of the commonest kind, turned alike."""
    if not samples:
        return []
    commonest = Counter(sample.cameras for sample in samples).most_common(1)[0][0]
    alike = [sample for sample in samples if sample.cameras == commonest]
    directions = np.array([_baselines(sample) for sample in alike])
    off = np.linalg.norm(directions - directions[len(directions) // 2], axis=2).max(axis=1, initial=0.0)
    return [sample for sample, apart in zip(alike, off, strict=True) if apart < _SAME_RIG]


def _baselines(one: SamplePlanes) -> np.ndarray:
    """[v - 1, 3] unit directions from the first camera to the others."""
    along = one.centre[1:] - one.centre[0]
    return along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-300)


@dataclass(frozen=True, eq=False)
class _Planes:
    names: tuple[str, ...]
    view: np.ndarray  # [m, 2]
    residual: Float64[Array, " m"]
    columns: Float64[Array, "m k"]  # of all cameras, one after the other
    sample: np.ndarray  # [m]
    samples: int

    @classmethod
    def of(cls, known: Sequence[SamplePlanes]) -> _Planes:
        names = known[0].cameras
        view = np.concatenate([s.view for s in known])
        columns = by_camera(view, columns_of(known, known[0].R), len(names))
        owner = np.repeat(np.arange(len(known)), [len(s.residual) for s in known])
        residual = np.concatenate([s.residual for s in known]).astype(np.float64)
        return cls(names, view, residual, columns, owner, len(known))

    def of_camera(self, camera: int) -> np.ndarray:
        return (self.view == camera).any(axis=1)

    def left_by(self, numbers: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Residuals with `numbers` changed for the planes `own`, as the other half of the samples wants it."""
        out, half, columns = self.residual.copy(), self.sample % 2, self.columns[:, numbers]
        for part in (0, 1):
            fitted, told = own & (half != part), own & (half == part)
            if fitted.sum() > columns.shape[1]:
                out[told] -= columns[told] @ robust_fit(columns[fitted], self.residual[fitted])[0]
        return out

    def left(self, camera: int) -> np.ndarray:
        """With one camera changed."""
        return self.left_by(np.arange(NUMBERS) + NUMBERS * camera, self.of_camera(camera))

    def rough(self, total: float, places: int) -> bool:
        """Whether it is the masks by which outlines miss each other: changes of all cameras leave about as much."""
        if len(self.names) > _MOST_CAMERAS or total <= _HARD_PX:
            return False
        every = np.arange(self.columns.shape[1])
        left = outline_mismatch(self.left_by(every, np.ones(len(self.residual), dtype=bool)))
        most = max(_MOST_SHRINK, _MOST_SHRINK_PLACE / np.sqrt(places))
        return bool(left > _HARD_PX and total < most * left)


def shrinks(places: int) -> float:
    """By which one camera's change must bring its outlines nearer to the others'."""
    return float(np.hypot(1.0, max(_EXPLAINS, _EXPLAINS_PLACE / np.sqrt(places))))


def _blamed(planes: _Planes, least_px: float, rough: bool, places: int) -> tuple[Blame | None, bool]:
    """(the cameras to blame, whether any camera's change helps at all: where masks are `rough` alone, else unknown)."""
    total, repeats = outline_mismatch(planes.residual), False
    found: list[tuple[float, Blame]] = []
    for k, name in enumerate(planes.names):
        own = planes.of_camera(k)
        before = outline_mismatch(planes.residual[own])
        if not own.any() or (before <= least_px and not rough):
            continue
        left = planes.left(k)
        after = outline_mismatch(left[own])
        gain = np.minimum(np.abs(planes.residual), _CAPPED * total) - np.minimum(np.abs(left), _CAPPED * total)
        each = np.bincount(planes.sample, gain, planes.samples)
        helps = before > shrinks(places) * after and each.mean() > _CERTAIN * each.std() / np.sqrt(planes.samples)
        large = before - after > least_px
        repeats |= bool(helps and (large or places >= _TELLING_PLACES))
        if helps and large:
            kind = "elsewhere" if after > ROUGH_PX else "change"
            found.append((float(gain.sum()), Blame(kind, (name,), before, after)))
    found.sort(key=lambda one: -one[0])
    alone = found[0][1] if found else None
    # Two cameras exchanged: no small change of one helps, and those that remain agree.
    if total > ROUGH_PX and len(planes.names) > 3:
        pairs = [
            (outline_mismatch(planes.residual[rest]), a, b)
            for a, b in combinations(range(len(planes.names)), 2)
            if (rest := ~(planes.of_camera(a) | planes.of_camera(b))).sum() > planes.samples
        ]
        least, a, b = min(pairs, default=(total, 0, 0))
        corrected = outline_mismatch(planes.left(planes.names.index(alone.cameras[0]))) if alone else total
        if least * RATIO < min(total, corrected):
            return Blame("exchanged", (planes.names[a], planes.names[b]), total, least), True
    if alone is not None and len(planes.names) < 4:
        # Few planes: each is shared by half of the cameras, so another one's change may bring nearly as much.
        rival = found[1][0] if len(found) > 1 else 0.0
        if alone.kind == "elsewhere":
            return Blame("gross", (), total, ROUGH_PX), repeats
        if len(planes.names) == 2 or rival > _RIVAL * found[0][0]:
            return replace(alone, kind="together", cameras=()), repeats
    return alone, repeats


def _test(planes: _Planes, places: int, least_px: float) -> PooledTest:
    """Of all cameras' numbers together."""
    J, r = planes.columns, planes.residual
    size = np.sqrt(np.maximum((J**2).mean(axis=0), 1e-30))  # pixels that a unit of each number makes
    values, vectors = np.linalg.eigh((J / size).T @ (J / size))
    seen = vectors[:, values > _SEEN * values[-1]]
    basis = J @ (seen / size[:, None])  # of the combinations that are seen
    count = basis.shape[1]
    estimate, typical = robust_fit(basis, r)
    left, reach = r - basis @ estimate, max(typical, FLOOR_PX)
    bread = np.linalg.inv(basis.T @ (basis * (np.abs(left) < reach)[:, None]))
    blocks = min(planes.samples, _BLOCKS)
    score = basis * np.clip(left, -reach, reach)[:, None]
    sums = np.stack([np.bincount(planes.sample * blocks // planes.samples, s, blocks) for s in score.T], axis=1)
    repeated = max(_REPEATED, _REPEATED_PLACE / np.sqrt(places))
    fault, needed = float(np.sqrt(np.mean((basis @ estimate) ** 2))), max(FLOOR_PX, repeated * typical, least_px)
    spare = blocks - count
    if spare < _SPARE_BLOCKS:
        return PooledTest(blocks, count, float("nan"), float("inf"), typical, fault, needed, float("inf"), float("inf"))
    # The scatter, and never less than what independent noise of the floor's half would make.
    scatter = bread @ (sums.T @ sums * blocks / (blocks - 1)) @ bread + (FLOOR_PX / 2) ** 2 * bread
    inverse = np.linalg.inv(scatter)
    from scipy.special import fdtri  # a quarter of a second that rigs of more views need not pay

    limit = count * (blocks - 1) / spare * float(fdtri(count, spare, 1 - _FALSE_ALARMS))
    # Of each number alone, the smallest value that the test would find in 95 of 100 datasets.
    effect = seen.T * size  # [d, k]: what a unit of each number does to the combinations that are seen
    strength = np.einsum("dk,de,ek->k", effect, inverse, effect)
    with np.errstate(divide="ignore"):
        least = np.maximum((np.sqrt(limit) + _POWER_SIGMA) / np.sqrt(np.maximum(strength, 0.0)), needed / size)
    least = least.reshape(-1, NUMBERS)
    return PooledTest(
        blocks, count, float(estimate @ inverse @ estimate), limit, typical, fault, needed, float(least[:, 3].max()),
        float(least[:, :2].max()),
    )  # fmt: skip
