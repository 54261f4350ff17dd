"""Masks per camera, and which cameras disagree with the rest: tangency and hulls over the sampled instants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.findings import Finding
from mouselift.geometry.outline_mismatch import LEAST_PX, RATIO, ROUGH_PX
from mouselift.geometry.tangent_planes import tangency
from mouselift.inspect.apart import GROSS_RATIO, CamerasApart, cameras_apart
from mouselift.inspect.facts import AgreementFacts, CameraSeries, MaskFacts, SeriesPoint, rounded_range
from mouselift.inspect.sampled_frames import FrameOutlines
from mouselift.inspect.subject_path import SubjectPosition
from mouselift.masks.quality import FrameRecord, ViewRecord, measure, rounded_median, summarise
from mouselift.masks.torn import GOOD_TORN
from mouselift.masks.volume import Carver, Volume, fine_voxel, half_camera
from mouselift.media.images import FrameSet

# Of `agreement_findings`, besides those of `geometry.outline_mismatch`; pixels of the recording. Rates with these
# limits, and with others: `python benchmarks/inspect_limits.py` (docs/evidence/inspect-rates.md).
SURE_RATIO = 3.0  # the same, for an error
WORST_SHARE = 0.6  # of the instants in which this camera is the worst: else its masks have bad moments only
SERIOUS_PX = 3.0  # for an error
WRONG_PX = 20.0  # for an error
EMPTY_HULL = 0.05  # share of every mask that the hull of all fills, at most, for an error: no part is seen by all
_INSTANTS = 5  # fewer blame no camera
_CUT_SHARE, _EMPTY_SHARE = 0.1, 0.05
_REACH = 3.0  # half edge of the carved box, in the subject's lengths


class MeasuredInstant(NamedTuple):
    """One instant, by camera."""

    states: tuple[str, ...]
    parts: list[int]
    areas: list[float | None]
    residuals: Float64[Array, "v v 2"]  # of `tangency_distances`
    record: FrameRecord


def measure_instant(
    names: Sequence[str], outlines: FrameOutlines, frameset: FrameSet, position: SubjectPosition | None
) -> MeasuredInstant:
    """One instant. `position`: how far the hull of all masks around it fills each of them is measured, too."""
    pixels = tangency_distances(outlines)
    parts = [0 if view is None else view.parts for view in outlines.views]
    areas = [None if view is None else round(view.outline.area, 1) for view in outlines.views]
    return MeasuredInstant(outlines.states, parts, areas, pixels, _record(names, frameset, position, pixels))


def _record(
    names: Sequence[str], frameset: FrameSet, position: SubjectPosition | None, pixels: Float64[Array, "v v 2"]
) -> FrameRecord:
    """`masks.quality`'s record, with tangency measured on sub-pixel outlines in place of pixel corners."""
    cameras = [view.camera for view in frameset.views]
    carver = None
    if position is not None:
        half, small = _REACH * position.length, [half_camera(camera) for camera in cameras]
        voxel = fine_voxel(small, position.centre)
        carver = Carver(small, Volume(position.centre - half, position.centre + half, voxel))
    known = {name: own[np.isfinite(own)].tolist() for name, own in zip(names, pixels, strict=True)}
    tangency = {i: [round(value, 4) for value in known[camera.name]] for i, camera in enumerate(cameras)}
    measured = measure(cameras, [view.mask for view in frameset.views], frameset.frame, carver, tangency)
    by_name = {camera.name: record for camera, record in zip(cameras, measured.views, strict=True)}
    return FrameRecord(frameset.frame, tuple(by_name.get(name, ViewRecord("no-image")) for name in names))


