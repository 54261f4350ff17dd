"""How good masks are, told without truth: by how well the views agree.

Per frame: rays through the mask centroids should meet, planes should be tangent to both silhouettes of
a pair (`geometry.tangent_planes`), the hull of all masks should fill every mask again, and little of a mask should lie
flat on the floor; and, of each mask alone, holes and bites in the trunk. A subject that the
sensor's border cuts has another centroid and outline than its whole: such views are counted, not measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from mouselift.array_types import Points2
from mouselift.errors import LensFoldError
from mouselift.geometry.camera import Camera
from mouselift.geometry.outline_mismatch import ROUGH_PX
from mouselift.geometry.outlines import HALF_LEVEL, Silhouette, convex_corners
from mouselift.geometry.tangent_planes import OutlineRays, TangentPlanes, planes_between, rays_at_depth_one
from mouselift.geometry.triangulation import triangulate
from mouselift.geometry.visual_hull import VisualHull
from mouselift.masks.changes import halved
from mouselift.masks.floor import Floor
from mouselift.masks.torn import GOOD_TORN, torn_share
from mouselift.masks.volume import Carver, ViewLevels, ViewMask, dilated, footprint

CUT_MARGIN = 2  # pixels from the border
_STEADY = 0.3  # relative change of the area between neighbouring frames that counts as a jump
_GOOD_CENTROID = 6.0  # pixels of the source, median
_GOOD_COVERAGE, _GOOD_EMPTY = 0.9, 0.05
# Lower parts of the hull are flat; told of a subject at least so many times as high. Feet and a tail on the floor are
# 0.05 to 0.12 of true masks, 0.14 to 0.27 with a shadow (docs/evidence/mask-quality.md).
_FLAT_VOXELS, _UPRIGHT, _GOOD_FLAT = 3.0, 4.0, 0.15


class ViewRecord(msgspec.Struct, frozen=True):
    """One mask. Residuals are None where the view is cut, empty, or has nothing to be compared with."""

    state: str  # ok | empty | no-image
    area: int = 0  # pixels
    cut: bool = False  # reaches the image's border
    centroid_px: float | None = None  # reprojection of the rays' meeting point
    tangency_px: tuple[float, ...] = ()  # absolute residuals of this view's tangent points
    coverage: float | None = None  # share of the mask that the hull of all masks fills
    flat: float | None = None  # share of the mask that only the hull's part close to the floor explains
    torn: float | None = None  # holes and bites in the trunk, over its area (masks.torn)


class FrameRecord(msgspec.Struct, frozen=True):
    frame: int
    views: tuple[ViewRecord, ...]


class CameraQuality(msgspec.Struct, frozen=True):
    """One camera over the recording; None where nothing could be measured."""

    camera: str
    frames: int
    missing: int  # no image
    empty: int
    cut: int
    centroid_px: float | None  # median
    tangency_px: float | None  # the outline mismatch: median of the absolute residuals
    tangency_rms_px: float | None
    coverage: float | None  # median
    jumps: float | None  # share of neighbouring frames between which the area jumps
    verdict: str
    flat: float | None = None  # median
    torn: float | None = None  # median


def measure(
    cameras: Sequence[Camera],
    levels: Sequence[ViewLevels | None],
    frame: int,
    carver: Carver | None,
    tangency: Mapping[int, Sequence[float]] | None = None,
    floor: Floor | None = None,
) -> FrameRecord:
    """One frame's record.

    carver: on half-size maps; with it coverage is measured too, which costs a hull. tangency: by view, where it is
    known already. floor: with it and the carver, how much of the masks lies flat on the floor.
    """
    masks = [None if level is None else level >= HALF_LEVEL for level in levels]
    shapes = {i: Silhouette.from_mask(mask) for i, mask in enumerate(masks) if mask is not None and mask.any()}
    whole = [i for i, shape in shapes.items() if not shape.touches_border(CUT_MARGIN)]
    centroid = _centroid_residuals(cameras, {i: shapes[i].centroid for i in whole})
    tangency = _tangency(cameras, shapes) if tangency is None else tangency
    coverage, flat = {}, {}
    if carver is not None and len(whole) >= 2:
        coverage, flat = _explained(carver, masks, floor)
    views = [ViewRecord("no-image" if mask is None else "empty") for mask in masks]
    for i, shape in shapes.items():
        tangents = tuple(tangency.get(i, ()))
        mask = masks[i]
        views[i] = ViewRecord(
            "ok",
            shape.area,
            i not in whole,
            centroid.get(i),
            tangents,
            coverage.get(i),
            flat.get(i),
            None if mask is None else torn_share(mask),
        )
    return FrameRecord(frame, tuple(views))


def _centroid_residuals(cameras: Sequence[Camera], centroids: Mapping[int, Points2]) -> dict[int, float]:
    if len(centroids) < 2:
        return {}
    seen, pixels = [cameras[i] for i in centroids], np.concatenate(list(centroids.values()))
    try:
        residual = triangulate(seen, pixels).residual_px(seen, pixels)
    except (ValueError, LensFoldError):
        return {}
    return {i: round(float(r), 4) for i, r in zip(centroids, residual, strict=True) if np.isfinite(r)}


def _tangency(cameras: Sequence[Camera], shapes: Mapping[int, Silhouette]) -> dict[int, list[float]]:
    """By view; a view whose outline leaves its lens model's field has none."""
    planes = planes_of(cameras, shapes)
    found: dict[int, list[float]] = {}
    for first, second, (a, b) in zip(planes.first, planes.second, np.abs(planes.distance).tolist(), strict=True):
        found.setdefault(int(first), []).append(round(a, 4))
        found.setdefault(int(second), []).append(round(b, 4))
    return found


