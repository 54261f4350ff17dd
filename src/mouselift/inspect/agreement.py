"""Masks per camera, and whether one camera disagrees with the rest: tangency and hulls over the sampled instants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import msgspec
import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array
from mouselift.findings import Finding
from mouselift.geometry.tangent_planes import tangency
from mouselift.inspect.facts import AgreementFacts, CameraSeries, MaskFacts, SeriesPoint
from mouselift.inspect.frame_outlines import FrameOutlines
from mouselift.inspect.subject_path import SubjectPosition
from mouselift.masks.quality import FrameRecord, ViewRecord, measure, summarise
from mouselift.masks.volume import Carver, Volume, fine_voxel, half_camera
from mouselift.media.frames import FrameSet


@dataclass(frozen=True)
class AgreementLimits:
    """Of `agreement_findings`; pixels of the recording. Runs: `python benchmarks/inspect_limits.py`."""

    ratio: float = 2.0  # residual of the pairs with a camera over that of the pairs without it
    sure_ratio: float = 3.0  # the same, for an error
    worst_share: float = 0.6  # of the instants in which this camera is the worst: else its masks have bad moments only
    least_px: float = 1.0  # a camera that is nearer to the others than this is not named
    serious_px: float = 3.0  # for an error
    rough_px: float = 6.0  # of all views: masks or calibration are rough
    wrong_px: float = 20.0  # for an error
    instants: int = 5  # fewer say nothing


LIMITS = AgreementLimits()
_CUT_SHARE, _EMPTY_SHARE = 0.1, 0.05
_REACH = 3.0  # half edge of the carved box, in the subject's lengths


class AgreementTally:
    """Gathers instants one by one; memory: a few numbers an instant."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.pairs = list(combinations(range(len(names)), 2))
        self._frames: list[FrameOutlines] = []  # stripped of their views: states only
        self._parts: list[tuple[int, ...]] = []
        self._areas: list[list[float | None]] = []
        self._records: list[FrameRecord] = []
        self._residuals: list[np.ndarray] = []  # [p, 2, 2] |pixels| by pair, view and side; NaN: says nothing

    def add(self, outlines: FrameOutlines, frameset: FrameSet, position: SubjectPosition | None, carve: bool) -> None:
        """One instant. `carve`: measure how far the hull of all masks fills each of them, too."""
        pixels = tangency_distances(outlines)
        lists = {i: [round(float(value), 4) for value in own[np.isfinite(own)]] for i, own in enumerate(pixels)}
        self._residuals.append(by_pair(pixels))
        self._records.append(self._record(outlines, frameset, position if carve else None, lists))
        self._areas.append([None if view is None else round(view.outline.area, 1) for view in outlines.views])
        self._parts.append(tuple(0 if view is None else view.parts for view in outlines.views))
        self._frames.append(FrameOutlines(outlines.frame, (), outlines.states))

    def _record(
        self,
        outlines: FrameOutlines,
        frameset: FrameSet,
        position: SubjectPosition | None,
        tangency: dict[int, list[float]],
    ) -> FrameRecord:
        """`masks.quality`'s record, with tangency measured on sub-pixel outlines in place of pixel corners."""
        by_name = {view.camera.name: view for view in frameset.views}
        known = [i for i, name in enumerate(self.names) if name in by_name]
        views = [by_name[self.names[i]] for i in known]
        cameras = [view.camera for view in views]
        carver = None
        if position is not None:
            half, small = _REACH * position.length, [half_camera(camera) for camera in cameras]
            voxel = fine_voxel(small, position.centre)
            carver = Carver(small, Volume(position.centre - half, position.centre + half, voxel))
        measured = measure(cameras, [view.mask for view in views], outlines.frame, carver)
        records = [ViewRecord("no-image")] * len(self.names)
        for i, record in zip(known, measured.views, strict=True):
            records[i] = msgspec.structs.replace(record, tangency_px=tuple(tangency.get(i, ())))
        return FrameRecord(outlines.frame, tuple(records))

    def masks(self) -> tuple[MaskFacts, ...]:
        """Per camera, over all instants added."""
        out = []
        for i, quality in enumerate(summarise(self.names, self._records)):
            states = [outlines.states[i] for outlines in self._frames]
            areas = [row[i] for row in self._areas]
            known = [area for area in areas if area is not None]
            out.append(
                MaskFacts(
                    camera=self.names[i],
                    instants=len(states),
                    no_image=states.count("no-image"),
                    no_mask=states.count("no-mask"),
                    empty=states.count("empty"),
                    cut=quality.cut,
                    parts=sum(row[i] > 1 for row in self._parts),
                    area_px=round(float(np.median(known)), 1) if known else None,
                    area_range=_range(known),
                    quality=quality,
                )
            )
        return tuple(out)

    def series(self) -> tuple[CameraSeries, ...]:
        """Area and residual of every camera over the instants."""
        out = []
        for i, name in enumerate(self.names):
            own = [p for p, pair in enumerate(self.pairs) if i in pair]
            points = [
                SeriesPoint(outlines.frame, areas[i], _median(residuals[own]))
                for outlines, residuals, areas in zip(self._frames, self._residuals, self._areas, strict=True)
            ]
            out.append(CameraSeries(name, tuple(points)))
        return tuple(out)

    def facts(self) -> AgreementFacts | None:
        """As `agreement_of`, over all instants added."""
        return agreement_of(self.names, self._residuals)


