"""Memory of a training step: what `mouselift train --dry-run` says against what the process takes, on the CPU.

`python benchmarks/train_memory.py`: a fresh process a configuration makes three steps on random images, and reads from
Linux by how much its peak grew over what it held before the network was built. Freed memory goes back at once
(MALLOC_MMAP_THRESHOLD_), so that the peak is the program's, not the allocator's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch

from mouselift.data.sample import Batch
from mouselift.models.gslrm.config import GSLRMConfig
from mouselift.models.gslrm.model import GSLRM
from mouselift.models.lora import LoRAConfig
from mouselift.render.cpu import CpuRenderer
from mouselift.train.config import LossWeights, TrainConfig, tiny_cpu
from mouselift.train.gradients import add_gradients
from mouselift.train.losses import Losses
from mouselift.train.memory import step_memory
from mouselift.train.optimiser import Optimiser, freeze

NETWORK = GSLRMConfig(
    width=384, head_width=64, layers=8, depth_range=1.2, scale_shift=-4.2, scale_limit=-3.2, opacity_shift=0.0
)
BASE = replace(tiny_cpu(), network=NETWORK, size=128, batch=1, inputs=4, losses=LossWeights(), checkpoint=Path("x"))
CASES: dict[str, TrainConfig] = {
    "all weights": BASE,
    "two samples": replace(BASE, batch=2),
    "blocks recomputed": replace(BASE, recompute=True),
    "blocks recomputed, 192 px": replace(BASE, recompute=True, size=192),
    "LoRA": replace(BASE, lora=LoRAConfig(rank=8)),
    "bfloat16": replace(BASE, precision="bfloat16"),
    "running mean": replace(BASE, ema=0.99, recompute=True),
    "the subject's patches, hull": replace(
        BASE, size=192, network=replace(NETWORK, mask_margin=0, hull_channels=True, hull_range=0.35)
    ),
    "wide, few tokens": replace(BASE, network=replace(NETWORK, width=1024, layers=6), size=64),
}


def batch_of(config: TrainConfig) -> Batch:
    """Random images, cameras on a ring."""
    b, v, side = config.batch, config.inputs, config.size or 0
    c2w = torch.eye(4).repeat(b, v, 1, 1)
    for k in range(v):
        angle = torch.tensor(2 * torch.pi * k / v)
        forward = torch.stack([-angle.cos(), -angle.sin(), torch.zeros(())])
        right = torch.stack([-angle.sin(), angle.cos(), torch.zeros(())])
        c2w[:, k, :3, :3] = torch.stack([right, torch.linalg.cross(forward, right), forward], dim=1)
        c2w[:, k, :3, 3] = -2.7 * forward
    intrinsics = torch.tensor([1.1 * side, 1.1 * side, side / 2, side / 2]).repeat(b, v, 1)
    places = torch.arange(v).repeat(b, 1)
    names = tuple(str(k) for k in range(v))
    image = torch.rand(b, v, 4, side, side)
    if config.network.mask_margin is not None:  # a subject on the middle half of each side: a quarter of the patches
        image[:, :, 3] = 0.0
        image[:, :, 3, side // 4 : -side // 4, side // 4 : -side // 4] = 1.0
    return Batch(
        tuple(str(k) for k in range(b)), (names,) * b, image, c2w, intrinsics,
        torch.zeros(b, v, 2, dtype=torch.int64), torch.ones(b, 3), places, places, torch.zeros(b, v, dtype=torch.bool),
    )  # fmt: skip


def status(key: str) -> int:
    """Bytes that Linux says of this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def measure(config: TrainConfig) -> int:
    """Growth of the peak over three steps."""
    torch.set_num_threads(1)
    small = replace(config, network=replace(NETWORK, width=64, layers=1), size=32, lora=None, batch=1)
    _steps(small, 2)  # libraries loaded, the renderer compiled
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    _steps(config, 3)
    return status("VmHWM") - before


def _steps(config: TrainConfig, count: int) -> None:
    torch.manual_seed(0)
    model = GSLRM(config.network)
    model.checkpoint_activations = config.recompute
    freeze(model, config)
    optimiser, batch = Optimiser(model, config, torch.device("cpu")), batch_of(config)
    for update in range(count):
        add_gradients(
            model, CpuRenderer(), Losses(config.losses), batch, share=1.0, views_at_once=1, precision=config.precision
        )
        optimiser.step(update)


def main() -> None:
    if len(sys.argv) > 1:
        sys.stdout.write(f"{measure(CASES[sys.argv[1]])}\n")
        return
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    sys.stdout.write("| configuration | estimate, MB | measured, MB | ratio |\n|---|---|---|---|\n")
    for name, config in CASES.items():
        found = subprocess.run(
            [sys.executable, __file__, name], env=environment, check=True, capture_output=True, text=True
        )
        quarter = ((config.size or 0) // config.network.patch_size) ** 2 // 4
        patches = None if config.network.mask_margin is None else quarter
        measured, estimate = int(found.stdout), step_memory(config, patches=patches).peak
        sys.stdout.write(f"| {name} | {estimate / 1e6:.0f} | {measured / 1e6:.0f} | {estimate / measured:.2f} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
