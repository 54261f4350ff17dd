"""The page of `mouselift inspect`: one HTML file that opens offline; images, the rig, the path, lag by offset."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from mouselift import __version__
from mouselift.array_types import Array, Float64, Vector3
from mouselift.capture.capture import load_capture
from mouselift.capture.source import open_source
from mouselift.findings import SEVERITIES, grouped
from mouselift.inspect.facts import Inspection, LagFacts
from mouselift.report.charts import Axis, Chart, Values, legend, number, over_frames, series_style, value_axis
from mouselift.report.conclusion import GAP_LIMIT_PX
from mouselift.report.keypoint_sheet import keypoint_table
from mouselift.report.page import Fact, image_uri, render_page
from mouselift.report.sheet import GREY, contact_sheet, tile_of_source
from mouselift.sampling import evenly_spaced

_TILE = 190
_ROWS = 3  # instants on the contact sheet
_WIDTH, _HEIGHT = 520, 430
_CAMERA = 16.0  # length of a camera's sign, chart units
_LONGEST = 14  # letters of a name
_LETTER, _LINE = 7.2, 14.0  # width of a letter, height of a line, at most: the browser's test measures them
_TRIED = 12  # half lines up and down
_ROOM = 0.16  # of the extent, kept free around it for names

Flat = Float64[Array, "n 2"]


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
        findings=grouped(sorted(found.findings, key=lambda finding: SEVERITIES.index(finding.severity))),
        sheet=sheet,
        sheet_alt=alt,
        plan=_rig_plan(found),
        side=_rig_side(found),
        up_known=found.up is not None,
        angles=_angles(found),
        lag_chart=_lag_curves(found.lag) if found.lag else "",
        path_chart=_path_plan(found) if found.path is not None else "",
        residual_chart=residuals,
        area_chart=areas,
        next=with_commands(found.next),
        lag_said=with_commands(found.lag_said),
        calibration_said=calibration_said(found),
        time_said=time_said(found),
        legend=legend([camera.name for camera in found.cameras]),
        lags={fact.camera: fact for fact in found.lag},
        keypoints=None if found.keypoints is None or found.keypoints.share is None else keypoint_table(found.keypoints),
    )


def _sentence(found: Inspection) -> str:
    counts = {severity: sum(f.severity == severity for f in found.findings) for severity in SEVERITIES}
    said = [f"{n} {severity}{'' if n == 1 else 's'}" for severity, n in counts.items() if n]
    if not said:
        return "Nothing wrong was found." if found.instants else "Nothing wrong was found in what needs no masks."
    return f"Found: {', '.join(said)}."


def with_commands(words: str) -> str:
    """Command lines between backticks; they end with the text, or before a bracket."""
    return re.sub(r"mouselift [a-z]+ [^`(]*[^`( .]", r"`\g<0>`", words)


def calibration_said(found: Inspection) -> list[str]:
    """What the outlines confirm of the calibration, and what nothing compared: a sentence each."""
    said: list[str] = []
    apart = {finding.camera for finding in found.findings if finding.code == "views-disagree"}
    if found.agreement is None:
        said.append("Calibration: not compared; that needs masks.")
    else:
        near = [name for name, px in found.agreement.camera_px.items() if px is not None and px < GAP_LIMIT_PX]
        if found.agreement.apart is not None:
            apart = set(found.agreement.apart.cameras)
        near = [name for name in near if name not in apart and None not in apart]
        if near:
            said.append(
                f"Calibration, confirmed by the outlines for {', '.join(near)}: half of their tangent planes miss by "
                f"less than {GAP_LIMIT_PX:g} px of the source over {len(found.instants)} instants."
            )
        others = [name for name in found.agreement.camera_px if name not in near]
        if others:
            said.append(
                f"Calibration, not confirmed for {', '.join(others)}: half of their tangent planes miss by "
                f"{GAP_LIMIT_PX:g} px of the source or more, as with rough masks or a wrong camera."
            )
    return said


def time_said(found: Inspection) -> list[str]:
    """Of the cameras' time, in the same way."""
    said: list[str] = []
    for words, late in (("in step", False), ("late or early", True)):
        names = [fact.camera for fact in found.lag if fact.best is not None and bool(fact.best) == late]
        if names:
            said.append(f"Time, {words} by the outlines: {', '.join(names)}.")
    open_ = [
        camera.name
        for camera in found.cameras
        if camera.name not in {f.camera for f in found.lag if f.best is not None}
    ]
    if open_:
        said.append(f"Time, not confirmed for {', '.join(open_)}.")
    return said


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


def _world_axes(found: Inspection) -> tuple[Vector3, Vector3, Vector3]:
    """(right, ahead, up): right is the horizontal direction in which the cameras lie widest.

    Where up is not known, the rig's flattest direction takes its place, and the page says so.
    """
    centres = np.array([camera.position for camera in found.cameras])
    apart = centres - centres.mean(axis=0)
    up = np.array(found.up) if found.up is not None else np.linalg.svd(apart)[2][2]
    flat = apart - np.outer(apart @ up, up)
    right = np.linalg.svd(flat)[2][0]
    right = right - up * float(right @ up)
    right = right / np.linalg.norm(right)
    right = right if right[int(np.abs(right).argmax())] > 0 else -right
    return right, np.cross(up, right), up


