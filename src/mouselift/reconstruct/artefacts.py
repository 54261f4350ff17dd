"""What is wrong with Gaussians in views that nobody has: needles, floaters, and what sticks out from other directions.

Views that were scored hardly show these; they are why a good PSNR can hide a model that falls apart when it is turned.

* needles: share of the opacity that Gaussians of an effective rank below `NEEDLE` have.
* floaters: share of the opacity whose centres lie outside the visual hull of the sample's masks: some view that sees
  the centre has it further than the margin from its mask, or fewer than two views see it.
* outside: share of the drawn alpha, from directions of an orbit, that lies further than the margin outside the hull's
  silhouette there.

The margin is `MARGIN` of an image's side. Masks of a real recording disagree by 1 to 3 px of a source in which the
animal is 150 px long and fills 0.6 of the frame (docs/guides/inspect.md): at most 1.2 %; a mask's edge is rounded, and
a renderer dilates each Gaussian by 0.5 px. The hull of few views bulges: what is outside it is certainly wrong, and
what is inside need not be right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from mouselift.array_types import Float, Mask, Points3, Vector3
from mouselift.geometry.camera import Camera
from mouselift.geometry.triangulation import meeting_point
from mouselift.geometry.visual_hull import VisualHull, carve, sample_mask
from mouselift.reconstruct.metrics import FOREGROUND
from mouselift.reconstruct.record import Artefacts
from mouselift.render.base import Gaussians, RenderCamera, Renderer, draw
from mouselift.render.orbit import orbit_camera
from mouselift.render.shape import effective_rank

NEEDLE = 1.0 + math.exp(-1.0)  # effective rank; the loss `render.shape.needles` of one is 1 here. Axes of 5 : 1 : 1
MARGIN = 0.02  # of the side
ORBIT = tuple((45.0 * k, elevation) for elevation in (-35.0, 35.0) for k in range(8))  # azimuth, elevation, degrees
_SIDE = 96  # pixels of an orbit's image
_FILL = 0.6  # of it that the hull's sphere takes
_RESOLUTION = 48  # voxels along the hull's box, carved a second time from the box that the first leaves


def artefacts(
    gaussians: Gaussians, cameras: Sequence[Camera], alphas: Sequence[Float[Tensor, "h w"]], renderer: Renderer
) -> Artefacts:
    """Of one reconstruction. cameras, alphas: all views of the sample, prepared alpha in 0..1.

    A view without a mask (no transparent pixel) or without a subject says nothing. What needs a hull is None where
    fewer than two views are left, or no point of space lies inside all masks; all is None where nothing is opaque.
    """
    weight = gaussians.opacities.detach().double().cpu()
    finite = torch.isfinite(weight) & torch.isfinite(gaussians.positions.detach().cpu()).all(dim=1)
    weight = torch.where(finite, weight, 0.0)
    total = float(weight.sum())
    if total <= 0:
        return Artefacts()
    rank = effective_rank(gaussians.scales.detach().double().log()).cpu()
    rank = torch.where(torch.isfinite(rank), rank, 1.0)
    seen = [(camera, mask) for camera, alpha in zip(cameras, alphas, strict=True) if (mask := _mask(alpha)) is not None]
    floaters = outside = None
    if len(seen) >= 2:
        points = torch.where(finite[:, None], gaussians.positions.detach().double().cpu(), 0.0).numpy()
        floaters = float(weight[torch.from_numpy(~inside_hull(points, seen))].sum()) / total
        outside = _outside(gaussians, seen, renderer)
    return Artefacts(
        needles=float(weight[rank < NEEDLE].sum()) / total,
        effective_rank=float((rank * weight).sum()) / total,
        floaters=floaters,
        outside=outside,
    )


def inside_hull(points: Points3, seen: Sequence[tuple[Camera, Mask]]) -> np.ndarray:
    """[n] bool: at least two views see the point, and each that does has it within the margin of its mask."""
    good, count = np.ones(len(points), dtype=bool), np.zeros(len(points), dtype=int)
    for camera, mask in seen:
        near, visible = sample_mask(camera, _grown(mask, MARGIN * mask.shape[1]), points)
        visible = visible & (camera.depth(points) > 0)
        good &= ~visible | near
        count += visible
    return good & (count >= 2)


def _outside(gaussians: Gaussians, seen: Sequence[tuple[Camera, Mask]], renderer: Renderer) -> float | None:
    hull = _hull(seen)
    if hull is None:
        return None
    low, high = hull.points.min(axis=0), hull.points.max(axis=0)
    middle, radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2 + hull.voxel
    distance = float(np.mean([np.linalg.norm(camera.centre - middle) for camera, _ in seen]))
    distance = max(distance, 2 * radius)
    field = 2 * math.degrees(math.atan(radius / distance / _FILL))
    drawn = beyond = 0.0
    for azimuth, elevation in ORBIT:
        camera = orbit_camera(azimuth, elevation, distance, field, _SIDE, middle)
        alpha = draw(renderer, gaussians, RenderCamera.of(camera)).alpha.double().cpu().numpy()
        drawn += float(alpha.sum())
        beyond += float(alpha[~silhouette(hull, camera)].sum())
    return beyond / drawn if drawn > 0 else None


def silhouette(hull: VisualHull, camera: Camera) -> Mask:
    """Pixels within the margin of the hull's voxels, each taken as the ball that holds it."""
    mask = np.zeros((camera.height, camera.width), dtype=bool)
    at = np.floor(camera.project(hull.points)).astype(int)
    there = (at >= 0).all(axis=1) & (at[:, 0] < camera.width) & (at[:, 1] < camera.height)
    mask[at[there, 1], at[there, 0]] = True
    ball = 0.5 * math.sqrt(3) * hull.voxel * camera.focal / float(camera.depth(hull.points).min())
    return _grown(mask, ball + MARGIN * camera.width)


def _hull(seen: Sequence[tuple[Camera, Mask]]) -> VisualHull | None:
    """Of all masks, carved from the box that all images share; then finer. None where nothing is left or shared."""
    cameras, masks = [camera for camera, _ in seen], [_grown(mask, MARGIN * mask.shape[1]) for _, mask in seen]
    try:
        centre = _middle(cameras)
    except ValueError:  # parallel axes
        return None
    reach = max(float(np.linalg.norm(c.centre - centre)) * c.width / c.focal / 2 for c in cameras)
    coarse = carve(cameras, masks, centre, reach, _RESOLUTION)
    if not len(coarse.points):
        return None
    low, high = coarse.points.min(axis=0) - coarse.voxel, coarse.points.max(axis=0) + coarse.voxel
    fine = carve(cameras, masks, (low + high) / 2, float((high - low).max()) / 2, _RESOLUTION)
    return fine if len(fine.points) else None


def _middle(cameras: Sequence[Camera]) -> Vector3:
    """The point nearest to the rays through the images' middles. ValueError where they are parallel."""
    rays = [camera.rays(np.array([[camera.width / 2, camera.height / 2]]))[0] for camera in cameras]
    return meeting_point(np.array([camera.centre for camera in cameras]), np.array(rays))


def _mask(alpha: Float[Tensor, "h w"]) -> Mask | None:
    values = alpha.detach().cpu().numpy()
    mask = values > FOREGROUND
    return mask if mask.any() and (values < 1).any() else None


def _grown(mask: Mask, pixels: float) -> Mask:
    """With all pixels whose centres are at most so far from one of the mask's."""
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= pixels
