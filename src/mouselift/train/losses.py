"""Losses as pure functions of one rendered view, or of one sample's Gaussians; and their weighted sum.

Every loss is a mean, so that weights mean the same for any size of image and number of Gaussians. Renders are not
clamped: a colour that is too bright has a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mouselift.array_types import Float
from mouselift.models.gslrm.stored import StoredGaussians
from mouselift.reconstruct.metrics import ssim_map
from mouselift.render.base import Rendering
from mouselift.render.shape import needles
from mouselift.train.config import LossWeights

Scalar = Float[Tensor, ""]
Perceptual = Callable[[Float[Tensor, "3 h w"], Float[Tensor, "3 h w"]], Scalar]


def l2(colour: Float[Tensor, "3 h w"], wanted: Float[Tensor, "3 h w"]) -> Scalar:
    """Mean squared difference over pixels and channels, both over one background."""
    return (colour - wanted).square().mean()


def foreground_l2(colour: Float[Tensor, "3 h w"], wanted: Float[Tensor, "3 h w"], mask: Float[Tensor, "h w"]) -> Scalar:
    """The same over the subject: squares weighted by its alpha. 0 where there is no subject."""
    squares = (colour - wanted).square().mean(dim=0)
    return (squares * mask).sum() / mask.sum().clamp_min(1.0)


def dissimilarity(colour: Float[Tensor, "3 h w"], wanted: Float[Tensor, "3 h w"]) -> Scalar:
    """1 - SSIM, mean over the image (`reconstruct.metrics.ssim_map`)."""
    return (1.0 - ssim_map(colour, wanted).mean()).to(colour.dtype)


def silhouette(alpha: Float[Tensor, "h w"], mask: Float[Tensor, "h w"]) -> Scalar:
    """Mean squared difference of what is drawn as opaque and of the subject's alpha."""
    return (alpha - mask).square().mean()


def indecision(logits: Float[Tensor, " n"]) -> Scalar:
    """Mean of 4 o (1 - o) of the opacities o: 0 where every Gaussian is there or gone, 1 where all are half there."""
    opacity = logits.sigmoid()
    return (4.0 * opacity * (1.0 - opacity)).mean()


@dataclass(frozen=True, eq=False)
class Losses:
    """The weighted sum, in its two parts: of a view, and of the Gaussians."""

    weights: LossWeights
    perceptual: Perceptual | None = None

    def of_view(self, drawn: Rendering, target: Float[Tensor, "4 h w"]) -> dict[str, Scalar]:
        """Every loss that has a weight, unweighted. target: colours over the render's background, and alpha."""
        wanted, mask = target[:3], target[3]
        found: dict[str, Scalar] = {}
        if self.weights.l2:
            found["l2"] = l2(drawn.colour, wanted)
        if self.weights.foreground:
            found["foreground"] = foreground_l2(drawn.colour, wanted, mask)
        if self.weights.ssim:
            found["ssim"] = dissimilarity(drawn.colour, wanted)
        if self.perceptual is not None:
            found["perceptual"] = self.perceptual(drawn.colour, wanted)
        if self.weights.alpha:
            found["alpha"] = silhouette(drawn.alpha, mask)
        return found

    def of_gaussians(self, stored: StoredGaussians, sample: int) -> dict[str, Scalar]:
        """The regularisers that have a weight, of one sample of the batch."""
        found: dict[str, Scalar] = {}
        _, _, opacities, scales, _ = stored.of_sample(sample)
        if self.weights.effective_rank:
            found["effective_rank"] = needles(scales, opacities.sigmoid())
        if self.weights.opacity:
            found["opacity"] = indecision(opacities)
        return found

    def total(self, found: dict[str, Scalar]) -> Scalar:
        """Weighted sum; at least one loss."""
        return torch.stack([getattr(self.weights, name) * value for name, value in found.items()]).sum()
