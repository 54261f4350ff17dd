"""The same frames framed in several ways, each audited: the table that answers "per view or per sample?"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np

from mouselift import __version__
from mouselift.array_types import frozen
from mouselift.atomic import check_folder, visible, write_whole
from mouselift.audit.dataset import audit_dataset
from mouselift.audit.options import AuditOptions
from mouselift.audit.profile import load_profile
from mouselift.audit.result import DatasetAudit, Verdict
from mouselift.capture.capture import Capture, load_capture
from mouselift.capture.capture_toml import capture_file
from mouselift.capture.source import masked_frames, open_source
from mouselift.dataset.collection import CAPTURE_FILE
from mouselift.dataset.description import DATASET_FILE
from mouselift.dataset.layout import find_samples
from mouselift.dataset.sample import read_sample
from mouselift.errors import DatasetError, FramingError, MaskError
from mouselift.foreign import first_few
from mouselift.framing.framing import PRESETS, Aim, Quantity, Scope, WorldScale
from mouselift.media.png import read_png
from mouselift.parallel import LocalEngine
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.pipeline import prepare_dataset
from mouselift.prepare.sample import Record
from mouselift.prepare.selection import select_frames
from mouselift.prepare.totals import PrepareSummary
from mouselift.progress import Progress, renamed, silent
from mouselift.report.options import CompareOptions
from mouselift.report.page import image_uri, render_page
from mouselift.report.sheet import contact_sheet, tile_of_sample
from mouselift.run_lines import read_manifest
from mouselift.strings_as_paths import takes_paths

_TILE = 168
_PAGES = ("compare.html", "compare.json")
_DEFAULT = "per-sample"  # why: docs/guides/per-view-or-per-sample.md
_SHOWN = 2  # instants on the contact sheets
WORDS = {
    "per-sample": "one scale for all views of an instant",
    "per-view": "every view fills the frame as far as its own outline allows",
    "canonical": "cameras turned to the subject, one magnification, principal points in the middle",
    "legacy": "the old bug on purpose: pixels scaled and shifted, intrinsics left alone",
}


class WayResult(msgspec.Struct, frozen=True):
    """One framing of the same frames. Medians over samples where nothing else is said."""

    name: str
    words: str
    samples: int
    dropped: int
    size_ratio: float  # largest / smallest area of the subject over a sample's views
    smallest_px: float  # square root of the smallest subject's area, over all samples
    focal_ratio: float  # largest / smallest focal length over a sample's views
    principal_px: float  # largest distance of a principal point from the middle, over all samples
    tangency_px: float | None  # RMS; None: no pair of views says anything
    coverage: float | None  # smallest share of a view's mask that the hull of all views covers
    clipped: int  # views that preparation cut
    ray_direction: float  # Wasserstein distance to the profile's ray directions, mean over x, y, z
    ray_nearest: float  # the same for the rays' points nearest to the origin
    verdict: Verdict
    sentence: str  # the verdict in words


class Comparison(msgspec.Struct, frozen=True):
    """Framings of the same frames, with what was measured of each and the one that is recommended."""

    source: str
    out: str
    frames: list[int]
    profile: str
    ways: list[WayResult]
    page: str
    recommended: str | None  # a way's name; None: none of them passes
    why: str  # one sentence; backticks mean code


@dataclass(frozen=True)
class Way:
    """A framing with a name."""

    name: str
    options: PrepareOptions  # nothing but the framing is set
    words: str


def ways(presets: Sequence[str], also: Sequence[str], size: int) -> list[Way]:
    """The named presets, then framings written as aim/quantity/scope/world. FramingError where a name is unknown."""
    out: list[Way] = []
    for name in presets:
        if name not in PRESETS:
            raise FramingError(f"--presets: expected some of {', '.join(PRESETS)}, got {name!r}")
        out.append(Way(name, PrepareOptions(preset=name, size=size), WORDS[name]))  # pyright: ignore[reportArgumentType]
    out += [_custom(text, size) for text in also]
    if not out:
        raise FramingError("compare: expected at least one framing, got none")
    return out


def _custom(text: str, size: int) -> Way:
    parts = text.split("/")
    choices = [get_args(choice) for choice in (Aim, Quantity, Scope, WorldScale)]
    if len(parts) != 4 or any(part not in known for part, known in zip(parts, choices, strict=True)):
        form = "/".join("|".join(known) for known in choices)
        raise FramingError(f"--also: expected {form}, got {text!r}; for example look-at/focal/sample/distance")
    aim, quantity, scope, world = parts
    options = PrepareOptions(size=size, aim=aim, zoom=quantity, scope=scope, world=world)  # pyright: ignore[reportArgumentType]
    return Way(text.replace("/", "-"), options, f"{aim}, equal {quantity} over the {scope}, world by {world}")


def source_of(path: Path) -> Capture:
    """A capture, or a dataset in FaceLift's format that takes the place of one (its world has +z up)."""
    if (path.is_file() and path.suffix == ".toml") or (path / CAPTURE_FILE).is_file() or not path.exists():
        return load_capture(path)
    if (
        path.is_dir()
        and not any(path.glob("[!.]*/opencv_cameras.json"))
        and not (path / "opencv_cameras.json").is_file()
    ):
        capture_file(path)  # raises, with what is expected
    up = frozen([0.0, 0.0, 1.0], (3,), "up")
    return Capture(path, "normalised", up, (), (), None, path.resolve(), path, "facelift", ())


