"""Gaussians as things to look at: arrays for a splat viewer, and a cloud of their centres beside the cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from mouselift.core.camera import Camera
from mouselift.core.types import Array, ImageRGB, Points3, Vector3
from mouselift.errors import DatasetError
from mouselift.io.ply import SH_DC, Splats, read_ply
from mouselift.io.splat import read_splat
from mouselift.view.hull_surface import HullSurface
from mouselift.view.scene import FRUSTUM, NEAREST, Scene, SceneCamera, on_ground

SUFFIXES = (".ply", ".splat")
_SEEN = 1 / 255  # opacity below which a renderer leaves a Gaussian out
_SOLID = 0.05  # opacity from which on a centre belongs to what is seen, not to haze
_PICTURE_SIDE = 192
_MOST_POINTS = 20_000


@dataclass(frozen=True, eq=False)
class SplatCloud:
    """Gaussians after all activations, as viewers want them."""

    centres: Points3  # world
    covariances: Float64[Array, "n 3 3"]  # world units squared
    colours: Float64[Array, "n 3"]  # 0..1: the part that does not depend on the direction
    opacities: Float64[Array, " n"]  # 0..1

    def __len__(self) -> int:
        return len(self.centres)


def read_splats(path: Path) -> Splats:
    """A `.ply` or `.splat` of Gaussians. DatasetError as their readers, and for another suffix."""
    if path.suffix.lower() not in SUFFIXES:
        raise DatasetError(f"{path}: expected a file of Gaussians, .ply or .splat, got {path.suffix or 'no suffix'}")
    return read_ply(path) if path.suffix.lower() == ".ply" else read_splat(path)


def cloud_of(splats: Splats) -> SplatCloud:
    """The Gaussians that can be seen (opacity at least 1/255, a rotation of some length), in their order.

    Covariance = R diag(exp(scale))^2 R^T, R of the unit quaternion (w, x, y, z): own axes to world.
    """
    opacity = opacities_of(splats)
    length = np.linalg.norm(splats.rotations.astype(np.float64), axis=1)
    seen = np.flatnonzero((opacity >= _SEEN) & (length > 0))
    R = rotations_of(splats.rotations[seen].astype(np.float64) / length[seen, None])
    scaled = R * np.exp(splats.scales[seen].astype(np.float64))[:, None, :]
    return SplatCloud(
        splats.positions[seen].astype(np.float64),
        scaled @ scaled.transpose(0, 2, 1),
        colours_of(splats)[seen],
        opacity[seen],
    )


def splat_scene(title: str, splats: Splats, cameras: Sequence[tuple[Camera, ImageRGB | None]], seed: int = 0) -> Scene:
    """A scene whose body is the centres of the Gaussians that show most: at most 20,000 of them.

    Drawn at random without replacement, in proportion to opacity times the area of the two longest axes.
    """
    chosen = shown_most(splats, _MOST_POINTS, seed)
    points = splats.positions[chosen].astype(np.float64)
    centre = np.median(points, axis=0) if len(points) else np.zeros(3)
    distances = [float(np.linalg.norm(camera.centre - centre)) for camera, _ in cameras]
    reach = float(np.quantile(np.linalg.norm(points - centre, axis=1), 0.98)) if len(points) else 1.0
    radius = max(distances, default=2.5 * reach) or 1.0
    inside = (
        np.linalg.norm(points - centre, axis=1) <= radius
    )  # what flies beyond the cameras is not worth the precision
    points, colours = points[inside], colours_of(splats)[chosen][inside]
    size = float(np.median(np.exp(np.sort(splats.scales[chosen], axis=1)[:, 1]))) if len(chosen) else 0.0
    cloud = HullSurface(
        points, np.zeros_like(points), (colours * 255).round().astype(np.uint8), max(1.5 * size, 0.002 * radius)
    )
    note = f"Centres of {len(points):,} of the {len(splats):,} Gaussians, those that show most."
    placed = _placed(cameras, distances)
    return Scene(title, placed, cloud if len(points) else None, centre, radius, note)


def shown_most(splats: Splats, count: int, seed: int) -> Int64[Array, " m"]:
    """Indices, ascending, of at most `count` Gaussians (see `splat_scene`)."""
    opacity = opacities_of(splats)
    axes = np.sort(splats.scales.astype(np.float64), axis=1)
    solid = np.flatnonzero(opacity >= _SOLID)
    # Gumbel's trick: the largest of log weight + noise are a weighted draw without replacement
    keys = np.log(opacity[solid]) + axes[solid, 1] + axes[solid, 2]
    keys = keys + np.random.default_rng(seed).gumbel(size=len(solid))
    return np.sort(solid[np.argsort(-keys, kind="stable")[:count]])


def opacities_of(splats: Splats) -> Float64[Array, " n"]:
    """0..1."""
    return 1 / (1 + np.exp(-splats.opacities.astype(np.float64)))


def colours_of(splats: Splats) -> Float64[Array, "n 3"]:
    """0..1, of the constant harmonic."""
    return np.clip(SH_DC * splats.harmonics[:, 0].astype(np.float64) + 0.5, 0.0, 1.0)


def rotations_of(unit: Float64[Array, "n 4"]) -> Float64[Array, "n 3 3"]:
    """Matrices of unit quaternions, w first."""
    w, x, y, z = unit.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.array(rows).transpose(2, 0, 1)


def middle_of(splats: Splats) -> Vector3:
    """What an orbit turns about: the median of the solid Gaussians; the origin where none is solid."""
    solid = opacities_of(splats) >= _SOLID
    return np.median(splats.positions[solid].astype(np.float64), axis=0) if solid.any() else np.zeros(3)


def _placed(cameras: Sequence[tuple[Camera, ImageRGB | None]], distances: Sequence[float]) -> tuple[SceneCamera, ...]:
    width = FRUSTUM * float(np.median(distances)) if distances else 0.0
    out = []
    for (camera, picture), distance in zip(cameras, distances, strict=True):
        small: UInt8[Array, "p q 3"] | None = None
        if picture is not None:
            small = on_ground(picture, np.full(picture.shape[:2], 255, np.uint8), _PICTURE_SIDE)
        out.append(SceneCamera(camera, small, min(width * camera.focal / camera.width, NEAREST * distance)))
    return tuple(out)
