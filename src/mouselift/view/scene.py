"""One sample as a scene: cameras with their images, and the surface of their silhouettes' hull in the images' colours.

A plain description. The report draws it in the page (report/page.py), `mouselift view` through viser (live.py).
World: the sample's, +Z up. Images cover exactly [0, w] x [0, h] of their camera's pixels, whatever their own size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from mouselift.array_types import Array, Float32, Float64, ImageRGB, Levels, Mask, Points3, UInt8, Vector3
from mouselift.dataset.sample import Sample, View
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import HALF_LEVEL, Outline, outline_of
from mouselift.geometry.triangulation import triangulate
from mouselift.geometry.visual_hull import VisualHull, carve
from mouselift.view.keypoints import ScenePoint, scene_points

GROUND = 226  # grey behind the subject
IMAGE_SIDE = 192
_FRUSTUM = 0.24  # an image's width in the scene / the cameras' median distance from the subject
_NEAREST = 0.5  # an image stands no farther from its camera than this share of the way to the subject
_COARSE = 36  # voxels along the first cube, which only finds where the hull lies
_FINE = 72  # voxels along the second
_UNSEEN = 150  # grey of a hull's point that no image shows
_NO_COLOURS = 90  # grey of a subject whose colours were not loaded

Corners = Float64[Array, "4 3"]
Small = UInt8[Array, "p q 3"]  # another size than the view's
Image = UInt8[Array, "h w 3"] | Float32[Array, "h w 3"]  # 0..255


@dataclass(frozen=True, eq=False)
class SceneCamera:
    """One camera as it stands in the world."""

    camera: Camera
    image: Small | None  # on a neutral ground; small
    depth: float  # of the image's plane in front of the camera, world units

    @property
    def name(self) -> str:
        return self.camera.name

    @property
    def corners(self) -> Corners:
        """The image's corners in the world: pixels (0, 0), (w, 0), (w, h), (0, h) at `depth`."""
        w, h = float(self.camera.width), float(self.camera.height)
        pixels = np.array([[0.0, 0.0], [w, 0.0], [w, h], [0.0, h]])
        return self.camera.unproject(pixels, np.full(4, self.depth))


@dataclass(frozen=True, eq=False)
class HullSurface:
    """Voxels of the hull that have an empty neighbour; or other points that a scene shows as its body."""

    points: Points3  # world
    normals: Points3  # unit, outwards; zero: drawn without shading
    colours: UInt8[Array, "n 3"]
    voxel: float  # edge, world units


@dataclass(frozen=True, eq=False)
class Scene:
    """A sample to be looked at."""

    title: str
    cameras: tuple[SceneCamera, ...]
    hull: HullSurface | None  # None where the silhouettes have no common volume, or determine none; or a cloud
    centre: Vector3  # what an orbit turns about
    radius: float  # of everything, about `centre`
    note: str  # one sentence: what the hull is, or why there is none
    keypoints: tuple[ScenePoint, ...] = ()  # of the recording, those that were found

    def local(self, points: Points3) -> Points3:
        """World points about `centre`, in units of `radius`: what is drawn, whatever the world's unit."""
        return (points - self.centre) / self.radius

    @property
    def subject(self) -> tuple[Vector3, float] | None:
        """(middle, reach) of the animal, in `local` coordinates: where a scene opens. None where there is no hull.

        Nine points of ten: a few Gaussians may fly about.
        """
        if self.hull is None or not len(self.hull.points):
            return None
        points = self.local(self.hull.points)
        middle = np.quantile(points, (0.05, 0.95), axis=0).mean(axis=0)
        return middle, float(np.quantile(np.linalg.norm(points - middle, axis=1), 0.9))


def scene_of(sample: Sample) -> Scene:
    """The scene of one sample."""
    cameras = [view.camera for view in sample.views]
    outlines = [outline_of(view.alpha) for view in sample.views]
    centre, problem = _centre(cameras, outlines)
    hull, note = _hull(sample.views, outlines, centre, problem)
    distances = [float(np.linalg.norm(camera.centre - centre)) for camera in cameras]
    images = [on_ground(colours_or_grey(view), view.alpha, IMAGE_SIDE) for view in sample.views]
    placed = placed_cameras(cameras, images, distances)
    return Scene(sample.id, placed, hull, centre, max(distances), note, scene_points(sample))


def placed_cameras(
    cameras: Sequence[Camera], images: Sequence[Small | None], distances: Sequence[float]
) -> tuple[SceneCamera, ...]:
    """Cameras with their images before them, all about as wide. distances: from what is looked at, world units."""
    width = _FRUSTUM * float(np.median(distances)) if len(distances) else 0.0
    return tuple(
        SceneCamera(camera, image, min(width * camera.focal / camera.width, _NEAREST * distance))
        for camera, image, distance in zip(cameras, images, distances, strict=True)
    )


def colours_or_grey(view: View) -> ImageRGB:
    """An image's colours; one grey where only its alpha was loaded."""
    return np.full((*view.alpha.shape, 3), _NO_COLOURS, np.uint8) if view.colours is None else view.colours


def on_ground(colours: ImageRGB, alpha: Levels, side: int) -> Small:
    """Straight colours and alpha composited on grey, then shrunk to at most `side` pixels."""
    weight = alpha[:, :, None].astype(np.float32) / 255
    return shrunk(colours * weight + GROUND * (1 - weight), side)


