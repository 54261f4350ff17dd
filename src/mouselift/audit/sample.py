"""One sample -> `SampleReport`: its files, cameras against silhouettes, where the subject is, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.audit.keypoints import SampleTally, compare_keypoints, few_on_alpha
from mouselift.audit.placement import (
    Placement,
    Spread,
    placement,
    placement_findings,
    spread,
    spread_findings,
    viewpoints,
)
from mouselift.audit.result import SampleReport
from mouselift.audit.verdict import verdict
from mouselift.consistency.cameras import MOST_RMS_PX, CameraCheck, blame_cameras, check_sample
from mouselift.consistency.hull_coverage import coverage_findings, hull_coverage
from mouselift.dataset.foreign_sample import load_sample
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.explain import in_order
from mouselift.findings import Finding
from mouselift.geometry.outlines import Outline
from mouselift.geometry.tangent_planes import Tangency
from mouselift.strings_as_paths import takes_paths


@takes_paths
def audit_sample(sample: Sample | Path, *, hull: bool = False) -> SampleReport:
    """One sample's findings, numbers and verdict, from its views or from its folder, the folder's files included.

    hull: also carve the visual hull and compare it with each mask (ten times slower). What is broken in a folder is a
    finding; nothing is raised for it.

    >>> report = audit_sample(Path("out/mouse7/sample_000786"))  # doctest: +SKIP
    >>> report.verdict, report.numbers["tangency_px"]  # doctest: +SKIP
    ('pass', 0.11)
    """
    return audit_views(load_sample(sample) if isinstance(sample, Path) else sample, hull)[0]


def audit_views(sample: Sample, hull: bool = False) -> tuple[SampleReport, Geometry, SampleTally | None]:
    """(as `audit_sample`; what it was made from: silhouettes, and keypoints where the sample has some)."""
    findings = list(sample.findings)
    if sample.preset == "legacy":
        text = "its file says preset `legacy`: the cameras do not belong to the pixels, on purpose"
        findings.append(sample.finding("legacy", text))
    seen = compare_views(sample, hull)
    own = [view.camera for view in sample.views]
    place = placement(own, seen.outlines)
    findings += [*seen.findings, *placement_findings(sample, place)]
    apart = spread(own, seen.outlines) if own else None
    if apart is not None:
        findings += spread_findings(sample, apart)
    keypoints = None
    if sample.keypoints is not None:
        keypoints = compare_keypoints(sample)
        findings += few_on_alpha(sample, keypoints)
    count = len(sample.views) + len(sample.unseen)
    if count < 2 and not any(finding.severity == "error" for finding in findings):
        text = f"expected at least two views with a camera, got {count}"
        findings.append(sample.finding("too-few-views", text))
    answer = verdict(findings, compared=float(seen.judged))
    numbers = _sample_numbers(seen, place, apart)
    report = SampleReport(sample.id, sample.frame, findings, answer, numbers, _view_numbers(sample, seen, place))
    if keypoints is not None:
        report.numbers["keypoints_on"] = keypoints.tally.share()
        for view in report.views:
            view["keypoints_on"] = keypoints.tally.share(camera=str(view["camera"]))
    return report, seen, keypoints


def _sample_numbers(seen: Geometry, place: Placement, apart: Spread | None) -> dict[str, float | None]:
    worst, covered = seen.tangency.view_rms_px, seen.coverage
    numbers = {
        "tangency_px": seen.tangency.rms_px,
        "tangency_worst_px": float(np.fmax.reduce(worst, initial=np.nan)),  # NaN where no view has any
        "coverage": np.nan if covered is None else float(np.fmin.reduce(covered, initial=np.nan)),
        "off_origin": place.off_origin,
        "extent": place.extent,
        "depth": place.depth,
        "border_views": float(sum(place.border)),
    }
    if apart is not None:
        numbers |= {"size_spread": apart.size, "smallest_px": apart.smallest_px}
        numbers |= {"focal_spread": apart.focal, "principal_px": apart.principal_px}
    return {key: _known(value) for key, value in numbers.items()}


def _view_numbers(sample: Sample, seen: Geometry, place: Placement) -> list[dict[str, float | str | None]]:
    facts = viewpoints([view.camera for view in sample.views])
    out: list[dict[str, float | str | None]] = []
    for k, view in enumerate(sample.views):
        camera, outline = view.camera, seen.outlines[k]
        centre = camera.centre
        out.append(
            {
                "camera": view.name,
                "tangency_px": _known(float(seen.tangency.view_rms_px[k])),
                "coverage": None if seen.coverage is None else _known(float(seen.coverage[k])),
                "area_px": None if outline is None else outline.area,
                **{key: float(getattr(camera, key)) for key in ("fx", "fy", "cx", "cy", "width", "height")},
                "distance": float(facts["distance"][k]),
                "elevation_deg": float(facts["elevation_deg"][k]),
                "azimuth_deg": float(np.degrees(np.arctan2(centre[1], centre[0]))),
                "border": float(place.border[k]),
                "cut": None if view.cut is None else float(view.cut),
            }
        )
    return out


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


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
        """Cameras and silhouettes could be compared. Not so where masks are too rough, or where they are far apart and
        masks could be the reason.
        """
        blamed = any(finding.code == "tangency" for finding in self.findings)
        quiet = self.check.by_opened or not self.tangency.rms_px > MOST_RMS_PX
        return self.check.judged and not self.check.too_rough and (blamed or quiet)


def compare_views(sample: Sample, hull: bool = False) -> Geometry:
    """Cameras against silhouettes. A sample without views is not judged, and no finding is added: others said why."""
    check = check_sample(sample)
    if check.hypothesis.kind == "masks" and not in_order(sample, check):
        check = blame_cameras(sample, check)
    findings = list(check.findings) if sample.views else []
    coverage = None
    if hull:
        carved = hull_coverage([view.camera for view in sample.views], [view.alpha for view in sample.views])
        cut = any(finding.code == "cut-by-sensor" for finding in findings)
        findings += coverage_findings(sample, carved, cut=cut, rough=check.rough)
        coverage = carved.coverage
    return Geometry(check.outlines, check, coverage, tuple(findings))
