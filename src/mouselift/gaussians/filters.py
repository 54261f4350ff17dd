"""Which Gaussians of a reconstruction are worth keeping: thresholds, all neutral unless set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mouselift.array_types import Array, Bool
from mouselift.gaussians.files import Splats

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
    The `facelift` presets are those of the release, head-specific.
    """

    opacity: float = 0.0
    scale: float = np.inf
    upper_half_exempt: bool = False
    corners: float = np.inf
    box: Bounds = (*_NOWHERE_AXIS, *_NOWHERE_AXIS, *_NOWHERE_AXIS)

    def kept(self, splats: Splats) -> Bool[Array, " n"]:
        """True for what stays."""
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
        return keep & ((p >= low) & (p <= high)).all(axis=1)


FILTERS: dict[str, SplatFilter] = {
    "none": SplatFilter(),
    "facelift": SplatFilter(0.04, 0.1, True, 0.6, (-0.91, 0.91, -0.91, 0.91, -1.0, 1.0)),
    "facelift-gradio": SplatFilter(0.04, 0.2, True, 0.75, (-0.91, 0.91, -0.91, 0.91, -1.0, 1.0)),
    "facelift-training": SplatFilter(0.02, box=(-0.91, 0.91, -0.91, 0.91, -0.91, 0.91)),
}
