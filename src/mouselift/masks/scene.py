"""What is learned once from a recording before any frame is segmented, and kept with the work files.

1. Each camera's background, from its own images alone (`background`).
2. What changed in sample frames: the volume in which the subject moves, uncut hulls, the floor.
3. The subject's colours per camera: changed pixels inside the hull above the floor against those outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from mouselift.array_types import Array, Float32, Float64, Levels, Mask, Vector3
from mouselift.errors import MaskError
from mouselift.findings import Finding
from mouselift.geometry.camera import Camera
from mouselift.geometry.visual_hull import VisualHull
from mouselift.masks.changes import Background, Changes, Comparer, halved, yuv_image
from mouselift.masks.floor import Floor, find_floor
from mouselift.masks.subject_levels import LevelTally, SubjectLevels, of_many_levels
from mouselift.masks.volume import (
    Carver,
    Cloud,
    Volume,
    common_field,
    dilated,
    fine_voxel,
    footprint,
    half_camera,
    subject_cluster,
)
from mouselift.media.images import FrameSet
from mouselift.progress import Step, each, unheard

_SOLID = 50  # voxels: smaller hulls are not counted
_OUTLIERS = 0.005  # share of all hull voxels beyond the working volume, each side
_ROOM = 0.6  # of the subject's size, added around the volume: samples miss the farthest places
_ABOVE, _BELOW = 1.0, 1.5  # voxels about the floor that neither class learns from
_AROUND = 50  # half-size pixels about the subject in which the background's colours are learned
_SMALLEST = 0.1  # of the typical hull: smaller ones are no subject
_LARGEST = 4.0  # of the typical hull: larger ones are passers-by or changes of light
_SPECK = np.ones((2, 2), np.uint8)
_BINS = 32  # a side of a colour histogram
_SMOOTH = 0.8  # bins
_UNSEEN = 1e-4  # likelihood of a colour never met, spread over all bins
_COLOUR_WEIGHT = 0.7  # brightness and colour are not independent: the second counts less
_LOOKS_ALIKE = 6.0  # levels beyond the subject's middle half: a background so dark (or bright) tells nothing
_SUBJECT, _MIRROR, _CHANGED, _UNCHANGED = range(4)
_ENOUGH = 500  # pixels that a class needs
# Progress, in the time of one hull. CPU seconds over 48 samples of mouse_cylinder: two readings 20 and 19, three times
# the hulls 2.3 each, the floor 11.
_READ, _CARVED, _FLOOR = 8, 1, 4
SCENE_STEPS = 2 * _READ + 3 * _CARVED + _FLOOR  # a sample

Reader = Callable[[Sequence[int]], Iterator[FrameSet]]
LogRatios = Float32[Array, "2 bins"]  # of two classes, by bin of either histogram


@dataclass(frozen=True, eq=False)
class ColourModel:
    """What tells the subject from the background, and from its own mirror image."""

    subject: LogRatios  # log p(pixel | subject) - log p(pixel | background, changed or not)
    mirror: LogRatios | None  # log p(pixel | mirror image) - log p(pixel | subject); None: the floor mirrors too little
    low: float  # the narrowest range of levels that holds half of the subject
    high: float
    levels: SubjectLevels | None = None  # of a subject of many levels: it has no level of its own
    untold: float = 0.0  # share of the subject that is as bright as the backgrounds that it was seen on


def log_ratio(ratios: LogRatios, changes: Changes) -> Float32[Array, "h w"]:
    """By pixel."""
    brightness, colour = _bins(changes)
    raw = ratios[0][brightness] + np.float32(_COLOUR_WEIGHT) * ratios[1][colour]
    return np.asarray(cv2.GaussianBlur(raw, (0, 0), _SMOOTH), dtype=np.float32)


def like_subject(levels: Levels, model: ColourModel | None) -> Mask:
    """As dark (or bright) as the subject mostly is."""
    if model is None:
        return np.zeros(levels.shape, dtype=bool)
    return (levels >= model.low - _LOOKS_ALIKE) & (levels <= model.high + _LOOKS_ALIKE)


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that segmentation of a frame needs besides its images. Picklable."""

    cameras: tuple[Camera, ...]  # of the full-size images
    backgrounds: tuple[Background, ...]
    colours: tuple[ColourModel | None, ...]  # None: the camera never showed enough of the subject
    volume: Volume
    floor: Floor
    typical: float  # voxels of the subject's hull, median over the sample frames
    findings: tuple[Finding, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(camera.name for camera in self.cameras)

    @property
    def smallest(self) -> int:
        """Voxels that a subject has at least."""
        return max(_SOLID // 2, int(_SMALLEST * self.typical))

    @property
    def largest(self) -> int:
        """Voxels that it has at most, where there is a choice: passers-by and changes of light are larger."""
        return int(_LARGEST * self.typical)

    def carver(self) -> Carver:
        """Of the half-size maps."""
        return Carver([half_camera(camera) for camera in self.cameras], self.volume)


def changed_map(changes: Changes) -> Mask:
    """Changed pixels without single ones."""
    return without_specks(changes.changed)


def without_specks(mask: Mask) -> Mask:
    """Opened. cv2's opening by an even kernel would shift the mask by a pixel."""
    left = cv2.erode(mask.view(np.uint8), _SPECK, anchor=(1, 1))
    return np.asarray(cv2.dilate(left, _SPECK, anchor=(0, 0))).astype(bool)


def learn_scene(
    read: Reader,
    samples: Sequence[int],
    backgrounds: Sequence[Background],
    cameras: Sequence[Camera],
    up: Vector3,
    floor: float | None,
    step: Step = unheard,
) -> Scene:
    """`samples`: frames spread over the recording, read twice. `floor`: height along `up` where it is known.

    `step` hears of `SCENE_STEPS` a sample.

    Raises MaskError where the views agree about nothing, CalibrationError where they have no common field.
    """
    halves = [half_camera(camera) for camera in cameras]
    comparers = [Comparer(background) for background in backgrounds]
    maps = [_packed(frame, comparers) for frame in each(read(samples), step, _READ)]
    volume = _working_volume(halves, maps, step)
    carver = Carver(halves, volume)
    hulls = [_subject(carver, packed) for packed in each(maps, step)]
    small = [halved(background.luma) for background in backgrounds]
    budget = _FLOOR * len(samples)
    if floor is None:
        found = find_floor(halves, small, hulls, up, volume.voxel, step, budget)
    else:
        found = Floor(up, floor)
        step(budget)
    cut = [_subject(carver, packed, found) for packed in each(maps, step)]
    sizes = [len(hull) for hull in cut if len(hull) >= _SOLID]
    if not sizes:
        raise MaskError(
            f"nothing that changed above the floor (at {found.height:.1f} along up) is seen by enough cameras in any "
            f"of {len(samples)} sample frames: does the subject move, and do calibration and videos belong together?"
        )
    again = each(read(samples), step, _READ)
    colours = _colours(again, comparers, halves, cut, found, volume.voxel)
    lacking = [camera.name for camera, model in zip(cameras, colours, strict=True) if model is None]
    why = "too little of the subject was seen to learn its colours; its masks show whatever changed"
    findings = tuple(Finding.of("mask-colours", f"camera {name}: {why}", camera=name) for name in lacking)
    typical = float(np.median(sizes))
    return Scene(tuple(cameras), tuple(backgrounds), colours, volume, found, typical, findings)


Packed = list[np.ndarray | None]  # one frame's changed pixels per view, as bits; None: no image


def _packed(frame: FrameSet, comparers: Sequence[Comparer]) -> Packed:
    return [
        None if view.image is None else np.packbits(changed_map(comparer.half(yuv_image(view.image))))
        for view, comparer in zip(frame.views, comparers, strict=True)
    ]


def _subject(carver: Carver, packed: Packed, floor: Floor | None = None) -> Cloud:
    """The largest cluster of what changed in one frame, above the floor where it is known."""
    maps = [
        None if bits is None else np.unpackbits(bits, count=c.height * c.width).reshape(c.height, c.width).view(bool)
        for bits, c in zip(packed, carver.cameras, strict=True)
    ]
    points = carver.carve(maps)[0].points
    return subject_cluster(carver, points if floor is None else points[floor.above(points) >= 0])


def _working_volume(cameras: Sequence[Camera], maps: Sequence[Packed], step: Step) -> Volume:
    """Box around the hulls of the sample frames, with room."""
    carver = Carver(cameras, common_field(cameras))
    hulls = [hull for packed in each(maps, step) if len(hull := _subject(carver, packed)) >= 2]
    if not hulls:
        raise MaskError(
            f"nothing that changed is seen by enough cameras at once in any of {len(maps)} sample frames: does the "
            "subject move, do the calibration, the videos and their frame offsets belong together?"
        )
    common = _LARGEST * float(np.median([len(hull) for hull in hulls]))
    hulls = [hull for hull in hulls if len(hull) <= common]
    points = np.concatenate(hulls)
    size = float(np.median([np.linalg.norm(hull.max(axis=0) - hull.min(axis=0)) for hull in hulls]))
    low, high = (np.quantile(points, q, axis=0) for q in (_OUTLIERS, 1 - _OUTLIERS))
    return Volume(low - _ROOM * size, high + _ROOM * size, fine_voxel(cameras, np.median(points, axis=0)))


def _colours(
    framesets: Iterable[FrameSet],
    comparers: Sequence[Comparer],
    cameras: Sequence[Camera],
    hulls: Sequence[Cloud],
    floor: Floor,
    voxel: float,
) -> tuple[ColourModel | None, ...]:
    tallies = [_ColourTally() for _ in cameras]
    for frame, hull in zip(framesets, hulls, strict=True):
        if len(hull) < _SOLID:
            continue
        height = floor.above(hull)
        inner = VisualHull(hull[height >= _ABOVE * voxel], voxel)
        feet = hull[height < _BELOW * voxel]
        outer = VisualHull(np.concatenate([hull, feet - _BELOW * voxel * floor.normal]), voxel)
        below = VisualHull(floor.mirrored(hull), voxel)
        for view, comparer, camera, tally in zip(frame.views, comparers, cameras, tallies, strict=True):
            if view.image is None:
                continue
            changes = comparer.half(yuv_image(view.image))
            subject, around, mirror = (footprint(part, camera) for part in (inner, outer, below))
            near = dilated(around, 3)
            # Where subject and mirror image can both be, few views tell which is seen: learn from neither.
            tally.add(changes, subject & ~mirror, mirror & ~near, ~near & _surroundings(near))
    models = [tally.model() for tally in tallies]
    many = of_many_levels([model.high - model.low for model in models if model is not None])
    return tuple(
        None if model is None else _with_levels(model, tally.levels.levels(), many)
        for model, tally in zip(models, tallies, strict=True)
    )


def _with_levels(model: ColourModel, levels: SubjectLevels | None, many: bool) -> ColourModel:
    if levels is None:
        return model
    return replace(model, levels=levels if many else None, untold=levels.untold)


def _surroundings(near: Mask) -> Mask:
    around = np.zeros_like(near)
    x, y, wide, high = cv2.boundingRect(near.view(np.uint8))
    if wide:
        top, left = max(y - _AROUND, 0), max(x - _AROUND, 0)
        around[top : y + high - 1 + _AROUND, left : x + wide - 1 + _AROUND] = True
    return around


class _ColourTally:
    """Counts pixels of known class, image by image.

    Two histograms a class, as likelihoods: (brightness, brightness minus background) and the two colour differences to
    the background. Classes: the subject; its mirror image in the floor; the background, changed by whatever
    (reflections, shadows, light, passers-by) and unchanged. Nothing is assumed about dark or bright subjects.
    """

    def __init__(self) -> None:
        self._counts = np.zeros((4, 2, _BINS**2))  # by class and kind of histogram
        self._levels = np.zeros(256)
        self.levels = LevelTally()

    def add(self, changes: Changes, subject: Mask, mirror: Mask, background: Mask) -> None:
        """Pixels in no mask are of unknown class and not counted; changed ones of `mirror` show the mirror image."""
        bins, changed = _bins(changes), changes.changed
        steady = background & ~changed & ~changes.uncovered
        classes = (subject & changed, mirror & changed, background & changed, steady)
        for row, chosen in enumerate(classes):
            for kind, pixels in enumerate(bins):
                self._counts[row, kind] += np.bincount(pixels[chosen], minlength=_BINS**2)
        self._levels += np.bincount(changes.luma[classes[_SUBJECT]], minlength=256)
        self.levels.add(changes, subject)

    def model(self) -> ColourModel | None:
        """None with too few pixels of the subject."""
        if self._levels.sum() < _ENOUGH:
            return None
        low, high = _narrowest_half(self._levels)
        likely = [np.stack([_likelihood(tally) for tally in kinds]) for kinds in self._counts]
        subject = np.log(likely[_SUBJECT] / (0.5 * (likely[_CHANGED] + likely[_UNCHANGED]))).astype(np.float32)
        mirror = None
        if self._counts[_MIRROR, 0].sum() >= _ENOUGH:
            mirror = np.log(likely[_MIRROR] / likely[_SUBJECT]).astype(np.float32)
        return ColourModel(subject, mirror, low, high)


def _narrowest_half(counts: np.ndarray) -> tuple[float, float]:
    """Ends of the narrowest range of levels that holds half of the counts: shine and pale parts stay outside."""
    share = np.concatenate([[0.0], counts.cumsum() / counts.sum()])
    ends = np.searchsorted(share, share + 0.5 - 1e-12)
    good = ends < len(share)
    start = int(np.where(good, ends - np.arange(len(share)), len(share)).argmin())
    return float(start), float(ends[start] - 1)


def _likelihood(tally: Float64[Array, " bins"]) -> Float64[Array, " bins"]:
    """Smoothed shares, none of them zero."""
    smooth = cv2.GaussianBlur(tally.reshape(_BINS, _BINS), (0, 0), _SMOOTH, borderType=cv2.BORDER_CONSTANT).ravel()
    total = smooth.sum()
    return (smooth / total if total else 0.0 * smooth) + _UNSEEN / _BINS


def _bins(changes: Changes) -> tuple[np.ndarray, np.ndarray]:
    """[h, w] histogram bins: by (brightness, brightness minus background), by the two colour differences."""
    difference = changes.luma.astype(np.int16) - changes.lit + 256
    brightness = (changes.luma >> 3).astype(np.int16) * _BINS + (difference >> 4)
    near = (changes.away.astype(np.int16) - 64).clip(0, 127) >> 2
    return brightness, near[..., 0] * _BINS + near[..., 1]
