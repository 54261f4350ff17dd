"""The compiled renderer gives the reference's values and gradients, whatever it is fed, and never NaN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from mouselift.render import cpu_project, cpu_tiles
from mouselift.render.base import Gaussians, RenderCamera, Rendering
from mouselift.render.cpu import CpuRenderer
from render_reference import ReferenceRenderer

VALUE, GRADIENT = 1e-4, 1e-3
Make = Callable[..., Any]


def value_error(a: Rendering, b: Rendering) -> float:
    return max(float((a.colour - b.colour).abs().max()), float((a.alpha - b.alpha).abs().max()))


def gradient_errors(reference: Any, other: Any) -> dict[str, float]:
    """Largest difference of each gradient relative to the largest of its kind; and Gaussian by Gaussian."""
    out: dict[str, float] = {}
    for name, want in reference.gradients.items():
        got = other.gradients[name].double()
        scale = float(want.abs().max())
        out[name] = float((got - want).abs().max()) / max(scale, 1e-30)
        if len(want) > 4:
            apart = (got - want).reshape(len(want), -1).norm(dim=1)
            size = want.reshape(len(want), -1).norm(dim=1)
            out[f"{name}, each"] = float((apart / (size + 1e-4 * size.max())).max())
    return out


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", ["easy", "nasty"])
def test_like_the_reference(
    kind: str, seed: int, make_easy: Make, make_nasty: Make, make_view: Make, outcome: Make
) -> None:
    gaussians = {"easy": make_easy, "nasty": make_nasty}[kind](seed)
    view, background = make_view(seed), (0.9, 0.2, 0.5)
    reference = outcome(ReferenceRenderer(), gaussians, view, background)
    other = outcome(CpuRenderer(), gaussians, view, background)
    assert float(reference.rendering.colour.std()) > 0.02, "an empty image compares nothing"
    assert value_error(reference.rendering, other.rendering) < VALUE
    errors = gradient_errors(reference, other)
    assert max(errors.values()) < GRADIENT, errors


@pytest.mark.parametrize("harmonics", [1, 4, 16])
def test_harmonics_like_the_reference(harmonics: int, make_easy: Make, make_view: Make, outcome: Make) -> None:
    gaussians, view = make_easy(3, harmonics=harmonics), make_view(3)
    reference, other = (outcome(r, gaussians, view) for r in (ReferenceRenderer(), CpuRenderer()))
    assert value_error(reference.rendering, other.rendering) < VALUE
    assert max(gradient_errors(reference, other).values()) < GRADIENT


def test_the_comparison_can_fail(make_easy: Make, make_view: Make, outcome: Make) -> None:
    """Half a pixel, 1 % of zoom, a transposed pose, 1 % of scale: each is seen, in values and in gradients."""
    gaussians, view = make_easy(0), make_view(0)
    reference = outcome(ReferenceRenderer(), gaussians, view)
    K, T = view.intrinsics, view.T_cam_world.clone()
    T[:3, :3] = T[:3, :3].T
    faults = {
        "half a pixel": (gaussians, replace(view, intrinsics=K + torch.tensor([0.0, 0.0, 0.5, 0.0]))),
        "zoom": (gaussians, replace(view, intrinsics=K * torch.tensor([1.01, 1.01, 1.0, 1.0]))),
        "transposed": (gaussians, replace(view, T_cam_world=T)),
        "scale": (replace(gaussians, scales=gaussians.scales * 1.01), view),
    }
    for name, (other_gaussians, other_view) in faults.items():
        other = outcome(CpuRenderer(), other_gaussians, other_view)
        assert value_error(reference.rendering, other.rendering) > 10 * VALUE, name
        assert max(gradient_errors(reference, other).values()) > 3 * GRADIENT, name


@pytest.mark.parametrize("part", ["positions", "scales", "rotations", "opacities", "colours"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, 1e30, -1e30])
@pytest.mark.parametrize("harmonics", [0, 4])
def test_never_nan(part: str, value: float, harmonics: int, make_easy: Make, make_view: Make, outcome: Make) -> None:
    gaussians: Gaussians = make_easy(1, 60, harmonics=harmonics)
    getattr(gaussians, part)[::3] = value
    for kind in (torch.float32, torch.float64):
        parts = (gaussians.positions, gaussians.scales, gaussians.rotations, gaussians.opacities, gaussians.colours)
        cast = Gaussians(*(p.to(kind) for p in parts))
        for renderer in (ReferenceRenderer(), CpuRenderer()):
            got = outcome(renderer, cast, make_view(1))
            assert not got.rendering.colour.isnan().any()
            assert not got.rendering.alpha.isnan().any()
            for name, gradient in got.gradients.items():
                assert not gradient.isnan().any(), (renderer, name)


@pytest.mark.parametrize("seed", range(3))
def test_float32_needles_are_never_nan(seed: int, make_nasty: Make, make_view: Make, outcome: Make) -> None:
    g = make_nasty(seed)
    cast = Gaussians(*(p.float() for p in (g.positions, g.scales, g.rotations, g.opacities, g.colours)))
    for renderer in (ReferenceRenderer(), CpuRenderer()):
        got = outcome(renderer, cast, make_view(seed))
        assert all(bool(gradient.isfinite().all()) for gradient in got.gradients.values())
        assert got.rendering.colour.dtype == torch.float32


def test_nothing_to_see(make_easy: Make, make_view: Make, outcome: Make) -> None:
    empty = make_easy(0, 0)
    behind = make_easy(0)
    behind.positions[:] = make_view(0).centre * 3
    for gaussians in (empty, behind):
        for renderer in (ReferenceRenderer(), CpuRenderer()):
            got = outcome(renderer, gaussians, make_view(0), (0.25, 0.5, 0.75))
            assert got.rendering.colour.amin(dim=(1, 2)).tolist() == [0.25, 0.5, 0.75]
            assert not got.rendering.alpha.any()
            assert not any(gradient.any() for gradient in got.gradients.values())


def test_threads_change_nothing(make_easy: Make, make_view: Make, outcome: Make) -> None:
    view = make_view(2, 100, 90)
    one = outcome(CpuRenderer(), make_easy(2), view)
    torch.set_num_threads(3)
    try:
        three = outcome(CpuRenderer(), make_easy(2), view)
    finally:
        torch.set_num_threads(1)
    assert torch.equal(one.rendering.colour, three.rendering.colour)
    assert all(torch.equal(one.gradients[name], three.gradients[name]) for name in one.gradients)


def test_thirty_thousand_small_ones(make_easy: Make, make_view: Make) -> None:
    """Long lists, early stops: 30k Gaussians on 96 x 96 pixels, 20 to 60 a pixel."""
    gaussians, view = make_easy(5, 30_000, 0.012), make_view(5, 96, 96)
    with torch.no_grad():
        a, b = ReferenceRenderer().render(gaussians, view), CpuRenderer().render(gaussians, view)
    assert value_error(a, b) < VALUE


def test_other_devices_are_refused(make_easy: Make, make_view: Make) -> None:
    g = make_easy(0)
    meta = Gaussians(*(p.to("meta") for p in (g.positions, g.scales, g.rotations, g.opacities, g.colours)))
    with pytest.raises(ValueError, match="on the CPU, got meta"):
        CpuRenderer().render(meta, make_view(0))


def test_few_specialisations(make_easy: Make, make_view: Make, outcome: Make) -> None:
    """One compiled function for float32 and one for float64 Gaussians, with and without gradients; no others."""
    g = make_easy(0)
    mixed = Gaussians(g.positions.float(), g.scales, g.rotations.float(), g.opacities, g.colours)
    outcome(CpuRenderer(), mixed, make_view(0))
    outcome(
        CpuRenderer(),
        Gaussians(*(p.float() for p in (g.positions, g.scales, g.rotations, g.opacities, g.colours))),
        make_view(0),
    )
    outcome(CpuRenderer(), g, make_view(0))
    assert len(cpu_project.project.signatures) == 2
    assert len(cpu_project.project_backward.signatures) == 2
    assert len(cpu_tiles.composite.signatures) == 1
    assert len(cpu_tiles.composite_backward.signatures) == 1


def test_one_view_typed(make_view: Callable[..., RenderCamera]) -> None:
    view = make_view(0)
    centre = torch.cat([view.centre, torch.ones(1, dtype=torch.float64)])
    assert torch.allclose((view.T_cam_world @ centre)[:3], torch.zeros(3, dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize("threads", [1, 2])
def test_many_images_in_one_call(threads: int, make_easy: Make, make_view: Make) -> None:
    """Values and gradients of one image after another, whatever the threads; each of two samples gets its own."""

    def run(together: bool) -> list[torch.Tensor]:
        samples = [replace(made, positions=made.positions.clone().requires_grad_()) for made in map(make_easy, (1, 2))]
        shots = [(samples[k % 2], make_view(k)) for k in range(4)]
        renderer = CpuRenderer()
        drawn = renderer.render_all(shots) if together else [renderer.render(*shot) for shot in shots]
        sum(((k + 1) * each.colour.square().sum() for k, each in enumerate(drawn)), torch.zeros(())).backward()
        found = [sample.positions.grad for sample in samples]
        return [*(each.colour.detach() for each in drawn), *(grad for grad in found if grad is not None)]

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        one, many = run(False), run(True)
    finally:
        torch.set_num_threads(before)
    assert len(one) == 6
    for a, b in zip(one[:4], many[:4], strict=True):
        assert torch.equal(a, b)
    for a, b in zip(one[4:], many[4:], strict=True):
        torch.testing.assert_close(a, b)
        assert float(a.abs().max()) > 0
    assert CpuRenderer().render_all([]) == []
