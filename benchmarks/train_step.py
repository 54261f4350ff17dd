"""A training step against a naive loop over the same network; and whether a long run stays as it began.

    python benchmarks/train_step.py [--blocks 12]      step times, ours and naive in turn, and their ratio
    python benchmarks/train_step.py long [--updates 1000]   memory and step time along a run

The naive loop is what one writes first: samples read when they are needed, one graph over the network and all views,
all losses added, one backward pass. Both train `tiny_cpu` (and the same without the hull) on the dataset of
`train_tiny.py`, from the same weights, on the same samples; their first losses must be equal.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

import mouselift as ml
from mouselift.data.dataset import MultiViewDataset, ViewChoice
from mouselift.data.sample import Batch, collate
from mouselift.dataset.layout import split_samples
from mouselift.models.gslrm.model import GSLRM
from mouselift.render.base import Gaussians, RenderCamera
from mouselift.render.cpu import CpuRenderer
from mouselift.train.config import TrainConfig, tiny_cpu
from mouselift.train.gradients import add_gradients
from mouselift.train.log import read_log
from mouselift.train.losses import Losses
from mouselift.train.optimiser import Optimiser
from mouselift.train.samples import batches_from
from train_memory import status
from train_tiny import dataset

_BLOCK = 10  # steps of one kind before the other has its turn
PLAIN = {"mask_margin": None, "colour_residual": False, "hull_channels": False, "hull_range": None}


def network(config: TrainConfig) -> GSLRM:
    torch.manual_seed(config.seed)
    return GSLRM(config.network).train()


def ours(config: TrainConfig, samples: MultiViewDataset) -> Iterator[float]:
    """Losses, a step each."""
    model, losses, renderer = network(config), Losses(config.losses), CpuRenderer()
    optimiser = Optimiser(model, config, torch.device("cpu"))
    for update, batch in enumerate(batches_from(samples, 0, 10_000, config.batch, workers=config.readers)):
        found = add_gradients(model, renderer, losses, batch, share=1.0, views_at_once=config.views_at_once)
        optimiser.step(update)
        yield found.total


def naive(config: TrainConfig, samples: MultiViewDataset) -> Iterator[float]:
    """The same, written plainly."""
    model, losses, renderer = network(config), Losses(config.losses), CpuRenderer()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=config.betas, weight_decay=config.weight_decay)
    order, place = samples.order(0), 0
    while True:
        batch = collate([samples.sample(order[(place + k) % len(order)], 0) for k in range(config.batch)])
        place += config.batch
        loss = naive_loss(model, renderer, losses, batch)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimiser.step()
        yield float(loss.detach())


def naive_loss(model: GSLRM, renderer: CpuRenderer, losses: Losses, batch: Batch) -> torch.Tensor:
    rows = torch.arange(len(batch))[:, None]
    made = model(*(part[rows, batch.inputs] for part in (batch.image, batch.c2w, batch.fxfycxcy)))
    height, width = batch.image.shape[-2:]
    total = torch.zeros(())
    for k in range(len(batch)):
        gaussians = Gaussians.from_stored(*made.of_sample(k))
        red, green, blue = batch.background[k].tolist()
        places = batch.targets[k].tolist()
        for place in places:
            camera = RenderCamera.posed(batch.c2w[k, place], batch.fxfycxcy[k, place], width, height)
            drawn = renderer.render(gaussians, camera, (red, green, blue))
            total = total + losses.total(losses.of_view(drawn, batch.image[k, place])) / (len(places) * len(batch))
    return total


def compare(blocks: int, folder: Path) -> None:
    sys.stdout.write("| network | ours, s a step | naive | ratio | CPU ratio |\n|---|---|---|---|---|\n")
    recipe = replace(tiny_cpu(), hold_out=("Camera6",))
    for name, config in (
        ("tiny_cpu", recipe),
        ("without the hull", replace(recipe, network=replace(recipe.network, **PLAIN))),  # pyright: ignore[reportArgumentType]
    ):
        views = ViewChoice(inputs=config.inputs, draw="random", held_out=config.hold_out)
        samples = MultiViewDataset(
            split_samples(folder, "train"), size=config.size, views=views, augment=config.augment
        )
        loops = {kind: loop(config, samples) for kind, loop in (("ours", ours), ("naive", naive))}
        first = {kind: next(loop) for kind, loop in loops.items()}
        if abs(first["ours"] - first["naive"]) > 1e-5 * first["naive"]:
            raise SystemExit(f"the two loops do not compute the same: {first}")
        wall, cpu = ({kind: list[float]() for kind in loops} for _ in range(2))
        for _ in range(blocks):
            for kind, loop in loops.items():
                begun, spent = time.perf_counter(), time.process_time()
                for _ in range(_BLOCK):
                    next(loop)
                wall[kind].append((time.perf_counter() - begun) / _BLOCK)
                cpu[kind].append((time.process_time() - spent) / _BLOCK)
        ratio, cpu_ratio = (float(np.median(np.divide(kinds["ours"], kinds["naive"]))) for kinds in (wall, cpu))
        mine, plain = (float(np.median(wall[kind])) for kind in ("ours", "naive"))
        sys.stdout.write(f"| {name} | {mine:.3f} | {plain:.3f} | {ratio:.2f} | {cpu_ratio:.2f} |\n")
        sys.stdout.flush()


def long_run(updates: int, folder: Path) -> None:
    """Resident memory of this process at every tenth of the run, and medians of the step's time there."""
    out, memory = Path(tempfile.mkdtemp()), dict[int, int]()

    def note(stage: str, done: int, total: int) -> None:
        if stage == "updates" and done % (updates // 10) == 0:
            memory[done] = status("VmRSS")

    try:
        ml.train_model("tiny_cpu", folder, out / "run", ml.TrainOptions(updates=updates), checked=False, progress=note)
        steps = [line for line in read_log(out / "run") if line.kind == "update"]
    finally:
        shutil.rmtree(out)
    seconds, waited = (np.array([getattr(line, key) or 0.0 for line in steps]) for key in ("seconds", "waited"))
    sys.stdout.write("| update | MB | s a step (median of the tenth) |\n|---|---|---|\n")
    tenth = updates // 10
    for done, held in sorted(memory.items()):
        if done:
            sys.stdout.write(f"| {done} | {held / 1e6:.0f} | {np.median(seconds[done - tenth : done]):.3f} |\n")
    sys.stdout.write(f"\nwaiting for data: {waited[1:].sum() / seconds[1:].sum():.1%} of the time\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["compare", "long"], default="compare")
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    run: Callable[[Path], None] = (
        (lambda folder: compare(args.blocks, folder)) if args.what == "compare" else lambda f: long_run(args.updates, f)
    )
    run(dataset(150))


if __name__ == "__main__":
    main()
