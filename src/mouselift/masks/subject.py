"""Where in the world the subject is, and where each view can show it: all views decide together.

* A hull is carved from what changed in each view. Where a camera's background looks like the subject, or
  is not known, that camera says nothing (`unknown`); the others decide.
* The mirror image in the floor is a consistent object below it: the hull is cut at the floor.
* The largest cluster of voxels is the subject. A cluster near the last frame's counts double, but a
  much larger one elsewhere wins, so that one wrong frame does not spoil all that follow.
* Projected back, the hull limits each view's mask; its mirror image tells where reflections lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64
from scipy import ndimage

from mouselift.array_types import Array, Mask, Points3, Vector3
from mouselift.geometry.camera import Camera
from mouselift.geometry.visual_hull import VisualHull
from mouselift.masks.floor import Floor
from mouselift.masks.volume import Carver, ViewMask, dilated

Kept3 = Float64[Array, "kept 3"]  # some of the points

_TOLERANCE = 1.5  # half-size pixels that every mask is widened by: calibration, thin parts
_BRIDGE = 3  # voxels: parts of the subject that are nearer than twice this belong together
_PRIOR = 2.0  # weight of a cluster that continues the last frame's
_NEAR = 0.5  # of the last hull's size: how far it may have moved to continue
_SPARE = 4  # cameras from which on thin parts need not be seen by all
_HALF_VOXEL = 0.5  # of a voxel's edge: half of the square that a voxel covers in `footprint`
_GROWN = 1  # half-size pixels added to the hull's projection


@dataclass(frozen=True, eq=False)
class Extent:
    """The box around the subject in one frame: what the next frame starts from."""

    low: Vector3
    high: Vector3

    def near(self, points: Points3) -> np.ndarray:
        """[n] bool: within reach of where the subject was."""
        reach = _NEAR * float(np.linalg.norm(self.high - self.low))
        inside = (points >= self.low - reach) & (points <= self.high + reach)
        return np.asarray(inside.all(axis=1))


@dataclass(frozen=True, eq=False)
class LocatedSubject:
    """The subject of one frame in the world, and its footprints in the half-size views."""

    extent: Extent
    footprints: tuple[ViewMask, ...]  # where the subject can be, per view
    thin_footprints: tuple[ViewMask, ...]  # where thin parts can be that one view misses
    mirror_footprints: tuple[ViewMask, ...]  # where its mirror image in the floor can be


@dataclass(frozen=True, eq=False)
class SceneViews:
    """What does not change over the recording."""

    carver: Carver
    floor: Floor
    smallest: int  # voxels that a subject has at least
    largest: int  # and at most, where there is a choice: passers-by and changes of light are larger

    @property
    def cameras(self) -> Sequence[Camera]:
        return self.carver.cameras


def locate_subject(
    views: SceneViews, changed: Sequence[ViewMask], unknown: Sequence[ViewMask | None], last: Extent | None
) -> LocatedSubject | None:
    """The subject that all views support; None where there is none.

    `changed`, `unknown`: half-size maps per view. A view whose image is missing is unknown everywhere.
    """
    carver = views.carver
    allowed = (0, 1) if len(changed) >= _SPARE else (0,)
    hulls = carver.carve(changed, unknown=unknown, tolerance=_TOLERANCE, objections=allowed)
    solid = subject_cluster(carver, _above(views, hulls[0].points), last, views.largest)
    if len(solid) < views.smallest:
        return None
    hull = VisualHull(solid, carver.volume.voxel)
    mirrored = VisualHull(views.floor.mirrored(solid), carver.volume.voxel)
    extent = Extent(solid.min(axis=0), solid.max(axis=0))
    thin = _above(views, hulls[-1].points)
    loose = VisualHull(thin[extent.near(thin)], carver.volume.voxel)
    footprints, thin_footprints, mirror_footprints = [], [], []
    for camera, mask in zip(views.cameras, changed, strict=True):
        own, mirror = footprint(hull, camera, mask.shape), footprint(mirrored, camera, mask.shape)
        below = mirror & ~own
        footprints.append(dilated(own, _GROWN) & ~below)
        thin_footprints.append(footprint(loose, camera, mask.shape) & ~below)
        mirror_footprints.append(mirror)
    return LocatedSubject(extent, tuple(footprints), tuple(thin_footprints), tuple(mirror_footprints))


def _above(views: SceneViews, points: Points3) -> Kept3:
    return points[views.floor.above(points) >= 0]


def footprint(hull: VisualHull, camera: Camera, shape: tuple[int, ...]) -> Mask:
    """The hull's projection: a square for each voxel, gaps closed. Faster and tighter than `VisualHull.shadow`."""
    mask = np.zeros(shape, dtype=np.uint8)
    if not len(hull.points):
        return mask.astype(bool)
    pixels, depth = camera.project(hull.points), camera.depth(hull.points)
    with np.errstate(invalid="ignore"):
        inside = (pixels >= 0).all(axis=1) & (pixels[:, 0] < shape[1]) & (pixels[:, 1] < shape[0])
    if not inside.any():
        return mask.astype(bool)
    cell = np.floor(pixels[inside]).astype(np.int64)
    mask[cell[:, 1], cell[:, 0]] = 1
    half = round(camera.focal * hull.voxel * _HALF_VOXEL / float(np.median(depth[inside])))
    low, high = np.maximum(cell.min(axis=0) - half - 3, 0), cell.max(axis=0) + half + 4
    part = np.s_[int(low[1]) : int(high[1]), int(low[0]) : int(high[0])]
    grown = cv2.dilate(mask[part], np.ones((2 * half + 1, 2 * half + 1), np.uint8))
    mask[part] = cv2.morphologyEx(grown, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return mask.astype(bool)


def subject_cluster(carver: Carver, points: Points3, last: Extent | None, largest: int | None = None) -> Kept3:
    """The cluster of voxels that is the subject.

    The largest, where a voxel counts by the (cubed) share of the cameras that see it: what few cameras see, few
    can deny. Clusters near the last frame's count double, those of more than `largest` voxels come last.
    """
    origin, voxel = carver.volume.low, carver.volume.voxel
    if not len(points):
        return points
    cells = np.floor((points - origin) / voxel).astype(np.int64)
    cells += _BRIDGE - cells.min(axis=0)
    grid = np.zeros(tuple((cells.max(axis=0) + _BRIDGE + 1).tolist()), dtype=bool)
    grid[tuple(cells.T)] = True
    wide = ndimage.uniform_filter(grid.astype(np.float32), 2 * _BRIDGE + 1, mode="constant") > 1e-6
    labels = np.zeros(grid.shape, dtype=np.int32)
    if ndimage.label(wide, output=labels) == 1:
        return points
    own = labels[tuple(cells.T)]
    weight = carver.seen_by(points) ** 3
    if last is not None:
        weight = np.where(last.near(points), _PRIOR, 1.0) * weight
    score, size = np.bincount(own, weights=weight), np.bincount(own)
    if largest is not None:
        score = np.where(size > largest, score / size.max(), score)
    return points[own == int(score.argmax())]
