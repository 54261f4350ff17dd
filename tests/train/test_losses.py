"""Every loss against its definition; and no loss, alone or in a recipe, that an empty or a white output wins."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mouselift.errors import ModelError
from mouselift.models.gslrm.config import GSLRMConfig
from mouselift.models.gslrm.stored import StoredGaussians
from mouselift.render import shape
from mouselift.render.base import Rendering
from mouselift.train import losses
from mouselift.train.config import RECIPES, LossWeights
from mouselift.train.losses import Losses
from mouselift.train.perceptual import PREFIX, PerceptualLoss, _shapes

SIDE = 32


def view() -> Tensor:
    """A dark square on white, with its alpha: [4, h, w]."""
    target = torch.ones(4, SIDE, SIDE)
    target[3] = 0.0
    target[:3, 8:20, 10:24] = torch.tensor([0.2, 0.3, 0.4])[:, None, None]
    target[3, 8:20, 10:24] = 1.0
    return target


def near(target: Tensor) -> Rendering:
    """What a network that is nearly right draws: colours off by 0.1, the outline off by a pixel."""
    moved = torch.roll(target, 1, dims=2)
    return Rendering((moved[:3] + 0.1 * moved[3]).clamp(0, 1), 0.95 * moved[3])


EMPTY = Rendering(torch.ones(3, SIDE, SIDE), torch.zeros(SIDE, SIDE))  # over white
WHITE = Rendering(torch.ones(3, SIDE, SIDE), torch.ones(SIDE, SIDE))  # white Gaussians before all
OPAQUE = Rendering(torch.full((3, SIDE, SIDE), 0.3), torch.ones(SIDE, SIDE))  # the subject's colour everywhere


@pytest.mark.parametrize("name", ["l2", "foreground", "ssim", "alpha"])
def test_empty_white_and_opaque_output_lose(name: str) -> None:
    target = view()
    found = Losses(replace(LossWeights(), **{name: 1.0}))
    right = found.of_view(near(target), target)[name]
    assert found.of_view(EMPTY, target)[name] > 1.5 * right
    for other in (WHITE, OPAQUE):
        if name == "foreground" and other is OPAQUE:
            continue  # what lies outside the subject is not its matter: see `test_recipes`
        if name == "alpha" or other is WHITE:
            assert found.of_view(other, target)[name] > 1.5 * right


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_reward_the_subject_and_nothing_else(recipe: str) -> None:
    """Without the perceptual part, which needs weights and only adds to it."""
    target, weights = view(), RECIPES[recipe]().losses
    found = Losses(weights)
    right = found.total(found.of_view(near(target), target))
    for wrong in (EMPTY, WHITE, OPAQUE):
        assert found.total(found.of_view(wrong, target)) > 2.0 * right


def test_values() -> None:
    target = view()
    share = 12 * 14 / SIDE**2
    drawn = Rendering(target[:3] + 0.1, target[3] * 0.5)
    every = LossWeights(foreground=1.0, ssim=1.0, alpha=1.0)
    found = Losses(every).of_view(drawn, target)
    assert float(found["l2"]) == pytest.approx(0.01, rel=1e-5)
    assert float(found["foreground"]) == pytest.approx(0.01, rel=1e-5)
    assert float(found["alpha"]) == pytest.approx(0.25 * share, rel=1e-5)
    perfect = Losses(every).of_view(Rendering(target[:3], target[3]), target)
    assert all(float(value) == pytest.approx(0.0, abs=1e-9) for value in perfect.values())
    weights = LossWeights(l2=2.0, foreground=0.5, alpha=3.0)
    parts = Losses(weights).of_view(drawn, target)
    assert float(Losses(weights).total(parts)) == pytest.approx(0.02 + 0.005 + 0.75 * share, rel=1e-5)


def test_effective_rank_of_balls_discs_and_needles() -> None:
    scales = torch.log(torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 1e-6], [1.0, 1e-6, 1e-6]]))
    torch.testing.assert_close(shape.effective_rank(scales), torch.tensor([3.0, 2.0, 1.0]))
    one = torch.ones(3)
    assert float(losses.needles(scales[:2], one[:2])) == pytest.approx(0.0, abs=1e-4)
    assert float(losses.needles(scales[2:], one[:1])) == pytest.approx(-math.log(1e-5), rel=1e-3)


def test_needles_cannot_fade_away_and_grow_rounder_instead() -> None:
    """The gradient makes a needle rounder, and leaves opacities alone."""
    scales = torch.log(torch.tensor([[0.3, 0.01, 0.01]])).requires_grad_()
    logits = torch.zeros(1, requires_grad=True)
    losses.needles(scales, logits.sigmoid()).backward()
    assert logits.grad is None
    assert scales.grad is not None
    assert scales.grad[0, 0] > 0  # descent shortens the long axis
    assert (scales.grad[0, 1:] < 0).all()


def test_indecision_is_least_for_gaussians_that_are_there_or_gone() -> None:
    assert float(losses.indecision(torch.tensor([30.0, -30.0]))) == pytest.approx(0.0, abs=1e-6)
    assert float(losses.indecision(torch.zeros(4))) == pytest.approx(1.0)


def test_regularisers_see_their_own_sample_only() -> None:
    stored = StoredGaussians(
        xyz=torch.zeros(2, 4, 3),
        features=torch.zeros(2, 4, 1, 3),
        scaling=torch.stack([torch.zeros(4, 3), torch.log(torch.tensor([[1.0, 1e-4, 1e-4]] * 4))]),
        rotation=torch.ones(2, 4, 4),
        opacity=torch.tensor([[[20.0]] * 4, [[0.0]] * 4]),
    )
    found = Losses(LossWeights(effective_rank=1.0, opacity=1.0))
    ball, needle = found.of_gaussians(stored, 0), found.of_gaussians(stored, 1)
    assert float(ball["effective_rank"]) == pytest.approx(0.0, abs=1e-6)
    assert float(needle["effective_rank"]) > 5.0
    assert float(ball["opacity"]) < 1e-6 < float(needle["opacity"])


def test_weights_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ModelError, match=r"at least 0"):
        LossWeights(alpha=-1.0)
    with pytest.raises(ModelError, match=r"compares colours"):
        LossWeights(l2=0.0, alpha=1.0)


@pytest.fixture(scope="module")
def perceptual(tmp_path_factory: pytest.TempPathFactory) -> PerceptualLoss:
    """Random weights under the released checkpoint's keys."""
    torch.manual_seed(0)
    state = {
        PREFIX + key: torch.randn(shape) * (2.0 / max(1, math.prod(shape[1:]))) ** 0.5 * (len(shape) == 4)
        for key, shape in _shapes().items()
    }
    path = tmp_path_factory.mktemp("vgg") / "release.pt"
    torch.save({"model": state}, path)
    return PerceptualLoss.load(path)


def test_perceptual_loss_orders_images_and_has_a_gradient(perceptual: PerceptualLoss) -> None:
    target = view()[:3]
    colour = near(view()).colour.clone().requires_grad_()
    loss = perceptual(colour, target)
    loss.backward()
    assert float(perceptual(target, target)) == 0.0
    assert 0 < float(loss.detach()) < float(perceptual(EMPTY.colour, target))
    assert colour.grad is not None
    assert colour.grad.abs().sum() > 0


def test_perceptual_loss_holds_a_plain_difference(perceptual: PerceptualLoss) -> None:
    """With features of weight zero only the images' own mean absolute difference is left."""
    blind = PerceptualLoss({key: torch.zeros_like(value) for key, value in perceptual.state.items()})
    target = view()[:3]
    assert float(blind(target - 0.25, target)) == pytest.approx(0.25, rel=1e-5)


def test_networks_of_all_recipes_are_what_they_say() -> None:
    assert RECIPES["rtx3060"]().network == GSLRMConfig(width=1024, head_width=64, layers=24)
    assert RECIPES["full"]().lora is None
