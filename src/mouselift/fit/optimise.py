"""Gaussians fitted to the input views by Adam: the same optimisation from the hull and from a network's Gaussians.

All views in every step, the subject's part of each only. Rates are in units that do not depend on the sample: pixels of
the views at the subject's centre, logarithms, logits. In every step some Gaussians are left out by chance, so that none
explains a view alone, and outlines stay closed in views that never went in (Park et al., "DropGaussian", CVPR 2025,
arXiv:2504.00773; without its compensation of opacities). One thread, one seed: equal input gives equal bytes.
Rates and weights: `benchmarks/fit.py` prints what they reach; they were set on other samples than it judges.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from scipy.spatial import KDTree
from torch import Tensor

from mouselift.array_types import Array, Float, Int64
from mouselift.fit.subject import Crop, Subject
from mouselift.gaussians.splats import SH_DC
from mouselift.progress import Progress, silent
from mouselift.render.base import MIN_ALPHA, Gaussians, Renderer, Rendering
from mouselift.render.shape import needles

BLACK = (0.0, 0.0, 0.0)
_RATES = {"positions": 0.2, "scales": 0.03, "rotations": 0.02, "opacities": 0.05, "colours": 0.02}
_FULL = 200  # steps for which the rates are; in fewer, all but positions move faster, so as to get as far
_FASTEST = 2.0  # times as fast; four times had less, of 60 steps
_LEAST_RATE = 0.05  # of the first step's, at the end of half a cosine
_LARGEST = 1.6  # pixels: standard deviation of what is not larger from the start
_NEIGHBOURS = 8
_COLOUR = 6.0  # weight, alpha's being 1: at 1, colours at the outline lag behind, and in views never given they show
_FAINTEST = 1 / 255  # of alpha that has a colour of its own
_SMOOTH = 2.0  # weight: colours like their neighbours', for points that few views see
_NEEDLES = 0.01  # weight
_LEFT_OUT = 0.3  # share of the Gaussians in every step; less misses more of a view never given, more adds around it
_BRIGHTEST = 0.98  # quantile of the first colours that none exceeds: else bright Gaussians stand in for holes


def fitted(
    start: Gaussians,
    subject: Subject,
    renderer: Renderer,
    steps: int,
    progress: Progress = silent,
) -> Gaussians:
    """The Gaussians after so many steps, in their order; 0 steps: as they came. Those that nothing shows are left out.

    progress: hears "steps".
    """
    if steps == 0:
        return start
    with _one_thread():
        return _run(start, subject, renderer, steps, progress)


def _run(start: Gaussians, subject: Subject, renderer: Renderer, steps: int, progress: Progress) -> Gaussians:
    device, pixel = start.positions.device, subject.pixel
    centre, crops = subject.centre.to(device), [_on(crop, device) for crop in subject.crops]
    unit = 1.0 if start.colours.ndim == 2 else SH_DC  # harmonics too move, and are alike, in units of colours
    leaves = {
        "positions": (start.positions.detach() - centre) / pixel,
        "scales": start.scales.detach().log(),
        "rotations": start.rotations.detach().clone(),
        "opacities": start.opacities.detach().double().clamp(1e-6, 1 - 1e-6).logit().float(),
        "colours": start.colours.detach() * unit,
    }
    largest = leaves["scales"].max(dim=1, keepdim=True).values.clamp_min(math.log(_LARGEST * pixel))
    limits = _limits(_constant(leaves["colours"]))
    near = _neighbours(start.positions.detach().cpu().numpy()).to(device)
    optimiser = torch.optim.Adam(
        [{"params": [leaf.requires_grad_()], "lr": _RATES[name]} for name, leaf in leaves.items()], betas=(0.9, 0.99)
    )

    def now(kept: Float[Tensor, " n"] | float = 1.0) -> Gaussians:
        return Gaussians(
            leaves["positions"] * pixel + centre,
            torch.minimum(leaves["scales"], largest).exp(),
            leaves["rotations"],
            leaves["opacities"].sigmoid() * kept,
            leaves["colours"] / unit,
        )

    pace = min(_FASTEST, max(1.0, _FULL / steps))
    chance = torch.Generator().manual_seed(0)  # of the CPU: the same choice for every device
    for step in range(steps):
        share = max(_LEAST_RATE, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group, (name, rate) in zip(optimiser.param_groups, _RATES.items(), strict=True):
            group["lr"] = rate * share * (1.0 if name == "positions" else pace)
        gaussians = now((torch.rand(len(start), generator=chance) >= _LEFT_OUT).to(start.positions))
        drawn = renderer.render_all([(gaussians, crop.camera) for crop in crops], BLACK)
        views = torch.stack([view_loss(got, crop) for got, crop in zip(drawn, crops, strict=True)]).mean()
        colours = leaves["colours"]
        rough = (colours - colours[near].mean(dim=1)).square().sum(dim=-1).mean()
        loss = views + _SMOOTH * rough + _NEEDLES * needles(leaves["scales"], gaussians.opacities)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            _constant(colours).clamp_(*limits)
        progress("steps", step + 1, steps)
    with torch.no_grad():
        fitted = now()
        return fitted.chosen(fitted.opacities >= MIN_ALPHA)


def view_loss(drawn: Rendering, crop: Crop) -> Float[Tensor, ""]:
    """Squared differences of alpha, and of colours where the mask is, summed over the crop, a pixel of the subject.

    Drawn over black. Colours are compared as what is drawn has them, as much as it covers: over a background instead, a
    pixel that is too opaque is mended by colours like the background's, which show wherever it is seen from elsewhere.
    Per pixel of the subject, so that a larger crop changes nothing.
    """
    own = crop.colour / crop.alpha.clamp_min(_FAINTEST)
    away = (drawn.colour - drawn.alpha * own).square().mean(dim=0)
    return (_COLOUR * crop.alpha * away + (drawn.alpha - crop.alpha).square()).sum() / crop.alpha.sum()


def _neighbours(positions: Float[Array, "n 3"]) -> Int64[Tensor, "n k"]:
    """Each one's nearest others at the start, or itself where there are too few."""
    count = min(_NEIGHBOURS + 1, len(positions))
    finite = np.where(np.isfinite(positions), positions, 0.0)
    found = KDTree(finite).query(finite, count)[1].reshape(len(positions), count)
    return torch.from_numpy(found[:, min(1, count - 1) :].astype(np.int64))


def _constant(colours: Float[Tensor, "n 3"] | Float[Tensor, "n k 3"]) -> Float[Tensor, "n 3"]:
    """Plain colours, or the harmonic that is the same from everywhere."""
    return colours if colours.ndim == 2 else colours[:, 0]


def _limits(colours: Float[Tensor, "n 3"]) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """(least, most)."""
    ordered = colours.sort(dim=0).values
    return ordered[0], ordered[math.floor(_BRIGHTEST * (len(ordered) - 1))]


def _on(crop: Crop, device: torch.device) -> Crop:
    return Crop(crop.colour.to(device), crop.alpha.to(device), crop.camera)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums over threads are rounded by their number. Samples are what is done at the same time (`--workers`)."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
