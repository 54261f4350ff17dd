"""Repair of one sample: corrected cameras where the silhouettes determine them, the reason where they do not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.calibration.rig import Rig
from mouselift.consistency.cameras import check_sample
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.candidate import change_of
from mouselift.diagnosis.cause import Cause, Diagnosis, finite
from mouselift.diagnosis.causes import EXCHANGE_FILES
from mouselift.diagnosis.determined import undetermined
from mouselift.diagnosis.explain import LARGE_PX, REDUNDANT, Seen, diagnose_checked, explain, in_order, problem_of
from mouselift.diagnosis.fit import Fit, FitResidual, fit_residual, in_front, undo
from mouselift.diagnosis.source_camera import exchanged_before_prepare
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import Camera
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines, centroid_rays, subject_point
from mouselift.repair.rig import RigMatch, match_rig, with_rig

Status = Literal["good", "repaired", "refused"]

_MIXED_UP = ("views-swapped", "poses-swapped", "views-out-of-order")  # names no longer go with poses
_CLEARLY = 0.5  # robust loss and, for fitted values, RMS must fall to less than this share of what was there
_FEW_VALUES = 3  # fitted to one sample whose masks are spoiled
_HOLD_SCALE = 2  # centres that did not move: the distance between two is a length of the world
MOST_VIEWS = 32  # fitted together: the search grows with the cube of the views, 6 CPU s with 32
MIN_VIEWS = 3  # two views have two tangent planes: nothing per view can be learned from them
MIN_BASELINE_DEG = 10.0  # between the two views that are farthest apart, seen from the subject


@dataclass(frozen=True)
class Gauge:
    """Sigma of the combinations that silhouettes hardly determine: perspective alone depends on them."""

    zoom: float  # of the zoom common to all views, relative
    shift: float  # of the subject's place in space (root of the three variances), share of the cameras' distance


@dataclass(frozen=True, eq=False)
class Repaired:
    """`cameras` are the file's unless status is "repaired"."""

    status: Status
    cameras: tuple[Camera, ...]
    cause: Cause | None
    reason: str  # why it stayed as it was; empty where it was repaired
    residual_before_px: float | None
    residual_after_px: float | None
    gauge: Gauge | None = None
    rig: str = ""  # what the rig said, where one was given: matches, what it fixed, what stays open, warnings
    world_lost: bool = False  # the cameras are right among themselves, in a world of another scale than before


def repair_sample(sample: Sample, shared: Diagnosis | None = None, rig: Rig | None = None) -> Repaired:
    """Cameras that agree with the silhouettes; pixels stay as they are.

    shared: the diagnosis of several samples of one pipeline, whose values are applied here instead of fitted. rig: the
    original calibration, which fixes what it can of the gauge (`rig`); refused where the repaired poses are not
    its own. A sample that is in order stays as it is, and so does one whose residual would not clearly fall.
    """
    cameras = tuple(view.camera for view in sample.views)
    if not cameras:
        return Repaired("refused", cameras, None, "no view has a camera and a silhouette", None, None)
    check = check_sample(sample)
    arrays, outlines = problem_of(sample, check)
    at_first = fit_residual([arrays], [outlines])
    before = finite(at_first.rms_px)
    if in_order(sample, check):
        said = "" if rig is None else _compared(rig, sample.names, arrays)
        text = "in order: cameras and silhouettes agree"
        return Repaired("good", cameras, None, text, before, before, rig=said)
    hindrance = unobservable(arrays, outlines)
    if hindrance is not None:
        return Repaired("refused", cameras, None, hindrance, before, None)
    if len(cameras) > MOST_VIEWS:
        cause = diagnose_checked([sample], [check]).cause
        text = f"{len(cameras)} views; at most {MOST_VIEWS} are fitted together"
        text = text if cause is None else f"{cause.sentence}; nothing was changed: {text}"
        return Repaired("refused", cameras, cause, text, before, None)
    seen = Seen.in_all([check.hypothesis], sample.names)
    found = explain([(arrays, outlines)], sample.names, seen=seen) if shared is None else shared
    cause, undone = found.cause, found.undone
    if cause is None or undone is None:
        swapped = exchanged_before_prepare(sample, outlines)
        if swapped:
            who = f"cameras {', '.join(swapped)}"
            text = f"{who} look exchanged: no change of this file undoes it, since crops were framed with another one"
            text = f"{text}; {EXCHANGE_FILES.format(who=who)}"
            return Repaired("refused", cameras, cause, text, before, None)
        text = "nothing wrong was found in the samples that were pooled" if cause is None else cause.sentence
        if cause is not None and cause.code == "unexplained":
            few = _too_few_equations(outlines, at_first)
            text += few
            if not few and not check.judged and not check.faulty:
                text = (
                    f"too few tangent planes to judge this sample alone: nothing says that its cameras are wrong "
                    f"({_px(before)}), and no single cause was found. The audit judges all samples together"
                )
        return Repaired("refused", cameras, cause, text, before, None)
    problem = [(arrays, outlines)]
    doubt = "" if rig is not None else undetermined(undone, found.rivals, problem, sample.names)
    if doubt:
        text = f"{cause.sentence}; {doubt}, so the sample stays as it was"
        return Repaired("refused", cameras, cause, text, before, finite(undone.rms_px))
    made = _applied(sample, cause, undone, arrays, outlines, at_first, rig)
    alone = shared is None and made.status == "repaired" and undone.candidate.basis is not None
    return _unless_uncertain(sample, made, cause, undone.candidate.parameters) if alone else made


