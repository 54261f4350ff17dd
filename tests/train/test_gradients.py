"""The chain rule in two steps is the chain rule: gradients equal those of one plain graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mouselift.data.dataset import MultiViewDataset, ViewChoice
from mouselift.data.sample import Batch, collate
from mouselift.models.gslrm.model import GSLRM
from mouselift.render.base import Gaussians, RenderCamera
from mouselift.render.cpu import CpuRenderer
from mouselift.train.config import LossWeights, TrainConfig
from mouselift.train.gradients import add_gradients
from mouselift.train.losses import Losses

WEIGHTS = LossWeights(l2=1.0, foreground=0.5, alpha=0.3, effective_rank=0.01, opacity=0.02)


@pytest.fixture
def batch(dataset: Path) -> Batch:
    views = ViewChoice(inputs=3, views=4)
    samples = MultiViewDataset(dataset, views=views)
    return collate([samples[0], samples[3]])


def plain(model: GSLRM, batch: Batch) -> torch.Tensor:
    """The loss as one expression."""
    rows = torch.arange(len(batch))[:, None]
    made = model(batch.image[rows, batch.inputs], batch.c2w[rows, batch.inputs], batch.fxfycxcy[rows, batch.inputs])
    losses, total = Losses(WEIGHTS), []
    for sample in range(len(batch)):
        gaussians = Gaussians.from_stored(*made.of_sample(sample))
        for k in batch.targets[sample].tolist():
            camera = RenderCamera.posed(batch.c2w[sample, k], batch.fxfycxcy[sample, k], 32, 32)
            drawn = CpuRenderer().render(gaussians, camera)
            total.append(losses.total(losses.of_view(drawn, batch.image[sample, k])) / 8)
        total.append(losses.total(losses.of_gaussians(made, sample)) / 2)
    return torch.stack(total).sum()


@pytest.mark.parametrize("views_at_once", [1, 3, 9])
def test_gradients_and_losses_equal_one_graphs(
    config: Callable[..., TrainConfig], batch: Batch, views_at_once: int
) -> None:
    torch.manual_seed(0)
    model = GSLRM(config().network)
    loss = plain(model, batch)
    loss.backward()
    wanted = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    found = add_gradients(model, CpuRenderer(), Losses(WEIGHTS), batch, share=1.0, views_at_once=views_at_once)
    assert found.total == pytest.approx(float(loss.detach()), rel=1e-5)
    got = [p.grad for p in model.parameters() if p.grad is not None]
    assert len(got) == len(wanted) == len(list(model.parameters()))
    scale = max(float(g.abs().max()) for g in wanted)
    assert scale > 1e-4
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * scale)


def test_shares_add_up(config: Callable[..., TrainConfig], batch: Batch) -> None:
    """Two half batches with half the share each give the whole batch's gradient."""
    torch.manual_seed(0)
    model = GSLRM(config().network)
    add_gradients(model, CpuRenderer(), Losses(WEIGHTS), batch, share=1.0)
    whole = model.gaussian_upsampler.linear.weight.grad.clone()  # pyright: ignore
    model.zero_grad()
    for k in (0, 1):
        part = batch._each(lambda tensor, k=k: tensor[k : k + 1])
        part = Batch(**{**part.__dict__, "names": batch.names[k : k + 1], "views": batch.views[k : k + 1]})
        add_gradients(model, CpuRenderer(), Losses(WEIGHTS), part, share=0.5)
    torch.testing.assert_close(model.gaussian_upsampler.linear.weight.grad, whole, rtol=1e-4, atol=1e-9)


def test_bfloat16_gives_nearly_the_same_loss(config: Callable[..., TrainConfig], batch: Batch) -> None:
    torch.manual_seed(0)
    model = GSLRM(config().network)
    exact = add_gradients(model, CpuRenderer(), Losses(WEIGHTS), batch, share=1.0)
    rough = add_gradients(model, CpuRenderer(), Losses(WEIGHTS), batch, share=1.0, precision="bfloat16")
    assert rough.total == pytest.approx(exact.total, rel=0.02)
    assert rough.total != exact.total
