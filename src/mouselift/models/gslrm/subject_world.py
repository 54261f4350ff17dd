"""A world of the subject's own for the network: origin on the subject, unit such that every rig's pixels are as wide.

A network that reads rays sees how wide a pixel is in world units, and its Gaussians are as wide. Lenses differ by ten
times in that, and a network trained on some fails on others. A similarity of the world moves cameras and Gaussians
together and leaves every picture as it is; so the network works in a world where that width is always the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from mouselift.array_types import Float
from mouselift.models.gslrm.stored import StoredGaussians

_TO_ORIGIN = 1e-3  # weight of the world's origin beside a view's: one ray alone meets nothing


class SubjectWorld(NamedTuple):
    """x_subject = scale * (x_world - centre), of each sample."""

    centre: Float[Tensor, "b 3"]  # world units
    scale: Float[Tensor, " b"]

    def cameras(self, c2w: Float[Tensor, "b v 4 4"]) -> Float[Tensor, "b v 4 4"]:
        """T_world_cam -> T_subject_cam: centres move, axes stay."""
        moved = c2w.clone()
        moved[..., :3, 3] = self.scale[:, None, None] * (c2w[..., :3, 3] - self.centre[:, None])
        return moved

    def back(self, gaussians: StoredGaussians) -> StoredGaussians:
        """Gaussians of the subject's world -> of the sample's."""
        scale = self.scale[:, None, None]
        xyz = gaussians.xyz / scale + self.centre[:, None]
        return replace(gaussians, xyz=xyz, scaling=gaussians.scaling - scale.log())


def subject_world(
    alpha: Float[Tensor, "b v h w"], c2w: Float[Tensor, "b v 4 4"], fxfycxcy: Float[Tensor, "b v 4"], pixel_width: float
) -> SubjectWorld:
    """Where the rays through the masks' centroids meet, and there a pixel is `pixel_width` units wide.

    argmin_X sum_v |(I - d_v d_v^T)(X - o_v)|^2, as `geometry.triangulation`; a view without a subject has no part in
    it. The width: geometric mean of distance / fx over those views. Without any subject: about the world's origin.
    """
    h, w = alpha.shape[2:]
    x, y = (torch.arange(n, device=alpha.device, dtype=alpha.dtype) + 0.5 for n in (w, h))
    mass = alpha.sum(dim=(2, 3))
    seen = (mass > 0).to(alpha.dtype)
    least = mass.clamp_min(torch.finfo(alpha.dtype).tiny)
    middle = torch.stack([(alpha.sum(dim=2) * x).sum(dim=2) / least, (alpha.sum(dim=3) * y).sum(dim=2) / least], dim=-1)
    slopes = (middle - fxfycxcy[..., 2:]) / fxfycxcy[..., :2]
    d_cam = torch.cat([slopes, torch.ones_like(slopes[..., :1])], dim=-1)
    d = torch.nn.functional.normalize((c2w[..., :3, :3] @ d_cam[..., None])[..., 0], dim=-1)
    eye = torch.eye(3, device=alpha.device, dtype=alpha.dtype)
    across = seen[..., None, None] * (eye - d[..., :, None] * d[..., None, :])  # [b, v, 3, 3]
    origins = c2w[..., :3, 3]
    meeting = (across @ origins[..., None]).sum(dim=1)
    centre = torch.linalg.solve(across.sum(dim=1) + _TO_ORIGIN * eye, meeting)[..., 0]
    weights = torch.where(seen.sum(dim=1, keepdim=True) > 0, seen, 1.0)
    distance = torch.linalg.vector_norm(origins - centre[:, None], dim=-1)
    widths = (distance / fxfycxcy[..., 0]).clamp_min(torch.finfo(alpha.dtype).tiny).log()
    width = ((weights * widths).sum(dim=1) / weights.sum(dim=1)).exp()
    return SubjectWorld(centre, pixel_width / width)
