"""Gaussians to the image's plane, in plain torch: the readable twin of the compiled projection."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mouselift.render.base import (
    DILATION,
    MAX_VARIANCE,
    MIN_ALPHA,
    MIN_QUATERNION,
    NEAR,
    SLOPE_LIMIT,
    Gaussians,
    View,
)


@dataclass(frozen=True, eq=False)
class Projected:
    """The m Gaussians that touch the image, front to back."""

    index: Int64[Tensor, " m"]  # into the Gaussians
    centres: Float[Tensor, "m 2"]  # pixels
    covariances: Float[Tensor, "m 3"]  # px^2: xx, xy, yy, dilated
    opacities: Float[Tensor, " m"]
    colours: Float[Tensor, "m 3"]
    reach: Float[Tensor, "m 2"]  # pixels: half sides of the box outside which alpha is below 1/255


def matrices_of(rotations: Float[Tensor, "n 4"]) -> Float[Tensor, "n 3 3"]:
    """Rotation matrices of quaternions (w first, any length but zero)."""
    w, x, y, z = (rotations / rotations.norm(dim=1, keepdim=True)).unbind(dim=1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, dim=1).reshape(-1, 3, 3)


def project(gaussians: Gaussians, view: View) -> Projected:
    """All that can be seen, sorted by depth (stable: equal depths keep their order)."""
    index = _sane(gaussians)
    colours = gaussians.colours_seen_from(view.centre)
    with torch.no_grad():
        depth, centres, covariances = _to_plane(gaussians, view, index)
        opacities = gaussians.opacities[index]
        reach = _reach(covariances, opacities)
        size = centres.new_tensor([view.width, view.height])
        # the outermost pixel centres lie half a pixel inside the border
        seen = ((centres + reach >= 0.5) & (centres - reach <= size - 0.5)).all(dim=1) & (depth > NEAR)
        seen &= (covariances[:, [0, 2]] < MAX_VARIANCE).all(dim=1) & torch.isfinite(colours[index]).all(dim=1)
        order = torch.argsort(depth[seen], stable=True)
        index, reach = index[seen][order], reach[seen][order]
    _, centres, covariances = _to_plane(gaussians, view, index)
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
    gaussians: Gaussians, view: View, index: Int64[Tensor, " m"]
) -> tuple[Float[Tensor, " m"], Float[Tensor, "m 2"], Float[Tensor, "m 3"]]:
    """(depths, centres, covariances) of the chosen Gaussians."""
    T = view.T_cam_world.to(gaussians.positions)
    fx, fy, cx, cy = view.intrinsics.to(gaussians.positions).unbind()
    p_cam = gaussians.positions[index] @ T[:3, :3].T + T[:3, 3]
    x, y, z = p_cam.unbind(dim=1)
    limit_x, limit_y = SLOPE_LIMIT * 0.5 * view.width / fx.detach(), SLOPE_LIMIT * 0.5 * view.height / fy.detach()
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
