"""Do one sample's cameras match its silhouettes? Tangency, the camera that it blames, and the findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from mouselift.consistency.hidden_fault import hidden_fault_px
from mouselift.consistency.hypotheses import (
    MIN_PLANES,
    ROUGH_PX,
    FaultHypothesis,
    choose_hypothesis,
)
from mouselift.consistency.opened_silhouettes import OpenedTangency
from mouselift.consistency.outline_noise import OutlineNoise
from mouselift.consistency.sensor_cut import without_cuts
from mouselift.dataset.sample import Sample
from mouselift.findings import Finding
from mouselift.geometry.outlines import SPECK_SHARE, Outline, outline_of
from mouselift.geometry.tangent_planes import Tangency, tangency

# Runs: `python benchmarks/audit_detection.py --calibrate`; docs/evidence/audit-rates.md.
MOST_RMS_PX = 3.0  # residual RMS that masks can make; above it cameras are wrong, whatever explains it
_TINY_PX = 20.0  # square root of the smallest subject's area; below it, no disagreement blames a camera
_CERTAIN = 2.0  # times a score's limit
# Of the half breadth. By its meaning: a camera whose image could be off by a quarter of the trunk unseen was not
# compared, and nothing is said of it.
_MOST_HIDDEN = 0.5


@dataclass(frozen=True, eq=False)
class CameraCheck:
    """What silhouettes say about one sample's cameras."""

    outlines: tuple[Outline | None, ...]  # corners on old frame edges marked
    tangency: Tangency
    hypothesis: FaultHypothesis
    findings: tuple[Finding, ...]
    hidden_px: float | None = None  # by which one camera's image may be off unseen, where masks are rough

    @property
    def judged(self) -> bool:
        """There were enough tangent planes: no finding means agreement."""
        return self.hypothesis.kind != "unknown"

    @property
    def too_rough(self) -> bool:
        """Masks let so large a fault of one camera pass that nothing is known of the cameras."""
        return self.judged and any(finding.code == "tangency-unknown" for finding in self.findings)

    @property
    def faulty(self) -> bool:
        """Cameras and pixels disagree."""
        return any(finding.code == "tangency" for finding in self.findings)

    @property
    def by_opened(self) -> bool:
        """Masks are rough in all views; cameras were checked coarsely, by the opened silhouettes."""
        return self.hypothesis.opened_share is not None

    @property
    def rough(self) -> bool:
        """Outlines are off by more than exact ones, in a way that no camera explains."""
        return any(finding.code == "masks-rough" for finding in self.findings)


def check_sample(sample: Sample) -> CameraCheck:
    """`check_cameras` of the sample's own outlines, without the specks of its masks."""
    return check_cameras(sample, [outline_of(view.alpha, SPECK_SHARE) for view in sample.views])


def compared_outlines(sample: Sample) -> tuple[Outline | None, ...]:
    """`check_sample(sample).outlines`, without the check: corners on old frame edges marked."""
    return without_cuts(sample, [outline_of(view.alpha, SPECK_SHARE) for view in sample.views])[0]