def _applied(
    sample: Sample, cause: Cause, undone: Fit, arrays: CameraArrays, outlines: ConvexOutlines, at_first: FitResidual,
    rig: Rig | None,
) -> Repaired:  # fmt: skip
    """The sample with the cause undone, where that leaves clearly less and the rig, if given, agrees."""
    cameras = tuple(view.camera for view in sample.views)
    before = finite(at_first.rms_px)
    corrected, gauge, said = undo(undone.candidate, arrays, undone.x), _gauge(undone, arrays, outlines), ""
    try:
        if rig is not None:
            names = tuple("" for _ in sample.names) if cause.code in _MIXED_UP else sample.names
            match = match_rig(rig, names, corrected)
            corrected, gauge, said = _with_rig(match, corrected, outlines, undone, gauge)
        repaired = tuple(corrected.camera(i, like=camera) for i, camera in enumerate(cameras))
    except CalibrationError as error:
        return Repaired("refused", cameras, cause, f"{cause.sentence}; {error}", before, None)
    at_last = fit_residual([corrected], [outlines])
    after = finite(at_last.rms_px)
    if not in_front(corrected, outlines) or not _clearly_less(undone, at_first, at_last):
        text = (
            f"{cause.sentence}: undoing it would leave {_px(after)} of {_px(before)}, which is not clearly less, so "
            "the sample stays as it was"
        )
        return Repaired("refused", cameras, cause, text, before, after, rig=said)
    lost = undone.candidate.basis is not None and _scale_is_open(arrays, corrected)
    return Repaired("repaired", repaired, cause, "", before, after, gauge, said, lost)


def _scale_is_open(before: CameraArrays, after: CameraArrays) -> bool:
    """Whether fewer than two centres stayed where they were: silhouettes do not say at which scale all others moved."""
    moved = np.linalg.norm(after.centre - before.centre, axis=1)
    reach = np.linalg.norm(before.centre - before.centre.mean(axis=0), axis=1).max()
    return int((moved <= 1e-9 * reach).sum()) < _HOLD_SCALE


def _unless_uncertain(sample: Sample, made: Repaired, cause: Cause, parameters: int) -> Repaired:
    """Refused where the audit would fail the repaired cameras, or many values were fitted to spoiled masks.

    Values of one sample alone: with many of them, each takes its share of what masks lack. Few (one view's scale and
    shift, one aspect) are outvoted by the planes that agree; those of many samples come from all of them.
    """
    views = tuple(replace(view, camera=camera) for view, camera in zip(sample.views, made.cameras, strict=True))
    check = check_sample(replace(sample, views=views))
    spoiled = check.rough or (made.residual_after_px or 0.0) > LARGE_PX
    if check.judged and not check.faulty and (parameters <= _FEW_VALUES or not spoiled):
        return made
    why = "are no better than masks that do not agree"
    if check.faulty or not check.judged:
        why = "the audit would fail again" if check.faulty else "the audit could not judge"
    text = (
        f"{cause.sentence}: undoing it would leave {_px(made.residual_after_px)} of {_px(made.residual_before_px)}, "
        f"and cameras that {why}, so the sample stays as it was; many samples together may determine it"
    )
    cameras = tuple(view.camera for view in sample.views)
    return replace(made, status="refused", cameras=cameras, reason=text, gauge=None)


def _with_rig(
    match: RigMatch, corrected: CameraArrays, outlines: ConvexOutlines, undone: Fit, gauge: Gauge | None
) -> tuple[CameraArrays, Gauge | None, str]:
    """(cameras, what is left of the gauge, what the rig said). Causes that leave no gauge open change nothing."""
    everyone = len(undone.candidate.views) == len(corrected)
    if undone.candidate.basis is None or not everyone:
        return corrected, gauge, f"{match.sentence}; nothing was left open for it to fix"
    found = with_rig(match, corrected, outlines, undone)
    if found is None:
        text = "the silhouettes contradict every way in which images come from it: the free fit stands"
        return corrected, gauge, f"{match.sentence}; {text}"
    best, sentence = found
    kept = Gauge(0.0, 0.0) if best.candidate.basis is None else _gauge(best, corrected, outlines)
    return best.corrected[0], kept, sentence


def _compared(rig: Rig, names: tuple[str, ...], arrays: CameraArrays) -> str:
    try:
        return match_rig(rig, names, arrays).sentence
    except CalibrationError as error:
        return str(error)


