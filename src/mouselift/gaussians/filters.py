"""Which Gaussians of a reconstruction are worth keeping: thresholds, all neutral unless set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from mouselift.array_types import Array, Points3
from mouselift.gaussians.ply import Splats

Centres = Float64[Array, "v 3"]
Bounds = tuple[float, float, float, float, float, float]  # x, x, y, y, z, z: lowest and highest, world units
_NOWHERE_AXIS = (-np.inf, np.inf)


@dataclass(frozen=True)
class SplatFilter:
    """What to keep. Every field is neutral by default: `SplatFilter()` keeps all.

    * `opacity`: keep what is more opaque than this.
    * `scale`: keep what has no axis as long as this (world units). With `upper_half_exempt`, also all at z > 0: a
      rule made for heads.
    * `corners`: drop what has |x| and |y| above and z below minus this: the lower corner columns of a bust.
    * `box`: keep what lies in it, borders included.
    * `near_far`: quantiles of the distances to each camera; drop what lies outside for any camera.
    The `facelift` presets are those of the release, head-specific.
    """

    opacity: float = 0.0
    scale: float = np.inf
    upper_half_exempt: bool = False
    corners: float = np.inf
    box: Bounds = (*_NOWHERE_AXIS, *_NOWHERE_AXIS, *_NOWHERE_AXIS)
    near_far: tuple[float, float] = (0.0, 1.0)

    def kept(self, splats: Splats, camera_centres: Centres | None = None) -> Bool[Array, " n"]:
        """True for what stays. ValueError where `near_far` is set and no camera centres [views, 3] are given.

        The stages run in the order of the fields; the quantiles of `near_far` are of what the others left.
        """
        p = splats.positions
        x, y, z = p.T
        # in float32 like the release: a threshold on a float64 sigmoid would keep other Gaussians at its edge
        keep = (
            1 / (1 + np.exp(-splats.opacities)) > np.float32(self.opacity)
            if self.opacity > 0
            else np.ones(len(p), bool)
        )
        if self.scale < np.inf:
            small = np.exp(splats.scales).max(axis=1, initial=0.0) < np.float32(self.scale)
            keep &= small | (z > 0) if self.upper_half_exempt else small
        if self.corners < np.inf:
            keep &= ~((np.abs(x) > self.corners) & (np.abs(y) > self.corners) & (z < -self.corners))
        low, high = np.array(self.box[::2]), np.array(self.box[1::2])
        keep &= ((p >= low) & (p <= high)).all(axis=1)
        if self.near_far != (0.0, 1.0):
            if camera_centres is None:
                raise ValueError("SplatFilter: near_far needs the camera centres, [views, 3]")
            keep[keep] = _between(p[keep].astype(np.float64), camera_centres, self.near_far)
        return keep

    def apply(self, splats: Splats, camera_centres: Centres | None = None) -> Splats:
        """The splats that stay, in their order."""
        return splats.taken(self.kept(splats, camera_centres))


def _between(points: Points3, centres: Centres, quantiles: tuple[float, float]) -> Bool[Array, " n"]:
    inside = np.ones(len(points), dtype=bool)
    for centre in centres if len(points) else ():
        distance = np.linalg.norm(points - centre, axis=1)
        low, high = np.quantile(distance, quantiles)
        inside &= (distance >= low) & (distance <= high)
    return inside


FILTERS: dict[str, SplatFilter] = {
    "none": SplatFilter(),
    "facelift": SplatFilter(0.04, 0.1, True, 0.6, (-0.91, 0.91, -0.91, 0.91, -1.0, 1.0)),
    "facelift-gradio": SplatFilter(0.04, 0.2, True, 0.75, (-0.91, 0.91, -0.91, 0.91, -1.0, 1.0)),
    "facelift-training": SplatFilter(0.02, box=(-0.91, 0.91, -0.91, 0.91, -0.91, 0.91)),
}
