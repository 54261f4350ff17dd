"""One batch: forward, render, losses, backward. The renderer's memory is that of a few views, whatever their number.

The network's Gaussians are cut from its graph. Each group of target views is drawn from them, and its loss's gradient
with respect to the Gaussians is added up; then one backward pass through the network takes the sum. The chain rule in
two steps: exact, and the network is passed once.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from mouselift.data.sample import Batch
from mouselift.models.gslrm.model import GSLRM
from mouselift.models.gslrm.stored import StoredGaussians
from mouselift.render.base import Colour, Gaussians, RenderCamera, Renderer
from mouselift.train.losses import Losses

_LOWER = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(eq=False)
class BatchLosses:
    """Means over a batch's samples and target views, unweighted; `total` is weighted. And each view's own total."""

    parts: dict[str, float]
    total: float
    views: dict[str, list[float]]  # camera -> its weighted losses in the batch
    covered: float  # mean alpha that was drawn, over that of the targets


def add_gradients(
    model: GSLRM,
    renderer: Renderer,
    losses: Losses,
    batch: Batch,
    *,
    share: float,
    views_at_once: int = 1,
    precision: str = "float32",
    scale: Tensor | None = None,
) -> BatchLosses:
    """Adds the gradient of `share` times the batch's mean loss to the model's parameters (times `scale`, float16's)."""
    rows = torch.arange(len(batch), device=batch.inputs.device)[:, None]
    image, c2w, fxfycxcy = (part[rows, batch.inputs] for part in (batch.image, batch.c2w, batch.fxfycxcy))
    stored = network_gaussians(model, image, c2w, fxfycxcy, precision)
    leaves = stored.each(lambda part: part.detach().requires_grad_())
    factor = share / len(batch)
    found = BatchLosses({}, 0.0, {}, 0.0)
    height, width = batch.image.shape[-2:]
    drawn_alpha = wanted_alpha = 0.0
    for sample in range(len(batch)):
        background = _colour(batch.background[sample])
        targets = batch.targets[sample].tolist()
        for at in range(0, len(targets), views_at_once):
            gaussians = Gaussians.from_stored(*leaves.of_sample(sample))
            group: list[Tensor] = []
            for place in targets[at : at + views_at_once]:
                camera = RenderCamera.posed(batch.c2w[sample, place], batch.fxfycxcy[sample, place], width, height)
                drawn = renderer.render(gaussians, camera, background)
                target = batch.image[sample, place].to(drawn.colour.device)
                parts = losses.of_view(drawn, target)
                group.append(losses.total(parts))
                _add(found.parts, parts, 1.0 / (len(targets) * len(batch)))
                found.views.setdefault(batch.views[sample][place], []).append(float(group[-1].detach()))
                drawn_alpha += float(drawn.alpha.detach().sum())
                wanted_alpha += float(target[3].sum())
            _backward(torch.stack(group).sum() * (factor / len(targets)), scale)
        own = losses.of_gaussians(leaves, sample)
        if own:
            _add(found.parts, own, 1.0 / len(batch))
            _backward(losses.total(own) * factor, scale)
    found.total = sum(getattr(losses.weights, name) * value for name, value in found.parts.items())
    found.covered = drawn_alpha / max(wanted_alpha, 1e-9)
    gradients = [part.grad for part in leaves.parts]
    pairs = [(end, g) for end, g in zip(stored.parts, gradients, strict=True) if g is not None and end.requires_grad]
    torch.autograd.backward([end for end, _ in pairs], [g for _, g in pairs])
    return found


def network_gaussians(
    model: GSLRM, image: Tensor, c2w: Tensor, fxfycxcy: Tensor, precision: str, hull: Tensor | None = None
) -> StoredGaussians:
    """The forward pass, its linear layers in `precision`. Shapes as `GSLRM.forward` has them."""
    lower = _LOWER.get(precision)
    context: AbstractContextManager[object] = nullcontext()
    if lower is not None:
        context = torch.autocast(image.device.type, dtype=lower)
    with context:
        return model(image, c2w, fxfycxcy, hull=hull)


def _backward(loss: Tensor, scale: Tensor | None) -> None:
    (loss if scale is None else loss * scale.to(loss.device)).backward()


def _add(sums: dict[str, float], parts: dict[str, Tensor], weight: float) -> None:
    for name, value in parts.items():
        sums[name] = sums.get(name, 0.0) + weight * float(value.detach())


def _colour(levels: Tensor) -> Colour:
    red, green, blue = levels.tolist()
    return red, green, blue