def planes_of(cameras: Sequence[Camera], shapes: Mapping[int, Silhouette]) -> TangentPlanes:
    """Tangent planes between the silhouettes, by view; without views whose outline leaves their lens model's field."""
    views: list[int] = []
    corners, rays, cut = [], [], []
    for i, shape in shapes.items():
        own = shape.outline[convex_corners(shape.outline)]
        try:
            rays.append(rays_at_depth_one(cameras[i], own))
        except LensFoldError:
            continue
        far = np.array([shape.width, shape.height]) - CUT_MARGIN
        views.append(i)
        corners.append(own)
        cut.append(((own <= CUT_MARGIN) | (own >= far)).any(axis=1))
    outlines = OutlineRays.of([cameras[i] for i in views], corners, cut, rays=rays, unit_length=True)
    return planes_between(outlines, cameras, np.array(views, dtype=np.int64))


def _explained(
    carver: Carver, masks: Sequence[ViewMask | None], floor: Floor | None
) -> tuple[dict[int, float], dict[int, float]]:
    """By view, the shares of the mask that the hull fills, and that only its part close to the floor explains."""
    small = [None if m is None else halved(m.view(np.uint8) * np.uint8(255)) >= HALF_LEVEL for m in masks]
    hull = carver.carve(small)[0]
    coverage: dict[int, float] = {}
    flat: dict[int, float] = {}
    upright = None
    if floor is not None and len(hull.points):
        height, low = floor.above(hull.points), _FLAT_VOXELS * hull.voxel
        if height.max() >= _UPRIGHT * low:
            upright = VisualHull(hull.points[height >= low], hull.voxel)
    for i, (camera, mask) in enumerate(zip(carver.cameras, small, strict=True)):
        if mask is None or not mask.any():
            continue
        coverage[i] = round(float((footprint(hull, camera) & mask).sum() / mask.sum()), 4)
        if upright is not None:
            flat[i] = round(float((mask & ~dilated(footprint(upright, camera), 2)).sum() / mask.sum()), 4)
    return coverage, flat


def summarise(names: Sequence[str], records: Sequence[FrameRecord]) -> tuple[CameraQuality, ...]:
    """Per camera, over all frames; records in ascending order of frames."""
    return tuple(_camera(name, [record.views[i] for record in records]) for i, name in enumerate(names))


def _camera(name: str, views: Sequence[ViewRecord]) -> CameraQuality:
    tangent = np.array([r for v in views for r in v.tangency_px])
    areas = np.array([v.area if v.state == "ok" and not v.cut else np.nan for v in views])
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.abs(np.diff(np.log(areas)))
    change = change[np.isfinite(change)]
    states = [v.state for v in views]
    quality = CameraQuality(
        camera=name,
        frames=len(views),
        missing=states.count("no-image"),
        empty=states.count("empty"),
        cut=sum(v.cut for v in views),
        centroid_px=rounded_median([v.centroid_px for v in views if v.centroid_px is not None]),
        tangency_px=rounded_median(tangent.tolist()),
        tangency_rms_px=round(float(np.sqrt(np.mean(tangent**2))), 3) if tangent.size else None,
        coverage=rounded_median([v.coverage for v in views if v.coverage is not None]),
        jumps=round(float((change > _STEADY).mean()), 4) if change.size else None,
        verdict="",
        flat=rounded_median([v.flat for v in views if v.flat is not None]),
        torn=rounded_median([v.torn for v in views if v.torn is not None]),
    )
    return msgspec.structs.replace(quality, verdict=_verdict_words(quality))


def rounded_median(values: Sequence[float] | np.ndarray, digits: int = 3) -> float | None:
    return round(float(np.median(values)), digits) if len(values) else None


def _verdict_words(q: CameraQuality) -> str:
    """In plain words: good, or what to look at."""
    concerns: list[str] = []
    if q.frames and q.empty > _GOOD_EMPTY * q.frames:
        concerns.append(f"no subject in {q.empty} of {q.frames} frames")
    if q.centroid_px is not None and q.centroid_px > _GOOD_CENTROID:
        concerns.append(f"its centre is {q.centroid_px:.1f} px from where the other views put it")
    if q.tangency_px is not None and q.tangency_px > ROUGH_PX:
        concerns.append(f"its outline is {q.tangency_px:.1f} px from the other views' tangent planes")
    if q.coverage is not None and q.coverage < _GOOD_COVERAGE:
        concerns.append(f"the other views support only {q.coverage:.0%} of it")
    if q.flat is not None and q.flat > _GOOD_FLAT:
        concerns.append(f"{q.flat:.0%} of it lies flat on the floor, as a shadow does")
    if q.torn is not None and q.torn > GOOD_TORN:
        concerns.append(f"it is torn: holes and bites are {q.torn:.0%} of the trunk")
    if q.centroid_px is None and q.tangency_px is None:
        concerns.append("nothing to compare it with")
    said = "good" if not concerns else "look at it: " + "; ".join(concerns)
    if q.cut:
        said += f" (cut by the image's border in {q.cut} of {q.frames} frames)"
    return said