@takes_paths
def compare_framings(
    capture: Capture,
    out: Path,
    options: CompareOptions = CompareOptions(),
    *,
    workers: int = 0,
    progress: Progress = silent,
) -> Comparison:
    """Prepare the same frames in several framings, audit each, and write compare.html and compare.json under `out`.

    workers: processes; 0: one a core. FramingError for an unknown framing; MaskError where no frame has all masks.
    A stopped comparison goes on. Example: `compare_framings(load_capture(Path("mouse7")), Path("compared"))`
    """
    chosen = ways(options.presets, options.also, options.size)
    _check_out(out, {way.name for way in chosen})
    profile = load_profile(options.profile).name
    frames = _frames(capture, options)
    results: list[WayResult] = []
    sheets: dict[str, str] = {}
    with LocalEngine(workers) as engine:
        for way in chosen:
            folder, stage = out / way.name, renamed(progress, way.name)
            framed = replace(way.options, frames=frames, val=0.0, on_cut="keep")
            made = prepare_dataset(capture, folder, framed, engine=engine, progress=stage)
            wanted = AuditOptions(hull=True, profile=options.profile)
            audit = audit_dataset(folder, wanted, engine=engine, progress=renamed(progress, f"audit {way.name}"))
            results.append(_result(way, folder, made, audit))
            sheets[way.name] = image_uri(_sheet(folder))
    page = out / _PAGES[0]
    found = Comparison(
        str(capture.path), str(out), list(frames), profile, results, str(page), *recommendation(results, profile)
    )
    render_page("compare.html.j2", page, version=__version__, result=found, sheets=sheets, reasons=reasons(results))
    write_whole(out / _PAGES[1], msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n", replace=True)
    return found


def _check_out(out: Path, names: set[str]) -> None:
    """DatasetError where the folder holds what no comparison writes: before anything is written in it."""
    check_folder(out)
    if not out.is_dir():
        return
    there = visible(out.iterdir())
    datasets = {path.name for path in there if path.name in names or (path / DATASET_FILE).is_file()}
    strange = [path.name for path in there if path.name not in datasets and not (datasets and path.name in _PAGES)]
    if strange:
        raise DatasetError(
            f"{out}: holds {first_few(strange, _SHOWN)}, which no comparison writes; expected a new folder, or one "
            "that the same command began. Nothing was changed"
        )


def recommendation(results: Sequence[WayResult], profile: str) -> tuple[str | None, str]:
    """(name of the framing to take, why). Of those that pass and cut least: the default, else the nearest in rays."""
    sound = [way for way in results if way.verdict == "pass"]
    if not sound:
        meant = [way for way in results if way.name != "legacy"]
        if not meant:
            return None, "None is recommended: `legacy` is the old bug, and nothing else was compared."
        if all(way.verdict == "unknown" for way in meant):
            usual = next((way for way in meant if way.name == _DEFAULT), meant[0])
            return None, f"None is recommended yet. {usual.sentence}"
        return None, (
            "None is recommended: no framing passes, so another framing does not mend it. `mouselift report` on one of "
            "the datasets says whether masks or cameras are to blame."
        )
    fewest = min((way.clipped, way.dropped) for way in sound)
    whole = [way for way in sound if (way.clipped, way.dropped) == fewest]
    known = [way for way in whole if np.isfinite(_rays(way))]
    nearest = min(known, key=_rays, default=whole[0])
    chosen = next((way for way in whole if way.name == _DEFAULT), nearest)
    cut = (
        "none of its views is clipped"
        if not chosen.clipped
        else f"no passing framing clips fewer ({chosen.clipped} views)"
    )
    why = f"Take `{chosen.name}`: its cameras match the pixels and {cut}"
    if not known:
        return chosen.name, f"{why}."
    if chosen is nearest:
        return chosen.name, f"{why}, and of such framings its rays are nearest to the profile `{profile}`."
    return chosen.name, (
        f"{why}; it is the default, with {chosen.words}. `{nearest.name}` has rays nearer to the profile `{profile}` "
        f"({_rays(nearest):.3f} against {_rays(chosen):.3f}): try it beside, to fine-tune weights from there."
    )


def reasons(results: Sequence[WayResult]) -> list[tuple[list[str], str]]:
    """What the audits say, each sentence once with the framings that it is about."""
    said: dict[str, list[str]] = {}
    for way in results:
        said.setdefault(way.sentence, []).append(way.name)
    return [(names, sentence) for sentence, names in said.items()]


def _rays(way: WayResult) -> float:
    """Distance of both ray inputs from the profile's; NaN: not known."""
    return way.ray_direction + way.ray_nearest


def _frames(capture: Capture, options: CompareOptions) -> tuple[int, ...]:
    """The frames asked for, else some of those that have all masks, spread evenly over the recording."""
    source = open_source(capture)
    available = list(source.frames) if options.frames else masked_frames(source)
    source.close()
    if options.frames:
        return tuple(select_frames(PrepareOptions(frames=options.frames), available))
    if not available:
        raise MaskError(f"{capture.path}: no frame has a mask in every camera; `mouselift mask` makes masks")
    # Not the very ends: recordings begin and end with an empty arena.
    count = min(options.instants, len(available))
    return tuple(available[int((k + 0.5) * len(available) / count)] for k in range(count))


def _result(way: Way, folder: Path, made: PrepareSummary, audit: DatasetAudit) -> WayResult:
    distances = {ray.component: ray.wasserstein for ray in audit.rays}
    clipped = sum(
        bool(view.get("clipped"))
        for record in read_manifest(folder, Record)
        if record.status == "kept"
        for view in record.views
    )
    return WayResult(
        way.name,
        way.words,
        made.kept,
        made.frames - made.kept,
        (_quantile(audit, "size_spread", 3) or float("nan")) ** 2,
        _quantile(audit, "smallest_px", 0) or 0.0,
        _quantile(audit, "focal_spread", 3) or float("nan"),
        _quantile(audit, "principal_px", 6) or 0.0,
        _quantile(audit, "tangency_px", 3),
        _quantile(audit, "coverage", 0),
        clipped,
        _mean(distances, "direction"),
        _mean(distances, "nearest"),
        audit.verdict,
        audit.sentence,
    )


def _quantile(audit: DatasetAudit, name: str, place: int) -> float | None:
    """One of the audit's quantiles (0 smallest, 3 median, 6 largest) of a sample's number; None: not known."""
    found = audit.quantiles.get(name)
    return None if not found or not np.isfinite(found[place]) else float(found[place])


def _mean(distances: dict[str, float], prefix: str) -> float:
    found = [value for component, value in distances.items() if component.startswith(prefix)]
    return float(np.mean(found)) if found else float("nan")


def _sheet(folder: Path) -> np.ndarray:
    """A few instants, all views, the alpha's outline drawn."""
    found = find_samples(folder)
    chosen = [found[int(place)] for place in np.linspace(0, len(found) - 1, min(_SHOWN + 2, len(found) + 2))[1:-1]]
    rows, labels, names = [], [], []
    for sample in chosen:
        views = read_sample(sample).views
        rows.append([tile_of_sample(read_png(view.path), _TILE) for view in views])
        labels.append(sample.name.replace("sample_", "").lstrip("0") or "0")
        names = [view.camera.name for view in views]
    return contact_sheet(rows, labels, names)
