"""`mouselift mask`: masks where the user has none."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from mouselift.cli.console import EXIT_NO, EXIT_OK, bold, emit_json, say, table
from mouselift.cli.flags import INLINE, CaptureFolder, EngineAt, Force, Json, Workers
from mouselift.cli.progress_bar import progress_bar
from mouselift.errors import MaskError, OutputError
from mouselift.masks.options import MaskOptions
from mouselift.ranges import Rows

SHEET = "contact_sheet.png"

if TYPE_CHECKING:
    from mouselift.capture.capture import Capture
    from mouselift.masks.segment_capture import MaskReport


@dataclass
class Mask:
    """Make masks for a capture whose cameras stand still; the views decide together what the animal is.

    Learns each camera's background and the floor's height from the recording, segments every frame, removes what no
    other view supports (reflections, lamps, laser lines), writes masks and their paths into capture.toml, and says how
    well the views agree. Look at the contact sheet that it names before you go on. An interrupted run goes on when the
    same command is given again. Masks that capture.toml names already keep their place, unless --force is given (and
    their files in any case). Example: `mouselift mask recordings/mouse7 --every 10`
    """

    capture: CaptureFolder
    out: Path | None = None
    """Folder for the masks (default: masks/ beside capture.toml)."""
    options: Annotated[MaskOptions, INLINE] = field(default_factory=MaskOptions)
    force: Force = False
    rows: Rows = 12
    """Rows of the contact sheet."""
    workers: Workers = 0
    engine: EngineAt = "local"
    json: Json = False

    def run(self) -> int:
        from mouselift.atomic import check_output, check_writable
        from mouselift.capture.capture import load_capture
        from mouselift.capture.capture_toml import set_masks
        from mouselift.masks.segment_capture import segment_capture
        from mouselift.parallel import engine_at
        from mouselift.report.sheet import mask_sheet

        capture = load_capture(self.capture, new_masks=True)
        out = self.out if self.out is not None else capture.path.parent / "masks"
        check_output(out / SHEET, replace=True)
        others = self._others(capture, out)
        try:
            check_writable(capture.path)
        except OutputError as error:
            raise OutputError(
                f"{error}. It is to name the masks: make one elsewhere (mouselift init FOLDER --out PLACE)"
            ) from None
        with progress_bar(self.json) as progress, engine_at(self.engine, self.workers) as engine:
            report = segment_capture(capture, out, self.options, engine=engine, progress=progress)
            set_masks(capture.path, report.paths(out))
            sheet = mask_sheet(load_capture(self.capture), out / SHEET, self.rows, progress=progress)
        if self.json:
            emit_json({"contact_sheet": str(sheet), "report": report})
        else:
            show(report)
            if others:
                say(f"{capture.path} names these masks now; before, {_named(others)}")
            flags = self.options.flags()
            say("Look at ", bold(sheet))
            say(f"Then: mouselift prepare {shlex.quote(str(self.capture))} OUT{flags and ' ' + flags}")
            if flags:
                say("(only those frames have masks)")
        return EXIT_OK if len(report.empty) < report.frames and not report.contradiction else EXIT_NO

    def _others(self, capture: Capture, out: Path) -> dict[str, Path]:
        """Masks that lie elsewhere, by camera; they are not put out of use unasked (MaskError)."""
        inside = out.resolve()
        masks = {camera.name: camera.mask.resolve() for camera in capture.cameras if camera.mask is not None}
        others = {name: mask for name, mask in masks.items() if mask.parent != inside}
        if others and not self.force:
            raise MaskError(
                f"{capture.path}: names masks already: {_named(others)}; --force makes it name the new ones (the old "
                "files stay)"
            )
        return others


def _named(masks: Mapping[str, Path]) -> str:
    folders = sorted({str(mask.parent) for mask in masks.values()})
    return f"those of {', '.join(masks)} in {', '.join(folders)}"


def show(report: MaskReport) -> None:
    """The report for a person."""
    rows = [
        [
            camera.camera,
            str(camera.frames),
            str(camera.empty),
            str(camera.cut),
            _px(camera.centroid_px),
            _px(camera.tangency_px),
            "" if camera.coverage is None else f"{camera.coverage:.2f}",
            camera.verdict,
        ]
        for camera in report.cameras
    ]
    columns = ["camera", "frames", "empty", "cut", "centroid px", "tangency px", "hull", "verdict "]
    table("Agreement of the views (medians, source pixels)", columns, rows)
    say(f"Floor: {report.floor}")
    for finding in report.findings:
        say(finding)


def _px(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
