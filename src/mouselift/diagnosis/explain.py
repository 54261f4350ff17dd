"""From candidates to a diagnosis: cheap ones first, fits only where a sample fails, the simplest that explains wins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from msgspec import structs

from mouselift.consistency.cameras import CameraCheck, check_sample, compared_outlines
from mouselift.consistency.hypotheses import ROUGH_PX, FaultHypothesis, Kind
from mouselift.dataset.sample import Sample
from mouselift.diagnosis import fitted
from mouselift.diagnosis.candidate import Candidate
from mouselift.diagnosis.cause import Diagnosis, describe, finite, without_values
from mouselift.diagnosis.causes import COMMONEST
from mouselift.diagnosis.determined import contains, differs
from mouselift.diagnosis.fit import Fit, fit, fit_residual, fits, in_front, lowest, ranked
from mouselift.diagnosis.lens_fit import lens_fits
from mouselift.diagnosis.readings import copies, cycles, half_pixels, one_pose, orders, readings
from mouselift.diagnosis.search import Problem
from mouselift.diagnosis.source_camera import improbability, one_camera_stated, other_sizes
from mouselift.errors import DatasetError
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines, sampson_residuals
from mouselift.sampling import evenly_spaced

# How often these limits name the right cause: `python benchmarks/naming_rates.py`, docs/evidence/audit-rates.md.
_MARGIN = 10.0  # a cause must beat "nothing is wrong" by this much of the score
_RIVAL = 5.0  # within this much of the best score, two causes are not told apart
_NO_MORE = 1e-6  # of the score: a reading that changes nothing is as good as nothing, to round-off
_FEW_VALUES = 2  # with so few, a cause fits only what it explains
_EXPLAINED_PX = 0.3  # where a cause leaves less, none with more freedom is tried
_BLAMED = 3  # views without which the others agree best: they may be faulty alone or in pairs
_MOST_SHARE = 0.25  # of the typical residual: so little of it is left where one number makes most planes agree
# Coarse fits that leave up to so many times what would explain the outlines are finished. Where fine ones did explain
# them, the best coarse one left 0.99 of that at most, elsewhere 1.03 and more: `benchmarks/alike_fits.py`, 432 samples.
_NEAR = 2.0
LARGE_PX = 1.0  # from here on, residuals that masks explain are still tried with other readings of the cameras
_FEW = 5  # samples that are enough to tell causes apart
_REFINED = 6  # candidates whose fit is finished
# The search grows with the cube of the views: one view shifted, 12, 16, 20, 32 views: 0.4, 0.7, 1.2, 6 CPU s. More are
# hardly needed to tell causes apart, and the ones that are off most are always among those looked at. Faults named with
# 12 of 24 to 200 views, with 16, and with 32: docs/evidence/performance.md.
LOOKED_AT = 12
_LEFT_OUT = ("views-disagree", "calibration-copied")
_NO_CAMERA = ("unexplained", "lens-left", *_LEFT_OUT)  # causes that no change of cameras undoes
# What a value may be by chance: a zoom the ratio of an image's sides, a shift one that points along cx, cy.
_BY_CHANCE = {"fov-side": ("all-focal", "all-scale"), "all-principal": ("all-shift",)}
_SEEN: dict[str, tuple[str, ...]] = {"lens": ("lens-left",), "all": ("all-shift", "all-half-pixel", "all-principal")}
# Where cx, cy are nearly alike, exchanging them shifts an image by a pixel: that it needs no value is then no reason to
# believe it.
_SMALL_READINGS = ("xy-swapped",)
_CYCLED_UNKNOWN_PX = 4.0  # what a plane that is not there counts as, like a missing row of a fit
_CYCLED = 6  # views whose planes are off most: three of them may be exchanged in a circle
# Of the image's width: more than a cause may leave, as in a vote (`vote._AFTER_SHARE`): right ones leave up to 4.2 of
# 512 px under rough masks, wrong ones from 13.
_MOST_LEFT_SHARE = 0.02
_MOST_TYPICAL_SHARE = 0.35  # a cause that leaves more than this share of the typical residual does not explain it,
_MOST_TYPICAL_PX = 0.5  # unless it leaves less than this
_MOST_LOSS_SHARE = 0.5  # the same of the robust loss
# Residuals beyond the unknowns that a fit of many values needs. 29 samples of the legacy preset with clipped borders:
# with 5 or more the largest error of a scale was 3 %, with 4 up to 9 %, with fewer up to 44 % at below 0.1 px left.
REDUNDANT = 5
# With three to spare, a wrong cause leaves a share of 1 % by chance once in a million (0.01^3): what it is is then
# known, and how much of it is not.
_CERTAIN_REDUNDANCY, _CERTAIN_SHARE = 3, 0.01


@dataclass(frozen=True)
class Seen:
    """What the check of cameras has found to explain more than exact masks leave to chance."""

    kind: Kind = "none"
    view: str | None = None  # the faulty camera's name, where kind is "view"

    @classmethod
    def in_all(cls, found: Sequence[FaultHypothesis], names: Sequence[str]) -> Seen:
        """Nothing where samples differ; those in which nothing is found have no say."""
        seen = {cls(h.kind, None if h.view is None else names[h.view]) for h in found if h.kind != "none"}
        return seen.pop() if len(seen) == 1 else cls()

    def says(self, candidate: Candidate, names: Sequence[str]) -> bool:
        """Whether a cause is of the kind that was found: it need then only be better than nothing."""
        if self.kind == "view":
            return self.view is not None and tuple(names[k] for k in candidate.views) == (self.view,)
        return candidate.code in _SEEN.get(self.kind, ())

    @property
    def surely(self) -> bool:
        """Whether changes of single views, whose noise the check knows plane by plane, are hardly better."""
        return self.kind in _SEEN


_NOTHING_SEEN = Seen()


def diagnose(samples: Sample | Sequence[Sample]) -> Diagnosis:
    """Why the cameras of a sample, or of several with one common fault, do not agree with its silhouettes.

    Masks are the views' alphas ([h, w] uint8, the outline at one half), cameras pinholes in the sample's world; shifts
    are in pixels of the images. Several samples are taken to share one fault with the same values (one change a
    camera), which are then better determined. A sample that the audit's limits pass has no cause. Of more than
    `LOOKED_AT` views, those that are off most and some of the others are looked at; the cause says so. Example::

        sample = load_sample(Path("prepared/mouse/000000"))
        cause = diagnose(sample).cause
        print("in order" if cause is None else cause.sentence)

    DatasetError for no samples, and where they have different cameras.
    """
    given = [samples] if isinstance(samples, Sample) else list(samples)
    common_names(given)  # refused before the checks, which take longer
    return diagnose_checked(given, [check_sample(sample) for sample in given])


def diagnose_checked(given: Sequence[Sample], checks: Sequence[CameraCheck]) -> Diagnosis:
    """`diagnose` of samples whose checks are known: with many views they take seconds."""
    names = common_names(given)
    if all(in_order(sample, check) for sample, check in zip(given, checks, strict=True)):
        problem = [problem_of(sample, check) for sample, check in zip(given, checks, strict=True)]
        return Diagnosis((), finite(fit(Candidate("none", ()), problem).rms_px))
    if len(names) <= LOOKED_AT:
        problem = [problem_of(sample, check) for sample, check in zip(given, checks, strict=True)]
        return explain(problem, names, seen=Seen.in_all([check.hypothesis for check in checks], names))
    few = few_views(given, checks)
    problem = [problem_of(sample) for sample in few]
    seen = Seen.in_all([check.hypothesis for check in checks], names)
    found = explain(problem, few[0].names, _other_orders(given, few, problem), seen=seen)
    where = f"{len(few[0].views)} of {len(names)} views looked at: "
    causes = (structs.replace(cause, sentence=where + cause.sentence) for cause in found.causes)
    return Diagnosis(tuple(causes), found.residual_px)


def few_views(samples: Sequence[Sample], checks: Sequence[CameraCheck] = ()) -> list[Sample]:
    """The samples with at most `LOOKED_AT` views, the same of each, spread evenly.

    Views whose poses are copies of one another are among them. checks: of the samples; with them a third of the views
    are those that are off most.
    """
    views = len(samples[0].views)
    if views <= LOOKED_AT:
        return list(samples)
    off = np.nan_to_num([check.tangency.view_rms_px for check in checks] or [[0.0] * views], nan=0.0).max(axis=0)
    worst = [view for view in np.argsort(-off, kind="stable")[: LOOKED_AT // 3].tolist() if off[view] > 0]
    copied = [view for pair in copies(CameraArrays.of([view.camera for view in samples[0].views])) for view in pair]
    known = sorted({*worst, *copied[: LOOKED_AT // 2]})
    others = [view for view in range(views) if view not in known]
    chosen = sorted([*known, *evenly_spaced(others, LOOKED_AT - len(known))])
    return [replace(sample, views=tuple(sample.views[view] for view in chosen)) for sample in samples]


def _other_orders(whole: Sequence[Sample], few: Sequence[Sample], problem: Problem) -> Iterator[Candidate]:
    """All images in another order than the cameras: those of the views looked at belong to cameras of others."""
    views = [whole[0].names.index(name) for name in few[0].names]
    stated = [CameraArrays.of([view.camera for view in sample.views]) for sample in whole]
    everyone, tried = tuple(range(len(views))), list(orders(len(whole[0].views)))
    for order in tried:
        others = [cameras.take(np.array(order)[views]) for cameras in stated]
        read = dict(zip((cameras for cameras, _ in problem), others, strict=True))
        yield Candidate("views-out-of-order", everyone, apply=read.__getitem__, options=len(tried))


def common_names(samples: Sequence[Sample]) -> tuple[str, ...]:
    """The cameras that all samples have, in one order. DatasetError where they differ."""
    if not samples:
        raise DatasetError("diagnose: expected at least one sample, got none")
    for sample in samples:
        if sample.names != samples[0].names:
            raise DatasetError(
                f"diagnose: samples that share a cause need the same cameras in the same order; {samples[0].id} has "
                f"{', '.join(samples[0].names)}, {sample.id} has {', '.join(sample.names)}; give them one by one"
            )
    return samples[0].names


def problem_of(sample: Sample, check: CameraCheck | None = None) -> tuple[CameraArrays, ConvexOutlines]:
    """What a fit needs of a sample. check: of the sample, where it is known; a check takes ten times as long."""
    outlines = compared_outlines(sample) if check is None else check.outlines
    return CameraArrays.of([view.camera for view in sample.views]), ConvexOutlines.of(outlines)


def in_order(sample: Sample, check: CameraCheck) -> bool:
    """Whether the audit's limits (`check`) find nothing wrong, the subject is in front of all cameras, none is a copy.

    What the audit puts down to spoiled masks is a fault of the cameras where undoing a mix-up, one change of all views
    alike, or other distances make all masks agree: spoiled masks do not agree under any. Distances are not tried where
    masks explain everything (one of them fat): with six to choose, they come near. Of one change of all views alike it
    is enough that most planes agree: a single number does not bring that about by chance.
    """
    cameras, outlines = problem_of(sample, check)
    if not check.judged or check.faulty or not in_front(cameras, outlines) or copies(cameras):
        return False
    if len(cameras) > LOOKED_AT:  # what follows compares readings, as the diagnosis does
        cameras, outlines = problem_of(few_views([sample], [check])[0])
    if check.rough and _lens_explains([(cameras, outlines)]):
        return False
    large = check.tangency.rms_px > LARGE_PX
    if not large and not check.rough:
        return True
    problem = [(cameras, outlines)]
    most = most_typical_px(cameras, outlines)
    coarse = fits((c for c in fitted.all_views_alike(cameras) if c.parameters <= 1), problem, quick=True)
    near = [f for f in coarse if f.residual.typical_px <= _NEAR * most or f.rms_px <= _NEAR * _EXPLAINED_PX]
    alike = fits((f.candidate for f in near), problem)
    if any(f.residual.typical_px <= most for f in alike):
        return False
    if not large:
        return True
    masks = check.hypothesis.masks
    explained = masks is not None and masks.noise_px <= ROUGH_PX
    shifts = (c for c in fitted.all_views_alike(cameras) if c.code == "all-shift")
    tried = (*_discrete(cameras), *shifts, *(() if explained else fitted.moved_centres(cameras)))
    return not any(f.rms_px <= _EXPLAINED_PX for f in (*alike, *fits(tried, problem)))


def most_typical_px(cameras: CameraArrays, outlines: ConvexOutlines) -> float:
    """Typical residual, pixels, that one number for all views leaves at most where it explains the outlines."""
    return min(_EXPLAINED_PX, _MOST_SHARE * fit_residual([cameras], [outlines]).typical_px)


def _lens_explains(problem: Problem) -> bool:
    """Whether one radial coefficient for all views makes outlines agree: masks do not bring that about by chance."""
    before = fit_residual([cameras for cameras, _ in problem], [outlines for _, outlines in problem])
    lens = lens_fits(problem, before.rows, np.inf)[0]
    return lens.rms_px <= _EXPLAINED_PX and lens.residual.typical_px <= _MOST_SHARE * before.typical_px


def explain(
    problem: Problem, names: tuple[str, ...], more: Iterable[Candidate] = (), *, seen: Seen = _NOTHING_SEEN
) -> Diagnosis:
    """The cause for samples that are known not to agree, from camera arrays and convex outlines.

    Of many samples, a few find the cause and all of them its values. more: readings to try beside the usual ones. seen:
    what the check has found, beyond chance; a cause of that kind need only be better than nothing.
    """
    if len(problem) > _FEW:
        found = explain(evenly_spaced(problem, _FEW), names, more, seen=seen)
        before = finite(fit(Candidate("none", ()), problem).rms_px)
        if found.undone is None:
            return Diagnosis(found.causes, before)
        whole = fit(found.undone.candidate, problem)
        return Diagnosis((describe(whole, found.rivals, names, before, problem),), before, whole, found.rivals)
    cameras = problem[0][0]
    nothing = fit(Candidate("none", ()), problem)
    before = finite(nothing.rms_px)
    if one_pose(cameras):
        best = replace(nothing, candidate=Candidate("one-pose", tuple(range(len(cameras)))))
        return Diagnosis((describe(best, (), names, before, problem),), before)
    nothing, found = _candidates(problem, nothing, more)
    vague = [f for f in found if not _determined(f) and _certain(f, nothing)]
    found = [f for f in found if _determined(f)]
    best = _likeliest(found, cameras, [f for f in found if seen.says(f.candidate, names)])
    own = [f for f in found if f.residual.loss < nothing.residual.loss and seen.says(f.candidate, names)]
    said = lowest(own)[0] if own and seen.surely else None
    if best not in own and not (best.score <= nothing.score - _MARGIN and _explains(best, nothing, cameras)):
        near = [f for f in own if f is said or f.score < best.score + _RIVAL]
        if not near and vague:
            best = _one_for_all(lowest(vague)[0], problem)
            return Diagnosis((without_values(describe(best, (), names, before, problem)),), before)
        best, found = (
            (lowest(near)[0], found) if near else (replace(nothing, candidate=Candidate("unexplained", ())), [])
        )
    by_views = best.candidate.code.startswith(("view-", "each-"))
    rivals = tuple(
        f for f in found
        if (_rivals(f, best) or (f is said and by_views) or (f in own and f.score < best.score + _MARGIN))
        and f.score < nothing.score - _NO_MORE
        and not _extends(f, best, cameras)
    )  # fmt: skip
    best = _one_for_all(best, problem)
    cause = describe(best, rivals, names, before, problem)
    undone = None if best.candidate.code in _NO_CAMERA else best
    return Diagnosis((cause,), before, undone, rivals)


def _candidates(problem: Problem, nothing: Fit, more: Iterable[Candidate]) -> tuple[Fit, list[Fit]]:
    """(no change, the causes worth a comparison with it), all of as many rows."""
    cameras = problem[0][0]
    discrete = fits((*_discrete(cameras), *cycles(len(cameras), _most_off(problem)), *more), problem)
    possible = max(f.residual.rows for f in (nothing, *discrete))
    nothing, *discrete = [replace(f, residual=f.residual.against(possible)) for f in (nothing, *discrete)]
    found = [*discrete, *_without_a_view(cameras, problem, nothing)]
    best = lowest(discrete)[0] if any(f.rms_px <= _EXPLAINED_PX for f in discrete) else nothing
    small = nothing.rms_px <= LARGE_PX  # many causes come near what disagrees so little
    if (
        small
        or best.rms_px > _EXPLAINED_PX
        or best.score > nothing.score - _MARGIN
        or not _explains(best, nothing, cameras)
    ):
        found += _searched(problem, found, possible)
    elif len(best.candidate.views) == len(cameras) and best.candidate.code != "all-half-pixel":
        # One wrong intrinsics for all views may explain as well what this reading does.
        alike = fits(fitted.all_views_alike(cameras), problem, possible, quick=True)
        found += _refined(alike, problem, possible)
    return nothing, found


def _explains(found: Fit, nothing: Fit, cameras: CameraArrays) -> bool:
    """Whether a cause leaves so little of what disagrees that it is one."""
    most = max(_MOST_TYPICAL_PX, _MOST_TYPICAL_SHARE * nothing.residual.typical_px)
    most = min(most, _MOST_LEFT_SHARE * float(cameras.size[0, 0]))
    little = found.residual.loss <= _MOST_LOSS_SHARE * nothing.residual.loss
    return little and found.residual.typical_px <= most


def _determined(found: Fit) -> bool:
    """Whether the values were checked by residuals beyond those that determine them; few values need fewer."""
    return found.candidate.basis is None or found.redundancy >= min(REDUNDANT, found.candidate.parameters)


def _certain(found: Fit, nothing: Fit) -> bool:
    """Whether the cause is beyond doubt though its values are not: next to nothing is left, and that is no chance."""
    little = found.rms_px <= min(_EXPLAINED_PX, _CERTAIN_SHARE * nothing.rms_px)
    return little and found.redundancy >= _CERTAIN_REDUNDANCY


def _likeliest(found: Sequence[Fit], stated: CameraArrays, seen: Sequence[Fit]) -> Fit:
    """Of the causes that explain the silhouettes equally well, the likeliest: of the kind that the check has found
    (seen), probable cameras, few values, common.

    What is known of cameras beforehand (`source_camera`) counts here; whether others explain them as well, by
    silhouettes alone.
    """
    improbable = [improbability(stated, f.corrected[0]) for f in found]
    _, least = lowest(found, improbable)
    near = [(f, e) for f, e in zip(found, improbable, strict=True) if f.least_score + e < least + _RIVAL]
    close = [
        (f, f.score + e) for f, e in near
        if f.score + e < (least + 1e-9 if f.candidate.code in _SMALL_READINGS else least + _RIVAL)
    ]  # fmt: skip

    def order(each: tuple[Fit, float]) -> tuple[bool, bool, int, int, float]:
        code = each[0].candidate.code
        return code in _LEFT_OUT, each[0] not in seen, each[0].candidate.parameters, _rank(code), each[1]

    return min(close, key=order)[0]


def _rank(code: str) -> int:
    kind = code.split("-", 1)[1] if code.startswith(("view-", "all-", "each-")) else code
    if kind in COMMONEST:
        return COMMONEST.index(kind)
    return len(COMMONEST) if code in _LEFT_OUT else -1


def _one_for_all(best: Fit, problem: Problem) -> Fit:
    """Where all views state the same intrinsics and each needs its own, that is the cause."""
    same = all(one_camera_stated(cameras) for cameras, _ in problem)
    if same and best.candidate.code in ("each-scale", "each-shift", "each-scale-shift"):
        return replace(best, candidate=replace(best.candidate, code="one-intrinsics"))
    return best


def _rivals(found: Fit, best: Fit) -> bool:
    """Whether silhouettes do not exclude it. That a reading needs no value excludes no few values."""
    values = found.candidate.parameters if best.candidate.basis is None else 0
    few, near = values <= _FEW_VALUES, best.score + _RIVAL
    if found.candidate.code in _BY_CHANCE:  # that it is one of many sides makes it less likely, and excludes nothing
        near += 2 * float(np.log(found.candidate.options))
    if found.least_score - few * values * float(np.log(max(found.residual.rows, 2.0))) >= near:
        return False
    return found.score - few * values * float(np.log(max(found.residual.measurements, 2.0))) < near


def _extends(rival: Fit, best: Fit, cameras: CameraArrays) -> bool:
    """Whether the rival says nothing else: the same cameras, or the same kind of cause with more freedom.

    A rival whose values can be those of the best always fits as well.
    """
    if rival is best:
        return True
    a, b = rival.candidate, best.candidate
    if "lens-left" in (a.code, b.code):  # its cameras stay as they are
        return a.code == b.code
    if a.code in _BY_CHANCE.get(b.code, ()) or b.code in _BY_CHANCE.get(a.code, ()):
        return False
    if rival.score < best.score and a.code != b.code:  # fewer values were taken, but silhouettes prefer this one
        return False
    if not differs(rival, best):
        return True
    more = set(b.views) <= set(a.views) and a.parameters > b.parameters
    return more and a.basis is not None and contains(rival, best, cameras)


def _discrete(cameras: CameraArrays) -> Iterable[Candidate]:
    yield from readings(cameras)
    yield from half_pixels(cameras)
    yield from other_sizes(cameras)


def _most_off(problem: Problem) -> list[int]:
    """Views by how far their planes are off, a few of the worst."""
    off = np.zeros(len(problem[0][0]))
    for cameras, outlines in problem:
        r, corners = sampson_residuals(cameras, outlines)
        np.add.at(off, corners.pair, np.log1p(np.nan_to_num(r, nan=_CYCLED_UNKNOWN_PX)[:, None] ** 2))
    return np.argsort(-off, kind="stable")[:_CYCLED].tolist()


def _searched(problem: Problem, found: Sequence[Fit], possible: int) -> list[Fit]:
    """Fits of the causes with values: coarse ones of all that may be, then fine ones of the best."""
    cameras = problem[0][0]
    left_out = sorted((f for f in found if f.candidate.code in _LEFT_OUT), key=lambda f: f.residual.loss)
    blamed = [f.candidate.views[0] for f in left_out[:_BLAMED]]
    if _copy_explains(left_out[0], problem, possible):
        return []
    simple = [*fitted.all_views_alike(cameras), *fitted.moved_centres(cameras), *fitted.each_scale(cameras)]
    for view in blamed[:2]:
        simple += [*fitted.one_view(len(cameras), view), *fitted.moved_centre(len(cameras), view)]
    coarse = fits(simple, problem, possible, quick=True)
    fine = [*_refined(coarse, problem, possible), *lens_fits(problem, possible, _EXPLAINED_PX)]
    if min(f.rms_px for f in fine) > _EXPLAINED_PX:
        rest = [*fitted.two_views(cameras, blamed), *fitted.each_view(cameras)]
        fine += _refined(fits(rest, problem, possible, quick=True), problem, possible)
    return fine


def _copy_explains(left_out: Fit, problem: Problem, possible: int) -> bool:
    """Whether a view's pose is a copy, all others agree, and no value of its own comes near: no other cause does."""
    if left_out.candidate.code != "calibration-copied" or not left_out.rms_px <= _EXPLAINED_PX:
        return False
    views, (view,) = len(problem[0][0]), left_out.candidate.views
    own = fits([*fitted.one_view(views, view), *fitted.moved_centre(views, view)], problem, possible, quick=True)
    return min(f.rms_px for f in own) > _NEAR * _EXPLAINED_PX


def _refined(coarse: Sequence[Fit], problem: Problem, possible: int) -> list[Fit]:
    return fits((f.candidate for f, _ in ranked(coarse, _REFINED)), problem, possible)


def _without_a_view(cameras: CameraArrays, problem: Problem, nothing: Fit) -> list[Fit]:
    """A view left out, as a cause that takes a parameter for every residual that it takes away."""
    copied = {view for pair in copies(cameras) for view in pair}
    out = []
    for view in range(len(cameras)):
        others = np.arange(len(cameras)) != view
        outlines = [
            replace(o, area=o.area * others, centroid=np.where(others[:, None], o.centroid, np.nan)) for _, o in problem
        ]
        residual = fit_residual([c for c, _ in problem], outlines)
        lost = max(nothing.residual.rows - residual.rows, 1)
        code = "calibration-copied" if view in copied else "views-disagree"
        candidate = Candidate(code, (view,), prior_sigma=(1.0,) * (6 if view in copied else lost), options=len(cameras))
        residual = replace(residual, rows=nothing.residual.rows)
        x = np.zeros(candidate.parameters)
        out.append(Fit(candidate, x, np.eye(len(x)), nothing.corrected, residual, np.ones(len(x))))
    return out
