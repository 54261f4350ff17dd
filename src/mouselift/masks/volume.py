"""The part of the world in which the subject moves, hulls carved in it from coarse to fine, and where they are seen.

Everything here works on maps of half the image's size; cameras are scaled with them (`half_camera`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import cv2
import numpy as np
from scipy import ndimage

from mouselift.array_types import Array, Bool, Float32, Float64, Int64, Mask, Points3, UInt8, Vector3
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import Camera
from mouselift.geometry.triangulation import meeting_point
from mouselift.geometry.visual_hull import VisualHull
from mouselift.media.orientation import Box

# Members of a list: views differ in size, hulls in number.
ViewLevels = UInt8[Array, "_ _"]
ViewMask = Bool[Array, "_ _"]
Distances = Float32[Array, "_ _"]
Cloud = Float64[Array, "_ 3"]


class Pixels(NamedTuple):
    """Where one camera sees points."""

    at: Int64[Array, " n"]  # flat index of the pixel; -1: outside the image
    depth: Float64[Array, " n"]  # world units


_PIXELS_A_VOXEL = 2.5  # of the half-size maps, at the working distance
_COARSENINGS = 2  # the coarsest voxel is 2 ** this times the finest
_GRID = 64  # cells an edge of the first, widest volume
_CORNER = np.sqrt(3.0) / 2  # half a voxel's diagonal over its edge
_EIGHT = np.array(list(product((-1.0, 1.0), repeat=3)))
_BRIDGE = 3  # voxels: parts of the subject that are nearer than twice this belong together
_PRIOR = 2.0  # weight of a cluster that continues the last frame's
_NEAR = 0.5  # of the last hull's size: how far it may have moved to continue


def half_camera(camera: Camera) -> Camera:
    """The camera of the image's 2 x 2 means: in coordinates of pixel corners everything halves."""
    return replace(
        camera,
        width=(camera.width + 1) // 2,
        height=(camera.height + 1) // 2,
        fx=camera.fx / 2,
        fy=camera.fy / 2,
        cx=camera.cx / 2,
        cy=camera.cy / 2,
        skew=camera.skew / 2,
    )


@dataclass(frozen=True, eq=False)
class Volume:
    """A box in the world, and the voxel edges that carving in it goes through; world units."""

    low: Vector3
    high: Vector3
    voxel: float  # finest edge
    halvings: int = _COARSENINGS

    @property
    def coarse_voxel(self) -> float:
        return self.voxel * 2**self.halvings

    def coarse(self) -> Points3:
        """Centres of the coarsest voxels that fill the box."""
        edge = self.coarse_voxel
        counts = np.maximum(np.ceil((self.high - self.low) / edge).astype(int), 1).tolist()
        axes = [low + edge * (np.arange(n) + 0.5) for low, n in zip(self.low.tolist(), counts, strict=True)]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def common_field(cameras: Sequence[Camera]) -> Volume:
    """A cube about the place where the cameras look, about one and a half times their field of view.

    Raises CalibrationError where they look in parallel directions.
    """
    rays = np.concatenate([c.rays(np.array([[c.width / 2, c.height / 2]])) for c in cameras])
    centres = np.stack([c.centre for c in cameras])
    try:
        middle = meeting_point(centres, rays)
    except ValueError as error:
        raise CalibrationError(f"the cameras look in parallel directions, with no common field ({error})") from None
    distance = np.linalg.norm(centres - middle, axis=1)
    reach = 1.5 * float(
        np.median([d / c.focal * max(c.width, c.height) / 2 for d, c in zip(distance, cameras, strict=True)])
    )
    return Volume(middle - reach, middle + reach, 2 * reach / _GRID / 2, halvings=1)


def fine_voxel(cameras: Sequence[Camera], place: Vector3) -> float:
    """Voxel edge that projects to a few pixels at `place`, world units."""
    return _PIXELS_A_VOXEL * float(np.median([np.linalg.norm(c.centre - place) / c.focal for c in cameras]))


