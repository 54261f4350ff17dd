"""From cameras and silhouettes to a plan: the steps of geometry, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mouselift.array_types import Vector3
from mouselift.errors import FramingError
from mouselift.framing.framing import PRETRAINED_DISTANCE, PRETRAINED_EXTENT, DatasetZoom, Framing
from mouselift.framing.plan import Box, Fill, SamplePlan, ViewPlan
from mouselift.framing.subject import SubjectCentre, locate_subject
from mouselift.framing.view_zoom import ViewGeometry, view_geometry
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Silhouette
from mouselift.geometry.similarity import Similarity, shortest_turn

_ROUNDING = 1e-9  # relative, or pixels: what sums of doubles leave


@dataclass(frozen=True, eq=False)
class _Want:
    """What each view would take if it were alone, as a value of the zoom's quantity."""

    values: tuple[float | None, ...]  # None without a silhouette
    most: tuple[float | None, ...]  # beyond which the view is clipped
    units: tuple[float, ...]  # focal length per value

    @property
    def smallest(self) -> tuple[float, int]:
        """(value, view) over the sample."""
        return min((value, i) for i, value in enumerate(self.values) if value is not None)


def plan_sample(
    framing: Framing,
    cameras: Sequence[Camera],
    silhouettes: Sequence[Silhouette | None],
    up: Vector3,
    *,
    shared: DatasetZoom | None = None,
    centre: Vector3 | None = None,
) -> SamplePlan:
    """The plan of one sample. Pure: the same cameras and silhouettes give the same plan.

    cameras: of the source images, named. silhouettes: in source pixels, None where a view has no mask: it is then
    framed by the scope's value, about the projected centre. up: in the source world, any length. shared: the reduction
    over all samples (`wanted_zoom`), for scope `dataset` only. centre: the subject's centre in the source world where
    it is known better than from these silhouettes.

    FramingError: fewer than two silhouettes, silhouettes that determine no common point, or a subject that lies behind
    a camera or outside its lens model.
    """
    subject, views = _views(framing, cameras, silhouettes, centre)
    focals = _focals(framing, views, shared)
    world = _world(framing, up, subject.centre, views, focals)
    plans = [
        _view_plan(framing, view, silhouette, focal, subject, i)
        for i, (view, silhouette, focal) in enumerate(zip(views, silhouettes, focals, strict=True))
    ]
    return SamplePlan(framing, subject.centre, subject.given, subject.rms_px, world, tuple(plans))


def wanted_zoom(
    framing: Framing,
    cameras: Sequence[Camera],
    silhouettes: Sequence[Silhouette | None],
    frame: int,
    *,
    centre: Vector3 | None = None,
) -> DatasetZoom:
    """One sample's say in a zoom of scope `dataset`: merge them all, then pass the result to `plan_sample`."""
    _, views = _views(framing, cameras, silhouettes, centre)
    value, view = _want(framing, views).smallest
    return DatasetZoom(framing.zoom.quantity, value, frame, cameras[view].name)


def _views(
    framing: Framing, cameras: Sequence[Camera], silhouettes: Sequence[Silhouette | None], centre: Vector3 | None
) -> tuple[SubjectCentre, list[ViewGeometry]]:
    subject = locate_subject(cameras, silhouettes, centre)
    pairs = zip(cameras, silhouettes, strict=True)
    return subject, [view_geometry(framing, camera, s, subject.centre) for camera, s in pairs]


def _want(framing: Framing, views: Sequence[ViewGeometry]) -> _Want:
    units = tuple(framing.zoom.unit(view.camera.focal, view.distance) for view in views)
    values: list[float | None] = []
    most: list[float | None] = []
    for view, unit in zip(views, units, strict=True):
        outline = view.outline
        if outline is None:
            values.append(None)
            most.append(None)
            continue
        # The old scripts did not look at the frame: `written="source"` clips where they did.
        limit = outline.f_max if framing.written == "exact" else float("inf")
        values.append(min(limit, outline.f_want) / unit)
        most.append(limit / unit)
    return _Want(tuple(values), tuple(most), units)


