"""The reference renderer: plain torch, any device, differentiable to the Gaussians and to the camera. Slow, obvious."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mouselift.render.base import (
    DILATION,
    MAX_ALPHA,
    MAX_VARIANCE,
    MIN_ALPHA,
    MIN_QUATERNION,
    MIN_TRANSMITTANCE,
    NEAR,
    SLOPE_LIMIT,
    WHITE,
    Colour,
    Gaussians,
    RenderCamera,
    Renderer,
    Rendering,
)

_TILE = 16  # pixels a side; decides speed only
_CHUNK = 256  # Gaussians taken together; decides memory and speed only


@dataclass(frozen=True, eq=False)
class Projected:
    """The m Gaussians that touch the image, front to back."""

    index: Int64[Tensor, " m"]  # into the Gaussians
    centres: Float[Tensor, "m 2"]  # pixels
    covariances: Float[Tensor, "m 3"]  # px^2: xx, xy, yy, dilated
    opacities: Float[Tensor, " m"]
    colours: Float[Tensor, "m 3"]
    reach: Float[Tensor, "m 2"]  # pixels: half sides of the box outside which alpha is below 1/255


@dataclass(frozen=True)
class ReferenceRenderer(Renderer):
    """Tile by tile, the Gaussians in depth order; automatic differentiation keeps all it needs.

    Memory for gradients: some 60 bytes a pixel and Gaussian whose boxes share a tile. Use float64 Gaussians for
    reference values: images of needles a hundred pixels long are off by 1 % in float32.
    """

    def render(self, gaussians: Gaussians, camera: RenderCamera, background: Colour = WHITE) -> Rendering:
        """As `Renderer.render`."""
        flat = project(gaussians, camera)
        behind = gaussians.positions.new_tensor(background)
        strips = []
        for top in range(0, camera.height, _TILE):
            bottom = min(top + _TILE, camera.height)
            near = (flat.centres[:, 1] + flat.reach[:, 1] >= top) & (flat.centres[:, 1] - flat.reach[:, 1] <= bottom)
            strip = _taken(flat, near)
            tiles = []
            for left in range(0, camera.width, _TILE):
                right = min(left + _TILE, camera.width)
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


def matrices_of(rotations: Float[Tensor, "n 4"]) -> Float[Tensor, "n 3 3"]:
    """Rotation matrices of quaternions (w first, any length but zero)."""
    w, x, y, z = (rotations / rotations.norm(dim=1, keepdim=True)).unbind(dim=1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, dim=1).reshape(-1, 3, 3)


def project(gaussians: Gaussians, camera: RenderCamera) -> Projected:
    """All that can be seen, sorted by depth (stable: equal depths keep their order)."""
    index = _sane(gaussians)
    colours = gaussians.colours_seen_from(camera.centre)
    with torch.no_grad():
        depth, centres, covariances = _to_plane(gaussians, camera, index)
        opacities = gaussians.opacities[index]
        reach = _reach(covariances, opacities)
        size = centres.new_tensor([camera.width, camera.height])
        # the outermost pixel centres lie half a pixel inside the border
        seen = ((centres + reach >= 0.5) & (centres - reach <= size - 0.5)).all(dim=1) & (depth > NEAR)
        seen &= (covariances[:, [0, 2]] < MAX_VARIANCE).all(dim=1) & torch.isfinite(colours[index]).all(dim=1)
        order = torch.argsort(depth[seen], stable=True)
        index, reach = index[seen][order], reach[seen][order]
    _, centres, covariances = _to_plane(gaussians, camera, index)
    return Projected(index, centres, covariances, gaussians.opacities[index], colours[index], reach)


def _sane(gaussians: Gaussians) -> Int64[Tensor, " m"]:
    """Indices of those that are finite, opaque enough to be seen, and have a rotation."""
    with torch.no_grad():
        good = gaussians.opacities >= MIN_ALPHA
        for part in (gaussians.positions, gaussians.scales, gaussians.rotations, gaussians.opacities[:, None]):
            good &= torch.isfinite(part).all(dim=1)
        good &= gaussians.rotations.norm(dim=1) > MIN_QUATERNION
        return torch.nonzero(good)[:, 0]


def _to_plane(
    gaussians: Gaussians, camera: RenderCamera, index: Int64[Tensor, " m"]
) -> tuple[Float[Tensor, " m"], Float[Tensor, "m 2"], Float[Tensor, "m 3"]]:
    """(depths, centres, covariances) of the chosen Gaussians."""
    T = camera.T_cam_world.to(gaussians.positions)
    fx, fy, cx, cy = camera.intrinsics.to(gaussians.positions).unbind()
    p_cam = gaussians.positions[index] @ T[:3, :3].T + T[:3, 3]
    x, y, z = p_cam.unbind(dim=1)
    limit_x, limit_y = SLOPE_LIMIT * 0.5 * camera.width / fx.detach(), SLOPE_LIMIT * 0.5 * camera.height / fy.detach()
    u, v = (
        torch.minimum(torch.maximum(x / z, -limit_x), limit_x),
        torch.minimum(torch.maximum(y / z, -limit_y), limit_y),
    )
    zero = torch.zeros_like(z)
    J = torch.stack([fx / z, zero, -fx * u / z, zero, fy / z, -fy * v / z], dim=1).reshape(-1, 2, 3)
    axes = matrices_of(gaussians.rotations[index]) * gaussians.scales[index][:, None, :]
    M = J @ T[:3, :3] @ axes  # [m, 2, 3]: the Gaussian's axes in the image
    S = M @ M.transpose(1, 2)
    covariances = torch.stack([S[:, 0, 0] + DILATION, S[:, 0, 1], S[:, 1, 1] + DILATION], dim=1)
    return z, torch.stack([fx * x / z + cx, fy * y / z + cy], dim=1), covariances


def _reach(covariances: Float[Tensor, "m 3"], opacities: Float[Tensor, " m"]) -> Float[Tensor, "m 2"]:
    furthest = 2 * torch.log(opacities / MIN_ALPHA)  # squared Mahalanobis distance at which alpha is 1/255
    return torch.sqrt(furthest[:, None].clamp_min(0) * covariances[:, [0, 2]])