def _rig_plan(found: Inspection) -> Markup:
    """All cameras from above, where they look, and the subject's path."""
    right, ahead, _ = _world_axes(found)
    where = "from above" if found.up is not None else "along its flattest direction (up is not known)"
    return _rig(found, right, ahead, found.unit, f"The rig {where}")


def _rig_side(found: Inspection) -> Markup:
    """The same from the side: heights."""
    right, _, up = _world_axes(found)
    if found.up is None:
        return _rig(found, right, up, found.unit, "The rig from the side")
    return _rig(found, right, up, f"height, {found.unit}", "The rig from the side", found.floor)


def _rig(found: Inspection, x: Vector3, y: Vector3, y_label: str, title: str, floor: float | None = None) -> Markup:
    cameras, walked = _flat([camera.position for camera in found.cameras], x, y), _flat(_path(found), x, y)
    middle = _flat([found.centre], x, y) if found.centre is not None else cameras.mean(axis=0, keepdims=True)
    named = list(zip(found.cameras, cameras.tolist(), strict=True))
    names = ", ".join(f"{camera.name} at {number(a)}, {number(b)}" for camera, (a, b) in named)
    chart = Chart(f"{title}: {names} {found.unit}; each looks at the subject.", found.unit, y_label, _WIDTH, _HEIGHT)
    across, along = _equal_axes(np.concatenate([cameras, walked, middle]), chart)
    if floor is not None:
        chart.across(along.at(floor), "limit")
        chart.text(chart.x_range[1], along.at(floor) - 5, "floor", "end", "note")
    spots = [(across.at(a), along.at(b)) for _, (a, b) in named]
    ways = [np.array([looks @ x, -(looks @ y)]) for looks in (np.array(camera.looks) for camera in found.cameras)]
    for spot, way in zip(spots, ways, strict=True):
        _camera(chart, spot, way)
    named_at = [camera.name for camera in found.cameras]
    for name, place in zip(named_at, name_places(chart, named_at, spots, ways), strict=True):
        if place is not None:
            chart.text(*place, name[:_LONGEST], "middle", "value")
    for a, b in walked.tolist():
        chart.mark("circle", across.at(a), along.at(b), 2, "dot")
    if not len(walked):
        chart.mark("cross", across.at(float(middle[0, 0])), along.at(float(middle[0, 1])), 5, "line s5")
    return chart.svg()


def _flat(points: Sequence[Sequence[float]], x: Vector3, y: Vector3) -> Flat:
    """World points as seen along the third axis."""
    at = np.array(points, dtype=np.float64).reshape(-1, 3)
    return np.stack([at @ x, at @ y], axis=1)


def _camera(chart: Chart, at: tuple[float, float], looks: np.ndarray) -> None:
    """A triangle that opens where the camera looks."""
    way, length = _unit(looks)
    side = np.array([-way[1], way[0]])
    tip = np.array(at)
    ends = [tip + _CAMERA * max(length, 0.25) * way + sign * 0.5 * _CAMERA * side for sign in (1, -1)]
    points = " ".join(f"{p[0]:.1f},{p[1]:.1f}" for p in (tip, *ends))
    chart.parts.append(f'<polygon class="camera" points="{points}"/>')


def _unit(looks: np.ndarray) -> tuple[np.ndarray, float]:
    """(direction, length); below 1 where it looks into the page."""
    length = float(np.linalg.norm(looks))
    return (looks / length if length > 1e-6 else np.array([0.0, 1.0])), length


def name_places(
    chart: Chart, names: Sequence[str], spots: Sequence[tuple[float, float]], looks: Sequence[np.ndarray]
) -> list[tuple[float, float] | None]:
    """The middle of each name's base line: behind its camera, else above or below, clear of names and of cameras.

    None where no such place is in the chart; the table below it has that camera all the same.
    """
    taken = [(x, y, 0.6 * _CAMERA, 0.6 * _CAMERA) for x, y in spots]  # middle, half width, half height
    (left, right), (bottom, top) = chart.x_range, chart.y_range
    out: list[tuple[float, float] | None] = []
    for name, tip, look in zip(names, spots, looks, strict=True):
        way, _ = _unit(look)
        half = _LETTER / 2 * len(name[:_LONGEST]) + 2
        x, y = (float(v) for v in np.array(tip) - way * (_CAMERA + half * abs(way[0])))
        x = min(max(x, left + half), right - half)
        rows = sorted(range(-_TRIED, _TRIED + 1), key=lambda k: (abs(k), k * way[1] > 0))
        free = (
            (x, y + 0.5 * _LINE * k)
            for k in rows
            if top + _LINE / 2 <= y + 0.5 * _LINE * k <= bottom - _LINE / 2
            and all(
                abs(x - a) >= half + wide or abs(y + 0.5 * _LINE * k - b) >= _LINE / 2 + high
                for a, b, wide, high in taken
            )
        )
        place = next(free, None)
        if place is not None:
            taken.append((*place, half, _LINE / 2))
        out.append(None if place is None else (place[0], place[1] + 4))
    return out


