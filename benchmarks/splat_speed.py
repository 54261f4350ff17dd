"""Speed of the compiled CPU renderer, side by side with the torch reference: one core, CPU seconds, best of some runs.

    python benchmarks/splat_speed.py [--sizes 1 2 4] [--reference-runs 1]

A hollow ball of Gaussians (radius 0.7, camera at 2.7, 50 degree field: it covers 0.3 of the image), opacities 0.05
to 0.95; sizes are the median standard deviation in pixels of the Gaussians at the middle's depth, log-normal with
sigma 0.5. Targets: forward + backward at 100k Gaussians and 256 px at least 30 x the reference; 400k at 512 px forward
at most 1.5 s. The first run compiles, unless a cache is there; it is not counted but printed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from mouselift.render.base import Gaussians, RenderCamera, Renderer
from mouselift.render.cpu import CpuRenderer
from mouselift.render.orbit import orbit_camera

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/shared"))

from render_reference import ReferenceRenderer

RADIUS, DISTANCE, FOV_DEG = 0.7, 2.7, 50.0


def ball(count: int, size_px: float, side: int, seed: int = 0) -> tuple[Gaussians, RenderCamera]:
    """The scene, float32, and its view of side x side pixels."""
    rng = torch.Generator().manual_seed(seed)
    camera = orbit_camera(30.0, 20.0, DISTANCE, FOV_DEG, side)
    positions = torch.randn(count, 3, generator=rng)
    positions = RADIUS * positions / positions.norm(dim=1, keepdim=True)
    scales = size_px * DISTANCE / camera.fx * torch.exp(0.5 * torch.randn(count, 3, generator=rng))
    opacities = torch.rand(count, generator=rng) * 0.9 + 0.05
    colours = torch.rand(count, 3, generator=rng)
    gaussians = Gaussians(positions, scales, torch.randn(count, 4, generator=rng), opacities, colours)
    return gaussians, RenderCamera.of(camera)


def with_gradients(g: Gaussians) -> Gaussians:
    parts = (g.positions, g.scales, g.rotations, g.opacities, g.colours)
    return Gaussians(*(part.clone().requires_grad_() for part in parts))


def both_ways(renderer: Renderer, gaussians: Gaussians, view: RenderCamera) -> None:
    got = renderer.render(gaussians, view)
    (got.colour.square().mean() + got.alpha.mean()).backward()


def seconds(job: Callable[[], object], runs: int) -> float:
    """CPU seconds (user + system) of the best run."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        job()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=float, nargs="+", default=[1.0, 2.0, 4.0], help="pixels")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--reference-runs", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    gaussians, view = ball(100, 2.0, 64)
    start = time.perf_counter()
    both_ways(CpuRenderer(), with_gradients(gaussians), view)
    print(f"first run, compiling or loading: {time.perf_counter() - start:.1f} s")
    for size in options.sizes:
        gaussians, view = ball(100_000, size, 256)
        leaves = with_gradients(gaussians)
        slow = seconds(lambda g=leaves, v=view: both_ways(ReferenceRenderer(), g, v), options.reference_runs)
        fast = seconds(lambda g=leaves, v=view: both_ways(CpuRenderer(), g, v), options.runs)
        with torch.no_grad():
            g = gaussians
            exact = Gaussians(*(p.double() for p in (g.positions, g.scales, g.rotations, g.opacities, g.colours)))
            a, b = ReferenceRenderer().render(exact, view), CpuRenderer().render(gaussians, view)
        apart = float((a.colour - b.colour).abs().max())
        print(
            f"100k, 256 px, {size:g} px each, forward + backward: reference {slow:.2f} s, cpu {fast:.3f} s, "
            f"{slow / fast:.0f} x (target 30); largest difference from the float64 reference {apart:.1e}"
        )
    for size in options.sizes:
        gaussians, view = ball(400_000, size, 512)
        with torch.no_grad():
            fast = seconds(lambda g=gaussians, v=view: CpuRenderer().render(g, v), options.runs)
        leaves = with_gradients(gaussians)
        both = seconds(lambda g=leaves, v=view: both_ways(CpuRenderer(), g, v), options.runs)
        print(f"400k, 512 px, {size:g} px each: forward {fast:.2f} s (target 1.5), forward + backward {both:.2f} s")


if __name__ == "__main__":
    main()
