"""Scores on views that the network did not get, while training: figures, and a picture of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mouselift.array_types import ImageRGB
from mouselift.atomic import write_whole
from mouselift.data.dataset import MultiViewDataset
from mouselift.media.encode import encode_jpeg
from mouselift.models.gslrm.model import GSLRM
from mouselift.reconstruct.metrics import view_scores
from mouselift.reconstruct.sample import background_of, camera_of
from mouselift.render.base import Gaussians, Renderer, draw
from mouselift.render.orbit import levels_of

_SHOWN = 4  # samples in a picture
_QUALITY = 92  # of the JPEG


@dataclass(frozen=True)
class Validation:
    """Means over samples and views; foreground figures, as `evaluate` has them."""

    psnr: float  # dB; NaN where no view has a subject
    iou: float
    views: dict[str, float]  # camera -> PSNR


def validate(
    model: GSLRM, renderer: Renderer, dataset: MultiViewDataset, device: torch.device, picture: Path | None = None
) -> Validation:
    """One sample and one view at a time, so that it needs less memory than training. Leaves the model as it was."""
    scores: dict[str, list[tuple[float, float]]] = {}
    rows: list[ImageRGB] = []
    training = model.training
    model.eval()
    with torch.no_grad():
        for place in range(len(dataset)):
            sample = dataset[place]
            parts = (sample.image, sample.c2w, sample.fxfycxcy)
            made = model(*(part[sample.inputs][None].to(device) for part in parts))
            gaussians = Gaussians.from_stored(*made.of_sample(0))
            background = background_of(sample)
            row: list[ImageRGB] = []
            for k in sample.targets.tolist():
                drawn = draw(renderer, gaussians, camera_of(sample, k), background)
                target = sample.image[k].to(drawn.colour.device)
                found = view_scores(drawn.colour, drawn.alpha, target, background)
                scores.setdefault(sample.views[k], []).append((found.foreground_psnr, found.iou))
                row += [levels_of(sample.image[k, :3]), levels_of(drawn.colour)]
            if len(rows) < _SHOWN:
                rows.append(np.concatenate(row, axis=1))
    model.train(training)
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        write_whole(picture, encode_jpeg(np.ascontiguousarray(np.concatenate(rows)), _QUALITY), replace=True)
    return Validation(
        _mean(psnr for each in scores.values() for psnr, _ in each),
        _mean(iou for each in scores.values() for _, iou in each),
        {name: _mean(psnr for psnr, _ in each) for name, each in scores.items()},
    )


def _mean(values: Iterator[float]) -> float:
    """Of those that are defined."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
