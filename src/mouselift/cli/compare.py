"""`mouselift compare`: framings side by side on the same frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from mouselift.cli.console import EXIT_NO, EXIT_OK, Styled, bold, emit_json, say, table
from mouselift.cli.flags import INLINE, Json, Workers
from mouselift.cli.progress_bar import progress_bar
from mouselift.report.options import CompareOptions

if TYPE_CHECKING:
    from mouselift.report.compare import Comparison


@dataclass
class Compare:
    """Per view or per sample? Prepare the same frames in several ways, audit each, and lay the numbers side by side.

    Writes one dataset a framing into OUT, and compare.html and compare.json beside them. Example:
    `mouselift compare recordings/mouse7 out/compared --also look-at/focal/sample/distance`
    """

    source: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="CAPTURE")]
    """Folder with a capture.toml, that file, or a dataset in FaceLift's format."""
    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """Folder for the datasets and the page: new, or one that the same comparison began."""
    options: Annotated[CompareOptions, INLINE] = CompareOptions()
    workers: Workers = 0
    json: Json = False

    def run(self) -> int:
        from mouselift.report.compare import compare_framings, source_of

        with progress_bar(self.json) as progress:
            result = compare_framings(
                source_of(self.source), self.out, self.options, workers=self.workers, progress=progress
            )
        if self.json:
            emit_json(result)
        else:
            show(result)
        exact = [way for way in result.ways if way.name != "legacy"]
        return EXIT_OK if all(way.verdict == "pass" for way in exact) else EXIT_NO


def show(result: Comparison) -> None:
    """Two tables for a person: do the cameras match, and what does the model see."""
    colours = {"pass": "green", "fail": "red", "unknown": "yellow"}
    matching = [
        [
            way.name,
            _number(way.tangency_px, ".2f"),
            _number(way.coverage, ".3f"),
            str(way.clipped),
            Styled(way.verdict, colours[way.verdict]),
        ]
        for way in result.ways
    ]
    columns = ["framing", "tangency, px", "coverage", "clipped", "verdict "]
    table(f"Do the cameras match the pixels? ({len(result.frames)} instants)", columns, matching)
    seen = [
        [
            way.name,
            f"{way.size_ratio:.2f}",
            f"{way.smallest_px:.0f}",
            f"{way.focal_ratio:.2f}",
            f"{way.principal_px:.1f}",
            f"{way.ray_direction:.3f}",
            f"{way.ray_nearest:.3f}",
        ]
        for way in result.ways
    ]
    columns = ["framing", "area ratio", "smallest px", "focal ratio", "centre px", "directions", "nearest"]
    say()
    table("What does the model see?", columns, seen)
    say()
    say("Ratios: largest / smallest view of a sample. Centre: principal point off the")
    say(f"middle. Directions, nearest: distance of the rays to the profile `{result.profile}`.")
    say(result.why)
    say("Images: ", bold(Path(result.page).resolve()))


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
