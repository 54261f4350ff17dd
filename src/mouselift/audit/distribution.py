"""What the model sees of the cameras: for each pixel a ray's direction and its point nearest the origin, six numbers.

Statistics over any number of views in constant memory: mean, covariance, and a histogram a component, from which the
first-order Wasserstein distance to a profile follows: the integral of |F - G| over the component's axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.audit.result import RayDistance
from mouselift.findings import Finding
from mouselift.geometry.camera import Camera

COMPONENTS = tuple(f"{kind} {axis}" for kind in ("direction", "nearest") for axis in "xyz")
BINS = 400  # a component
RANGES = np.array([1.0, 1.0, 1.0, 4.0, 4.0, 4.0])  # histograms span +-; what lies beyond counts in the last bin
LIMIT_DIRECTION = 0.4  # FaceLift's inference rig lies 0.32 from its training cameras, these with +Y up 0.44, -Z up 0.64
LIMIT_NEAREST = 0.35  # 0.11; exact presets on the six-camera rig up to 0.26; a world of twice the scale 0.51
_GRID = 8  # rays a side of each image: the middles of 8 x 8 equal cells
_PLACES = (np.indices((_GRID, _GRID)).reshape(2, -1).T[:, ::-1] + 0.5) / _GRID  # x, y over the image's width and height


@dataclass(frozen=True, eq=False)
class RayStatistics:
    """Sums over views, all views alike. `views` may be 0."""

    views: int
    total: Float64[Array, "6"]  # of the views' mean rays
    products: Float64[Array, "6 6"]  # of the views' mean outer products
    histogram: Float64[Array, "6 b"]  # of the views' shares a bin

    @classmethod
    def empty(cls) -> RayStatistics:
        return cls(0, np.zeros(6), np.zeros((6, 6)), np.zeros((6, BINS)))

    @classmethod
    def of(cls, cameras: Sequence[Camera]) -> RayStatistics:
        """One sample's cameras, in the sample's world. LensFoldError as `Camera.rays`."""
        if not cameras:
            return cls.empty()
        rays = _rays(cameras)
        weight = 1 / (_GRID * _GRID)
        place = np.clip(((rays / RANGES + 1) * (BINS / 2)).astype(np.int64), 0, BINS - 1)
        flat = (place + np.arange(6) * BINS).ravel()
        histogram = np.bincount(flat, minlength=6 * BINS).reshape(6, BINS) * weight
        return cls(len(cameras), rays.sum(axis=0) * weight, rays.T @ rays * weight, histogram)

    def merged(self, other: RayStatistics) -> RayStatistics:
        return RayStatistics(
            self.views + other.views,
            self.total + other.total,
            self.products + other.products,
            self.histogram + other.histogram,
        )

    @property
    def mean(self) -> Float64[Array, "6"]:
        return self.total / max(self.views, 1)

    @property
    def covariance(self) -> Float64[Array, "6 6"]:
        return self.products / max(self.views, 1) - np.outer(self.mean, self.mean)

    @property
    def shares(self) -> Float64[Array, "6 b"]:
        """Histograms that sum to 1."""
        return self.histogram / max(self.views, 1)


def _rays(cameras: Sequence[Camera]) -> Float64[Array, "n 6"]:
    """(direction, point nearest the origin) of the grid's rays, all cameras at once; reference: geometry/rays.py."""
    plane = np.array([camera.at_depth_one(_PLACES * (camera.width, camera.height)) for camera in cameras])
    d = plane @ np.array([camera.R_cam_world for camera in cameras])
    d /= np.sqrt((d**2).sum(axis=2, keepdims=True))
    centre = np.stack([camera.centre for camera in cameras])[:, None]
    nearest = centre - (d * centre).sum(axis=2, keepdims=True) * d
    return np.concatenate([d, nearest], axis=2).reshape(-1, 6)


def wasserstein(a: Float64[Array, "6 b"], b: Float64[Array, "6 b"]) -> Float64[Array, "6"]:
    """First-order distance of each component's two histograms (shares), in the component's unit, to half a bin."""
    apart = np.abs(np.cumsum(a, axis=1) - np.cumsum(b, axis=1)).sum(axis=1)
    return apart * (2 * RANGES / BINS)


def ray_distances(
    found: RayStatistics, mean: Float64[Array, "6"], covariance: Float64[Array, "6 6"], shares: Float64[Array, "6 b"]
) -> list[RayDistance]:
    """One entry a component against a profile's mean, covariance and histograms."""
    apart = wasserstein(found.shares, shares)
    deviation, wanted = (np.sqrt(np.diag(c).clip(0)) for c in (found.covariance, covariance))
    return [
        RayDistance(name, float(found.mean[k]), float(mean[k]), float(deviation[k]), float(wanted[k]), float(apart[k]))
        for k, name in enumerate(COMPONENTS)
    ]


def distribution_findings(distances: Sequence[RayDistance], profile: str) -> list[Finding]:
    """A warning a component beyond its limit. Never an error: exact data may differ from what was trained on."""
    out: list[Finding] = []
    for distance in distances:
        limit = LIMIT_DIRECTION if distance.component.startswith("direction") else LIMIT_NEAREST
        if distance.wasserstein > limit:
            text = (
                f"rays: {distance.component} has mean {distance.mean:z.2f} and deviation {distance.deviation:.2f}, in "
                f"profile {profile} {distance.profile_mean:z.2f} and {distance.profile_deviation:.2f} (Wasserstein "
                f"distance {distance.wasserstein:.2f}, limit {limit})"
            )
            out.append(Finding.of("distribution", text, value=distance.wasserstein, limit=limit))
    return out