def check_cameras(sample: Sample, outlines: Sequence[Outline | None]) -> CameraCheck:
    """Compares cameras with outlines, one a view.

    Findings: `tangency` (a warning where barely so), `tangency-unknown`, `view-not-compared`, `masks-rough`,
    `cut-by-sensor`."""
    kept, notes = without_cuts(sample, outlines)
    cameras = [view.camera for view in sample.views]
    found = tangency(cameras, kept)

    @cache
    def opened() -> OpenedTangency:
        return OpenedTangency.of([view.alpha for view in sample.views], kept, cameras)

    hypothesis = choose_hypothesis(found.planes, kept, opened)
    findings = [*notes]
    # Long residuals at thin tips alone are what the half level does to them, most of all at low resolution.
    large = found.rms_px > MOST_RMS_PX and hypothesis.noise_px > ROUGH_PX
    blamed = hypothesis.kind in ("view", "all", "lens", "several") or (hypothesis.kind == "none" and large)
    smallest = min((float(np.sqrt(outline.area)) for outline in kept if outline is not None), default=0.0)
    if hypothesis.kind == "unknown":
        findings.append(_unknown(sample, hypothesis))
    elif blamed and smallest < _TINY_PX:
        hypothesis = replace(hypothesis, kind="unknown", view=None)
        findings.append(_tiny(sample, smallest))
    elif blamed:
        findings.append(_disagreement(sample, found, hypothesis))
    else:
        findings += _not_compared(sample, found)
    hidden = limit = None
    if (hypothesis.masks is not None and hypothesis.masks.found) or hypothesis.noise_px > ROUGH_PX:
        if not blamed and hypothesis.kind != "unknown":
            coarse = opened()
            hidden = hidden_fault_px(coarse.planes)
            if hypothesis.opened_share is None:
                hidden = min(hidden, hidden_fault_px(found.planes, OutlineNoise.of(found.planes, kept).sigma_px))
            limit = _MOST_HIDDEN * coarse.silhouettes.breadth_px
        findings.append(_rough(sample, hypothesis, hidden))
        if hidden is not None and limit is not None and hidden > limit:
            findings.append(_too_rough(sample, hidden, limit))
    return CameraCheck(kept, found, hypothesis, tuple(findings), hidden)


def blame_cameras(sample: Sample, check: CameraCheck) -> CameraCheck:
    """The same check, but cameras are blamed where it blames masks: for a caller that knows better."""
    score, limit = check.hypothesis.best[2], check.hypothesis.limits[2]
    hypothesis = replace(
        check.hypothesis, kind="several", view=None, score=score, limit=limit, masks=None, opened_share=None
    )
    others = [finding for finding in check.findings if finding.code not in ("masks-rough", "tangency-unknown")]
    found = _disagreement(sample, check.tangency, hypothesis)
    return replace(check, hypothesis=hypothesis, findings=(*others, found), hidden_px=None)


def _unknown(sample: Sample, hypothesis: FaultHypothesis) -> Finding:
    text = (
        f"only {hypothesis.planes_used} tangent planes have a say (expected at least {MIN_PLANES}): "
        "whether cameras and silhouettes agree cannot be told from one such sample"
    )
    return sample.finding("tangency-unknown", text, value=float(hypothesis.planes_used), limit=float(MIN_PLANES))


def _not_compared(sample: Sample, found: Tangency) -> Iterator[Finding]:
    """Views without a tangent plane of their own, or a silhouette: the others agree, and say nothing about them."""
    for view, rms_px in zip(sample.views, found.view_rms_px, strict=True):
        if np.isnan(rms_px):
            text = (
                f"view {view.name} has no tangent plane in common with any other view, so its camera was not compared: "
                "that the others agree says nothing about it"
            )
            yield sample.finding("view-not-compared", text, camera=view.name)
    for camera in sample.unseen:
        text = (
            f"view {camera.name} has no silhouette, so its camera was not compared: that the others agree says nothing "
            "about it"
        )
        yield sample.finding("view-not-compared", text, camera=camera.name)


def _tiny(sample: Sample, smallest: float) -> Finding:
    text = (
        f"outlines disagree, but the smallest subject is only {smallest:.0f} px (square root of its area; "
        f"expected at least {_TINY_PX:g} px): whether cameras or too few pixels are the reason is not known"
    )
    advice = "Audit images of a higher resolution."
    return sample.finding("tangency-unknown", text, value=smallest, limit=_TINY_PX, advice=advice)


def _too_rough(sample: Sample, hidden_px: float, limit_px: float) -> Finding:
    text = (
        f"masks are too rough to compare cameras with: one whose image is off by {_far(hidden_px)} would not show "
        f"(expected at most {limit_px:.1f} px, a quarter of the trunk's breadth)"
    )
    advice = "Audit more samples of these cameras together, better masks, or images of a higher resolution."
    value = hidden_px if np.isfinite(hidden_px) else None
    return sample.finding("tangency-unknown", text, value=value, limit=limit_px, advice=advice)