class Carver:
    """Carves hulls in one volume from maps of one set of cameras; the coarse grid is projected once."""

    def __init__(self, cameras: Sequence[Camera], volume: Volume) -> None:
        self.cameras = tuple(cameras)
        self.volume = volume
        self.needed = max(2, (len(self.cameras) + 1) // 2)  # cameras that must see a place for it to count
        points = volume.coarse()
        pixels = [pixels_of(camera, points) for camera in self.cameras]
        good = np.sum([at >= 0 for at, _ in pixels], axis=0) >= self.needed
        self.points = points[good]  # centres of the coarsest voxels
        self.coarse = [Pixels(at[good], depth[good]) for at, depth in pixels]  # by camera

    def window(self, view: int) -> Box:
        """Box of a camera's half-size map that shows the volume."""
        camera, (at, depth) = self.cameras[view], self.coarse[view]
        at = at[at >= 0]
        if not at.size:
            return 0, 0, 1, 1
        rows, columns = at // camera.width, at % camera.width
        margin = int(np.ceil(camera.focal * self.volume.coarse_voxel / float(np.quantile(depth, 0.01))))
        x0, y0 = max(int(columns.min()) - margin, 0), max(int(rows.min()) - margin, 0)
        return x0, y0, min(int(columns.max()) + margin, camera.width), min(int(rows.max()) + margin, camera.height)

    def seen_by(self, points: Points3) -> Float64[Array, " n"]:
        """Share of the cameras in whose images each point lies."""
        return np.mean([pixels_of(camera, points).at >= 0 for camera in self.cameras], axis=0)

    def carve(
        self,
        masks: Sequence[ViewMask | None],
        unknown: Sequence[ViewMask | None] | None = None,
        tolerance: float = 1.0,
        objections: Sequence[int] = (0,),
    ) -> list[VisualHull]:
        """Voxels that meet the masks, widened by `tolerance` pixels, of all cameras that see them but n.

        One hull for each n of `objections`. A camera without a mask (None), and any camera where it is `unknown`
        (half-size map; None: nowhere), neither objects nor supports; half of the cameras, at least two, must show the
        subject. From coarse to fine: a voxel stays while its ball meets the masks; at the finest only its centre
        counts.
        """
        near = [_outside_distance(mask) for mask in masks]
        excuse = [_outside_distance(mask) for mask in unknown or [None] * len(masks)]
        return [self._carve(near, excuse, tolerance, allowed) for allowed in objections]

    def kept(
        self,
        points: Points3,
        masks: Sequence[ViewMask | None],
        unknown: Sequence[ViewMask | None],
        objections: Sequence[int],
    ) -> list[Cloud]:
        """Those of the finest voxels `points` that `carve` keeps with these maps and no tolerance."""
        off = [None if mask is None else ~mask for mask in masks]
        known = [None if mask is None else ~mask for mask in unknown]
        against = self._against([pixels_of(camera, points) for camera in self.cameras], off, known, 0.0, 0.0)
        return [points[against <= allowed] for allowed in objections]

    def _carve(
        self, near: Sequence[Distances | None], excuse: Sequence[Distances | None], tolerance: float, allowed: int
    ) -> VisualHull:
        points, pixels = self.points, self.coarse
        edge = self.volume.coarse_voxel
        for level in range(self.volume.halvings, -1, -1):
            kept = self._against(pixels, near, excuse, edge * _CORNER if level else 0.0, tolerance) <= allowed
            points = points[kept]
            if level == 0 or not len(points):
                break
            points, edge = finer(points, edge), edge / 2
            pixels = [pixels_of(camera, points) for camera in self.cameras]
        return VisualHull(points, self.volume.voxel)

    def _against(
        self,
        pixels: Sequence[Pixels],
        near: Sequence[Distances | ViewMask | None],
        excuse: Sequence[Distances | ViewMask | None],
        radius: float,
        tolerance: float,
    ) -> np.ndarray:
        """[n] cameras that object to balls of `radius` (world units); all and one where too few show the subject.

        Distances to what each camera shows and does not know; or, for single points, where it does not, and does.
        """
        hits = np.zeros(len(pixels[0].at), dtype=np.int16)
        against = np.zeros_like(hits)
        for camera, (at, depth), distance, free in zip(self.cameras, pixels, near, excuse, strict=True):
            if distance is None:
                continue
            visible, reach = at >= 0, camera.focal / np.maximum(depth, 1e-9) * radius
            hit = visible & (distance.ravel()[at] <= reach + tolerance)
            hits += hit
            objects = visible & ~hit
            if free is not None:
                objects &= free.ravel()[at] > reach
            against += objects
        against[hits < self.needed] = len(self.cameras) + 1
        return against


def finer(points: Cloud, edge: float) -> Cloud:
    """Centres of the eight halves of each voxel of an edge."""
    return (points[:, None] + edge / 4 * _EIGHT).reshape(-1, 3)


def pixels_of(camera: Camera, points: Points3) -> Pixels:
    pixels = camera.project(points)
    with np.errstate(invalid="ignore"):
        inside = (pixels >= 0).all(axis=1) & (pixels[:, 0] < camera.width) & (pixels[:, 1] < camera.height)
    at = np.full(len(points), -1, dtype=np.int64)
    cell = np.floor(pixels[inside]).astype(np.int64)
    at[inside] = cell[:, 1] * camera.width + cell[:, 0]
    return Pixels(at, camera.depth(points))


def _outside_distance(mask: Mask | None) -> Distances | None:
    """Pixels from each pixel to the mask, 0 inside."""
    if mask is None:
        return None
    if not mask.any():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    return np.asarray(cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3), dtype=np.float32)


def filled(part: ViewMask) -> ViewMask:
    """Without holes."""
    lines, _ = cv2.findContours(part.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    out = np.zeros(part.shape, dtype=np.uint8)
    cv2.drawContours(out, lines, -1, 1, cv2.FILLED)
    return out.astype(bool)


def dilated(mask: Mask, radius: int) -> Mask:
    """Grown by `radius` pixels."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(mask.view(np.uint8), kernel)).astype(bool)


def footprint(hull: VisualHull, camera: Camera) -> Mask:
    """The hull's projection: a square for each voxel, gaps closed."""
    mask = np.zeros((camera.height, camera.width), dtype=np.uint8)
    at, depth = pixels_of(camera, hull.points)
    inside = at >= 0
    if not inside.any():
        return mask.astype(bool)
    mask.ravel()[at[inside]] = 1
    half = round(camera.focal * hull.voxel * 0.5 / float(np.median(depth[inside])))
    x, y, wide, high = cv2.boundingRect(mask)
    margin = half + 3
    part = np.s_[max(y - margin, 0) : y + high + margin, max(x - margin, 0) : x + wide + margin]
    grown = cv2.dilate(mask[part], np.ones((2 * half + 1, 2 * half + 1), np.uint8))
    mask[part] = cv2.morphologyEx(grown, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return mask.astype(bool)


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


def subject_cluster(carver: Carver, points: Points3, last: Extent | None = None, largest: int | None = None) -> Cloud:
    """The cluster of voxels that is the subject.

    The largest, where a voxel counts by the (cubed) share of the cameras that see it: what few cameras see, few
    can deny. Clusters near the last frame's count double, but a much larger one elsewhere wins, so that one wrong
    frame does not spoil all that follow. Those of more than `largest` voxels come last.
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
