"""`mouselift init`: recognise a folder and write its capture.toml."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from mouselift.cli.console import EXIT_OK, bold, emit_json, say
from mouselift.cli.flags import Force, Json
from mouselift.ranges import OptionalFrame

if TYPE_CHECKING:
    from mouselift.capture.capture import Capture

_TOLD = 8  # keys of a former capture.toml that are named


@dataclass
class Init:
    """Look at a folder, recognise rig, videos and masks, and write capture.toml; say what was found and assumed.

    Knows the rigs of DANNCE, anipose, JARVIS, OpenCV, COLMAP and a dozen more tools, and datasets in FaceLift's format.
    Nothing but capture.toml is written; with --force the former one stays beside it. Example: `mouselift init
    recordings/mouse7`
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER")]
    """The recording: calibration and videos lie in it or below it."""
    out: Path | None = None
    """Where capture.toml goes: a folder (default: FOLDER itself)."""
    rig: Path | None = None
    """The calibration, where several are found or it lies elsewhere."""
    variant: str | None = None
    """How to read an ambiguous calibration; the error that asks for it names the choices."""
    unused: tuple[str, ...] = ()
    """Cameras of the calibration to leave out."""
    videos: Path | None = None
    """Where the videos lie, if not below FOLDER."""
    recording: str | None = None
    """A piece of the videos' path, where several recordings are found."""
    numbering: Literal["common", "own"] | None = None
    """Where cameras number their images differently: equal numbers show one instant (common), or first images (own)."""
    times: Literal["common", "own", "ignore"] | None = None
    """Where times of images leave it open: one clock timed all cameras (common), each has its own (own), no use."""
    chunk: OptionalFrame = None
    """First frame of the chunk to take, where cameras wrote several files."""
    force: Force = False
    json: Json = False

    def run(self) -> int:
        from mouselift.atomic import check_folder, check_output
        from mouselift.capture.capture import load_capture
        from mouselift.capture.capture_toml import changed_keys, write_capture_toml
        from mouselift.capture.discovery import TO_DECIDE, discover
        from mouselift.dataset.collection import CAPTURE_FILE
        from mouselift.errors import OutputError
        from mouselift.foreign import first_few

        target = (self.out or self.folder) / CAPTURE_FILE
        if self.out is not None:
            check_folder(self.out)
        try:
            check_output(target, replace=True)
        except OutputError as error:
            raise OutputError(f"{error} (--out PLACE)") from None
        found = discover(
            self.folder,
            rig=self.rig,
            variant=self.variant,
            unused=self.unused,
            videos=self.videos,
            recording=self.recording,
            chunk=self.chunk,
            numbering=self.numbering,
            times=self.times,
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        kept = write_capture_toml(target, found.spec, comments=found.comments, force=self.force)
        changed = [] if kept is None else changed_keys(kept, target)
        capture = load_capture(target)
        missing = [camera.name for camera in capture.cameras if camera.mask is None]
        asked = [line for line in found.found if TO_DECIDE in line]
        open_ = "\n".join(asked) if asked else _what_is_open(capture)
        if self.json:
            emit_json(
                {
                    "capture": str(target),
                    "format": capture.rig_format,
                    "cameras": [camera.name for camera in capture.cameras],
                    "found": found.found,
                    "assumed": found.assumed,
                    "not_used": found.left,
                    "evidence": capture.evidence,
                    "without_masks": missing,
                    "to_decide": open_,
                    "kept": None if kept is None else str(kept),
                    "changed": changed,
                }
            )
            return EXIT_OK
        for title, lines in (("Found", found.found), ("Assumed", found.assumed), ("Not used", found.left)):
            if lines:
                say(bold(title))
                for line in lines:
                    say(f"  {line}")
        for line in capture.evidence:
            if line.startswith("WARNING"):
                say(line)
        say(bold("Wrote"), f" {target}")
        if kept is not None:
            had = f"; it had, or had otherwise: {first_few(changed, _TOLD)}" if changed else ""
            say(f"The former file is kept as {kept.name}{had}")
        if open_ is not None and not asked:
            say(bold(TO_DECIDE), f": {open_}")
        place = target.parent
        if capture.dataset is not None:
            given = shlex.quote(str(self.folder))
            say(f"Next: mouselift audit {given}    (it is a dataset already: do its cameras match its pixels?)")
            say(f"Or: mouselift prepare {shlex.quote(str(place))} OUT    (to frame its samples anew)")
            return EXIT_OK
        word = "Next"
        if open_ is not None:
            say(f"Next: settle what is {TO_DECIDE} above")
            word = "Then"
        if capture.up is None:
            say(f"{word}: {capture.how_to_set_up()}")
            word = "Then"
        if missing:
            say(f"{word}: mouselift mask {shlex.quote(str(place))}    (no masks for {', '.join(missing)})")
        else:
            say(f"{word}: mouselift prepare {shlex.quote(str(place))} OUT")
        return EXIT_OK


def _what_is_open(capture: Capture) -> str | None:
    """What would stop the next command: files that do not belong together."""
    from mouselift.capture.source import CaptureSource
    from mouselift.errors import CaptureError, MaskError

    if capture.dataset is not None:
        return None
    try:
        CaptureSource(capture).close()
    except (CaptureError, MaskError) as error:
        return str(error)
    return None
