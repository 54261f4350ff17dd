"""The first words of a report: by how much outlines disagree, what that means, and what to do next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from mouselift.audit.result import CodeCount, DatasetAudit
from mouselift.consistency.cameras import MOST_RMS_PX
from mouselift.diagnosis.causes import CAUSES, EXCHANGE_FILES, EXCHANGED
from mouselift.findings import SEVERITIES, Finding

GAP_LIMIT_PX = 1.0  # a gap from here on is drawn in red; below, the line touches as far as an eye can tell
_MASKS = ("masks-rough", "no-alpha", "empty-mask")  # codes that better masks answer
_CAMERAS = ("tangency", "tangency-repeated", "tangency-pooled", "view-not-compared")  # that a camera answers for
_IN_PART = ("tangency", "view-not-compared", "repair-assumed")  # warnings that a dataset may pass with


@dataclass(frozen=True)
class Conclusion:
    """Backticks in either mean code."""

    outlines: str  # the disagreement in pixels, beside what is good and what masks explain
    action: str  # the one thing to do next


def conclusion(audit: DatasetAudit) -> Conclusion:
    """What a reader should know before anything else."""
    return Conclusion(_outlines(audit), _action(audit))


def _outlines(audit: DatasetAudit) -> str:
    residual = audit.sample_columns["tangency_px"]
    known = residual[np.isfinite(residual)]
    if not known.size:
        return "The outlines of the animal could not be compared between views."
    middle = float(np.median(known))
    judged = "one sample" if known.size == 1 else f"median of {known.size:,} samples, worst {known.max():.2f} px"
    systematic = any(code in audit.counts and audit.counts[code].severity == "error" for code in _CAMERAS)
    little = " That is little, but in a pattern that masks do not make." if middle < GAP_LIMIT_PX and systematic else ""
    if middle > MOST_RMS_PX and audit.verdict == "pass" and "masks-rough" in audit.counts:
        little = " It passes all the same: without their thin parts (tail, ears, paws) the outlines agree."
    return (
        f"The outlines of the same animal disagree by {middle:.2f} px of the prepared images ({judged}): "
        f"good is below {GAP_LIMIT_PX:g}, masks explain up to {MOST_RMS_PX:g}.{little}"
    )


def _action(audit: DatasetAudit) -> str:
    if audit.verdict == "fail":
        return _of_failure(audit)
    if untested := [finding for finding in audit.findings if finding.code == "cameras-untested"]:
        return f"{untested[0].advice} (`cameras-untested`)"
    warned = {code: count for code, count in audit.counts.items() if count.severity != "note"}
    masks = next((code for code in _MASKS if code in warned), "")
    if masks:
        return f"{_first(warned[masks]).advice} (`{masks}`, {_samples(warned[masks])})"
    if audit.verdict == "unknown":
        if together := [finding for finding in audit.findings if finding.code == "tangency-pooled"]:
            return together[0].as_sentence
        count = warned.get("tangency-unknown") or next(iter(warned.values()), None)
        return "More views or better masks: nothing could be judged." if count is None else _first(count).advice
    doubtful = next((code for code in _IN_PART if code in warned), "")
    if doubtful:
        cameras = _blamed(warned[doubtful].worst)
        return f"Check {cameras or 'the cameras'}: {_first(warned[doubtful]).advice} (`{doubtful}`)"
    return "Nothing to mend in the cameras."


def _of_failure(audit: DatasetAudit) -> str:
    own = _gravest(audit, ("legacy",))  # made wrong on purpose: neither masks nor a repair help
    if own:
        return own
    if audit.causes:
        cause = audit.causes[0]
        kind = CAUSES.get(cause.code)
        cameras = ", ".join(cause.views) if len(cause.views) < len(audit.cameras) else ""
        if cause.code in EXCHANGED:
            how = EXCHANGE_FILES.format(who=_named(cameras))
            return (
                f"{how[0].upper()}{how[1:]}, where `mouselift prepare` made this dataset: its frames are those of "
                "another camera. In others, `mouselift repair` undoes it."
            )
        if kind is not None and kind.repair.startswith("yes"):
            doubt = f"; decide first: {cause.decided_by.rstrip('.')}" if cause.ambiguous_with else ""
            return f"Repair: `mouselift repair` undoes this, or says why it cannot{doubt}."
        if cause.code == "unexplained":
            return (
                "Check the cameras: `mouselift inspect` on the capture names those that stand apart. The files of "
                "several may be exchanged; `mouselift repair` cannot undo what nothing explains."
            )
        how = kind.repair.removeprefix("no").lstrip(": ") if kind is not None else ""
        return f"Check {_named(cameras)}{f': {how}' if how else ''}."
    whole = [finding for finding in audit.findings if finding.severity == "error"]
    if whole:
        cameras = _blamed(whole)
        return f"Check {cameras}: {whole[0].advice}" if cameras else whole[0].advice or f"{whole[0].message}."
    return _gravest(audit, tuple(audit.counts)) or "See the findings below."


def _gravest(audit: DatasetAudit, codes: tuple[str, ...]) -> str:
    """The advice of the error that most samples have."""
    errors = [code for code in codes if code in audit.counts and audit.counts[code].severity == "error"]
    if not errors:
        return ""
    code = min(errors, key=lambda code: (-audit.counts[code].samples, code))
    count = audit.counts[code]
    cameras = _blamed(count.worst) if code in _CAMERAS else ""
    return f"{f'Check {cameras}: ' if cameras else ''}{_first(count).advice} (`{code}`, {_samples(count)})"


def _first(count: CodeCount) -> Finding:
    """The worst of the code's gravest findings."""
    return min(count.worst, key=lambda finding: SEVERITIES.index(finding.severity))


def _blamed(findings: list[Finding]) -> str:
    """The camera that most of the findings name; "" where none is named."""
    named = Counter(finding.camera for finding in findings if finding.camera)
    return _named(named.most_common(1)[0][0]) if named else ""


def _named(cameras: str) -> str:
    return f"camera {cameras}" if cameras and "," not in cameras else f"cameras {cameras}" if cameras else "the cameras"


def _samples(count: CodeCount) -> str:
    return "1 sample" if count.samples == 1 else f"{count.samples:,} samples"