def _focals(framing: Framing, views: Sequence[ViewGeometry], shared: DatasetZoom | None) -> list[float]:
    """Each view's focal length, by the zoom's scope."""
    want = _want(framing, views)
    if framing.zoom.scope == "view":
        # A view without a mask has no want of its own: the middle of the others keeps it alike.
        middle = float(np.median([value for value in want.values if value is not None]))
        chosen = [middle if value is None else value for value in want.values]
    elif framing.zoom.scope == "sample":
        chosen = [want.smallest[0]] * len(views)
    else:
        chosen = [_shared_value(framing, views, want, shared)] * len(views)
    return [value * unit for value, unit in zip(chosen, want.units, strict=True)]


def _shared_value(framing: Framing, views: Sequence[ViewGeometry], want: _Want, shared: DatasetZoom | None) -> float:
    if shared is None:
        raise FramingError(
            "framing: zoom scope `dataset` needs the value shared by all samples; expected `shared`, got none. "
            "Merge `wanted_zoom` over the dataset's masks first."
        )
    if shared.quantity != framing.zoom.quantity:
        raise FramingError(
            f"framing: expected a shared {framing.zoom.quantity!r}, got a shared {shared.quantity!r}: "
            "the first pass was made with another framing"
        )
    for view, most in zip(views, want.most, strict=True):
        if most is not None and shared.value > most * (1 + _ROUNDING):
            raise FramingError(
                f"{view.camera.name}: the shared {shared.quantity} {shared.value:.6g} would clip this view (at most "
                f"{most:.6g} fits); this sample was not part of the first pass over {shared.samples} samples. Redo it."
            )
    return shared.value


def _world(
    framing: Framing, up: Vector3, centre: Vector3, views: Sequence[ViewGeometry], focals: Sequence[float]
) -> Similarity:
    """Source world -> sample world: centre to the origin, up to +Z by the shortest turn, and the scale."""
    if framing.world == "none":
        return Similarity()
    length = float(np.linalg.norm(up))
    if not (np.isfinite(length) and length > 0):
        raise FramingError(f"framing: expected an up direction of positive finite length, got {up.tolist()}")
    distance = np.array([view.distance for view in views])
    if framing.world == "distance":
        scale = PRETRAINED_DISTANCE / float(np.median(distance))
    else:
        seen = distance * (framing.size / 2) / np.array(focals)
        scale = PRETRAINED_EXTENT / float(np.median(seen))
    return Similarity(scale, shortest_turn(up, np.array([0.0, 0.0, 1.0])), centre)


def _view_plan(
    framing: Framing,
    view: ViewGeometry,
    silhouette: Silhouette | None,
    focal: float,
    subject: SubjectCentre,
    index: int,
) -> ViewPlan:
    box, clipped, after = _landing(view, focal, framing.size)
    return ViewPlan(
        source=view.camera,
        target=view.target(focal, framing.size),
        scale=focal / view.camera.focal,
        focal=focal,
        magnification=focal / view.distance,
        distance=view.distance,
        trusted=subject.trusted[index],
        residual_px=subject.residual_px[index],
        fill_before=_fill_before(silhouette),
        fill_after=after,
        box=box,
        cut=silhouette.touches_border() if silhouette is not None else None,
        clipped=clipped,
    )


def _landing(view: ViewGeometry, focal: float, size: int) -> tuple[Box | None, bool | None, Fill | None]:
    """(box in the output, clipped, fill): where the outline comes to lie."""
    outline = view.outline
    if outline is None:
        return None, None, None
    low, high = size / 2 + focal * outline.low, size / 2 + focal * outline.high
    x0, y0 = np.floor(low).clip(0, size).astype(int).tolist()
    x1, y1 = np.ceil(high).clip(0, size).astype(int).tolist()
    clipped = bool((low < -_ROUNDING).any() or (high > size + _ROUNDING).any())
    fill = Fill(focal * float(np.sqrt(outline.area)) / size, focal * outline.extent / size)
    return (x0, y0, x1, y1), clipped, fill


def _fill_before(silhouette: Silhouette | None) -> Fill | None:
    if silhouette is None:
        return None
    x0, y0, x1, y1 = silhouette.box
    area = float(np.sqrt(silhouette.area / (silhouette.width * silhouette.height)))
    return Fill(area, max((x1 - x0) / silhouette.width, (y1 - y0) / silhouette.height))
