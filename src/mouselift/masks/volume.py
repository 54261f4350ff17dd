"""The part of the world in which the subject moves, and hulls carved in it from coarse to fine.

Everything here works on maps of half the image's size; cameras are scaled with them (`half_camera`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from mouselift.array_types import Array, Mask, Points3, Vector3
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import Camera
from mouselift.geometry.triangulation import meeting_point
from mouselift.geometry.visual_hull import VisualHull
from mouselift.media.frames import Box

# Members of a list: views differ in size, hulls in number.
ViewLevels = UInt8[Array, "_ _"]
ViewMask = Bool[Array, "_ _"]
Cloud = Float64[Array, "_ 3"]

_PIXELS_A_VOXEL = 2.5  # of the half-size maps, at the working distance
_COARSENINGS = 2  # the coarsest voxel is 2 ** this times the finest
_GRID = 64  # cells an edge of the first, widest volume
_CORNER = np.sqrt(3.0) / 2  # half a voxel's diagonal over its edge
_EIGHT = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])


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
        self._points = volume.coarse()
        self._pixels = [_pixel_index(camera, self._points) for camera in self.cameras]
        seen = np.sum([at >= 0 for at, _ in self._pixels], axis=0)
        good = seen >= self.needed
        self._points = self._points[good]
        self._pixels = [(at[good], scale[good]) for at, scale in self._pixels]

    def window(self, view: int) -> Box:
        """Box of a camera's half-size map that shows the volume."""
        camera = self.cameras[view]
        at = self._pixels[view][0]
        at = at[at >= 0]
        if not at.size:
            return 0, 0, 1, 1
        rows, columns = at // camera.width, at % camera.width
        margin = int(np.ceil(camera.focal * self.volume.coarse_voxel / self._nearest(view)))
        x0, y0 = max(int(columns.min()) - margin, 0), max(int(rows.min()) - margin, 0)
        return x0, y0, min(int(columns.max()) + margin, camera.width), min(int(rows.max()) + margin, camera.height)

    def _nearest(self, view: int) -> float:
        return float(np.quantile(self.cameras[view].depth(self._points), 0.01))

    def seen_by(self, points: Points3) -> Float64[Array, " n"]:
        """Share of the cameras in whose images each point lies."""
        return np.mean([_pixel_index(camera, points)[0] >= 0 for camera in self.cameras], axis=0)

    def carve(
        self,
        masks: Sequence[ViewMask],
        unknown: Sequence[ViewMask | None] | None = None,
        tolerance: float = 1.0,
        objections: Sequence[int] = (0,),
    ) -> list[VisualHull]:
        """Voxels that touch the masks, widened by `tolerance` pixels, of all cameras that see them but n.

        One hull for each n of `objections`. Where `unknown` (half-size map; None: nowhere) a camera neither objects
        nor supports: half of the cameras, at least two, must show the subject there. From coarse to fine: a voxel
        stays while its ball meets the masks; at the finest only its centre counts.
        """
        if unknown is None:
            unknown = [None] * len(masks)
        near = [_outside_distance(mask) for mask in masks]
        excuse = [None if b is None else _outside_distance(b) for b in unknown]
        return [self._carve(near, excuse, tolerance, allowed) for allowed in objections]

    def _carve(
        self, near: Sequence[np.ndarray], excuse: Sequence[np.ndarray | None], tolerance: float, allowed: int
    ) -> VisualHull:
        points, pixels = self._points, self._pixels
        edge = self.volume.coarse_voxel
        for level in range(self.volume.halvings, -1, -1):
            kept = self._meets(pixels, near, excuse, edge if level else 0.0, tolerance) <= allowed
            points = points[kept]
            if level == 0 or not len(points):
                break
            points, edge = (points[:, None] + edge / 4 * _EIGHT).reshape(-1, 3), edge / 2
            pixels = [_pixel_index(camera, points) for camera in self.cameras]
        return VisualHull(points, self.volume.voxel)

    def _meets(
        self,
        pixels: Sequence[tuple[np.ndarray, np.ndarray]],
        near: Sequence[np.ndarray],
        excuse: Sequence[np.ndarray | None],
        edge: float,
        tolerance: float,
    ) -> np.ndarray:
        """[n] cameras that object; a large number where too few show the subject."""
        hits = np.zeros(len(pixels[0][0]), dtype=np.int16)
        against = np.zeros_like(hits)
        for (at, scale), distance, free in zip(pixels, near, excuse, strict=True):
            visible, reach = at >= 0, scale * (edge * _CORNER)
            hit = visible & (distance.ravel()[at] <= reach + tolerance)
            hits += hit
            objects = visible & ~hit
            if free is not None:
                objects &= free.ravel()[at] > reach
            against += objects
        against[hits < self.needed] = len(self.cameras) + 1
        return against


def _pixel_index(camera: Camera, points: Points3) -> tuple[np.ndarray, np.ndarray]:
    """(flat index of the pixel that shows each point, -1 where none does; pixels per world unit there)."""
    pixels, depth = camera.project(points), camera.depth(points)
    with np.errstate(invalid="ignore"):
        inside = (pixels >= 0).all(axis=1) & (pixels[:, 0] < camera.width) & (pixels[:, 1] < camera.height)
    at = np.full(len(points), -1, dtype=np.int64)
    cell = np.floor(pixels[inside]).astype(np.int64)
    at[inside] = cell[:, 1] * camera.width + cell[:, 0]
    return at, camera.focal / np.maximum(depth, 1e-9)


def _outside_distance(mask: Mask) -> Float32[Array, "h w"]:
    """Pixels from each pixel to the mask, 0 inside."""
    if not mask.any():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    return np.asarray(cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3), dtype=np.float32)


def dilated(mask: Mask, radius: int) -> Mask:
    """Grown by `radius` pixels."""
    if radius <= 0:
        return mask
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(mask.view(np.uint8), kernel)).astype(bool)
