"""Gaussians as things to look at: arrays for a splat viewer, and a cloud of their centres beside the cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from mouselift.array_types import Array, Float64, ImageRGB, Int64, Points3
from mouselift.gaussians.files import SH_DC, Splats
from mouselift.geometry.camera import Camera
from mouselift.view.scene import IMAGE_SIDE, HullSurface, Scene, placed_cameras, shrunk

_SEEN = 1 / 255  # opacity below which a renderer leaves a Gaussian out
_SOLID = 0.05  # opacity from which on a centre belongs to what is seen, not to haze
_MOST_POINTS = 20_000
_BLENDED = 8  # Gaussians whose colours are seen together
_SEED = 0  # the same points every time


@dataclass(frozen=True, eq=False)
class SplatCloud:
    """Gaussians after all activations, as viewers want them."""

    centres: Points3  # world
    covariances: Float64[Array, "n 3 3"]  # world units squared
    colours: Float64[Array, "n 3"]  # 0..1: the part that does not depend on the direction
    opacities: Float64[Array, " n"]  # 0..1

    def __len__(self) -> int:
        return len(self.centres)


def cloud_of(splats: Splats) -> SplatCloud:
    """The Gaussians that can be seen (opacity at least 1/255, a rotation of some length), in their order.

    Covariance = R diag(exp(scale))^2 R^T, R of the unit quaternion (w, x, y, z): own axes to world.
    """
    opacity = opacities_of(splats)
    seen = np.flatnonzero((opacity >= _SEEN) & (np.linalg.norm(splats.rotations, axis=1) > 0))
    R = Rotation.from_quat(np.roll(splats.rotations[seen].astype(np.float64), -1, axis=1)).as_matrix()
    scaled = R * np.exp(splats.scales[seen].astype(np.float64))[:, None, :]
    return SplatCloud(
        splats.positions[seen].astype(np.float64),
        scaled @ scaled.transpose(0, 2, 1),
        colours_of(splats)[seen],
        opacity[seen],
    )


def splat_scene(title: str, splats: Splats, cameras: Sequence[tuple[Camera, ImageRGB | None]]) -> Scene:
    """A scene whose body is the centres of the Gaussians that show most: at most 20,000 of them.

    Drawn at random without replacement, in proportion to opacity times the area of the two longest axes. Each has the
    colour of `blended`.
    """
    chosen = shown_most(splats, _MOST_POINTS)
    points = splats.positions[chosen].astype(np.float64)
    centre = np.median(points, axis=0) if len(points) else np.zeros(3)
    away = np.linalg.norm(points - centre, axis=1)
    distances = [float(np.linalg.norm(camera.centre - centre)) for camera, _ in cameras]
    radius = max(distances, default=2.5 * float(np.quantile(away, 0.98)) if len(points) else 2.5) or 1.0
    inside = away <= radius  # what flies beyond the cameras is not worth the precision
    points, colours = points[inside], blended(splats, chosen[inside])
    size = float(np.median(np.exp(np.sort(splats.scales[chosen], axis=1)[:, 1]))) if len(chosen) else 0.0
    cloud = HullSurface(
        points, np.zeros_like(points), (colours * 255).round().astype(np.uint8), max(1.5 * size, 0.002 * radius)
    )
    few = f"{len(points):,} of the {len(splats):,} Gaussians, those that show most"
    which = few if len(points) < len(splats) else f"all {len(splats):,} Gaussians"
    note = f"Centres of {which}, each in the colour that shows about it."
    images = [None if image is None else shrunk(image, IMAGE_SIDE) for _, image in cameras]
    placed = placed_cameras([camera for camera, _ in cameras], images, distances)
    return Scene(title, placed, cloud if len(points) else None, centre, radius, note)


def shown_most(splats: Splats, count: int) -> Int64[Array, " m"]:
    """Indices, ascending, of at most `count` Gaussians (see `splat_scene`)."""
    solid = np.flatnonzero(opacities_of(splats) >= _SOLID)
    # Gumbel's trick: the largest of log weight + noise are a weighted draw without replacement
    keys = _log_shown(splats)[solid] + np.random.default_rng(_SEED).gumbel(size=len(solid))
    return np.sort(solid[np.argsort(-keys, kind="stable")[:count]])


def _log_shown(splats: Splats) -> Float64[Array, " n"]:
    """Logarithm of opacity times the area of the two longest axes."""
    axes = np.sort(splats.scales.astype(np.float64), axis=1)
    return np.log(np.maximum(opacities_of(splats), 1e-300)) + axes[:, 1] + axes[:, 2]


def blended(splats: Splats, chosen: Int64[Array, " m"]) -> Float64[Array, "m 3"]:
    """0..1, of chosen Gaussians: what shows about the centre, as they are seen through one another.

    Means over the nearest eight, itself included, by opacity times area: a faint pale one among dark ones is not seen.
    """
    centres, weights = splats.positions.astype(np.float64), np.exp(_log_shown(splats))
    known = np.flatnonzero(np.isfinite(centres).all(axis=1) & (weights > 0))
    if not len(chosen) or not len(known):
        return colours_of(splats)[chosen]
    _, nearest = KDTree(centres[known]).query(centres[chosen], min(_BLENDED, len(known)))
    near = known[nearest].reshape(len(chosen), -1)
    shares = weights[near] / weights[near].sum(axis=1, keepdims=True)
    return np.einsum("mk,mkc->mc", shares, colours_of(splats)[near])


def opacities_of(splats: Splats) -> Float64[Array, " n"]:
    """0..1."""
    return 1 / (1 + np.exp(-splats.opacities.astype(np.float64)))


def colours_of(splats: Splats) -> Float64[Array, "n 3"]:
    """0..1, of the constant harmonic."""
    return np.clip(SH_DC * splats.harmonics[:, 0].astype(np.float64) + 0.5, 0.0, 1.0)