class AgreementTally:
    """Gathers instants one by one, in order; memory: a few numbers an instant."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._instants: list[MeasuredInstant] = []

    def add(self, instant: MeasuredInstant) -> None:
        self._instants.append(instant)

    def masks(self) -> tuple[MaskFacts, ...]:
        """Per camera, over all instants added."""
        out = []
        for i, quality in enumerate(summarise(self.names, [instant.record for instant in self._instants])):
            states = [instant.states[i] for instant in self._instants]
            areas = [area for instant in self._instants if (area := instant.areas[i]) is not None]
            out.append(
                MaskFacts(
                    camera=self.names[i],
                    instants=len(states),
                    no_image=states.count("no-image"),
                    no_mask=states.count("no-mask"),
                    empty=states.count("empty"),
                    cut=quality.cut,
                    parts=sum(instant.parts[i] > 1 for instant in self._instants),
                    area_px=rounded_median(areas, 1),
                    area_range=rounded_range(areas, 1),
                    quality=quality,
                )
            )
        return tuple(out)

    def series(self) -> tuple[CameraSeries, ...]:
        """Area and residual of every camera over the instants."""
        out = []
        for i, name in enumerate(self.names):
            residuals = [_median(_with_view(instant.residuals, i)) for instant in self._instants]
            points = [
                SeriesPoint(x.record.frame, x.areas[i], r) for x, r in zip(self._instants, residuals, strict=True)
            ]
            out.append(CameraSeries(name, tuple(points)))
        return tuple(out)

    def facts(self) -> AgreementFacts | None:
        """As `agreement_of`, over all instants added."""
        return agreement_of(self.names, [instant.residuals for instant in self._instants])


def tangency_distances(outlines: FrameOutlines) -> Float64[Array, "v v 2"]:
    """|Pixels| of each view's tangent points from the tangent planes of another view; NaN: says nothing."""
    out = np.full((len(outlines.views), len(outlines.views), 2), np.nan)
    known = [i for i, view in enumerate(outlines.views) if view is not None]
    views = [view for view in outlines.views if view is not None]
    if len(views) > 1:
        found = tangency([v.camera for v in views], [v.outline for v in views], [v.rays for v in views])
        out[np.ix_(known, known)] = np.abs(found.pixels)
    return out


def agreement_of(names: Sequence[str], residuals: Sequence[Float64[Array, "v v 2"]]) -> AgreementFacts | None:
    """Medians over all pairs, over those with each camera, over those without it; None: no pair says anything.

    residuals: `tangency_distances` of each instant. A wrong camera is the worst in nearly all instants, a rough mask in
    its own.
    """
    together = np.stack(residuals) if residuals else np.zeros((0, len(names), len(names), 2))  # [n, v, v, 2]
    overall = _median(together)
    if overall is None:
        return None
    return AgreementFacts(
        overall,
        {name: _median(_with_view(together, v)) for v, name in enumerate(names)},
        {name: _median(np.delete(np.delete(together, v, axis=1), v, axis=2)) for v, name in enumerate(names)},
        _worst_shares(names, [[_median(_with_view(instant, v)) for v in range(len(names))] for instant in together]),
        cameras_apart(names, together),
    )


def _with_view(pixels: Float64[Array, "*n v v 2"], view: int) -> Float64[Array, "*n w 2"]:
    """Of the pairs that a view takes part in."""
    return np.concatenate([pixels[..., view, :, :], pixels[..., view, :]], axis=-2)


def _worst_shares(names: Sequence[str], medians: Sequence[Sequence[float | None]]) -> dict[str, float]:
    """medians: of each instant, of each camera's pairs. Instants in which nothing is known do not count."""
    known = [[-1.0 if value is None else value for value in row] for row in medians]
    worst = [int(np.argmax(row)) for row in known if max(row) >= 0]
    return {name: round(worst.count(v) / max(len(worst), 1), 4) for v, name in enumerate(names)}


def _median(residuals: Float64[Array, "*any"]) -> float | None:
    return rounded_median(residuals[np.isfinite(residuals)], 4)