def _disagreement(sample: Sample, found: Tangency, hypothesis: FaultHypothesis) -> Finding:
    rms = f"tangency {found.rms_px:.2f} px RMS"
    name, value, limit = None, hypothesis.score, hypothesis.limit
    s, dx, dy = hypothesis.change
    if hypothesis.kind == "view" and hypothesis.view is not None:
        name = sample.views[hypothesis.view].name
        text = f"the camera of {name} does not belong to its image: {rms}; it looks scaled by {np.exp(s):.4f} and "
        text += f"shifted by ({dx:.1f}, {dy:.1f}) px without its intrinsics"
        if hypothesis.masks is not None and hypothesis.masks.instead is not None:
            other, pixels = hypothesis.masks.instead
            text += (
                f" (or the mask of {sample.views[other].name} is {pixels:.1f} px too fat, which explains it less well)"
            )
    elif hypothesis.kind == "all":
        text = f"all views look shifted by ({dx:.2f}, {dy:.2f}) px against their principal points: {rms}"
    elif hypothesis.kind == "lens":
        k1, sigma = hypothesis.k1
        text = f"all views look as if lens distortion was left in them, k1 = {k1:.2f} +- {sigma:.2f}: {rms}"
    elif hypothesis.kind == "several":
        text = f"the cameras of several views do not belong to their images: {rms}"
    else:
        text = f"cameras and silhouettes disagree in a way that scaling and shifting images does not explain: {rms}"
        value, limit = found.rms_px, MOST_RMS_PX
    # Barely above the limit, one sample alone is not believed: lossy masks come so far. A dataset repeats itself.
    severity = "error" if value > _CERTAIN * limit or found.rms_px > MOST_RMS_PX else "warning"
    return sample.finding("tangency", text, severity=severity, camera=name, value=float(value), limit=float(limit))


def _rough(sample: Sample, hypothesis: FaultHypothesis, hidden_px: float | None) -> Finding:
    masks, name = hypothesis.masks, None
    if hypothesis.opened_share is not None:
        return _rough_everywhere(sample, hypothesis, hypothesis.opened_share, hidden_px)
    parts = [f"outlines disagree by {hypothesis.noise_px:.2f} px in a way that no camera explains"]
    if masks is not None and masks.fat_view is not None:
        name = sample.views[masks.fat_view].name
        parts.append(f"the mask of {name} is {masks.fat_px:.1f} px too fat")
    for view in masks.short_views if masks is not None else ():
        name = sample.views[view].name
        parts.append(f"the mask of {name} lacks a part that other views see (a tail?)")
    text = f"rough masks: {'; '.join(parts)}; small faults of cameras cannot be seen{_unseen(hidden_px)}"
    severity = "note" if masks is None else "warning"
    return sample.finding(
        "masks-rough", text, severity=severity, camera=name, value=hypothesis.noise_px, limit=ROUGH_PX
    )


def _rough_everywhere(sample: Sample, hypothesis: FaultHypothesis, share: float, hidden_px: float | None) -> Finding:
    text = (
        f"rough masks: outlines disagree in all views; without their thin parts (tail, ears, paws) they "
        f"agree to {100 * share:.0f} % of the subject's half breadth ({hypothesis.noise_px:.1f} px RMS): all cameras "
        f"together match to that and no finer{_unseen(hidden_px)}"
    )
    advice = (
        "Look where the outlines disagree (the report draws it); only better masks can show a fault of some per cent."
    )
    return sample.finding("masks-rough", text, value=hypothesis.noise_px, limit=ROUGH_PX, advice=advice)


def _unseen(hidden_px: float | None) -> str:
    """A mean over all planes says too little of one camera."""
    return "" if hidden_px is None else f" (one camera alone: its image may be off by {_far(hidden_px)})"


def _far(hidden_px: float) -> str:
    return f"{hidden_px:.1f} px" if np.isfinite(hidden_px) else "any number of pixels"
