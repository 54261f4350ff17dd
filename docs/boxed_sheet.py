"""Contact sheet of what the network in the box makes of animals: a view that never went in beside the truth."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from mouselift.array_types import ImageRGB
from mouselift.data.dataset import MultiViewDataset
from mouselift.dataset.layout import find_samples
from mouselift.progress import silent
from mouselift.reconstruct.fit_source import RefinedSource
from mouselift.reconstruct.gaussian_source import BOX, NetworkSource, Source
from mouselift.reconstruct.metrics import view_scores
from mouselift.reconstruct.options import BOX_SIZE
from mouselift.reconstruct.sample import background_of, camera_of
from mouselift.render.backends import renderer_for
from mouselift.render.base import draw
from mouselift.report.sheet import INK, caption, contact_sheet
from mouselift.sampling import evenly_spaced
from mouselift.synthetic.individual import HELD_OUT
from mouselift.synthetic.samples import SampleOptions, write_samples

_INDIVIDUALS = HELD_OUT[2000:2003]  # nothing was trained, chosen or judged on them
_REFINE = 60


def boxed_sheet(dataset: Path, cell: int = 190) -> ImageRGB:
    """Three synthetic individuals on the left, three instants of a prepared recording on the right."""
    network = NetworkSource(BOX, device_name="cpu")
    sources = (network, RefinedSource(network, _REFINE))
    with tempfile.TemporaryDirectory() as scratch:
        write_samples(Path(scratch), _INDIVIDUALS, 1, SampleOptions(framing="canonical"))
        synthetic = [_row(folder, sources, cell) for folder in find_samples(Path(scratch))]
    real = [_row(folder, sources, cell) for folder in evenly_spaced(find_samples(dataset), len(synthetic))]
    columns = ["synthetic, never given", "network", f"network, {_REFINE} steps"]
    columns += ["real, never given", *columns[1:]]
    rows = [[*left, *right] for left, right in zip(synthetic, real, strict=True)]
    return np.asarray(contact_sheet(rows, [""] * len(rows), columns))


def _row(folder: Path, sources: Sequence[Source], cell: int) -> list[np.ndarray]:
    """[truth, network, network and fit] of one view, its PSNR and overlap written on the latter two."""
    small = MultiViewDataset([folder], size=BOX_SIZE)[0]
    every = range(len(small.views))
    extra = [k for k in every if small.views[k].startswith("extra")]  # synthetic: exact views beside the noisy ones
    out = extra[0] if extra else len(every) // 2
    inputs = [k for k in every if k not in (out, *extra)]
    background = background_of(small)
    tiles = [_tile(small.image[out], cell)]
    for source in sources:
        gaussians = source.gaussians(small, inputs, silent)
        drawn = draw(renderer_for(gaussians.positions.device), gaussians, camera_of(small, out), background)
        scores = view_scores(drawn.colour, drawn.alpha, small.image[out], background)
        tiles.append(_tile(drawn.colour, cell, f"{scores.foreground_psnr:.1f} dB, {scores.iou:.2f}"))
    return tiles


def _tile(image: Tensor, side: int, scores: str = "") -> np.ndarray:
    """[3, h, w] of 0..1 as a square tile, the scores at its foot."""
    levels = (image[:3].permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    tile = np.ascontiguousarray(cv2.resize(levels, (side, side), interpolation=cv2.INTER_CUBIC))
    caption(tile, scores, (4, side - 6), INK)
    return tile
