"""`mouselift audit`: do a dataset's cameras match its pixels?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from mouselift.audit.options import AuditOptions
from mouselift.cli.console import EXIT_NO, EXIT_OK, Styled, bold, emit, say, table
from mouselift.cli.flags import INLINE, Dataset, EngineAt, Force, Json, Workers
from mouselift.cli.progress_bar import progress_bar
from mouselift.findings import CODES, SEVERITIES

if TYPE_CHECKING:
    from mouselift.audit.result import DatasetAudit
    from mouselift.findings import Finding, Severity

_SCORES = ("tangency",)  # codes whose value is a score without a unit
_SHOWN = 3  # messages a code
_NAMED = 6  # samples a message
# Black on a colour can be read on light and dark grounds; yellow and green words cannot.
_MARK = {"error": "bold red", "warning": "black on yellow", "note": "bold"}
_VERDICT = {
    "pass": "bold black on green",
    "fail": "bold white on red",
    "unknown": "bold black on yellow",
}


@dataclass
class Audit:
    """Do a dataset's cameras match its pixels? For any folder in FaceLift's format; no ground truth is needed.

    Compares silhouettes with cameras, and checks files, placement, splits and what the model will see. Writes nothing
    into the dataset. Exit code 0: pass; 1: fail, or nothing could be compared; 2: error.
    Example: `mouselift audit out/mouse7 --out audit.json`
    """

    dataset: Dataset
    options: Annotated[AuditOptions, INLINE] = field(default_factory=AuditOptions)
    workers: Workers = 0
    engine: EngineAt = "local"
    out: Path | None = None
    """Write the whole audit as JSON to this file (`mouselift report --audit` reads it)."""
    force: Force = False
    json: Json = False

    def run(self) -> int:
        from mouselift.atomic import check_output, write_whole
        from mouselift.audit.dataset import audit_dataset
        from mouselift.audit.result import encode_audit
        from mouselift.parallel import engine_at

        if self.out is not None:
            check_output(self.out, self.force, outside=self.dataset)
        with progress_bar(self.json) as progress, engine_at(self.engine, self.workers) as engine:
            audit = audit_dataset(self.dataset, self.options, engine=engine, progress=progress)
        encoded = encode_audit(audit) if self.out is not None or self.json else b""
        if self.out is not None:
            write_whole(self.out, encoded, self.force)
        if self.json:
            emit(encoded.decode())  # one line: a number a line would take four times the memory
        else:
            show(audit)
        return EXIT_OK if audit.verdict == "pass" else EXIT_NO


def show(audit: DatasetAudit) -> None:
    """The verdict first, then the numbers, then the findings: errors first, each message once, with its samples."""
    say(Styled(audit.verdict.upper(), _VERDICT[audit.verdict]))
    say(audit.sentence)
    if audit.verdict == "fail" and audit.causes:
        from mouselift.report.conclusion import conclusion

        say(conclusion(audit).action)
    say()
    table("Samples", ["", "5 %", "median", "95 %", "worst"], _numbers(audit))
    for labelled in audit.keypoints:
        say(f"Keypoints: {labelled.summary}")
    about: list[tuple[Severity, int, list[Finding], str]] = []  # severity, samples, findings, in words
    for code in dict.fromkeys(finding.code for finding in audit.findings):
        found = [finding for finding in audit.findings if finding.code == code]
        about.append((found[0].severity, 0, found, ""))
    for count in audit.counts.values():
        whole = len(audit.ids) == count.samples > 1
        samples = f"all {count.samples} samples" if whole else f"{count.samples} of {len(audit.ids)} samples"
        about.append((count.worst[0].severity, count.samples, list(count.worst), samples))
    advised: set[str] = set()
    for severity, _, found, samples in sorted(about, key=lambda one: (SEVERITIES.index(one[0]), -one[1])):
        _say_code(severity, found, samples, advised)


def _say_code(severity: Severity, found: Sequence[Finding], samples: str, advised: set[str]) -> None:
    """One code: how many samples and how far, its messages, then what to do where that was not said before."""
    first = found[0]
    facts = [samples] if samples else []
    # Of samples the worst comes first; what is said of all may stand in any order.
    told = found[:1] if samples else found
    if first.code in _SCORES:
        beyond = max((f.value / f.limit for f in told if f.value is not None and f.limit), default=None)
        facts += [] if beyond is None else [f"worst {_short(beyond)} times the limit"]
    else:
        facts += _range("worst" if samples else "value", [finding.value for finding in told])
        facts += _range("limit", [finding.limit for finding in told])
    say()
    say(Styled(severity, _MARK[severity]), " ", bold(first.code), (": " if facts else "") + ", ".join(facts))
    if severity != "note":
        for message, names in _messages(found):
            say(f"{names}{message}", indent=2)
    advice = first.advice or (CODES[first.code].sentence if severity == "note" else "")
    if advice and advice not in advised:
        say(advice, indent=2)
        advised.add(advice)


def _range(name: str, values: Sequence[float | None]) -> list[str]:
    """In words; nothing where there are none."""
    known = [value for value in values if value is not None]
    if not known:
        return []
    low, high = _short(min(known)), _short(max(known))
    return [f"{name} {low}" if low == high else f"{name}s {low} to {high}"]


def _messages(found: Sequence[Finding]) -> list[tuple[str, str]]:
    """(message without its sample, "samples: ") of the worst ones; equal messages stand once."""
    by_message: dict[str, list[str]] = {}
    for finding in found:
        message, sample = finding.message, finding.sample or ""
        if sample and sample in message:
            rest = message[message.rindex(sample) + len(sample) :]
            if rest.startswith(("/", ":")):  # a path before what is said
                message = rest.lstrip("/: ")
            else:  # named in the sentence itself
                sample = ""
        by_message.setdefault(message, []).append(sample)
    shown: list[tuple[str, str]] = []
    for message, samples in list(by_message.items())[:_SHOWN]:
        named = list(dict.fromkeys(filter(None, samples)))
        more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        shown.append((message, f"{', '.join(named[:_NAMED])}{more}: " if named else ""))
    return shown


_ROWS = {
    "tangency_px": "silhouettes against cameras, RMS px",
    "tangency_worst_px": "the same, worst view",
    "coverage": "mask covered by the hull, worst view",
    "size_spread": "subject, largest / smallest view",
    "focal_spread": "focal length, largest / smallest",
    "principal_px": "principal point off the middle, px",
    "smallest_px": "smallest subject, px",
    "off_origin": "subject's centre off the origin",
    "keypoints_on": "keypoints on the alphas, share",
}
_LOW_IS_BAD = ("coverage", "smallest_px", "keypoints_on")


def _numbers(audit: DatasetAudit) -> list[list[str]]:
    rows: list[list[str]] = []
    for key, words in _ROWS.items():
        if key in audit.quantiles:
            low, p5, _, median, _, p95, high = audit.quantiles[key]
            worst = low if key in _LOW_IS_BAD else high
            rows.append([words, *(_short(v) for v in (p5, median, p95, worst))])
    return rows


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
