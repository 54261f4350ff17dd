"""Rays of pixels, in torch: what the model sees of a camera.

Convention (docs/concepts/conventions.md): pixel (row j, column i) has its centre at (i + 0.5, j + 0.5); OpenCV axes;
`c2w` is T_world_cam. Their float64 twin, which the tests compare with, is `tests/shared/pluecker_reference.py`.
Letters: b batch, v views, h and w rows and columns.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mouselift.array_types import Float

Poses = Float[Tensor, "*b v 4 4"]  # T_world_cam
Intrinsics = Float[Tensor, "*b v 4"]  # fx, fy, cx, cy in pixels of the image
RayMaps = Float[Tensor, "*b v 3 h w"]  # a world vector for every pixel


def pixel_rays(c2w: Poses, fxfycxcy: Intrinsics, height: int, width: int) -> tuple[RayMaps, RayMaps]:
    """(origins, unit directions) of the rays through all pixel centres, in the world.

    p = ((i + 0.5 - cx) / fx, (j + 0.5 - cy) / fy, 1); d = R p / |p|; o = the camera's centre, repeated.
    """
    x = torch.arange(width, device=c2w.device, dtype=c2w.dtype) + 0.5
    y = torch.arange(height, device=c2w.device, dtype=c2w.dtype) + 0.5
    fx, fy, cx, cy = fxfycxcy[..., None].unbind(-2)
    across = ((x - cx) / fx)[..., None, :].expand(*c2w.shape[:-2], height, width)
    down = ((y - cy) / fy)[..., :, None].expand_as(across)
    d_cam = torch.stack([across, down, torch.ones_like(across)], dim=-3)
    d = torch.einsum("...ij,...jhw->...ihw", c2w[..., :3, :3], d_cam)
    d = d / d.square().sum(dim=-3, keepdim=True).sqrt()  # torch's own norm takes 30 times as long over this dimension
    o = c2w[..., :3, 3, None, None].expand_as(d)
    return o, d


def nearest_offset(origins: RayMaps, directions: RayMaps) -> Float[Tensor, "*b v 1 h w"]:
    """t0 = -(o . d): how far along each unit ray its point nearest the world's origin lies, world units."""
    return -(origins * directions).sum(dim=-3, keepdim=True)


def nearest_points(origins: RayMaps, directions: RayMaps) -> RayMaps:
    """o + t0 d: each line's point nearest the world's origin (equal to d x m, with the moment m = o x d)."""
    return origins + nearest_offset(origins, directions) * directions


def input_channels(
    rgb: Float[Tensor, "*b v 3 h w"], origins: RayMaps, directions: RayMaps
) -> Float[Tensor, "*b v 9 h w"]:
    """The nine channels of the released model: 2 rgb - 1, direction, nearest point.

    rgb in [0, 1]. The cameras are data here: no gradient flows to them.
    """
    with torch.no_grad():
        lines = torch.cat([directions, nearest_points(origins, directions)], dim=-3)
    return torch.cat([2.0 * rgb - 1.0, lines], dim=-3)