def shrunk(image: Image, side: int) -> Small:
    """Area-averaged to at most `side` pixels along the longer edge, rounded to levels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale < 1:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    return np.rint(image).astype(np.uint8)


def hull_of(views: Sequence[View]) -> tuple[HullSurface | None, str]:
    """(the hull's surface in the views' colours, one sentence: what it is, or why there is none). Lenses may bend."""
    outlines = [outline_of(view.alpha) for view in views]
    centre, problem = _centre([view.camera for view in views], outlines)
    return _hull(views, outlines, centre, problem)


def _centre(cameras: Sequence[Camera], outlines: Sequence[Outline | None]) -> tuple[Vector3, str]:
    """Where the rays through the masks' centroids meet; the world's origin, and why, where they do not."""
    seen = [(camera, outline) for camera, outline in zip(cameras, outlines, strict=True) if outline is not None]
    if len(seen) < 2:
        return np.zeros(3), f"{len(seen)} of {len(cameras)} images show a subject; a hull needs two"
    try:
        pixels = np.concatenate([outline.centroid for _, outline in seen])
        return triangulate([camera for camera, _ in seen], pixels).point, ""
    except ValueError as error:
        return np.zeros(3), str(error)


def _hull(
    views: Sequence[View], outlines: Sequence[Outline | None], centre: Vector3, problem: str
) -> tuple[HullSurface | None, str]:
    if problem:
        return None, f"No hull: {problem}."
    seen = [(view, outline) for view, outline in zip(views, outlines, strict=True) if outline is not None]
    extent = max(_radius(view.camera, outline, centre) for view, outline in seen)
    hull = _hull_surface([view for view, _ in seen], centre, extent)
    if hull is None:
        return None, "No hull: no point of space lies inside all silhouettes. The cameras contradict each other."
    return (
        hull,
        f"Hull of {len(seen)} silhouettes: {len(hull.points):,} surface points, {hull.voxel:.3g} world units apart.",
    )


def _radius(camera: Camera, outline: Outline, centre: Vector3) -> float:
    """World units from `centre` that hold the outline, at the centre's depth; behind the camera: at its distance."""
    reach = float(np.linalg.norm(outline.convex - outline.centroid, axis=1).max())
    return reach * float(np.linalg.norm(camera.centre - centre)) / camera.focal


def _hull_surface(views: Sequence[View], centre: Vector3, half_extent: float) -> HullSurface | None:
    """Carved from a cube about `centre`, then again, finer, from the box that was left. None where nothing is left.

    `half_extent`: world units that hold the subject, roughly; the first cube is a quarter larger.
    """
    cameras = [view.camera for view in views]
    masks: list[Mask] = [view.alpha >= HALF_LEVEL for view in views]
    coarse = carve(cameras, masks, centre, 1.25 * half_extent, _COARSE)
    if len(coarse.points) == 0:
        return None
    low, high = coarse.points.min(axis=0) - coarse.voxel, coarse.points.max(axis=0) + coarse.voxel
    fine = carve(cameras, masks, (low + high) / 2, float((high - low).max()) / 2, _FINE)
    if len(fine.points) == 0:
        return None
    points, normals = _surface(fine)
    return HullSurface(points, normals, _colours_seen(views, points, normals), fine.voxel)


def _surface(hull: VisualHull) -> tuple[Points3, Points3]:
    """Points with an empty neighbour among six, and outward normals: minus the gradient of the smoothed occupancy."""
    low = hull.points.min(axis=0)
    index = np.round((hull.points - low) / hull.voxel).astype(int) + 1
    full = np.zeros(tuple((index.max(axis=0) + 2).tolist()), dtype=bool)
    full[tuple(index.T)] = True
    inner = full.copy()
    for axis in range(3):
        inner &= np.roll(full, 1, axis) & np.roll(full, -1, axis)
    at = np.argwhere(full & ~inner)
    smooth = np.asarray(gaussian_filter(full.astype(np.float64), 1.2))
    normals = -np.stack([np.gradient(smooth, axis=axis)[tuple(at.T)] for axis in range(3)], axis=-1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    return (at - 1) * hull.voxel + low, normals


def _colours_seen(views: Sequence[View], points: Points3, normals: Points3) -> UInt8[Array, "n 3"]:
    """Each point's colour in the image that sees it most squarely (occlusion is not asked for); grey where none."""
    best = np.full(len(points), -np.inf)
    out = np.full((len(points), 3), _UNSEEN, np.uint8)
    for view in views:
        if view.colours is None:
            continue
        pixels = view.camera.project(points)
        height, width = view.alpha.shape
        with np.errstate(invalid="ignore"):
            seen = np.asarray(((pixels >= 0) & (pixels < [width, height])).all(axis=1))
        at = np.where(seen[:, None], np.floor(np.nan_to_num(pixels)), 0).astype(int)
        seen &= view.alpha[at[:, 1] % height, at[:, 0] % width] >= HALF_LEVEL
        towards = view.camera.centre - points
        square = (towards * normals).sum(axis=1) / np.maximum(np.linalg.norm(towards, axis=1), 1e-12)  # a cosine
        better = seen & (square > best)
        best[better] = square[better]
        out[better] = view.colours[at[better, 1], at[better, 0]]
    return out
