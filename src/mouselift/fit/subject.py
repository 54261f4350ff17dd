"""What the input views show of the subject: where it is, how large a pixel is there, and the parts of the images."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mouselift.array_types import Float
from mouselift.data.sample import SampleTensors
from mouselift.errors import DatasetError
from mouselift.geometry.triangulation import meeting_point
from mouselift.render.base import RenderCamera

LOG = logging.getLogger(__name__)

INSIDE = 0.5  # of alpha: the subject's
_FAINT = 0.02  # of alpha: all of the subject's edge
_ROOM = 6  # pixels about the subject: as far as a Gaussian may stray in a few steps and still be called back


@dataclass(frozen=True, eq=False)
class Crop:
    """The part of one view that shows the subject."""

    colour: Float[Tensor, "3 h w"]  # times alpha: over black
    alpha: Float[Tensor, "h w"]
    camera: RenderCamera


@dataclass(frozen=True, eq=False)
class Subject:
    """Of one sample, from its input views that have a subject."""

    name: str  # of the sample
    inputs: tuple[int, ...]  # places among the sample's views
    crops: tuple[Crop, ...]
    centre: Float[Tensor, "3"]  # world: nearest to the rays through the masks' middles
    radius: float  # world units about the centre, within which the masks lie
    pixel: float  # world units of one pixel at the centre, median of the views


def subject_of(sample: SampleTensors, inputs: Sequence[int]) -> Subject:
    """DatasetError: a view without a mask, fewer than two views that show a subject, or views that look one way.

    Views whose mask is empty say nothing about the shape (the animal may be out of their sight) and are left out.
    """
    seen: list[int] = []
    for k in inputs:
        alpha = sample.image[k, 3]
        if bool((alpha == 1).all()):
            raise DatasetError(
                f"sample {sample.name}, view {sample.views[k]}: expected a mask (alpha), got an image without any "
                "transparent pixel; a fit starts from masks: see `mouselift mask`"
            )
        if bool((alpha > INSIDE).any()):
            seen.append(k)
        else:
            LOG.warning("sample %s, view %s: its mask is empty; the fit leaves it out", sample.name, sample.views[k])
    if len(seen) < 2:
        raise DatasetError(f"sample {sample.name}: expected at least 2 input views with a subject, got {len(seen)}")
    rays = [_middle_ray(sample, k) for k in seen]
    try:
        middle = meeting_point(np.stack([o for o, _ in rays]), np.stack([d for _, d in rays]))
    except ValueError as error:
        raise DatasetError(f"sample {sample.name}: its input views look the same way: {error}") from None
    centre = torch.from_numpy(middle).to(torch.float32)
    reaches, pixels = zip(*(_reach(sample, k, centre) for k in seen), strict=True)
    crops = tuple(_crop(sample, k) for k in seen)
    return Subject(sample.name, tuple(seen), crops, centre, max(reaches), float(np.median(pixels)))


def _middle_ray(sample: SampleTensors, k: int) -> tuple[np.ndarray, np.ndarray]:
    """(camera centre, unit direction through the mask's middle), world."""
    rows, columns = torch.nonzero(sample.image[k, 3] > INSIDE, as_tuple=True)
    fx, fy, cx, cy = sample.fxfycxcy[k].tolist()
    x, y = float(columns.double().mean()) + 0.5, float(rows.double().mean()) + 0.5
    T_world_cam = sample.c2w[k].double().numpy()
    along = T_world_cam[:3, :3] @ np.array([(x - cx) / fx, (y - cy) / fy, 1.0])
    return T_world_cam[:3, 3], along / np.linalg.norm(along)


def _reach(sample: SampleTensors, k: int, centre: Float[Tensor, "3"]) -> tuple[float, float]:
    """(the mask's furthest pixel from the centre's, that pixel's size), world units at the centre's depth."""
    rows, columns = torch.nonzero(sample.image[k, 3] > INSIDE, as_tuple=True)
    fx, fy, cx, cy = sample.fxfycxcy[k].tolist()
    x, y, z = (torch.linalg.inv(sample.c2w[k]) @ torch.cat([centre, torch.ones(1)]))[:3].tolist()
    size = abs(z) / fx
    away = torch.hypot(columns + 0.5 - (fx * x / z + cx), rows + 0.5 - (fy * y / z + cy))
    return float(away.max()) * size, size


def _crop(sample: SampleTensors, k: int) -> Crop:
    image, (height, width) = sample.image[k], sample.image.shape[-2:]
    faint = image[3] > _FAINT
    rows, columns = faint.any(dim=1).nonzero()[:, 0], faint.any(dim=0).nonzero()[:, 0]
    y0, y1 = max(0, int(rows[0]) - _ROOM), min(height, int(rows[-1]) + 1 + _ROOM)
    x0, x1 = max(0, int(columns[0]) - _ROOM), min(width, int(columns[-1]) + 1 + _ROOM)
    intrinsics = sample.fxfycxcy[k] - torch.tensor([0.0, 0.0, x0, y0])
    camera = RenderCamera.posed(sample.c2w[k], intrinsics, x1 - x0, y1 - y0)
    part = image[:, y0:y1, x0:x1]
    return Crop(part[:3] - sample.background[:, None, None] * (1 - part[3]), part[3].clone(), camera)
