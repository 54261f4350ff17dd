"""`mouselift inspect`: what a recording is, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from mouselift.atomic import check_writable
from mouselift.cli.console import EXIT_NO, EXIT_OK, Styled, bold, emit_json, say, table
from mouselift.cli.flags import INLINE, EngineAt, Force, Json, Workers
from mouselift.cli.progress_bar import progress_bar
from mouselift.errors import CaptureError
from mouselift.findings import grouped
from mouselift.inspect.options import InspectOptions

if TYPE_CHECKING:
    from mouselift.inspect.collection import InspectedRecording
    from mouselift.inspect.facts import Inspection, LostFrames

_COLOURS = {"error": "bold red", "warning": "black on yellow", "note": "bold"}
PAGE = "inspect.html"
_LISTED = 6  # stretches of lost images a camera; --json lists all


@dataclass
class Inspect:
    """Say what a recording is: rig, frames, masks, lag between cameras, the subject's path; and what is wrong.

    Reads masks at about FRAMES instants spread over the recording, each with the neighbours that the search for lag
    needs; nothing is changed. Without masks, the facts that need none. Of several recordings, a row each. Exit code 1
    when something is wrong. Examples:
    `mouselift inspect recordings/mouse7 --out inspected`; `mouselift inspect 'recordings/*'`
    """

    captures: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="CAPTURE...")]
    """A capture is a folder with a capture.toml (`mouselift init` writes one), or that file. Of several: their folders,
    'patterns', text files that list captures, or the folder that `mouselift prepare --out` made of them."""
    out: Path | None = None
    """Folder for a page with images (inspect.html, one file, opens offline), or for one a recording, each in a folder
    of its name; without it, text only."""
    options: Annotated[InspectOptions, INLINE] = field(default_factory=InspectOptions)
    workers: Workers = 1
    engine: EngineAt = "local"
    force: Force = False
    json: Json = False

    def run(self) -> int:
        from mouselift.capture.given import is_one_capture

        if len(self.captures) == 1 and is_one_capture(self.captures[0]):
            return self._one(self.captures[0])
        return self._many()

    def _page(self, *name: str) -> Path | None:
        from mouselift.atomic import check_folder, check_output

        if self.out is None:
            return None
        page = self.out.joinpath(*name, PAGE)
        check_folder(page.parent)
        check_output(page, replace=True)
        if page.exists() and not self.force:
            raise CaptureError(f"{page}: exists already and is kept as it is; use --force to replace it")
        if page is not None:
            check_writable(page)
        return page

    def _one(self, capture: Path) -> int:
        from mouselift.capture.capture import load_capture
        from mouselift.inspect.inspect_capture import inspect_capture
        from mouselift.parallel import engine_at

        page = self._page()
        with progress_bar(self.json) as progress, engine_at(self.engine, self._workers) as engine:
            found = inspect_capture(load_capture(capture), self.options, engine=engine, progress=progress)
        _write(found, page)
        if self.json:
            emit_json({**_plain(found), "page": None if page is None else str(page)})
        else:
            show(found)
            if page is not None:
                say(bold("Page"), f": {page}")
        return EXIT_NO if found.failed else EXIT_OK

    def _many(self) -> int:
        from mouselift.capture.given import captures_given, names_of
        from mouselift.inspect.collection import inspect_collection
        from mouselift.parallel import engine_at

        pages = {name: self._page(name) for name in names_of(captures_given(self.captures))}
        told: list[dict[str, object]] = []
        rows: list[list[str]] = []
        failed = False
        with progress_bar(self.json) as progress, engine_at(self.engine, self._workers) as engine:
            for one in inspect_collection(self.captures, self.options, engine=engine, progress=progress):
                failed = failed or one.failed
                page = pages[one.name] if one.found is not None else None
                if one.found is not None:
                    _write(one.found, page)
                if self.json:
                    facts = {"facts": None if one.found is None else _plain(one.found)}
                    error = None if one.error is None else str(one.error)
                    where = None if page is None else str(page)
                    told.append({"name": one.name, "capture": one.capture, "error": error, "page": where, **facts})
                else:
                    rows.append(_recording_row(one))
        if self.json:
            emit_json({"recordings": told})
        else:
            columns = ["recording", "state ", "cameras", "frames", "tangency px", "findings "]
            table(f"{len(rows)} recordings", columns, rows)
            say("All that is found in one, with what to do: `mouselift inspect` with that recording alone.")
        return EXIT_NO if failed else EXIT_OK

    @property
    def _workers(self) -> int:
        return self.workers if self.engine == "local" else 0  # a cluster has its own


def _write(found: Inspection, page: Path | None) -> None:
    if page is not None:
        from mouselift.report.inspect_page import write_inspect_page

        write_inspect_page(found, page)


def _recording_row(one: InspectedRecording) -> list[str]:
    """Errors first; what stops a recording stands in its row."""
    found = one.found
    if found is None:
        return [one.name, "failed", "", "", "", str(one.error)]
    order = {"error": 0, "warning": 1, "note": 2}
    codes: dict[str, list[str]] = {}
    for finding in sorted(found.findings, key=lambda finding: order[finding.severity]):
        codes.setdefault(f"{finding.severity} {finding.code}", []).extend([finding.camera] if finding.camera else [])
    said = [f"{code} ({', '.join(cameras)})" if cameras else code for code, cameras in codes.items()]
    worst = min((order[finding.severity] for finding in found.findings), default=2)
    mismatch = "" if found.agreement is None else f"{found.agreement.all_px:.2f}"
    return [
        one.name,
        ("error", "warning", "sound")[worst],
        str(len(found.cameras)),
        str(found.frames),
        mismatch,
        "; ".join(said),
    ]


def _plain(found: Inspection) -> dict[str, object]:
    """The facts by name. (Findings are dataclasses, which JSON takes too.)"""
    return {key: getattr(found, key) for key in found.__struct_fields__}


def show(found: Inspection) -> None:
    """The facts for a person: a table of cameras, then what is wrong and what to do."""
    length = f"{found.duration:.1f} s" if found.duration is not None else "duration unknown"
    judged = f", {len(found.instants)} instants judged ({found.read} read)" if found.instants else ""
    rate = f" at {found.rate:.4g}/s" if found.rate else ""
    head = f"{len(found.cameras)} cameras ({found.rig_format}), {found.frames} frames{rate}, {length}{judged}"
    say(f"{found.capture}: {head}")
    table(
        "Rig (distance from the subject, elevation/azimuth, nearest camera)",
        _rig_columns(found),
        _rig_rows(found),
    )
    for lost in found.lost:
        say(f"Lost: {lost_words(lost)}")
    if found.scale:
        say(f"Scale: {found.scale}")
    if found.masks:
        columns = ["camera", "masks", "empty", "cut", "parts", "area px", "tangency px", "others px", "hull", "lag "]
        table("Masks and agreement (medians, source pixels)", columns, _mask_rows(found))
    if found.keypoints is not None:
        say(f"Keypoints: {found.keypoints.summary} {found.keypoint_lag_said}".rstrip())
    say(f"Lag: {found.lag_said}")
    if found.path is not None:
        say(f"Path: {path_words(found)}")
    for alike in grouped(found.findings):
        say(Styled(alike.severity, _COLOURS[alike.severity]), f" [{alike.code}]")
        for line in (*alike.messages, *alike.advice):
            say(f"  {line}")
    if not any(finding.severity != "note" for finding in found.findings):
        say(Styled("Nothing wrong was found.", "bold green"))
    say(found.next)


def path_words(found: Inspection) -> str:
    """The subject's path in one sentence."""
    path, unit = found.path, found.unit
    if path is None:
        return "not measured"
    extent = " x ".join(f"{high - low:.3g}" for low, high in zip(path.low, path.high, strict=True))
    words = f"the subject's centre covers {extent} {unit}"
    if path.median_speed is not None and path.top_speed is not None:
        words += f"; speed {path.median_speed:.3g} {unit}/{path.per} in the median, {path.top_speed:.3g} at 95 %"
    if path.moving is not None:
        words += f"; it moves at {path.moving:.0%} of the instants"
    return words