def tangency_distances(outlines: FrameOutlines) -> Float64[Array, "v v 2"]:
    """|Pixels| of each view's touching points from the planes that touch another view; NaN: says nothing."""
    out = np.full((len(outlines.views), len(outlines.views), 2), np.nan)
    known = [i for i, view in enumerate(outlines.views) if view is not None]
    views = [view for view in outlines.views if view is not None]
    if len(views) > 1:
        found = tangency([v.camera for v in views], [v.outline for v in views], [v.rays for v in views])
        out[np.ix_(known, known)] = np.abs(found.pixels)
    return out


def by_pair(pixels: Float64[Array, "v v 2"]) -> Float64[Array, "p 2 2"]:
    """`distances` by pair of cameras, view and side."""
    first, second = np.triu_indices(len(pixels), 1)
    return np.stack([pixels[first, second], pixels[second, first]], axis=1)


def agreement_of(names: Sequence[str], residuals: Sequence[Float64[Array, "p 2 2"]]) -> AgreementFacts | None:
    """Medians over all pairs, over those with each camera, over those without it; None: no pair says anything.

    residuals: `by_pair` of each instant. A wrong camera is the worst in nearly all instants, a rough mask in its own.
    """
    if not residuals:
        return None
    together = np.stack(residuals)  # [n, p, 2, 2]
    overall = _median(together)
    if overall is None:
        return None
    member = np.array([[v in pair for pair in combinations(range(len(names)), 2)] for v in range(len(names))])
    return AgreementFacts(
        overall,
        {name: _median(together[:, member[v]]) for v, name in enumerate(names)},
        {name: _median(together[:, ~member[v]]) for v, name in enumerate(names)},
        _worst_shares(names, [[_median(instant[own]) for own in member] for instant in together]),
    )


def _worst_shares(names: Sequence[str], medians: Sequence[Sequence[float | None]]) -> dict[str, float]:
    """medians: of each instant, of each camera's pairs. Instants in which nothing is known do not count."""
    known = [[-1.0 if value is None else value for value in row] for row in medians]
    worst = [int(np.argmax(row)) for row in known if max(row) >= 0]
    return {name: round(worst.count(v) / max(len(worst), 1), 4) for v, name in enumerate(names)}


def _median(residuals: Float64[Array, "*any"]) -> float | None:
    known = residuals[np.isfinite(residuals)]
    return round(float(np.median(known)), 4) if known.size else None


def _range(values: Sequence[float]) -> tuple[float, float] | None:
    if not values:
        return None
    return round(float(np.percentile(values, 5)), 1), round(float(np.percentile(values, 95)), 1)


def agreement_findings(
    facts: AgreementFacts | None, instants: int, late: Sequence[str], limits: AgreementLimits = LIMITS
) -> Iterator[Finding]:
    """Which camera disagrees; those in `late` lag, and have their own finding."""
    if facts is None or facts.all_px is None or instants < limits.instants:
        return
    ratios = {
        name: px / max(rest, limits.least_px / limits.ratio)
        for name, px in facts.camera_px.items()
        if px is not None and (rest := facts.without_px[name]) is not None
    }
    blamed = max(ratios, key=lambda name: ratios[name]) if len(facts.camera_px) > 2 and ratios else None
    own, rest = (None, None) if blamed is None else (facts.camera_px[blamed], facts.without_px[blamed])
    steady = blamed is not None and facts.worst_share.get(blamed, 0.0) >= limits.worst_share
    if blamed is not None and own is not None and rest is not None and ratios[blamed] > limits.ratio and steady:
        if blamed in late:
            return
        serious = ratios[blamed] > limits.sure_ratio and own > limits.serious_px
        yield Finding.of(
            "views-disagree",
            f"camera {blamed}: its silhouettes lie {own:.2f} px from the other views' tangent planes; "
            "the others agree "
            f"among themselves to {rest:.2f} px. Its calibration belongs to another camera or another day, "
            "its images were resized or cropped, or its masks are bad: look at its masks first, then calibrate again",
            severity="error" if serious else "warning",
            camera=blamed,
            value=own,
            limit=rest,
            advice=f"Check the masks of {blamed}, then its calibration and crop_offset.",
        )
    elif facts.all_px > limits.rough_px and not late:
        yield Finding.of(
            "views-disagree",
            f"the views' silhouettes lie {facts.all_px:.1f} px from each other's tangent planes, and "
            "no single camera "
            "is to blame: masks are rough, or the calibration is wrong as a whole (format variant? image size?)",
            severity="error" if facts.all_px > limits.wrong_px else "warning",
            value=facts.all_px,
            limit=limits.rough_px,
        )


def mask_findings(masks: Sequence[MaskFacts]) -> Iterator[Finding]:
    """Cameras whose masks are missing, empty or cut more often than now and then."""
    for fact in masks:
        there = fact.instants - fact.no_mask - fact.no_image
        if there == 0:
            yield Finding.of(
                "missing-mask",
                f"camera {fact.camera}: no masks at the {fact.instants} sampled instants; `mouselift "
                "mask CAPTURE` "
                "makes them",
                camera=fact.camera,
            )
            continue
        if fact.empty > _EMPTY_SHARE * there:
            yield Finding.of(
                "empty-mask",
                f"camera {fact.camera}: {fact.empty} of {there} masks are empty; `prepare` drops such instants",
                camera=fact.camera,
                value=fact.empty / there,
                limit=_EMPTY_SHARE,
                advice="",
            )
        if fact.cut > _CUT_SHARE * there:
            yield Finding.of(
                "cut-by-sensor",
                f"camera {fact.camera}: the image's border cuts the subject in {fact.cut} of {there} instants "
                f"({fact.cut / there:.0%}); `prepare` drops them unless --on-cut keep. Move the camera back, or "
                "leave it out ([rig] unused)",
                severity="warning",
                camera=fact.camera,
                value=fact.cut / there,
                limit=_CUT_SHARE,
                advice="",
            )
