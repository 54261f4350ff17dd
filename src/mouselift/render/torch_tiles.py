"""The reference renderer: plain torch, any device, differentiable to the Gaussians and to the camera. Slow, obvious."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mouselift.render.base import (
    DILATION,
    MAX_ALPHA,
    MIN_ALPHA,
    MIN_TRANSMITTANCE,
    WHITE,
    Colour,
    Gaussians,
    Rendering,
    View,
)
from mouselift.render.project import Projected, project

_TILE = 16  # pixels a side; decides speed only
_CHUNK = 256  # Gaussians taken together; decides memory and speed only


@dataclass(frozen=True)
class ReferenceRenderer:
    """Tile by tile, the Gaussians in depth order; automatic differentiation keeps all it needs.

    Memory for gradients: some 60 bytes a pixel and Gaussian whose boxes share a tile. Use float64 Gaussians for
    reference values: images of needles a hundred pixels long are off by 1 % in float32.
    """

    def render(self, gaussians: Gaussians, view: View, background: Colour = WHITE) -> Rendering:
        """As `Renderer.render`."""
        flat = project(gaussians, view)
        behind = gaussians.positions.new_tensor(background)
        strips = []
        for top in range(0, view.height, _TILE):
            bottom = min(top + _TILE, view.height)
            near = (flat.centres[:, 1] + flat.reach[:, 1] >= top) & (flat.centres[:, 1] - flat.reach[:, 1] <= bottom)
            strip = _taken(flat, near)
            tiles = []
            for left in range(0, view.width, _TILE):
                right = min(left + _TILE, view.width)
                x, reach = strip.centres[:, 0], strip.reach[:, 0]
                inside = _taken(strip, (x + reach >= left) & (x - reach <= right))
                tiles.append(_tile(inside, (left, top, right, bottom), behind))
            strips.append(torch.cat(tiles, dim=2))
        # the sum of none: zero, but it ties an empty image to the Gaussians, so that gradients are zero, not missing
        whole = torch.cat(strips, dim=1) + flat.colours[:0].sum()
        return Rendering(whole[:3], whole[3])


def _taken(flat: Projected, which: Bool[Tensor, " m"]) -> Projected:
    index = torch.nonzero(which)[:, 0]
    parts = (flat.index, flat.centres, flat.covariances, flat.opacities, flat.colours, flat.reach)
    return Projected(*(part[index] for part in parts))


def _tile(flat: Projected, box: tuple[int, int, int, int], behind: Float[Tensor, "3"]) -> Float[Tensor, "4 h w"]:
    """Colour over the background, and alpha, of the pixels in `box` (left, top, right, bottom)."""
    left, top, right, bottom = box
    kind = {"dtype": behind.dtype, "device": behind.device}
    x = torch.arange(left, right, **kind) + 0.5  # pixel centres
    y = torch.arange(top, bottom, **kind) + 0.5
    pixels = torch.cartesian_prod(y, x).flip(1)
    light = torch.ones(len(pixels), **kind)
    colour = torch.zeros(len(pixels), 3, **kind)
    live = torch.ones(len(pixels), dtype=torch.bool, device=behind.device)
    for start in range(0, len(flat.index), _CHUNK):
        part = slice(start, start + _CHUNK)
        alpha = _alphas(pixels, flat.centres[part], flat.covariances[part], flat.opacities[part])
        with torch.no_grad():
            # what would leave too little light is not drawn, nor anything behind it: products only fall
            drawn = (light[:, None] * torch.cumprod(1 - alpha, dim=1) >= MIN_TRANSMITTANCE) & live[:, None]
            live = live & drawn[:, -1]
        alpha = torch.where(drawn, alpha, 0.0)
        after = light[:, None] * torch.cumprod(1 - alpha, dim=1)
        before = torch.cat([light[:, None], after[:, :-1]], dim=1)
        colour = colour + (alpha * before) @ flat.colours[part]
        light = after[:, -1]
        if not bool(live.any()):
            break
    out = torch.cat([colour + light[:, None] * behind, 1 - light[:, None]], dim=1)
    return out.T.reshape(4, bottom - top, right - left)


def _alphas(
    pixels: Float[Tensor, "p 2"],
    centres: Float[Tensor, "m 2"],
    covariances: Float[Tensor, "m 3"],
    opacities: Float[Tensor, " m"],
) -> Float[Tensor, "p m"]:
    """Alpha of each Gaussian at each pixel; 0 where it is below 1/255."""
    dx, dy = pixels[:, :1] - centres[:, 0], pixels[:, 1:] - centres[:, 1]
    xx, xy, yy = covariances.unbind(dim=1)
    determinant = (xx * yy - xy * xy).clamp_min(DILATION**2)  # never below that but for rounding
    a, b, c = yy / determinant, -2 * xy / determinant, xx / determinant
    squared = ((a * dx + b * dy) * dx + c * dy * dy).clamp_min(0.0)
    alpha = (opacities * torch.exp(-0.5 * squared)).clamp_max(MAX_ALPHA)
    return torch.where(alpha >= MIN_ALPHA, alpha, 0.0)
