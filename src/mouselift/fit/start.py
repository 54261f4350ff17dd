"""Gaussians to start from: on the visual hull of the input views' masks, one a pixel, in the pixels' colours."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mouselift.array_types import Float
from mouselift.data.rays import nearest_offset, pixel_rays
from mouselift.data.sample import SampleTensors
from mouselift.errors import DatasetError
from mouselift.fit.subject import INSIDE, Subject
from mouselift.models.gslrm.hull_prior import hull_maps
from mouselift.render.base import Gaussians

MOST = 20_000  # Gaussians: a subject of 60 x 60 pixels in 5 views; of larger images every second pixel, or third, ...
_SIZE = 0.8  # standard deviation in pixels: neighbours a pixel apart close the surface
_OPACITY = 0.8  # solid, and still with a gradient
_REACH = 1.3  # of the subject's radius: the hull of few views is longer than the masks


def hull_start(sample: SampleTensors, subject: Subject) -> Gaussians:
    """Where each ray of a subject's pixel enters the hull of the other views (`hull_maps`): at most `MOST` Gaussians.

    Balls of the pixel's size there, of its colour without the background. DatasetError where no ray meets a hull.
    """
    chosen, centre = list(subject.inputs), subject.centre
    images, K, c2w = sample.image[chosen], sample.fxfycxcy[chosen], sample.c2w[chosen].clone()
    c2w[:, :3, 3] -= centre  # the hull is looked for about the origin
    origins, directions = pixel_rays(c2w[None], K[None], *images.shape[-2:])
    maps = hull_maps(images[None, :, 3], c2w[None], K[None], origins, directions, _REACH * subject.radius)[0]
    offsets = nearest_offset(origins, directions)[0, :, 0]
    known = (maps[:, 1] > 0) & (images[:, 3] > INSIDE)
    count = int(known.sum())
    if not count:
        raise DatasetError(
            f"sample {sample.name}: the masks of {', '.join(sample.views[k] for k in chosen)} share no volume; "
            "`mouselift audit` looks for wrong cameras and masks"
        )
    stride = max(1, math.ceil(math.sqrt(count / MOST)))
    grid = torch.zeros_like(known)
    grid[:, ::stride, ::stride] = True
    view, row, column = torch.nonzero(known & grid, as_tuple=True)
    depth = (maps[:, 0] + offsets)[view, row, column]
    o, d = (part[0][view, :, row, column] for part in (origins, directions))
    alpha = images[view, 3, row, column]
    colours = images[view, :3, row, column] - sample.background * (1 - alpha[:, None])
    return _balls(o + depth[:, None] * d + centre, stride * depth / K[view, 0], (colours / alpha[:, None]).clamp(0, 1))


def _balls(positions: Float[Tensor, "n 3"], sizes: Float[Tensor, " n"], colours: Float[Tensor, "n 3"]) -> Gaussians:
    n = len(positions)
    scales, rotations = (_SIZE * sizes)[:, None].repeat(1, 3), torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(n, 1)
    return Gaussians(positions, scales, rotations, torch.full((n,), _OPACITY), colours)
