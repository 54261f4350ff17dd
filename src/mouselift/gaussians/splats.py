"""3D Gaussians in their stored form: what files hold, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mouselift.array_types import Array, Bool, Float32, Int64

SH_DC = 0.28209479177387814  # the constant spherical harmonic, 1 / (2 sqrt(pi))


@dataclass(frozen=True, eq=False)
class Splats:
    """Gaussians in their stored form, before any activation; `render.base.Gaussians` is what is computed with."""

    positions: Float32[Array, "n 3"]  # world
    harmonics: Float32[Array, "n k 3"]  # k = (degree + 1)^2; colour = SH_DC * harmonics[:, 0] + 0.5 for degree 0
    opacities: Float32[Array, " n"]  # logits
    scales: Float32[Array, "n 3"]  # natural logs of world units (standard deviations along the axes)
    rotations: Float32[Array, "n 4"]  # quaternions, w first, any length; axes to world
    # for a person: what their reader left out, assumed or did not use
    notes: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        if self.harmonics.shape[1] not in (1, 4, 9, 16):
            raise ValueError(f"Splats: expected 1, 4, 9 or 16 harmonics (degree 0 to 3), got {self.harmonics.shape[1]}")

    def __len__(self) -> int:
        return len(self.positions)

    def taken(self, which: Int64[Array, " m"] | Bool[Array, " n"]) -> Splats:
        """Those that `which` names (indices, or True where kept), in its order."""
        parts = (self.positions, self.harmonics, self.opacities, self.scales, self.rotations)
        return Splats(*(part[which] for part in parts), notes=self.notes)


def logits_of_levels(levels: np.ndarray) -> np.ndarray:
    """Opacities 0..255, of any shape, as logits. 0 and 255 are read half a level inside: their logits are infinite."""
    opacity = np.clip(levels.astype(np.float64), 0.5, 254.5) / 255
    return np.log(opacity / (1 - opacity)).astype(np.float32)


def harmonics_of_colours(colours: np.ndarray) -> np.ndarray:
    """The constant harmonic of colours 0..1, of the same shape."""
    return ((colours - 0.5) / SH_DC).astype(np.float32)
