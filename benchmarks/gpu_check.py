"""What a CUDA card makes of mouselift, in one go: `make gpu`, or `python benchmarks/gpu_check.py --out gpu`.

Needs the package with its extras `train` and `gpu` (torch with CUDA, gsplat), nothing else. In turn:

* gsplat against the CPU renderer: images, and gradients of all parts of the Gaussians;
* the released network (random weights: time and memory do not depend on them): a forward pass at 512 px, and a training
  step of the recipe `rtx3060`, each with its time, its peak of memory and what was estimated;
* 200 updates of `tiny_cpu` on a synthetic mouse;
* the same run stopped half-way and resumed: equal weights? CUDA's sums may be in another order each time; the largest
  difference is given.

Writes OUT/gpu.json and OUT/gpu.md, a table. Exit code 0: all within limits; 1: not; 2: no CUDA device.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import mouselift as ml
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.models.gslrm.config import GSLRMConfig, forward_bytes, released
from mouselift.models.gslrm.facelift import read_state
from mouselift.models.gslrm.model import GSLRM
from mouselift.render.backends import renderer_for
from mouselift.render.base import Gaussians, RenderCamera, Renderer
from mouselift.render.cpu import CpuRenderer
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.train.config import TrainConfig, rtx3060, tiny_cpu
from mouselift.train.gradients import add_gradients
from mouselift.train.log import read_log
from mouselift.train.losses import Losses
from mouselift.train.memory import step_memory
from mouselift.train.optimiser import Optimiser, freeze
from train_memory import batch_of

# float32 against float64: test_gsplat allows 2e-3 for float32's own rounding; a half pixel off gives 0.1 and more
_COLOUR, _GRADIENT = 5e-3, 2e-2
_MEMORY = 0.10  # by which an estimate may be off: what the CPU's was validated to
PARTS = ("positions", "scales", "rotations", "opacities", "colours")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    found: str
    wanted: str = ""
    good: bool | None = None  # None: a figure, no check


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    network: GSLRMConfig
    step: TrainConfig
    gaussians: int
    side: int  # of the renderer's images
    forward: tuple[int, int]  # views, pixels a side
    tiny: TrainConfig
    resumed: int  # updates of the run that is stopped half-way


def full() -> Sizes:
    tiny = replace(tiny_cpu(), updates=200, validate_every=100, readers=2)
    return Sizes(released(), rtx3060(), 100_000, 256, (6, 512), tiny, 40)


def run(device: torch.device, renderer: Renderer, sizes: Sizes, dataset: Path, out: Path) -> list[Row]:
    """All checks, in order; each is said as it is done."""
    steps: tuple[Callable[[], list[Row]], ...] = (
        lambda: compare_renderers(device, renderer, sizes),
        lambda: forward(device, sizes),
        lambda: step(device, renderer, sizes),
        lambda: tiny(device, sizes, dataset, out),
        lambda: resume(device, sizes, dataset, out),
    )
    rows: list[Row] = []
    for each in steps:
        begun = time.perf_counter()
        made = each()
        rows += made
        for row in made:
            print(
                f"{row.what}: {row.found}{'' if row.good is None else '  ok' if row.good else '  NOT OK'}", flush=True
            )
        print(f"  ({time.perf_counter() - begun:.0f} s)", flush=True)
    return rows


def compare_renderers(device: torch.device, renderer: Renderer, sizes: Sizes) -> list[Row]:
    """Values and gradients, against the CPU's renderer in float64."""
    random = torch.Generator().manual_seed(0)
    count, side = sizes.gaussians, sizes.side
    own = (
        0.4 * torch.randn(count, 3, generator=random),
        0.02 * torch.exp(0.6 * torch.randn(count, 3, generator=random)),
        torch.randn(count, 4, generator=random),
        0.9 * torch.rand(count, generator=random) + 0.02,
        torch.rand(count, 3, generator=random),
    )
    weights = torch.randn(4, side, side, generator=random, dtype=torch.float64)
    T = torch.eye(4, dtype=torch.float64)
    T[2, 3] = 2.7
    camera = RenderCamera(T, torch.tensor([1.1 * side, 1.1 * side, 0.45 * side, 0.55 * side]).double(), side, side)

    def drawn(by: Renderer, parts: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        leaves = [part.requires_grad_() for part in parts]
        image = by.render(Gaussians(*leaves), camera)
        whole = torch.cat([image.colour, image.alpha[None]])
        (whole * weights.to(whole)).sum().backward()
        return whole.detach().double().cpu(), [part.grad.double().cpu() for part in leaves]  # pyright: ignore

    wanted, slopes = drawn(CpuRenderer(), [part.double().clone() for part in own])
    got, found = drawn(renderer, [part.clone().to(device) for part in own])
    off = float((got - wanted).abs().flatten().quantile(0.999))  # few pixels hang on float32's order of equal depths
    rows = [Row("renderer, colours and alpha, 99.9 %", f"{off:.1e}", f"< {_COLOUR:g}", off < _COLOUR)]
    for name, a, b in zip(PARTS, found, slopes, strict=True):
        relative = float((a - b).norm() / b.norm())
        rows.append(Row(f"renderer, gradient of {name}", f"{relative:.1e}", f"< {_GRADIENT:g}", relative < _GRADIENT))
    return rows


def forward(device: torch.device, sizes: Sizes) -> list[Row]:
    """Inference of one sample in bfloat16."""
    views, side = sizes.forward
    config = replace(sizes.step, network=sizes.network, inputs=views, size=side, batch=1)
    model = GSLRM(sizes.network).eval().lower_precision(torch.bfloat16).requires_grad_(False).to(device)
    batch = batch_of(config).to(device)

    def once() -> None:
        with torch.no_grad():
            model(batch.image, batch.c2w, batch.fxfycxcy)

    seconds, peak = timed(once, device, 3)
    estimate = forward_bytes(sizes.network, views, side, side, dtype=torch.bfloat16)
    return [Row(f"forward, {views} views of {side} px", f"{seconds:.2f} s"), memory("forward", peak, estimate)]


def step(device: torch.device, renderer: Renderer, sizes: Sizes) -> list[Row]:
    """A whole training step: forward, render, backward, AdamW."""
    config = sizes.step
    torch.manual_seed(0)
    model = GSLRM(config.network)
    model.checkpoint_activations = config.recompute
    freeze(model, config)
    model.to(device).train()
    optimiser, batch, losses = Optimiser(model, config, device), batch_of(config).to(device), Losses(config.losses)

    def once() -> None:
        add_gradients(
            model, renderer, losses, batch, share=1.0, views_at_once=config.views_at_once, precision=config.precision
        )
        optimiser.step(1)

    seconds, peak = timed(once, device, 3)
    estimate = step_memory(config).peak
    words = f"training step of {config.recipe}, {config.inputs} views of {config.size} px"
    return [Row(words, f"{seconds:.2f} s"), memory("training step", peak, estimate)]


def tiny(device: torch.device, sizes: Sizes, dataset: Path, out: Path) -> list[Row]:
    """Does it learn?"""
    config = replace(sizes.tiny, device=str(device))
    ml.train_model(config, dataset, out / "tiny", checked=False)
    lines = [line for line in read_log(out / "tiny") if line.kind == "update"]
    losses = np.array([line.loss for line in lines], dtype=float)
    tenth = max(1, len(losses) // 10)
    fall = float(losses[-tenth:].mean() / losses[:tenth].mean())
    seconds = float(np.median([line.seconds or 0.0 for line in lines]))
    rows = [Row(f"tiny, {config.updates} updates: loss at the end over the beginning", f"{fall:.2f}", "< 1", fall < 1)]
    return [*rows, Row("tiny, a step", f"{seconds:.3f} s")]


def resume(device: torch.device, sizes: Sizes, dataset: Path, out: Path) -> list[Row]:
    """A run that is stopped half-way against one that is not."""
    config = replace(sizes.tiny, updates=sizes.resumed, validate_every=0, save_minutes=1e-9, device=str(device))
    ml.train_model(config, dataset, out / "whole", checked=False)

    def stopping(stage: str, done: int, total: int) -> None:
        if stage == "updates" and done == total // 2:
            raise KeyboardInterrupt

    try:
        ml.train_model(config, dataset, out / "stopped", checked=False, progress=stopping)
    except KeyboardInterrupt:
        ml.train_model(config, dataset, out / "stopped", checked=False)
    a, b = (read_state(out / name / "last.safetensors")[0] for name in ("whole", "stopped"))
    off = max(float((a[key] - b[key]).abs().max()) for key in a)
    # on CUDA a figure, no check: kernels add in any order
    good = off == 0 if device.type == "cpu" else None
    return [Row("resumed against undisturbed, largest difference of a weight", f"{off:.1e}", "0", good)]


def timed(once: Callable[[], None], device: torch.device, count: int) -> tuple[float, int | None]:
    """(median seconds after a first time, bytes at the peak; None on the CPU)."""
    once()
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    seconds: list[float] = []
    for _ in range(count):
        begun = time.perf_counter()
        once()
        if cuda:
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - begun)
    return float(np.median(seconds)), torch.cuda.max_memory_allocated(device) if cuda else None


def memory(what: str, peak: int | None, estimate: int) -> Row:
    if peak is None:
        return Row(f"{what}, peak of memory", "not measured on a CPU", f"{estimate / 1e9:.2f} GB (estimate)")
    good = abs(estimate / peak - 1) <= _MEMORY
    return Row(f"{what}, peak of memory", f"{peak / 1e9:.2f} GB", f"{estimate / 1e9:.2f} GB (estimate, 10 %)", good)


def as_table(rows: list[Row], said: dict[str, str]) -> str:
    """Markdown."""
    marks = {None: "", True: "yes", False: "**no**"}
    lines = [f"| {r.what} | {r.found} | {r.wanted} | {marks[r.good]} |" for r in rows]
    head = ", ".join(f"{key} {value}" for key, value in said.items())
    return "\n".join([head, "", "| what | found | wanted | good |", "|---|---|---|---|", *lines, ""])


def write(rows: list[Row], said: dict[str, str], out: Path) -> None:
    content = {"machine": said, "rows": [asdict(row) for row in rows]}
    (out / "gpu.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (out / "gpu.md").write_text(as_table(rows, said), encoding="utf-8")


def synthetic(out: Path, frames: int = 12) -> Path:
    """A prepared recording of the synthetic mouse."""
    capture = out / "capture"
    write_capture(capture, CaptureSpec(frames=frames, fps=8.0, seed=5, supersample=1))
    write_capture_toml(capture / "capture.toml", discover(capture).spec)
    options = ml.PrepareOptions(preset="canonical", size=64)
    ml.prepare_dataset(ml.load_capture(capture), out / "data", options)
    return out / "data"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="a new folder")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print(f"no CUDA device: torch {torch.__version__} sees none. Nothing was done.", file=sys.stderr)
        return 2
    if args.out.exists():
        print(f"{args.out}: exists; expected a new folder (--out). Nothing was done.", file=sys.stderr)
        return 2
    begun = time.perf_counter()
    device = torch.device("cuda")
    args.out.mkdir(parents=True)
    rows = run(device, renderer_for(device), full(), synthetic(args.out), args.out)
    rows.append(Row("everything", f"{time.perf_counter() - begun:.0f} s", "< 480", time.perf_counter() - begun < 480))
    said = {
        "card": torch.cuda.get_device_name(device),
        "torch": str(torch.__version__),
        "mouselift": ml.__version__,
        "python": platform.python_version(),
    }
    write(rows, said, args.out)
    print(as_table(rows, said))
    return 1 if any(row.good is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
