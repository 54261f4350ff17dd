"""Tokens to Gaussians. Everything here is float32, also under autocast.

In bfloat16 the depth would take only 333 values, steps of up to 0.016 world units (three pixels at the origin).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mouselift.data.rays import nearest_offset
from mouselift.models.gslrm.config import GSLRMConfig
from mouselift.models.gslrm.tokenizer import patchify
from mouselift.models.gslrm.transformer import Tokens, layer_norm

Raw = Float[Tensor, "b n p"]  # what the heads put out, p numbers a Gaussian


@dataclass(frozen=True, eq=False)
class StoredGaussians:
    """Gaussians as a checkpointed model and a PLY hold them: before exp, sigmoid and normalisation.

    b samples, n Gaussians, k spherical-harmonic coefficients. First the global Gaussians, then one a pixel in order
    (view, patch row, patch column, row in the patch, column in the patch): token order, see `tokenizer.unpatchify`.
    """

    xyz: Float[Tensor, "b n 3"]  # world units
    features: Float[Tensor, "b n k 3"]  # colour = 0.28209479177387814 * features[0] + 0.5 (degree 0)
    scaling: Float[Tensor, "b n 3"]  # log of world units
    rotation: Float[Tensor, "b n 4"]  # quaternion w, x, y, z of any length
    opacity: Float[Tensor, "b n 1"]  # logit

    @property
    def scales(self) -> Float[Tensor, "b n 3"]:
        """Standard deviations along the Gaussian's axes, world units."""
        return self.scaling.exp()

    @property
    def rotations(self) -> Float[Tensor, "b n 4"]:
        """Unit quaternions w, x, y, z."""
        return F.normalize(self.rotation, dim=-1)

    @property
    def opacities(self) -> Float[Tensor, "b n 1"]:
        """0 .. 1."""
        return self.opacity.sigmoid()


class GlobalHead(nn.Module):
    """Global tokens -> raw parameters, one Gaussian a token."""

    def __init__(self, config: GSLRMConfig) -> None:
        super().__init__()
        self.layernorm = layer_norm(config.width)
        self.linear = nn.Linear(config.width, config.parameters, bias=False)

    def forward(self, tokens: Tokens) -> Raw:
        return _full_precision(tokens, self.layernorm, self.linear)


class PixelHead(nn.Sequential):
    """Image tokens -> raw parameters of their pixels, pixel after pixel: [b, tokens, patch * patch * p]."""

    def __init__(self, config: GSLRMConfig) -> None:
        pixels = config.patch_size**2
        super().__init__(layer_norm(config.width), nn.Linear(config.width, pixels * config.parameters, bias=False))

    def forward(self, input: Tokens) -> Raw:
        norm, linear = self
        assert isinstance(norm, nn.LayerNorm)
        assert isinstance(linear, nn.Linear)
        return _full_precision(input, norm, linear)


def _full_precision(tokens: Tokens, norm: nn.LayerNorm, linear: nn.Linear) -> Raw:
    with torch.autocast(tokens.device.type, enabled=False):
        return linear(norm(tokens.float()))


def decode(
    config: GSLRMConfig,
    raw: Raw,
    origins: Float[Tensor, "b v 3 h w"],
    directions: Float[Tensor, "b v 3 h w"],
) -> StoredGaussians:
    """Raw parameters (global Gaussians first) -> Gaussians; those of pixels lie on their rays.

    Position: depth = (2 sigmoid(mean(x0, x1, x2)) - 1) * depth_range + t0 along the unit ray, t0 = -(o . d); that of a
    global Gaussian is taken as it is. Log scale: min(x + shift, limit). Opacity logit: x + shift. Nothing is clamped
    to a box: the release's clamp never ran.
    """
    k, count = config.coefficients, config.global_gaussians
    with torch.autocast(raw.device.type, enabled=False):
        xyz, colour, scale, rotation, opacity = raw.float().split([3, 3 * k, 3, 4, 1], dim=-1)
        o = _a_pixel(origins, config.patch_size)
        d = _a_pixel(directions, config.patch_size)
        t0 = _a_pixel(nearest_offset(origins, directions), config.patch_size)
        inside = torch.sigmoid(xyz[:, count:].mean(dim=-1, keepdim=True))
        on_rays = o + ((2.0 * inside - 1.0) * config.depth_range + t0) * d
        return StoredGaussians(
            xyz=torch.cat([xyz[:, :count], on_rays], dim=1),
            features=colour.unflatten(-1, (k, 3)),
            scaling=(scale + config.scale_shift).clamp(max=config.scale_limit),
            rotation=rotation,
            opacity=opacity + config.opacity_shift,
        )


def _a_pixel(maps: Float[Tensor, "b v c h w"], patch: int) -> Float[Tensor, "b pixels c"]:
    """Images as values a pixel, in token order."""
    return patchify(maps, patch).reshape(len(maps), -1, maps.shape[2])
