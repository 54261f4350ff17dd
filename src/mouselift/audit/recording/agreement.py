"""Masks per camera, and whether one camera disagrees with the rest: tangency and hulls over the sampled instants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import msgspec
import numpy as np
from jaxtyping import Float64

from mouselift.audit.recording.facts import AgreementFacts, CameraSeries, MaskFacts, TensePoint
from mouselift.audit.recording.path import Place
from mouselift.audit.recording.watch import SeenFrame
from mouselift.audit.tangency import tangency
from mouselift.core.finding import Finding
from mouselift.core.types import Array
from mouselift.io.frames import FrameSet
from mouselift.masks.quality import FrameRecord, ViewRecord, measure, summarise
from mouselift.masks.volume import Carver, Volume, fine_voxel, half_camera

GUILTY = 2.0  # residual of the pairs with a camera over that of the pairs without it
_SURE = 3.0
_MIN_PX = 1.0  # a camera that is nearer to the others than this is not worth a word
_SERIOUS_PX = 3.0
_ROUGH_PX = 6.0  # of all views: masks or calibration are rough
_WRONG_PX = 20.0
_MIN_INSTANTS = 5
_CUT_SHARE, _EMPTY_SHARE = 0.1, 0.05
_REACH = 3.0  # half edge of the carved box, in the subject's lengths


class Agreement:
    """Gathers instants one by one; memory: a few numbers an instant."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.pairs = list(combinations(range(len(names)), 2))
        self._seen: list[SeenFrame] = []  # stripped of their views: states only
        self._parts: list[tuple[int, ...]] = []
        self._areas: list[list[float | None]] = []
        self._records: list[FrameRecord] = []
        self._residuals: list[np.ndarray] = []  # [p, 2, 2] |pixels| by pair, view and side; NaN: says nothing

    def add(self, seen: SeenFrame, frameset: FrameSet, place: Place | None, carve: bool) -> None:
        """One instant. `carve`: measure how far the hull of all masks fills each of them, too."""
        residuals = np.full((len(self.pairs), 2, 2), np.nan)
        lists: dict[int, list[float]] = {}
        known = [i for i, view in enumerate(seen.views) if view is not None]
        views = [view for view in seen.views if view is not None]
        if len(views) > 1:
            pixels = np.abs(tangency([v.camera for v in views], [v.outline for v in views]).pixels)
            for a, b in combinations(range(len(views)), 2):
                residuals[self.pairs.index((known[a], known[b]))] = pixels[a, b], pixels[b, a]
            for a, own in enumerate(pixels):
                lists[known[a]] = [round(float(value), 4) for value in own[np.isfinite(own)]]
        self._residuals.append(residuals)
        self._records.append(self._record(seen, frameset, place if carve else None, lists))
        self._areas.append([None if view is None else round(view.outline.area, 1) for view in seen.views])
        self._parts.append(tuple(0 if view is None else view.parts for view in seen.views))
        self._seen.append(SeenFrame(seen.frame, (), seen.states))

    def _record(
        self, seen: SeenFrame, frameset: FrameSet, place: Place | None, tangency: dict[int, list[float]]
    ) -> FrameRecord:
        """`masks.quality`'s record, with tangency measured on sub-pixel outlines in place of pixel corners."""
        by_name = {view.camera.name: view for view in frameset.views}
        known = [i for i, name in enumerate(self.names) if name in by_name]
        views = [by_name[self.names[i]] for i in known]
        cameras = [view.camera for view in views]
        carver = None
        if place is not None:
            half, small = _REACH * place.length, [half_camera(camera) for camera in cameras]
            voxel = fine_voxel(small, place.centre)
            carver = Carver(small, Volume(place.centre - half, place.centre + half, voxel))
        measured = measure(cameras, [view.mask for view in views], seen.frame, carver)
        records = [ViewRecord("no-picture")] * len(self.names)
        for i, record in zip(known, measured.views, strict=True):
            records[i] = msgspec.structs.replace(record, tangency_px=tuple(tangency.get(i, ())))
        return FrameRecord(seen.frame, tuple(records))

    def masks(self) -> tuple[MaskFacts, ...]:
        """Per camera, over all instants added."""
        out = []
        for i, quality in enumerate(summarise(self.names, self._records)):
            states = [seen.states[i] for seen in self._seen]
            areas = [row[i] for row in self._areas]
            known = [area for area in areas if area is not None]
            out.append(
                MaskFacts(
                    camera=self.names[i],
                    instants=len(states),
                    no_picture=states.count("no-picture"),
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
                TensePoint(seen.frame, areas[i], _median(residuals[own]))
                for seen, residuals, areas in zip(self._seen, self._residuals, self._areas, strict=True)
            ]
            out.append(CameraSeries(name, tuple(points)))
        return tuple(out)

    def facts(self) -> AgreementFacts | None:
        """Medians over all pairs, over those with each camera, over those without it; None: no pair says anything."""
        if not self._residuals:
            return None
        residuals = np.stack(self._residuals)  # [n, p, 2, 2]
        overall = _median(residuals)
        if overall is None:
            return None
        member = np.array([[v in pair for pair in self.pairs] for v in range(len(self.names))])
        return AgreementFacts(
            overall,
            {name: _median(residuals[:, member[v]]) for v, name in enumerate(self.names)},
            {name: _median(residuals[:, ~member[v]]) for v, name in enumerate(self.names)},
        )


def _median(residuals: Float64[Array, "*any"]) -> float | None:
    known = residuals[np.isfinite(residuals)]
    return round(float(np.median(known)), 4) if known.size else None


def _range(values: Sequence[float]) -> tuple[float, float] | None:
    if not values:
        return None
    return round(float(np.percentile(values, 5)), 1), round(float(np.percentile(values, 95)), 1)


def agreement_findings(facts: AgreementFacts | None, instants: int, late: Sequence[str]) -> Iterator[Finding]:
    """Which camera disagrees; those in `late` lag, and have had their word."""
    if facts is None or facts.all_px is None or instants < _MIN_INSTANTS:
        return
    ratios = {
        name: px / max(rest, _MIN_PX / GUILTY)
        for name, px in facts.camera_px.items()
        if px is not None and (rest := facts.without_px[name]) is not None
    }
    guilty = max(ratios, key=lambda name: ratios[name]) if len(facts.camera_px) > 2 and ratios else None
    own, rest = (None, None) if guilty is None else (facts.camera_px[guilty], facts.without_px[guilty])
    if guilty is not None and own is not None and rest is not None and ratios[guilty] > GUILTY:
        if guilty in late:
            return
        serious = ratios[guilty] > _SURE and own > _SERIOUS_PX
        yield Finding(
            "camera-disagrees",
            "error" if serious else "warning",
            f"camera {guilty}: its silhouettes lie {own:.2f} px from the other views' tangent planes; the others agree "
            f"among themselves to {rest:.2f} px. Its calibration belongs to another camera or another day, "
            "its pictures were resized or cropped, or its masks are bad: look at its masks first, then calibrate again",
            guilty,
            value=own,
            limit=rest,
            advice=f"Check the masks of {guilty}, then its calibration and crop_offset.",
        )
    elif facts.all_px > _ROUGH_PX and not late:
        yield Finding(
            "views-disagree",
            "error" if facts.all_px > _WRONG_PX else "warning",
            f"the views' silhouettes lie {facts.all_px:.1f} px from each other's tangent planes, and no single camera "
            "is to blame: masks are rough, or the calibration is wrong as a whole (format variant? picture size?)",
            value=facts.all_px,
            limit=_ROUGH_PX,
        )


def mask_findings(masks: Sequence[MaskFacts]) -> Iterator[Finding]:
    """Cameras whose masks are missing, empty or cut more often than now and then."""
    for fact in masks:
        there = fact.instants - fact.no_mask - fact.no_picture
        if there == 0:
            yield Finding(
                "mask-missing",
                "warning",
                f"camera {fact.camera}: no masks at the {fact.instants} sampled instants; `mouselift mask CAPTURE` "
                "makes them",
                fact.camera,
            )
            continue
        if fact.empty > _EMPTY_SHARE * there:
            yield Finding(
                "mask-empty",
                "warning",
                f"camera {fact.camera}: {fact.empty} of {there} masks are empty; `prepare` drops such instants",
                fact.camera,
                value=fact.empty / there,
                limit=_EMPTY_SHARE,
            )
        if fact.cut > _CUT_SHARE * there:
            yield Finding(
                "sensor-cuts",
                "warning",
                f"camera {fact.camera}: the picture's border cuts the subject in {fact.cut} of {there} instants "
                f"({fact.cut / there:.0%}); `prepare` drops them unless --on-cut keep. Move the camera back, or "
                "leave it out ([rig] unused)",
                fact.camera,
                value=fact.cut / there,
                limit=_CUT_SHARE,
            )
