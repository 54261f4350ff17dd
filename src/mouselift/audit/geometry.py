"""One sample's geometry: outlines, tangency and, where asked for, the hull's coverage, with their findings."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
from jaxtyping import Float64

from mouselift.array_types import Array, Levels
from mouselift.consistency.cameras import MOST_RMS_PX, CameraCheck, blame_cameras, check_cameras
from mouselift.consistency.hull_coverage import coverage_findings, hull_coverage
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.explain import in_order, problem_of
from mouselift.findings import Finding
from mouselift.geometry.outlines import HALF_LEVEL, SPECK_SHARE, Outline, outline_of
from mouselift.geometry.tangent_planes import Tangency


@dataclass(frozen=True, eq=False)
class Geometry:
    """What silhouettes say about cameras."""

    outlines: tuple[Outline | None, ...]  # corners that say nothing marked
    check: CameraCheck
    coverage: Float64[Array, " v"] | None  # None: the hull was not asked for
    findings: tuple[Finding, ...]

    @property
    def tangency(self) -> Tangency:
        return self.check.tangency

    @property
    def judged(self) -> bool:
        """Cameras and silhouettes could be compared. Not so where they are far apart and masks could be the reason."""
        blamed = any(finding.code == "tangency" for finding in self.findings)
        quiet = self.check.by_opened or not self.tangency.rms_px > MOST_RMS_PX
        return self.check.judged and (blamed or quiet)


def geometry(sample: Sample, hull: bool = False) -> Geometry:
    """A sample without views is not judged, and has no finding: what left them out has said why."""
    raw = [_outline(view.alpha) for view in sample.views]
    check = check_cameras(sample, raw)
    if check.hypothesis.kind == "masks" and not in_order(*problem_of(sample, check), check):
        check = blame_cameras(sample, check)
    findings = list(check.findings) if sample.views else []
    coverage = None
    if hull:
        carved = hull_coverage([view.camera for view in sample.views], [view.alpha for view in sample.views])
        cut = any(finding.code == "cut-by-sensor" for finding in findings)
        findings += coverage_findings(sample, carved, cut=cut, rough=check.rough)
        coverage = carved.coverage
    return Geometry(check.outlines, check, coverage, tuple(findings))


def _outline(alpha: Levels) -> Outline | None:
    """Without specks. Labelling parts takes twice as long as the rest: it is done where there are several only."""
    whole = outline_of(alpha)
    return outline_of(alpha, SPECK_SHARE) if whole is not None and _in_parts(alpha, whole) else whole


def _in_parts(alpha: Levels, outline: Outline) -> bool:
    x0, y0, x1, y1 = outline.box
    inside = cv2.threshold(alpha[y0:y1, x0:x1], HALF_LEVEL - 1, 1, cv2.THRESH_BINARY)[1]
    return len(cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]) > 1
