"""Specks beside the animal: a network's Gaussians that the masks say are not of the subject.

Where masks lack a part, or nothing is known of a ray, a network places Gaussians anywhere along it. Two other masks
then see them outside. One mask that does so may itself lack a part.
"""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from mouselift.array_types import Bool, Float
from mouselift.models.gslrm.packing import near_subject
from mouselift.render.base import Gaussians

LOG = logging.getLogger(__name__)

# Of an image's side, by which masks are grown: docs/evidence/performance.md, "Specks beside the animal".
MARGIN = 3 / 128
MASKS = 2  # that must see a centre outside: ditto


def without_specks(
    gaussians: Gaussians,
    alpha: Float[Tensor, "v h w"],
    c2w: Float[Tensor, "v 4 4"],
    fxfycxcy: Float[Tensor, "v 4"],
    name: str,
) -> Gaussians:
    """Those whose centre fewer than `MASKS` of the views see outside their masks, in their order.

    alpha, c2w, fxfycxcy: of the views that went in, as `SampleTensors`. A view says nothing of a centre behind it or
    beside its image, nor where its mask is empty (the animal may be out of its sight). Where all would go, masks and
    cameras contradict one another: all stay, with a warning that names the sample.
    """
    outside = sum(
        _outside(gaussians.positions, *view)
        for view in zip(alpha, c2w, fxfycxcy, strict=True)
        if bool((view[0] > 0).any())
    )
    kept = torch.as_tensor(outside, device=gaussians.positions.device).expand(len(gaussians)) < MASKS
    if not bool(kept.any()):
        LOG.warning(
            "sample %s: every Gaussian lies outside %d masks that went in; masks and cameras contradict one another: "
            "`mouselift audit` looks for what is wrong. All are kept",
            name,
            MASKS,
        )
        return gaussians
    return gaussians.chosen(kept)


def _outside(
    positions: Float[Tensor, "n 3"],
    alpha: Float[Tensor, "h w"],
    c2w: Float[Tensor, "4 4"],
    fxfycxcy: Float[Tensor, "4"],
) -> Bool[Tensor, " n"]:
    """Whether a view sees each, and beside its subject."""
    height, width = alpha.shape
    allowed = near_subject(alpha[None, None], round(MARGIN * max(height, width)))[0, 0]
    w2c = torch.linalg.inv(c2w)
    x, y, z = (positions @ w2c[:3, :3].T + w2c[:3, 3]).unbind(dim=1)
    fx, fy, cx, cy = fxfycxcy.unbind()
    before = z > 0
    depth = torch.where(before, z, 1.0)
    column, row = (fx * x / depth + cx).floor(), (fy * y / depth + cy).floor()
    seen = before & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    i, j = (torch.where(seen, place, 0).long() for place in (row, column))
    return seen & ~allowed[i, j]
