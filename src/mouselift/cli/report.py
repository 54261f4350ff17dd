"""`mouselift report`: an audit as a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mouselift.cli.console import EXIT_NO, EXIT_OK, Styled, bold, emit_json, say
from mouselift.cli.flags import INLINE, Dataset, Force, Json, Workers
from mouselift.cli.progress_bar import progress_bar
from mouselift.report.options import ReportOptions


@dataclass
class Report:
    """Write one self-contained HTML page about a dataset: verdict, images with epipolar tangents, plots, 3D scene.

    Of a folder of `mouselift train`: its curves and the images of held-out views over time. Of a dataset it
    runs the audit first, or takes the one that `mouselift audit --out FILE` wrote. The page opens offline. Exit code 0
    where the dataset passes, 1 where it does not. Example: `mouselift report out/mouse7 mouse7.html`
    """

    dataset: Dataset
    page: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT.html")]
    """The page. An existing file is kept unless --force is given."""
    audit: Path | None = None
    """An audit of this dataset (`mouselift audit DATASET --out FILE`), instead of a new one."""
    options: Annotated[ReportOptions, INLINE] = ReportOptions()
    hull: bool = False
    """Also carve the visual hull of every sample and compare it with each mask: slower, and finds bad masks."""
    workers: Workers = 0
    force: Force = False
    json: Json = False

    def run(self) -> int:
        from mouselift.atomic import check_output
        from mouselift.audit.dataset import audit_dataset
        from mouselift.audit.options import AuditOptions
        from mouselift.audit.result import read_audit
        from mouselift.report.dataset_page import write_report
        from mouselift.report.training_page import is_training_run, write_training_page

        check_output(self.page, self.force)
        if is_training_run(self.dataset):
            write_training_page(self.dataset, self.page)
            if self.json:
                emit_json({"page": str(self.page)})
            else:
                say("Open ", bold(self.page.resolve()))
            return EXIT_OK
        with progress_bar(self.json) as progress:
            if self.audit is not None:
                audit = read_audit(self.audit)
            else:
                wanted = AuditOptions(hull=self.hull, profile=self.options.profile)
                audit = audit_dataset(self.dataset, wanted, workers=self.workers, progress=progress)
            summary = write_report(self.dataset, self.page, audit, self.options, force=self.force, progress=progress)
        if self.json:
            emit_json(summary)
        else:
            colour = {"pass": "green", "fail": "red", "unknown": "yellow"}[summary.verdict]
            say(Styled(summary.verdict.upper(), f"bold {colour}"))
            say(summary.sentence)
            for finding in audit.findings:
                if finding.code == "unfinished":
                    say(finding.message)
            say("Open ", bold(summary.page.resolve()), f" ({summary.bytes / 1e6:.1f} MB)")
        return EXIT_OK if summary.verdict == "pass" else EXIT_NO
