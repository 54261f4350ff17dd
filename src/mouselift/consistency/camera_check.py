"""Do one sample's cameras match its silhouettes? Tangency, what it blames, and the findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from mouselift.consistency.hypotheses import Suspicion, suspect
from mouselift.consistency.limits import LIMITS, GeometryLimits
from mouselift.consistency.opened_silhouettes import Witness
from mouselift.consistency.sensor_cut import without_cuts
from mouselift.dataset.sample import Sample
from mouselift.findings import Finding
from mouselift.geometry.outlines import Outline
from mouselift.geometry.tangent_planes import Tangency, tangency

_SURE = 2.0  # times a score's limit


@dataclass(frozen=True, eq=False)
class CameraCheck:
    """One sample."""

    outlines: tuple[Outline | None, ...]  # corners on old frame edges marked
    tangency: Tangency
    suspicion: Suspicion
    findings: tuple[Finding, ...]
    limits: GeometryLimits

    @property
    def judged(self) -> bool:
        """Enough tangent planes had a say: silence means agreement."""
        return self.suspicion.kind != "unknown"

    @property
    def faulty(self) -> bool:
        """Cameras and pixels disagree."""
        return any(finding.code == "tangency" for finding in self.findings)

    @property
    def by_bodies(self) -> bool:
        """Outlines are ragged everywhere; cameras were judged by the bodies, coarsely."""
        return self.suspicion.body_share is not None

    @property
    def rough(self) -> bool:
        """Outlines are off by more than exact ones, in a way that no camera explains."""
        return any(finding.code == "masks-rough" for finding in self.findings)


def check_cameras(sample: Sample, outlines: Sequence[Outline | None], limits: GeometryLimits = LIMITS) -> CameraCheck:
    """Findings: `tangency` (a warning where barely so), `tangency-unknown`, `masks-rough`, `cut-by-sensor`."""
    kept, notes = without_cuts(sample, outlines, limits)
    cameras = [view.camera for view in sample.views]
    found = tangency(cameras, kept)

    @cache
    def body() -> Witness:
        return Witness.of([view.alpha for view in sample.views], kept, cameras)

    suspicion = suspect(found.planes, kept, limits, body)
    findings = [*notes]
    # Long residuals at thin tips alone are what the half level does to them, most of all at low resolution.
    loud = found.rms_px > limits.rms_px and suspicion.noise_px > limits.rough_px
    blamed = suspicion.kind in ("view", "all", "several") or (suspicion.kind == "none" and loud)
    smallest = min((float(np.sqrt(outline.area)) for outline in kept if outline is not None), default=0.0)
    if suspicion.kind == "unknown":
        findings.append(_unknown(sample, suspicion, limits))
    elif blamed and smallest < limits.tiny_px:
        suspicion = replace(suspicion, kind="unknown", view=None)
        findings.append(_tiny(sample, smallest, limits))
    elif blamed:
        findings.append(_disagreement(sample, found, suspicion, limits))
    if (suspicion.masks is not None and suspicion.masks.at_fault) or suspicion.noise_px > limits.rough_px:
        findings.append(_rough(sample, suspicion, limits))
    return CameraCheck(kept, found, suspicion, tuple(findings), limits)


def accused(sample: Sample, check: CameraCheck) -> CameraCheck:
    """The same where masks were at fault at first sight, but cameras are: what was said of masks goes."""
    score = check.suspicion.best[2]
    suspicion = replace(
        check.suspicion,
        kind="several",
        view=None,
        score=score,
        limit=check.limits.several_score,
        masks=None,
        body_share=None,
    )
    others = [finding for finding in check.findings if finding.code != "masks-rough"]
    found = _disagreement(sample, check.tangency, suspicion, check.limits)
    return replace(check, suspicion=suspicion, findings=(*others, found))


def _unknown(sample: Sample, suspicion: Suspicion, limits: GeometryLimits) -> Finding:
    text = (
        f"{sample.id}: only {suspicion.planes_used} tangent planes have a say (expected at least {limits.min_planes}): "
        "whether cameras and silhouettes agree is not known"
    )
    return Finding.of(
        "tangency-unknown",
        text,
        frame=sample.frame,
        sample=sample.id,
        value=float(suspicion.planes_used),
        limit=float(limits.min_planes),
    )


def _tiny(sample: Sample, smallest: float, limits: GeometryLimits) -> Finding:
    text = (
        f"{sample.id}: outlines disagree, but the smallest subject is only {smallest:.0f} px (square root of its area; "
        f"expected at least {limits.tiny_px:g} px): whether cameras or too few pixels are the reason is not known"
    )
    advice = "Audit images of a higher resolution."
    return Finding.of(
        "tangency-unknown",
        text,
        frame=sample.frame,
        sample=sample.id,
        value=smallest,
        limit=limits.tiny_px,
        advice=advice,
    )


def _disagreement(sample: Sample, found: Tangency, suspicion: Suspicion, limits: GeometryLimits) -> Finding:
    rms = f"tangency {found.rms_px:.2f} px RMS"
    name, value, limit = None, suspicion.score, suspicion.limit
    s, dx, dy = suspicion.change
    if suspicion.kind == "view" and suspicion.view is not None:
        name = sample.views[suspicion.view].name
        text = f"the camera of {name} does not belong to its image: {rms}; it looks scaled by {np.exp(s):.4f} and "
        text += f"shifted by ({dx:.1f}, {dy:.1f}) px without its intrinsics"
        if suspicion.masks is not None and suspicion.masks.instead is not None:
            other, pixels = suspicion.masks.instead
            text += (
                f" (or the mask of {sample.views[other].name} is {pixels:.1f} px too fat, which explains it less well)"
            )
    elif suspicion.kind == "all":
        text = f"all views look shifted by ({dx:.2f}, {dy:.2f}) px against their principal points: {rms}"
    elif suspicion.kind == "several":
        text = f"the cameras of several views do not belong to their images: {rms}"
    else:
        text = f"cameras and silhouettes disagree in a way that scaling and shifting images does not explain: {rms}"
        value, limit = found.rms_px, limits.rms_px
    # Barely above the limit, one sample alone is not believed: lossy masks come so far. A dataset repeats itself.
    severity = "error" if value > _SURE * limit or found.rms_px > limits.rms_px else "warning"
    return Finding.of(
        "tangency",
        f"{sample.id}: {text}",
        severity=severity,
        camera=name,
        frame=sample.frame,
        sample=sample.id,
        value=float(value),
        limit=float(limit),
    )


def _rough(sample: Sample, suspicion: Suspicion, limits: GeometryLimits) -> Finding:
    masks, name = suspicion.masks, None
    if suspicion.body_share is not None:
        return _ragged(sample, suspicion, suspicion.body_share, limits)
    parts = [f"outlines disagree by {suspicion.noise_px:.2f} px in a way that no camera explains"]
    if masks is not None and masks.fat_view is not None:
        name = sample.views[masks.fat_view].name
        parts.append(f"the mask of {name} is {masks.fat_px:.1f} px too fat")
    for view in masks.short_views if masks is not None else ():
        name = sample.views[view].name
        parts.append(f"the mask of {name} lacks a part that other views see (a tail?)")
    text = f"{sample.id}: rough masks: {'; '.join(parts)}; small faults of cameras cannot be seen"
    severity = "note" if masks is None else "warning"
    return Finding.of(
        "masks-rough",
        text,
        severity=severity,
        camera=name,
        frame=sample.frame,
        sample=sample.id,
        value=suspicion.noise_px,
        limit=limits.rough_px,
    )


def _ragged(sample: Sample, suspicion: Suspicion, share: float, limits: GeometryLimits) -> Finding:
    text = (
        f"{sample.id}: ragged masks: outlines disagree in all views; without their thin parts (tail, ears, paws) they "
        f"agree to {100 * share:.0f} % of the subject's half breadth ({suspicion.noise_px:.1f} px RMS): the cameras "
        "match to that and no finer"
    )
    advice = "Look at the outlines in the report; only better masks can show a fault of some per cent."
    return Finding.of(
        "masks-rough", text, frame=sample.frame, sample=sample.id, value=share, limit=limits.body_share, advice=advice
    )