def _too_few_equations(outlines: ConvexOutlines, before: FitResidual) -> str:
    """Why clipped outlines do not determine scales and shifts of all views; empty where they might have."""
    needed = 3 * len(outlines) + REDUNDANT
    clipped = int((outlines.uninformative & outlines.real).any(axis=1).sum())
    if clipped == 0 or before.rows >= needed:
        return ""
    return (
        f"; borders cut {clipped} of {len(outlines)} outlines, and {before.rows} tangency equations are left: scales "
        f"and shifts of all views need at least {needed}. Prepare the recording again, with another preset or a "
        "smaller --fill"
    )


def _clearly_less(undone: Fit, before: FitResidual, after: FitResidual) -> bool:
    """Fitted values must bring all residuals down; a mix-up that is undone, all but those that masks spoil."""
    if after.loss > _CLEARLY * before.loss:
        return False
    return undone.candidate.basis is None or after.rms_px <= _CLEARLY * before.rms_px


def _gauge(undone: Fit, arrays: CameraArrays, outlines: ConvexOutlines) -> Gauge | None:
    candidate = undone.candidate
    if candidate.basis is None:
        return None
    _, slope = change_of(candidate, candidate.apply(arrays), undone.x)
    if np.abs(slope[:, 4:]).max() > 0:
        return None
    to_intrinsics = slope[:, [0, 2, 3]].reshape(-1, slope.shape[2])
    covariance = to_intrinsics @ undone.covariance @ to_intrinsics.T
    return gauge_of(undo(candidate, arrays, undone.x), outlines, covariance)


def _px(value: float | None) -> str:
    return "no agreement at all" if value is None else f"{value:.2f} px"


def gauge_directions(cameras: CameraArrays, outlines: ConvexOutlines) -> Float64[Array, "v 3 4"] | None:
    """Changes of (log f, cx, cy) of every view that zoom the subject about its centre, or shift it by one camera
    distance along x, y, z. First order; None where the subject's place is unknown.

    A subject 1 + e times larger about X needs f / (1 + e) and c + e f x(X); one that is shifted by D (camera frame)
    needs log f + D_z / Z and c - f D_xy / Z.
    """
    point = subject_point(cameras, outlines)
    if point is None:
        return None
    at = np.einsum("vij,vj->vi", cameras.R_cam_world, point - cameras.centre)
    distance = float(np.linalg.norm(point - cameras.centre, axis=1).mean())
    depth = at[:, 2:]
    out = np.zeros((len(cameras), 3, 4))
    out[:, 0, 0] = -1.0
    out[:, 1:, 0] = cameras.focal * at[:, :2] / depth
    for axis in range(3):
        moved = cameras.R_cam_world[:, :, axis] * distance
        out[:, 0, 1 + axis] = moved[:, 2] / depth[:, 0]
        out[:, 1:, 1 + axis] = -cameras.focal * moved[:, :2] / depth
    return out


def gauge_of(cameras: CameraArrays, outlines: ConvexOutlines, covariance: Float64[Array, "k k"]) -> Gauge | None:
    """From the covariance of (log f, cx, cy) of all views, view by view (k = 3 v)."""
    directions = gauge_directions(cameras, outlines)
    if directions is None or len(covariance) != 3 * len(cameras):
        return None
    weight = np.tile([float(np.sqrt(outlines.area[outlines.seen].mean())), 1.0, 1.0], len(cameras))  # to pixels
    G = directions.reshape(-1, 4) * weight[:, None]
    onto = np.linalg.pinv(G) * weight
    own = onto @ covariance @ onto.T
    return Gauge(float(np.sqrt(max(own[0, 0], 0.0))), float(np.sqrt(max(np.trace(own[1:, 1:]), 0.0))))


def unobservable(cameras: CameraArrays, outlines: ConvexOutlines) -> str | None:
    """Why these silhouettes cannot correct cameras; None where they can."""
    seen = np.flatnonzero(outlines.seen)
    if len(seen) < MIN_VIEWS:
        return (
            f"{len(seen)} views have a silhouette, at least {MIN_VIEWS} are needed: two views share two tangent planes "
            "only, and have more unknowns"
        )
    if len(seen) < len(cameras):
        return f"{len(cameras) - len(seen)} of {len(cameras)} views have no silhouette, so nothing is known about them"
    point = subject_point(cameras, outlines)
    places = cameras.centre - (cameras.centre.mean(axis=0) if point is None else point)
    widest = min(_widest_deg(places), _widest_deg(centroid_rays(cameras, outlines)))
    if widest < MIN_BASELINE_DEG:
        return (
            f"the cameras look along one line (at most {widest:.1f} degrees apart, at least {MIN_BASELINE_DEG:g} are "
            "needed): silhouettes from one side do not determine zooms and shifts"
        )
    return None


def _widest_deg(d: Float64[Array, "v 3"]) -> float:
    """Largest angle between two of the lines, degrees."""
    d = d / np.maximum(np.linalg.norm(d, axis=1, keepdims=True), 1e-300)
    return float(np.degrees(np.arccos(np.clip(np.abs(d @ d.T), 0.0, 1.0)).max()))
