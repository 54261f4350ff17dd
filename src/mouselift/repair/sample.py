"""Repair of one sample: corrected cameras where the silhouettes determine them, the reason where they do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mouselift.audit.diagnose.candidate import change_of
from mouselift.audit.diagnose.cause import Cause, Diagnosis, finite
from mouselift.audit.diagnose.explain import explain, in_order, look, problem_of
from mouselift.audit.diagnose.fit import Fit, Left, in_front, judge, undo
from mouselift.audit.diagnose.stated import Hulls, Stated
from mouselift.audit.views import SampleViews
from mouselift.core.camera import Camera
from mouselift.errors import CalibrationError
from mouselift.repair.gauge import Gauge, gauge_of, unobservable

Status = Literal["good", "repaired", "refused"]

_CLEARLY = 0.5  # robust loss and, for fitted values, RMS must fall to less than this share of what was there


@dataclass(frozen=True, eq=False)
class Repaired:
    """`cameras` are the stated ones unless status is "repaired"."""

    status: Status
    cameras: tuple[Camera, ...]
    cause: Cause | None
    reason: str  # why it stayed as it was; empty where it was repaired
    residual_before_px: float | None
    residual_after_px: float | None
    gauge: Gauge | None = None


def repair_sample(sample: SampleViews, shared: Diagnosis | None = None) -> Repaired:
    """Cameras that agree with the silhouettes, pixels untouched.

    shared: the diagnosis of several samples of one pipeline, whose values are applied here instead of fitted. A sample
    that is in order stays as it is, and so does one whose residual would not clearly fall.
    """
    cameras = tuple(view.camera for view in sample.views)
    if not cameras:
        return Repaired("refused", cameras, None, "no view has a camera and a silhouette", None, None)
    check = look(sample)
    stated, hulls = problem_of(sample, check)
    stays = judge([stated], [hulls])
    before = finite(stays.rms_px)
    if in_order(stated, hulls, check):
        return Repaired("good", cameras, None, "in order: cameras and silhouettes agree", before, before)
    hindrance = unobservable(stated, hulls)
    if hindrance is not None:
        return Repaired("refused", cameras, None, hindrance, before, None)
    found = explain([(stated, hulls)], sample.names) if shared is None else shared
    cause, undone = found.cause, found.undone
    if cause is None or undone is None:
        text = "nothing wrong was found in the samples that were pooled" if cause is None else cause.sentence
        return Repaired("refused", cameras, cause, text, before, None)
    corrected = undo(undone.candidate, stated, undone.x)
    try:
        repaired = tuple(corrected.camera(i, like=camera) for i, camera in enumerate(cameras))
    except CalibrationError as error:
        return Repaired("refused", cameras, cause, f"{cause.sentence}; {error}", before, None)
    left = judge([corrected], [hulls])
    after = finite(left.rms_px)
    if not in_front(corrected, hulls) or not _clearly_less(undone, stays, left):
        text = (
            f"{cause.sentence}: undoing it would leave {_px(after)} of {_px(before)}, which is not clearly less, so "
            "the sample stays as it was"
        )
        return Repaired("refused", cameras, cause, text, before, after)
    return Repaired("repaired", repaired, cause, "", before, after, _gauge(undone, stated, hulls))


def _clearly_less(undone: Fit, stays: Left, left: Left) -> bool:
    """Fitted values must bring all residuals down; a mix-up that is undone, all but those that masks spoil."""
    if left.loss > _CLEARLY * stays.loss:
        return False
    return undone.candidate.basis is None or left.rms_px <= _CLEARLY * stays.rms_px


def _gauge(undone: Fit, stated: Stated, hulls: Hulls) -> Gauge | None:
    candidate = undone.candidate
    if candidate.basis is None:
        return None
    _, slope = change_of(candidate, candidate.apply(stated), undone.x)
    if np.abs(slope[:, 4:]).max() > 0:
        return None
    to_intrinsics = slope[:, [0, 2, 3]].reshape(-1, slope.shape[2])
    spread = to_intrinsics @ undone.covariance @ to_intrinsics.T
    return gauge_of(undo(candidate, stated, undone.x), hulls, spread)


def _px(value: float | None) -> str:
    return "no agreement at all" if value is None else f"{value:.2f} px"