def _path_plan(found: Inspection) -> Markup:
    """The subject's centre from above at the sampled instants; consecutive instants are joined."""
    right, ahead, _ = _world_axes(found)
    flat = _flat(_path(found), right, ahead)
    span = ", ".join(number(float(v)) for v in np.ptp(flat, axis=0))
    chart = Chart(
        f"The subject's centre from above at {len(flat)} instants; it covers {span} {found.unit}.",
        found.unit, found.unit, _WIDTH, _HEIGHT,
    )  # fmt: skip
    across, along = _equal_axes(flat, chart)
    frames = [] if found.path is None else [p.frame for p in found.path.points]
    placed = [(across.at(a), along.at(b)) for a, b in flat.tolist()]
    for run in _runs(frames):
        chart.polyline([placed[k] for k in run], "s0")
        for k in run:
            chart.mark("circle", *placed[k], 2.5, "dot")
    for k in {0, len(placed) // 2, len(placed) - 1} if placed else set():
        x, y = placed[k]
        chart.text(x + 6, y - 5, f"frame {frames[k]}", "start", "value")
    return chart.svg()


def _runs(frames: Sequence[int]) -> list[list[int]]:
    """Places of instants that follow one another closely."""
    steps = np.diff(frames)
    near = 2.5 * float(steps.min()) if len(steps) else 0.0
    return [part.tolist() for part in np.split(np.arange(len(frames)), np.flatnonzero(steps > near) + 1)]


def _lag_curves(lags: Sequence[LagFacts]) -> Markup:
    """Residual by frame offset, a line a camera; the best offset is marked."""
    drawn = [fact for fact in lags if fact.curve_px[0] is not None]
    words = "; ".join(f"{fact.camera}: {fact.said}" for fact in lags)
    chart = Chart(f"Distance from the other views' tangent planes by frame offset. {words}.", width=1060, height=320)
    chart.x_label, chart.y_label = "frame offset of this camera, on top of capture.toml's", "px"
    if not drawn:
        chart.text(chart.width / 2, chart.height / 2, "no camera could be compared", "middle")
        return chart.svg()
    values = np.array([v for fact in drawn for v in fact.curve_px if v is not None])
    y = value_axis(values, *chart.y_range, (0.0,))
    low, high = drawn[0].offsets[0], drawn[0].offsets[-1]
    x = Axis(float(low), float(max(high, low + 1)), *chart.x_range, whole=True)
    chart.y_grid(y)
    for offset in drawn[0].offsets:
        at = x.at(float(offset))
        chart.line("grid", at, at, *chart.y_range)
        chart.text(at, chart.y_range[0] + 17, f"{offset:+d}" if offset else "0", "middle")
    for index, fact in enumerate(lags):
        if fact not in drawn:
            continue
        shape, kind = series_style(index)
        spots = [(x.at(float(o)), y.at(float(v or 0.0))) for o, v in zip(fact.offsets, fact.curve_px, strict=True)]
        chart.polyline(spots, kind)
        for spot in spots:
            chart.mark(shape, *spot, 3, kind)
        if fact.best:
            a, b = spots[fact.offsets.index(fact.best)]
            chart.parts.append(f'<circle class="ringed" cx="{a:g}" cy="{b:g}" r="9"/>')
            chart.text(a, b + 22 if b < 250 else b - 14, f"{fact.camera}: {fact.best:+d}", "middle", "note")
    return chart.svg()


def _path(found: Inspection) -> Sequence[Sequence[float]]:
    return [] if found.path is None else [point.position for point in found.path.points]


def _equal_axes(points: Flat, chart: Chart) -> tuple[Axis, Axis]:
    """Axes of one scale that hold the points with room for names, their grid drawn."""
    low, high = points.min(axis=0), points.max(axis=0)
    sides = np.array([abs(chart.x_range[1] - chart.x_range[0]), abs(chart.y_range[1] - chart.y_range[0])])
    span = np.maximum(high - low, 1e-9 * (1.0 + np.abs(points).max())) * (1 + 2 * _ROOM)
    scale = float((span / sides).max())  # world units a chart unit
    middle, half = (low + high) / 2, sides * scale / 2
    across = Axis(float(middle[0] - half[0]), float(middle[0] + half[0]), *chart.x_range)
    along = Axis(float(middle[1] - half[1]), float(middle[1] + half[1]), *chart.y_range)
    chart.y_grid(along)
    chart.x_ticks(across)
    for value in across.ticks():
        chart.line("grid", across.at(value), across.at(value), chart.y_range[1], chart.y_range[0])
    return across, along
