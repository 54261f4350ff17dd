"""What all samples of a rig say together of its cameras, in words; and what that says of single samples."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np

from mouselift.audit.result import SampleReport
from mouselift.audit.verdict import verdict
from mouselift.consistency.pooled_tangency import FLOOR_PX, MANY_PLACES, Blame, PooledTangency, PooledTest, shrinks
from mouselift.consistency.sample_planes import unit_words
from mouselift.findings import Finding
from mouselift.geometry.outline_mismatch import RATIO

MOST_SAMPLES = 300  # pooled, evenly spaced: a median over 300 samples is known to a tenth of its spread
_COARSE_PX = 0.5  # masks that leave no finer judgement are rough, and said to be
_NEVER = 0.3  # a focal length wrong by such a share, or a turn of so many radians, is no small fault any more
_GUIDE = "The audit's guide says what two and three cameras can show."
_ALONE = {"tangency", "tangency-unknown"}  # what one sample says of its cameras, and what all together may know better


def pooled_findings(pooled: PooledTangency, explained: bool = False) -> list[Finding]:
    """An error for each camera to blame, or one that names none. Else of samples without a verdict of their own: how
    finely their cameras agree. explained: a cause is known, and says more.
    """
    if pooled.blame is not None:
        return _contradiction(pooled, pooled.blame, explained)
    if pooled.test is None:
        return []
    who = f"the cameras of {' and '.join([', '.join(pooled.names[:-1]), pooled.names[-1]])}"
    test, unit = pooled.test, unit_words(pooled.source)
    if not pooled.enough:
        text = (
            f"{who} cannot be judged: {pooled.samples} samples are too few to tell {test.seen} numbers of the cameras "
            "from noise; more samples, spread over more places, are needed"
        )
        return [Finding.of("tangency-pooled", text, severity="warning", advice=_GUIDE)]
    agree = max(test.fault_px, test.needed_px)
    rough = agree > _COARSE_PX
    share = 100 * agree * pooled.size_share / max(pooled.mismatch_px, 1e-9)
    text = f"{who} agree to {agree:.1f} {unit} ({share:.1g} % of the animal) over {pooled.samples} samples; "
    text += f"{_would_not_show(test)}{f'; the masks are too rough for more{few_places(pooled)}' if rough else ''}. "
    text += _unseen(pooled)
    severity = "warning" if rough else "note"
    px, limit = test.fault_px, test.needed_px
    return [Finding.of("tangency-pooled", text, severity=severity, value=px, limit=limit, advice=_GUIDE)]


def _contradiction(pooled: PooledTangency, blame: Blame, explained: bool) -> list[Finding]:
    unit, off, other = unit_words(pooled.source), blame.value_px, blame.other_px
    where = f"over {pooled.samples} samples"
    few = len(pooled.names) < 4 and not explained
    which = "" if not few else f"; which camera it is cannot be told from {len(pooled.names)} views"
    limit = other
    if blame.kind in ("change", "elsewhere"):
        text = f"camera {blame.cameras[0]}: {where} its outlines lie {off:.2g} {unit} from where the others put them; "
        if blame.kind == "change":
            text += f"one change of this camera, the same in all samples, leaves {other:.2g}: its calibration or its "
            text += "place is wrong, not the masks"
        else:
            text += "no small change of it explains that: it is exchanged with another camera, or stands elsewhere"
        off, limit = off / max(other, FLOOR_PX), shrinks(pooled.places)
    elif blame.kind == "exchanged":
        text = f"cameras {' and '.join(blame.cameras)}: {where} the outlines of all views lie {off:.1f} {unit} from "
        text += f"where the others put them, and {other:.1f} without these two: they are exchanged, or both are wrong"
        off, limit = off / max(other, FLOOR_PX), RATIO
    elif blame.kind == "together":
        text = f"the cameras contradict the silhouettes: {where} outlines are off by {off:.2g} {unit} in the same way, "
        text += f"of which errors of masks explain {other:.2g}{which}"
    else:
        text = f"the cameras contradict the silhouettes: {where} most outlines lie {off:.1f} {unit} from where the "
        text += f"others put them, {pooled.size_share:.0%} of the animal"
        if not explained:
            text += ", whatever small change of one camera is tried: the cameras do not belong to the images, or most "
            text += f"masks do not show the animal{which}"
    named = blame.cameras or (None,)
    return [
        Finding.of("tangency-pooled", text, severity="error", camera=name, value=off, limit=limit) for name in named
    ]


def fineness(pooled: PooledTangency) -> str:
    """As sentences say it: how far a fault of a camera may still hide."""
    mismatch = f"{pooled.mismatch_px:.2g} {unit_words(pooled.source)}"
    return f"cameras agree to {mismatch}, {100 * pooled.size_share:.2g} % of the animal"


def of_cut_masks(finding: Finding) -> Finding:
    """The same of masks that were cut to agree with cameras of which nobody knows that they are right."""
    if finding.code != "tangency-pooled" or finding.severity == "error":
        return finding
    return replace(finding, message=f"{finding.message}. But masks were cut so that they agree (`cameras-untested`)")


def few_places(pooled: PooledTangency) -> str:
    """As a sentence goes on where masks may err alike in most samples; "" where the subject moved enough."""
    if pooled.places >= MANY_PLACES:
        return ""
    where = "one place" if pooled.places == 1 else f"{pooled.places} places"
    return f"; the subject is seen in {where} only: samples spread over more of the recording would tell more"


def _would_not_show(test: PooledTest) -> str:
    shown = []
    if test.least_scale < _NEVER:
        shown.append(f"a focal length wrong by less than {100 * test.least_scale:.2g} %")
    if test.least_turn_rad < _NEVER:
        shown.append(f"a camera turned by less than {np.degrees(test.least_turn_rad):.2g} degrees")
    return f"{' or '.join(shown)} would not show" if shown else "no fault of one camera alone would show"


def _unseen(pooled: PooledTangency) -> str:
    if len(pooled.names) == 2:
        return (
            "Two views are compared across their epipolar lines only: what moves an image along them (depth, the "
            "distance between the cameras, a zoom of both) shows in no number of samples"
        )
    return "A zoom or a shift that all cameras share shows in no number of samples"


def is_inconclusive(report: SampleReport) -> bool:
    """Whether the sample alone blames cameras, or cannot say."""
    return report.verdict == "unknown" or any(finding.code in _ALONE for finding in report.findings)


def settled(report: SampleReport, together: PooledTangency) -> SampleReport:
    """The report of a sample whose cameras all samples together have found right: its masks are rough."""
    if report.numbers.get("tangency_px") is None:
        return report
    findings: list[Finding] = []
    for finding in report.findings:
        if finding.code == "tangency":
            text = (
                f"{report.id}: rough masks: its outlines disagree by {report.numbers['tangency_px']:.1f} px RMS; its "
                f"cameras are those of all samples, which together say that they are right: {fineness(together)}"
            )
            finding = Finding.of(
                "masks-rough", text, sample=report.id, frame=report.frame, value=report.numbers["tangency_px"]
            )
        elif finding.code == "coverage":  # the hull is that of the same masks
            finding = replace(finding, severity="warning")
        if finding.code != "tangency-unknown":
            findings.append(finding)
    return msgspec.structs.replace(report, findings=findings, verdict=verdict(findings, compared=1.0))
