"""`mouselift audit`: do a dataset's cameras match its pixels?"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from mouselift.audit.options import AuditOptions
from mouselift.cli.console import EXIT_NO, EXIT_OK, say, table
from mouselift.cli.flags import Dataset, Force, Json, Workers
from mouselift.cli.progress_bar import progress_bar

if TYPE_CHECKING:
    from mouselift.audit.result import DatasetAudit
    from mouselift.findings import Finding

_SHOWN = 3  # worst samples a code
_COLOUR = {"error": "red", "warning": "yellow", "note": "cyan"}
_VERDICT = {"pass": "[bold green]PASS[/]", "fail": "[bold red]FAIL[/]", "unknown": "[bold yellow]UNKNOWN[/]"}


@dataclass
class Audit:
    """Do a dataset's cameras match its pixels? For any folder in FaceLift's format; no ground truth is needed.

    Compares silhouettes with cameras, and checks files, placement, splits and what the model will see. Writes nothing
    into the dataset. Exit code 0: pass; 1: fail, or nothing could be compared; 2: error.
    Example: `mouselift audit out/mouse7 --out audit.json`
    """

    dataset: Dataset
    options: Annotated[AuditOptions, tyro.conf.arg(name="")] = field(default_factory=AuditOptions)
    workers: Workers = 0
    out: Path | None = None
    """Write the whole audit as JSON to this file (`mouselift report --audit` reads it)."""
    force: Force = False
    json: Json = False

    def run(self) -> int:
        from mouselift.atomic import check_output, write_whole
        from mouselift.audit.dataset import audit_dataset
        from mouselift.audit.result import encode_audit

        if self.out is not None:
            check_output(self.out, self.force, outside=self.dataset)
        with progress_bar(self.json) as progress:
            audit = audit_dataset(self.dataset, self.options, workers=self.workers, progress=progress)
        encoded = encode_audit(audit) if self.out is not None or self.json else b""
        if self.out is not None:
            write_whole(self.out, encoded, self.force)
        if self.json:
            sys.stdout.write(encoded.decode())  # one line: a number a line would take four times the memory
        else:
            show(audit)
        return EXIT_OK if audit.verdict == "pass" else EXIT_NO


def show(audit: DatasetAudit) -> None:
    """The verdict first, then the findings by code, then the worst samples."""
    from rich.markup import escape

    say(_VERDICT[audit.verdict])
    say(audit.sentence, markup=False)
    say()
    table("Samples", ["", "5 %", "median", "95 %", "worst"], _numbers(audit))
    if audit.counts or audit.findings:
        say()
        table("Findings", ["", "code ", "samples", "worst value", "limit", "advice "], _codes(audit))
    counts = [count for count in audit.counts.values() if count.severity != "note"]
    gravest = [count for count in counts if count.severity == "error"] or counts
    lines = [finding for count in gravest for finding in count.worst[:_SHOWN]]
    if lines:
        say("\n[bold]Worst samples[/]")
    for finding in lines:
        say(f"  [{_COLOUR[finding.severity]}]{finding.code}[/] {escape(finding.message)}")


_ROWS = {
    "tangency_px": "silhouettes against cameras, RMS px",
    "tangency_worst_px": "the same, worst view",
    "coverage": "mask covered by the hull, worst view",
    "size_spread": "subject, largest / smallest view",
    "focal_spread": "focal length, largest / smallest",
    "principal_px": "principal point off the middle, px",
    "smallest_px": "smallest subject, px",
    "off_origin": "subject's centre off the origin",
}
_LOW_IS_BAD = ("coverage", "smallest_px")


def _numbers(audit: DatasetAudit) -> list[list[str]]:
    rows: list[list[str]] = []
    for key, words in _ROWS.items():
        if key in audit.quantiles:
            low, p5, _, median, _, p95, high = audit.quantiles[key]
            worst = low if key in _LOW_IS_BAD else high
            rows.append([words, *(_short(v) for v in (p5, median, p95, worst))])
    return rows


def _codes(audit: DatasetAudit) -> list[list[str]]:
    """About the dataset as a whole first, then by gravity and number of samples."""
    rows = [_row(finding, "all") for finding in audit.findings]
    order = {"error": 0, "warning": 1, "note": 2}
    by_gravity = sorted(audit.counts.values(), key=lambda c: (order[c.severity], -c.samples))
    return rows + [_row(count.worst[0], str(count.samples)) for count in by_gravity]


def _row(finding: Finding, samples: str) -> list[str]:
    value, limit = ("" if number is None else _short(number) for number in (finding.value, finding.limit))
    mark = f"[{_COLOUR[finding.severity]}]{finding.severity}[/]"
    return [mark, finding.code, samples, value, limit, finding.advice]


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
