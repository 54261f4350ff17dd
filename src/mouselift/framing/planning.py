"""From cameras and silhouettes to a plan: how far each view may and should zoom, what the zoom's scope makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mouselift.array_types import Array, Float64, Matrix3, Points2, Vector3
from mouselift.errors import FramingError
from mouselift.framing.framing import PRETRAINED_DISTANCE, PRETRAINED_EXTENT, DatasetZoom, Framing
from mouselift.framing.plan import Fill, SamplePlan, ViewPlan
from mouselift.framing.subject import SubjectCentre, locate_subject
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Silhouette
from mouselift.geometry.similarity import Similarity, shortest_turn
from mouselift.media.orientation import Box

_ROUNDING = 1e-9  # relative, or pixels: what sums of doubles leave
_SAFETY = 2.0  # between the grid's points the affine map's error may be larger than at them

Vector2 = Float64[Array, "2"]


def _with_one(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points, np.ones((len(points), 1))], axis=1)


# Where a silhouette's box is compared with its affine map (box = [-1, 1]^2), and the least-squares fit from there.
_UNIT_GRID = np.stack([np.tile(np.linspace(-1, 1, 5), 5), np.repeat(np.linspace(-1, 1, 5), 5)], axis=1)
_FIT = np.linalg.pinv(_with_one(_UNIT_GRID))


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
) -> SamplePlan:
    """The plan of one sample. Pure: the same cameras and silhouettes give the same plan.

    cameras: of the source images, named. silhouettes: in source pixels, None where a view has no mask: it is then
    framed by the scope's value, about the projected centre. up: in the source world, any length. shared: the reduction
    over all samples (`wanted_zoom`), for scope `dataset` only.

    FramingError: fewer than two silhouettes, silhouettes that determine no common point, or a subject that lies behind
    a camera or outside its lens model.
    """
    subject, views = _views(framing, cameras, silhouettes)
    focals = _focals(framing, views, shared)
    world = _world(framing, up, subject.centre, views, focals)
    plans = [
        _view_plan(framing, view, silhouette, focal, subject, i)
        for i, (view, silhouette, focal) in enumerate(zip(views, silhouettes, focals, strict=True))
    ]
    return SamplePlan(framing, subject.centre, subject.rms_px, world, tuple(plans))


def wanted_zoom(
    framing: Framing,
    cameras: Sequence[Camera],
    silhouettes: Sequence[Silhouette | None],
    frame: int,
) -> DatasetZoom:
    """One sample's say in a zoom of scope `dataset`: merge them all, then pass the result to `plan_sample`."""
    _, views = _views(framing, cameras, silhouettes)
    value, view = _want(framing, views).smallest
    return DatasetZoom(framing.zoom.quantity, value, frame, cameras[view].name)


def _views(
    framing: Framing, cameras: Sequence[Camera], silhouettes: Sequence[Silhouette | None]
) -> tuple[SubjectCentre, list[ViewGeometry]]:
    subject = locate_subject(cameras, silhouettes)
    pairs = zip(cameras, silhouettes, strict=True)
    return subject, [view_geometry(framing, camera, s, subject.centre) for camera, s in pairs]


@dataclass(frozen=True, eq=False)
class FramedOutline:
    """A silhouette on the target's normalised plane, relative to the direction that comes to the image centre.

    Times the focal length, that is output pixels from the image centre.
    """

    low: Vector2  # smallest x, smallest y
    high: Vector2
    area: float  # of the mask, to first order at its centre
    f_max: float  # largest focal length with the whole outline inside the frame less the margin
    f_want: float  # the focal length that reaches the wanted fill

    @property
    def extent(self) -> float:
        """Longest side of the bounding box."""
        return float((self.high - self.low).max())


@dataclass(frozen=True, eq=False)
class ViewGeometry:
    """A view's turn and aim, before its focal length is chosen."""

    camera: Camera  # source
    turned: Camera  # source camera turned to the target's orientation (source world); its lens does not matter
    aim: Points2  # [1, 2], direction on the target's normalised plane that comes to the image centre
    stretch: Points2  # [1, 2], fx / f and fy / f: (1, 1) but for `written="source"`
    distance: float  # camera centre to subject centre, world units
    outline: FramedOutline | None

    def target(self, focal: float, size: int) -> Camera:
        """The output's camera in the source world: square pixels, except where the old stretch is asked for."""
        fx, fy = (focal * self.stretch[0]).tolist()
        cx, cy = (size / 2 - focal * self.stretch[0] * self.aim[0]).tolist()
        return Camera(size, size, fx, fy, cx, cy, self.turned.T_cam_world, name=self.camera.name)


