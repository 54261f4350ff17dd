"""One sample as a scene: cameras with their images, and the hull of their silhouettes.

A plain description. The report draws it in the page (report/scene_data.py), `mouselift view` through viser (live.py).
World: the sample's, +Z up. Images cover exactly [0, w] x [0, h] of their camera's pixels, whatever their own size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from mouselift.array_types import Array, ImageRGB, Levels, Points3, Vector3
from mouselift.dataset.sample import Sample, View
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Outline, outline_of
from mouselift.geometry.triangulation import triangulate
from mouselift.view.hull_surface import HullSurface, hull_surface

GROUND = 226  # grey behind the subject
IMAGE_SIDE = 192
_FRUSTUM = 0.24  # an image's width in the scene / the cameras' median distance from the subject
_NEAREST = 0.5  # an image stands no farther from its camera than this share of the way to the subject

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
class Scene:
    """A sample to be looked at."""

    title: str
    cameras: tuple[SceneCamera, ...]
    hull: HullSurface | None  # None where the silhouettes have no common volume, or determine none; or a cloud
    centre: Vector3  # what an orbit turns about
    radius: float  # of everything, about `centre`
    note: str  # one sentence: what the hull is, or why there is none

    def local(self, points: Points3) -> Points3:
        """World points about `centre`, in units of `radius`: what is drawn, whatever the world's unit."""
        return (points - self.centre) / self.radius


def scene_of(sample: Sample, side: int = IMAGE_SIDE, resolution: int = 72) -> Scene:
    """The scene of one sample; `side`: pixels of its small images, `resolution`: voxels along the hull's cube."""
    cameras = [view.camera for view in sample.views]
    outlines = [outline_of(view.alpha) for view in sample.views]
    centre, problem = _centre(cameras, outlines)
    hull, note = _hull(sample.views, outlines, centre, problem, resolution)
    distances = [float(np.linalg.norm(camera.centre - centre)) for camera in cameras]
    images = [None if view.colours is None else small_image(view, side) for view in sample.views]
    placed = placed_cameras(cameras, images, distances)
    return Scene(sample.id, placed, hull, centre, max(distances), note)


def placed_cameras(
    cameras: Sequence[Camera], images: Sequence[Small | None], distances: Sequence[float]
) -> tuple[SceneCamera, ...]:
    """Cameras with their images before them, all about as wide. distances: from what is looked at, world units."""
    width = _FRUSTUM * float(np.median(distances)) if len(distances) else 0.0
    return tuple(
        SceneCamera(camera, image, min(width * camera.focal / camera.width, _NEAREST * distance))
        for camera, image, distance in zip(cameras, images, distances, strict=True)
    )


def small_image(view: View, side: int) -> Small:
    """The subject on a neutral ground, at most `side` pixels along the longer edge; area-averaged, premultiplied."""
    if view.colours is None:
        raise ValueError(f"small_image: {view.name}: no colours were loaded")
    return on_ground(view.colours, view.alpha, side)


def on_ground(colours: ImageRGB, alpha: Levels, side: int, ground: int = GROUND) -> Small:
    """Straight colours and alpha composited on grey `ground`, then shrunk to at most `side` pixels."""
    weight = alpha[:, :, None].astype(np.float32) / 255
    image = colours * weight + ground * (1 - weight)
    return shrunk(image, side)


def shrunk(image: Image, side: int) -> Small:
    """Area-averaged to at most `side` pixels along the longer edge, rounded to levels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale < 1:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    return np.rint(image).astype(np.uint8)


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
    views: Sequence[View], outlines: Sequence[Outline | None], centre: Vector3, problem: str, resolution: int
) -> tuple[HullSurface | None, str]:
    if problem:
        return None, f"No hull: {problem}."
    seen = [(view, outline) for view, outline in zip(views, outlines, strict=True) if outline is not None]
    extent = max(_radius(view.camera, outline, centre) for view, outline in seen)
    hull = hull_surface([view for view, _ in seen], centre, extent, resolution)
    if hull is None:
        return None, "No hull: no point of space lies inside all silhouettes. The cameras contradict each other."
    return hull, f"Hull of {len(seen)} silhouettes: {len(hull.points):,} surface points, {hull.voxel:.3g} apart."


def _radius(camera: Camera, outline: Outline, centre: Vector3) -> float:
    """World units from `centre` that hold the outline, at the centre's depth; behind the camera: at its distance."""
    reach = float(np.linalg.norm(outline.convex - outline.centroid, axis=1).max())
    return reach * float(np.linalg.norm(camera.centre - centre)) / camera.focal
