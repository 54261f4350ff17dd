"""The page of `mouselift inspect`: one HTML file, images inside, opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from mouselift import __version__
from mouselift.capture.capture import load_capture
from mouselift.capture.source import open_source
from mouselift.inspect.facts import Inspection
from mouselift.report.charts import Values, legend, over_frames
from mouselift.report.inspect_charts import lag_curves, path_plan, rig_plan, rig_side
from mouselift.report.page import SEVERITIES, Fact, image_uri, render_page
from mouselift.report.sheet import GREY, contact_sheet, tile_of_source
from mouselift.sampling import evenly_spaced

_TILE = 190
_ROWS = 3  # instants on the contact sheet


def write_inspect_page(found: Inspection, page: Path) -> None:
    """Write `page` (replaced if there), atomically. The recording is opened again for its images."""
    sheet, alt = _contact(found)
    residuals, areas = _over_time(found)
    render_page(
        "inspect.html.j2",
        page,
        found=found,
        name=Path(found.capture).parent.name,
        version=__version__,
        verdict="fail" if found.failed else "pass",
        sentence=_sentence(found),
        facts=_facts(found),
        findings=sorted(found.findings, key=lambda finding: SEVERITIES.index(finding.severity)),
        sheet=sheet,
        sheet_alt=alt,
        plan=rig_plan(found),
        side=rig_side(found),
        up_known=found.up is not None,
        angles=_angles(found),
        lag_chart=lag_curves(found.lag) if found.lag else "",
        path_chart=path_plan(found) if found.path is not None else "",
        residual_chart=residuals,
        area_chart=areas,
        legend=legend([camera.name for camera in found.cameras]),
        lags={fact.camera: fact for fact in found.lag},
    )


def _sentence(found: Inspection) -> str:
    counts = {severity: sum(f.severity == severity for f in found.findings) for severity in SEVERITIES}
    said = [f"{n} {severity}{'' if n == 1 else 's'}" for severity, n in counts.items() if n]
    if not said:
        return "Nothing wrong was found." if found.instants else "Nothing wrong was found in what needs no masks."
    return f"Found: {', '.join(said)}."


def _facts(found: Inspection) -> list[Fact]:
    facts = [
        Fact(str(len(found.cameras)), f"cameras ({found.rig_format})"),
        Fact(f"{found.frames:,}", f"frames{f' at {found.rate:.4g} a second' if found.rate else ''}"),
    ]
    if found.duration is not None:
        facts.append(Fact(_clock(found.duration), "recorded"))
    if found.agreement is not None:
        facts.append(Fact(f"{found.agreement.all_px:.2f} px", "between outlines and the other views' tangent planes"))
    if found.path is not None and found.path.median_speed is not None:
        facts.append(Fact(f"{found.path.median_speed:.3g} {found.unit}/{found.path.per}", "the subject's median speed"))
    return facts


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)} min {rest:.0f} s" if minutes else f"{rest:.1f} s"


def _contact(found: Inspection) -> tuple[str, str]:
    """(data URI, alt text) of some instants: all cameras, outlines drawn where there are masks."""
    source = open_source(load_capture(Path(found.capture)))
    instants = list(found.instants) or list(source.frames)
    whole = _whole(found)
    frames = [f for f in instants if f in whole] or instants
    if len(frames) > _ROWS:
        frames = evenly_spaced(frames, _ROWS + 2)[1:-1]  # not the very ends
    tiles = []
    try:
        for frameset in source.read(frames):
            row = dict.fromkeys(source.cameras, np.full((_TILE, _TILE, 3), GREY, np.uint8))
            for view in frameset.views:
                if view.image is not None:
                    row[view.camera.name] = tile_of_source(view.image, view.mask, _TILE)
            tiles.append(list(row.values()))
    finally:
        source.close()
    sheet = contact_sheet(tiles, [str(frame) for frame in frames], list(source.cameras))
    drawn = "with the outline of each mask" if found.instants else "as recorded; there are no masks"
    alt = f"All {len(source.cameras)} cameras at frames {', '.join(map(str, frames))}, {drawn}"
    return image_uri(sheet), alt


def _whole(found: Inspection) -> set[int]:
    """Instants at which every camera that ever has a mask has one."""
    used = [s for s in found.series if any(p.area_px is not None for p in s.points)]
    sets = [{p.frame for p in s.points if p.area_px is not None} for s in used]
    return set.intersection(*sets) if sets else set()


def _over_time(found: Inspection) -> tuple[Markup, Markup]:
    """(residuals, areas) over the frames; empty without masks."""
    if not found.series:
        return Markup(""), Markup("")
    frames = np.array(found.instants, dtype=np.float64)
    residuals = {s.camera: _numbers([point.tangency_px for point in s.points]) for s in found.series}
    areas = {s.camera: _numbers([point.area_px for point in s.points]) / 1000 for s in found.series}
    return over_frames(frames, residuals, "tangency, px"), over_frames(frames, areas, "mask area, 1000 px²")


def _numbers(values: Sequence[float | None]) -> Values:
    return np.array(values, dtype=np.float64)  # None: NaN


def _angles(found: Inspection) -> list[list[float | None]]:
    """[camera][camera] degrees as the subject sees them; None on the diagonal."""
    by_pair = {(p.first, p.second): p.angle for p in found.pairs}
    names = [camera.name for camera in found.cameras]
    return [[by_pair.get((a, b), by_pair.get((b, a))) for b in names] for a in names]
