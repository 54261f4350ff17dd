"""Images to tokens and back: square patches, view by view, row by row."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


def patchify(maps: Float[Tensor, "b v c h w"], patch: int) -> Float[Tensor, "b tokens values"]:
    """Tokens in order (view, patch row, patch column); inside one (row, column, channel), channel fastest."""
    b, v, c, h, w = maps.shape
    grid = maps.reshape(b, v, c, h // patch, patch, w // patch, patch)
    return grid.permute(0, 1, 3, 5, 4, 6, 2).reshape(b, v * (h // patch) * (w // patch), patch * patch * c)


def unpatchify(
    values: Float[Tensor, "b pixels c"], views: int, height: int, width: int, patch: int
) -> Float[Tensor, "b {views} c {height} {width}"]:
    """Values a pixel in token order, as the per-pixel Gaussians come, back to images: the inverse of `patchify`."""
    b, _, c = values.shape
    grid = values.reshape(b, views, height // patch, width // patch, patch, patch, c)
    return grid.permute(0, 1, 6, 2, 4, 3, 5).reshape(b, views, c, height, width)


class Patchify(nn.Module):
    """`patchify` as a layer without parameters."""

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patch = patch

    def forward(self, maps: Float[Tensor, "b v c h w"]) -> Float[Tensor, "b tokens values"]:
        return patchify(maps, self.patch)


def patch_embedder(channels: int, patch: int, width: int) -> nn.Sequential:
    """Patches through one linear map without bias; nothing is normalised, no position is added."""
    return nn.Sequential(Patchify(patch), nn.Linear(channels * patch * patch, width, bias=False))


def global_tokens(count: int, width: int) -> nn.Parameter:
    """The learned tokens that belong to no pixel: [count, width], normal with deviation 0.02 within +-2."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(count, width), std=0.02, a=-2.0, b=2.0))
