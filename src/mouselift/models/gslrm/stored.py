"""Gaussians as a network puts them out, for all samples of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from mouselift.array_types import Float


@dataclass(frozen=True, eq=False)
class StoredGaussians:
    """Gaussians as a checkpointed model and a PLY hold them: before exp, sigmoid and normalisation.

    b samples, n Gaussians, k spherical-harmonic coefficients. First the global Gaussians, then one a pixel in order
    (view, patch row, patch column, row in the patch, column in the patch): token order. Where patches were left out,
    samples have different numbers of Gaussians (`counts`), and what follows them means nothing.
    """

    xyz: Float[Tensor, "b n 3"]  # world units
    features: Float[Tensor, "b n k 3"]  # colour = 0.28209479177387814 * features[0] + 0.5 (degree 0)
    scaling: Float[Tensor, "b n 3"]  # log of world units
    rotation: Float[Tensor, "b n 4"]  # quaternion w, x, y, z of any length
    opacity: Float[Tensor, "b n 1"]  # logit
    counts: tuple[int, ...] | None = None  # of each sample; None: n

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """The five tensors."""
        return self.xyz, self.features, self.scaling, self.rotation, self.opacity

    def each(self, change: Callable[[Tensor], Tensor]) -> StoredGaussians:
        """With every tensor changed."""
        return StoredGaussians(*(change(part) for part in self.parts), counts=self.counts)

    def of_sample(self, place: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """One sample's positions, harmonics, opacity logits [n], log scales, rotations: what a renderer's Gaussians are
        made from (`render.base.Gaussians.from_stored`)."""
        parts = (self.xyz, self.features, self.opacity[..., 0], self.scaling, self.rotation)
        count = None if self.counts is None else self.counts[place]
        return tuple(part[place, :count] for part in parts)  # pyright: ignore[reportReturnType] - five of five
