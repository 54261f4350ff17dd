"""`mouselift init`: recognise a folder and write its capture.toml."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from mouselift.cli.console import EXIT_OK, bold, emit_json, say
from mouselift.cli.flags import Force, Json
from mouselift.ranges import OptionalFrame

if TYPE_CHECKING:
    from mouselift.capture.capture import Capture
    from mouselift.capture.discovery import Discovery

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
        from mouselift.capture.discovery import discover
        from mouselift.dataset.collection import CAPTURE_FILE
        from mouselift.errors import OutputError

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
        written = _Written(target, found, capture, kept, changed, *_looked_through(capture))
        if self.json:
            emit_json(written.plain())
        else:
            written.show()
            for line in written.next_steps(self.folder):
                say(line)
        return EXIT_OK


@dataclass(frozen=True, eq=False)
class _Written:
    """A capture.toml that was just written, as read back from it."""

    file: Path
    found: Discovery
    capture: Capture
    kept: Path | None  # where the former file is
    changed: list[str]  # its keys that are gone, or have another value now
    stops: str | None  # the next command: files that do not belong together
    lagging: list[str]  # masks that are of other images

    @property
    def missing(self) -> list[str]:
        return [camera.name for camera in self.capture.cameras if camera.mask is None]

    @property
    def to_decide(self) -> str | None:
        """What only the user can say."""
        return "\n".join(self._asked()) or self.stops

    def _asked(self) -> list[str]:
        from mouselift.capture.discovery import TO_DECIDE

        return [line for line in self.found.found if TO_DECIDE in line]

    def plain(self) -> dict[str, object]:
        return {
            "capture": str(self.file),
            "format": self.capture.rig_format,
            "cameras": [camera.name for camera in self.capture.cameras],
            "found": self.found.found,
            "assumed": self.found.assumed,
            "not_used": self.found.left,
            "evidence": (*self.capture.evidence, *self.lagging),
            "without_masks": self.missing,
            "to_decide": self.to_decide,
            "kept": None if self.kept is None else str(self.kept),
            "changed": self.changed,
        }

    def show(self) -> None:
        """For a person: what was found, apart from what was assumed."""
        from mouselift.capture.discovery import TO_DECIDE
        from mouselift.foreign import first_few

        sections = ("Found", self.found.found), ("Assumed", self.found.assumed), ("Not used", self.found.left)
        for title, lines in sections:
            if lines:
                say(bold(title))
                for line in lines:
                    say(f"  {line}")
        for line in (*self.capture.evidence, *self.lagging):
            if line.startswith("WARNING"):
                say(line)
        say(bold("Wrote"), f" {self.file}")
        if self.kept is not None:
            had = f"; it had, or had otherwise: {first_few(self.changed, _TOLD)}" if self.changed else ""
            say(f"The former file is kept as {self.kept.name}{had}")
        if self.to_decide is not None and not self._asked():
            say(bold(TO_DECIDE), f": {self.to_decide}")

    def next_steps(self, folder: Path) -> Iterator[str]:
        """Commands, in their order; `folder`: as the user gave it."""
        from mouselift.capture.discovery import TO_DECIDE

        place = shlex.quote(str(self.file.parent))
        if self.capture.dataset is not None:
            given = shlex.quote(str(folder))
            yield f"Next: mouselift audit {given}    (it is a dataset already: do its cameras match its pixels?)"
            yield f"Or: mouselift prepare {place} OUT    (to frame its samples anew)"
            return
        steps: list[str] = []
        if self.to_decide is not None:
            steps.append(f"settle what is {TO_DECIDE} above")
        if self.capture.up is None:
            steps.append(self.capture.how_to_set_up())
        if self.missing:
            steps.append(f"mouselift mask {place}    (no masks for {', '.join(self.missing)})")
        else:
            steps.append(f"mouselift prepare {place} OUT")
        yield from (f"{word}: {step}" for word, step in zip(("Next", "Then", "Then"), steps, strict=False))


def _looked_through(capture: Capture) -> tuple[str | None, list[str]]:
    """What would stop the next command, files that do not belong together; masks that are of other images."""
    from mouselift.capture.mask_lag import mask_lags
    from mouselift.capture.source import CaptureSource
    from mouselift.errors import CaptureError, MaskError, MouseliftError

    if capture.dataset is not None:
        return None, []
    try:
        source = CaptureSource(capture)
    except (CaptureError, MaskError) as error:
        return str(error), []
    with closing(source):
        try:
            return None, [f"WARNING: {finding.message}" for finding in mask_lags(source.tracks)]
        except MouseliftError:  # said where it is read
            return None, []