def agreement_findings(
    facts: AgreementFacts | None, instants: int, late: Sequence[str], masks: Sequence[MaskFacts] = ()
) -> Iterator[Finding]:
    """Which cameras disagree; those in `late` lag, and have their own finding."""
    if facts is None:
        return
    if instants < _INSTANTS:
        yield Finding.of(
            "few-instants",
            f"whether cameras and masks agree was not judged: it takes {_INSTANTS} instants with masks, there "
            f"{'is' if instants == 1 else 'are'} {instants}; the distances in the table stand for those alone",
            value=float(instants),
            limit=float(_INSTANTS),
        )
        return
    if facts.apart is not None and not set(facts.apart.cameras) <= set(late):
        yield _apart_finding(facts.apart)
        return
    candidates = [
        (px / max(rest, LEAST_PX / RATIO), name, px, rest)
        for name, px in facts.camera_px.items()
        if px is not None and (rest := facts.without_px[name]) is not None
    ]
    ratio, worst, own, rest = max(candidates, key=lambda candidate: candidate[0], default=(0.0, "", 0.0, 0.0))
    agreed = rest <= ROUGH_PX or ratio > GROSS_RATIO  # else the others contradict each other, too
    if len(facts.camera_px) > 2 and ratio > RATIO and agreed and facts.worst_share.get(worst, 0.0) >= WORST_SHARE:
        if worst in late:
            return
        yield Finding.of(
            "views-disagree",
            f"camera {worst}: its silhouettes lie {own:.2f} px from the other views' tangent planes; the others "
            f"agree among themselves to {rest:.2f} px. Its calibration belongs to another camera or another day, its "
            "images were resized or cropped, or its masks are bad: look at its masks first, then calibrate again",
            severity="error" if ratio > SURE_RATIO and own > SERIOUS_PX else "warning",
            camera=worst,
            value=own,
            limit=rest,
            advice=f"Check the masks of {worst}, then its calibration and crop_offset.",
        )
    elif facts.all_px > ROUGH_PX and not late:
        empty = _hull_is_empty(masks)
        yield Finding.of(
            "views-disagree",
            f"the views' silhouettes lie {facts.all_px:.1f} px from each other's tangent planes"
            + (", no part of the subject lies inside all of them" if empty else "")
            + ", and no single camera is to blame: the images of several cameras are exchanged, the calibration is "
            "wrong as a whole (format variant? image size?), or masks are rough",
            severity="error" if empty or facts.all_px > WRONG_PX else "warning",
            value=facts.all_px,
            limit=ROUGH_PX,
        )


def _apart_finding(apart: CamerasApart) -> Finding:
    names = " and ".join([", ".join(apart.cameras[:-1]), apart.cameras[-1]])
    return Finding.of(
        "views-disagree",
        f"the images of {names} may be exchanged: video and mask in capture.toml. Their silhouettes lie "
        f"{apart.px:.1f} px from the other views' tangent planes, the others agree among themselves to "
        f"{apart.rest_px:.2f} px. If the files are right, these calibrations belong to other cameras or another day",
        severity="error",
        value=apart.px,
        limit=apart.rest_px,
        advice=f"Look at one image of each of {names}, give each camera its own video and mask, and inspect again.",
    )


def _hull_is_empty(masks: Sequence[MaskFacts]) -> bool:
    """Not known (no hull was carved): no."""
    covered = [fact.quality.coverage for fact in masks if fact.quality.coverage is not None]
    return bool(covered) and max(covered) <= EMPTY_HULL


def mask_findings(masks: Sequence[MaskFacts]) -> Iterator[Finding]:
    """Cameras whose masks are missing, empty or cut more often than now and then."""
    for fact in masks:
        there = fact.instants - fact.no_mask - fact.no_image
        if there == 0:
            text = (
                f"camera {fact.camera}: no masks at the {fact.instants} sampled instants; `mouselift mask CAPTURE` "
                "makes them"
            )
            yield Finding.of("missing-mask", text, camera=fact.camera)
            continue
        empty = f"camera {fact.camera}: {fact.empty} of {there} masks are empty; `prepare` drops such instants"
        cut = (
            f"camera {fact.camera}: the image's border cuts the subject in {fact.cut} of {there} instants "
            f"({fact.cut / there:.0%}); `prepare` drops them unless --on-cut keep. Move the camera back, or leave it "
            "out ([rig] unused)"
        )
        for code, count, limit, text in (
            ("empty-mask", fact.empty, _EMPTY_SHARE, empty),
            ("cut-by-sensor", fact.cut, _CUT_SHARE, cut),
        ):
            if count > limit * there:
                share = count / there
                yield Finding.of(
                    code, text, severity="warning", camera=fact.camera, value=share, limit=limit, advice=""
                )
        torn = fact.quality.torn
        if torn is not None and torn > GOOD_TORN:
            text = (
                f"camera {fact.camera}: its masks are torn: holes and bites are {torn:.0%} of the trunk in the median "
                "(whole animals have up to 3 %)"
            )
            yield Finding.of("mask-torn", text, camera=fact.camera, value=torn, limit=GOOD_TORN)
