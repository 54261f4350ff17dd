"""Random Gaussians, easy and nasty, cameras that are not centred, and a run with gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from mouselift.render.base import WHITE, Colour, Gaussians, RenderCamera, Renderer, Rendering

NAMES = ("positions", "scales", "rotations", "opacities", "colours", "T_cam_world", "intrinsics")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def random_view(seed: int, width: int = 45, height: int = 38) -> RenderCamera:
    """A turned camera, 2.7 from the origin, fx != fy, principal point well off the centre; sizes no tile's multiple."""
    rng = torch.Generator().manual_seed(seed)
    R = torch.linalg.qr(torch.randn(3, 3, generator=rng, dtype=torch.float64))[0]
    T = torch.eye(4, dtype=torch.float64)
    T[:3, :3] = R * torch.sign(torch.linalg.det(R))
    T[2, 3] = 2.7
    K = torch.tensor([1.2 * width, 1.1 * width, 0.43 * width, 0.61 * height], dtype=torch.float64)
    return RenderCamera(T, K, width, height)


def easy(seed: int, count: int = 200, size: float = 0.06, harmonics: int = 0) -> Gaussians:
    """A ball of Gaussians of a few pixels, float32 numbers held in float64."""
    rng = torch.Generator().manual_seed(1000 + seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    parts = (
        0.5 * normal(count, 3),
        size * torch.exp(0.6 * normal(count, 3)),
        normal(count, 4),
        torch.rand(count, generator=rng) * 0.95 + 0.02,
        0.5 * normal(count, harmonics, 3) if harmonics else torch.rand(count, 3, generator=rng),
    )
    return Gaussians(*(part.double() for part in parts))


def nasty(seed: int, count: int = 240) -> Gaussians:
    """Easy ones, of which some are huge, tiny, needles, discs, faint, opaque, behind, off screen or coincident."""
    g = easy(seed, count)
    k = count // 12
    at = {name: slice(i * k, (i + 1) * k) for i, name in enumerate("abcdefghijk")}
    g.scales[at["a"]] *= 100  # larger than the scene: they cover every pixel, so they are faint
    g.opacities[at["a"]] *= 0.1
    g.scales[at["b"]] *= 1e-5  # only the dilation shows
    g.scales[at["c"], 0] *= 200  # needles
    g.scales[at["d"], 1] *= 1e-4  # discs
    g.opacities[at["e"]] = 0.005
    g.opacities[at["f"]] = 1.0
    g.positions[at["g"]] *= 8  # behind, around and beside the camera
    g.positions[at["h"]] = g.positions[at["a"]]  # coincident
    g.positions[at["i"]], g.scales[at["i"]] = g.positions[at["j"]], g.scales[at["j"]]
    g.rotations[at["k"]] *= 1e-3
    g.opacities[at["k"]] = 1 / 255 - 1e-5
    return g


@dataclass(frozen=True, eq=False)
class Outcome:
    """An image, and the gradients of a random functional of it, by name."""

    rendering: Rendering
    gradients: dict[str, Tensor]


def run(renderer: Renderer, gaussians: Gaussians, view: RenderCamera, background: Colour = WHITE) -> Outcome:
    """With gradients to everything."""
    g = gaussians
    parts = (g.positions, g.scales, g.rotations, g.opacities, g.colours, view.T_cam_world, view.intrinsics)
    leaves = [part.detach().clone().requires_grad_() for part in parts]
    rendering = renderer.render(
        Gaussians(*leaves[:5]), RenderCamera(leaves[5], leaves[6], view.width, view.height), background
    )
    rng = torch.Generator().manual_seed(7)
    weights = torch.randn(4, view.height, view.width, generator=rng, dtype=torch.float64)
    whole = torch.cat([rendering.colour, rendering.alpha[None]])
    (whole.double() * weights).sum().backward()
    gradients = [leaf.grad if leaf.grad is not None else torch.zeros_like(leaf) for leaf in leaves]
    shown = Rendering(rendering.colour.detach(), rendering.alpha.detach())
    return Outcome(shown, dict(zip(NAMES, gradients, strict=True)))


@pytest.fixture(scope="session")
def make_view() -> Callable[..., RenderCamera]:
    return random_view


@pytest.fixture(scope="session")
def make_easy() -> Callable[..., Gaussians]:
    return easy


@pytest.fixture(scope="session")
def make_nasty() -> Callable[..., Gaussians]:
    return nasty


@pytest.fixture(scope="session")
def outcome() -> Callable[..., Outcome]:
    return run