def lost_words(lost: LostFrames) -> str:
    """One camera's in a sentence."""
    listed = [_stretch(first, count, lost.kept_place) for first, count in lost.stretches[:_LISTED]]
    more = len(lost.stretches) - len(listed)
    places = f"{', '.join(listed)}{f' and {more} more places (--json lists all)' if more else ''}"
    if lost.kept_place:
        return f"camera {lost.camera}: {lost.frames} frames without an image: {places}"
    return f"camera {lost.camera}: by the file's time stamps about {lost.frames} images are missing: {places}"


def _stretch(first: int, count: int, kept_place: bool) -> str:
    if not kept_place:
        return f"{count} before frame {first}"
    return str(first) if count == 1 else f"{first}-{first + count - 1}"


def _rig_columns(found: Inspection) -> list[str]:
    return ["camera", "image", "frames", "offset", "focal px", "field °", found.unit, "up/round °", "next °"]


def _rig_rows(found: Inspection) -> list[list[str]]:
    nearest: dict[str, float] = {}
    for pair in found.pairs:
        for name in (pair.first, pair.second):
            nearest[name] = min(nearest.get(name, 180.0), pair.angle)
    rows = []
    for c in found.cameras:
        place = "" if c.elevation is None or c.azimuth is None else f"{c.elevation:.0f}/{c.azimuth:.0f}"
        rows.append(
            [
                c.name,
                f"{c.size[0]}x{c.size[1]}",
                str(c.frames),
                str(c.frame_offset),
                f"{c.focal:.0f}",
                "?" if c.field is None else f"{c.field[0]:.0f}x{c.field[1]:.0f}",
                f"{c.distance:.4g}",
                place,
                f"{nearest[c.name]:.0f}" if c.name in nearest else "",
            ]
        )
    return rows


def _mask_rows(found: Inspection) -> list[list[str]]:
    lags = {fact.camera: fact for fact in found.lag}
    rows = []
    for m in found.masks:
        agreement = found.agreement
        own = None if agreement is None else agreement.camera_px[m.camera]
        rest = None if agreement is None else agreement.without_px[m.camera]
        lag = lags.get(m.camera)
        rows.append(
            [
                m.camera,
                f"{m.instants - m.no_mask - m.no_image}/{m.instants}",
                str(m.empty),
                str(m.cut),
                str(m.parts),
                "" if m.area_px is None else f"{m.area_px:.0f}",
                "" if own is None else f"{own:.2f}",
                "" if rest is None else f"{rest:.2f}",
                "" if m.quality.coverage is None else f"{m.quality.coverage:.2f}",
                "" if lag is None else ("?" if lag.best is None else f"{lag.best:+d}" if lag.best else "0"),
            ]
        )
    return rows