def view_geometry(framing: Framing, camera: Camera, silhouette: Silhouette | None, centre: Vector3) -> ViewGeometry:
    """Raises FramingError where the centre or the outline has no place in the target image."""
    p_cam = camera.to_cam(centre[None])[0]
    Q = np.eye(3) if framing.aim == "crop" else shortest_turn(p_cam, np.array([0.0, 0.0, 1.0]))
    turned = camera if framing.aim == "crop" else camera.turned(Q)
    aim = np.zeros((1, 2)) if framing.aim == "look-at" else (p_cam[:2] / p_cam[2])[None]
    legacy = framing.written == "source"
    if legacy and silhouette is not None:
        aim = _on_target_plane(camera, Q, silhouette.centroid)
    stretch = _old_stretch(camera) if legacy else np.ones((1, 2))
    outline = _outline(framing, camera, silhouette, Q, aim, stretch) if silhouette is not None else None
    distance = float(np.linalg.norm(camera.centre - centre))
    return ViewGeometry(camera, turned, aim, stretch, distance, outline)


def _outline(
    framing: Framing, camera: Camera, silhouette: Silhouette, Q: Matrix3, aim: Points2, stretch: Points2
) -> FramedOutline:
    low, high, area_ratio = _extremes(camera, Q, silhouette)
    low, high = ((low - aim) * stretch)[0], ((high - aim) * stretch)[0]
    area = silhouette.area * area_ratio
    half = framing.size / 2 - framing.margin_px
    reach = float(np.maximum(-low, high).max())
    size = float(np.sqrt(area)) if framing.fill_measure == "area" else float((high - low).max())
    return FramedOutline(low, high, area, half / reach, framing.fill * framing.size / size)


def _extremes(camera: Camera, Q: Matrix3, silhouette: Silhouette) -> tuple[Vector2, Vector2, float]:
    """(low, high) of the outline on the target's normalised plane, and its units^2 per source pixel at the centre.

    The exact map is costly, so only points that can be extreme take it: by an affine map of the box, a
    point that falls short of the affine extreme by more than twice the affine map's error cannot be one.
    """
    x0, y0, x1, y1 = silhouette.box
    middle, half = np.array([x0 + x1, y0 + y1]) / 2, np.array([x1 - x0, y1 - y0]) / 2
    steps = silhouette.centroid + np.array([[0.5, 0.0], [-0.5, 0.0], [0.0, 0.5], [0.0, -0.5]])
    found = _plane(camera, Q, np.concatenate([steps, middle + half * _UNIT_GRID]))
    outline = silhouette.outline
    if not np.isfinite(found[:4]).all():
        _on_target_plane(camera, Q, steps)  # raises
    if np.isfinite(found).all():
        affine = _FIT @ found[4:]
        error = _SAFETY * np.abs(_with_one(_UNIT_GRID) @ affine - found[4:]).max(axis=0)
        guess = affine[:2].T @ ((outline - middle) / half).T  # [2, n]: long rows reduce ten times as fast
        low, high = guess.min(axis=1) + 2 * error, guess.max(axis=1) - 2 * error
        outline = outline[((guess <= low[:, None]) | (guess >= high[:, None])).any(axis=0)]
    points = _on_target_plane(camera, Q, outline)
    a, b = found[0] - found[1], found[2] - found[3]
    return points.min(axis=0), points.max(axis=0), float(abs(a[0] * b[1] - a[1] * b[0]))


def _on_target_plane(camera: Camera, Q: Matrix3, pixels: Points2) -> Points2:
    """Source pixels -> the target's normalised plane. FramingError where there is none."""
    points = _plane(camera, Q, pixels)
    bad = ~np.isfinite(points).all(axis=1)
    if bad.any():
        first = pixels[np.flatnonzero(bad)[0]].tolist()
        raise FramingError(
            f"{camera.name}: {int(bad.sum())} points of the mask's outline, the first at pixel {first}, have no ray in "
            "the image to be made: the lens model folds over there, or they lie behind a camera turned to the "
            "subject. Check the mask and the distortion coefficients."
        )
    return points


def _plane(camera: Camera, Q: Matrix3, pixels: Points2) -> Points2:
    """As `_on_target_plane`, NaN where there is none."""
    xy = camera.normalised(pixels, on_fold="nan")
    ray = np.concatenate([xy, np.ones((len(xy), 1))], axis=1) @ Q.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(ray[:, 2:] > 0, ray[:, :2] / ray[:, 2:], np.nan)


def _old_stretch(camera: Camera) -> Points2:
    """fx / f and fy / f after the old scripts' resize of the whole image to a square."""
    across, down = camera.fx / camera.width, camera.fy / camera.height
    return np.array([[np.sqrt(across / down), np.sqrt(down / across)]])


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
