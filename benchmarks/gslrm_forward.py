"""GS-LRM on a CPU: the released network's forward pass, and `tiny()` against the same network written naively.

    python benchmarks/gslrm_forward.py released [--views 6] [--size 512] [--dtype bfloat16] [--layers 24] [--threads 1]
    python benchmarks/gslrm_forward.py released --sample DATASET/sample_000000 --mask-margin 8
    python benchmarks/gslrm_forward.py released --sample DATASET/sample_000000 --compare --size 256
    python benchmarks/gslrm_forward.py tiny

`released` uses random weights: time and memory do not depend on them. It prints the estimate of
`mouselift.models.gslrm.config` next to the peak of the process. With a prepared sample, only the patches near its
subject become tokens.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mouselift.cli.progress_bar import progress_bar
from mouselift.data.dataset import MultiViewDataset
from mouselift.models.gslrm.config import check_memory, released, tiny
from mouselift.models.gslrm.model import GSLRM, Attention, patchify
from mouselift.models.gslrm.packing import near_subject, patches_near


class NaiveAttention(nn.Module):
    """The same attention as three lines of algebra, with the whole matrix of weights."""

    def __init__(self, fast: Attention) -> None:
        super().__init__()
        self.to_qkv, self.fc, self.head_width = fast.to_qkv, fast.fc, fast.head_width

    def forward(self, x: Tensor) -> Tensor:
        b, n, d = x.shape
        q, k, v = (part.reshape(b, n, -1, self.head_width).transpose(1, 2) for part in self.to_qkv(x).chunk(3, dim=-1))
        weights = torch.softmax(q @ k.transpose(-1, -2) / self.head_width**0.5, dim=-1)
        return self.fc((weights @ v).transpose(1, 2).reshape(b, n, d))


def cameras(views: int, size: int) -> tuple[Tensor, Tensor]:
    """A ring of the released kind: distance 2.7, 50 degrees, axes through the origin. [1, v, 4, 4], [1, v, 4]."""
    poses = []
    for angle in np.linspace(0, 2 * np.pi, views, endpoint=False):
        z = -np.array([np.cos(angle), np.sin(angle), 0.0])
        down = np.array([0.0, 0.0, -1.0])
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = np.stack([np.cross(down, z), down, z], axis=1), -2.7 * z
        poses.append(T)
    focal = 548.9937744140625 * size / 512
    K = torch.tensor([focal, focal, size / 2, size / 2]).repeat(1, views, 1)
    return torch.from_numpy(np.stack(poses)).float()[None], K


def run_released(views: int, size: int, dtype: torch.dtype, layers: int, folder: Path | None, margin: int) -> None:
    config, patches = replace(released(), layers=layers), None
    image, (c2w, K) = torch.rand(1, views, 3, size, size), cameras(views, size)
    if folder is not None:
        config = replace(config, mask_margin=margin)
        sample = MultiViewDataset([folder], size=size)[0]
        image, c2w, K = (part[:views][None] for part in (sample.image, sample.c2w, sample.fxfycxcy))
        (patches,) = patches_near(image[:, :, 3], margin, config.patch_size)
    shape = (len(image[0]), size, size)
    estimate = check_memory(config, *shape, dtype=dtype, patches=patches)
    print(f"{config.tokens(*shape, patches):,} tokens, {dtype}, estimate {estimate / 1e9:.2f} GB", flush=True)
    torch.manual_seed(0)
    model = GSLRM(config).eval().lower_precision(dtype)
    loaded = peak()
    wall, cpu = time.perf_counter(), time.process_time()
    with torch.inference_mode(), progress_bar() as progress:

        def log(stage: str, done: int, total: int) -> None:
            progress(stage, done, total)
            spent = time.perf_counter() - wall
            print(f"block {done}/{total}, {spent:.0f} s, left {spent / done * (total - done):.0f} s", flush=True)

        found = model(image, c2w, K, progress=log)
    finite = bool(torch.isfinite(found.xyz).all())
    print(f"{found.xyz.shape[1]:,} Gaussians, finite: {finite}; {time.perf_counter() - wall:.0f} s wall, ", end="")
    print(f"{time.process_time() - cpu:.0f} s CPU; peak {peak():.2f} GB ({loaded:.2f} GB once loaded)")


def peak() -> float:
    """GB, largest resident size so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def run_compare(size: int, layers: int, folder: Path, margin: int) -> None:
    """How much leaving patches out changes the Gaussians of the subject's pixels: the same random weights, twice."""
    torch.manual_seed(0)
    model = GSLRM(replace(released(), layers=layers)).eval()
    sample = MultiViewDataset([folder], size=size)[0]
    image, c2w, K = (part[None] for part in (sample.image, sample.c2w, sample.fxfycxcy))
    with torch.inference_mode():
        whole = model(image, c2w, K)
        model.config = replace(model.config, mask_margin=margin)
        part = model(image, c2w, K)
    near = patchify(near_subject(image[:, :, 3], margin)[:, :, None].float(), 8).flatten() > 0
    kept = torch.cat([torch.ones(model.config.global_gaussians, dtype=torch.bool), near])
    print(f"{size} px, {layers} layers: {int(kept.sum()):,} of {len(kept):,} Gaussians kept")
    for name in ("xyz", "features", "scaling", "opacity"):
        a, b = getattr(whole, name)[0, kept], getattr(part, name)[0]
        print(f"{name}: differs by {(a - b).abs().mean():.4f} in the mean, itself spread by {a.std():.4f}")


def run_tiny(views: int = 4, size: int = 128) -> None:
    torch.manual_seed(0)
    fast, naive = GSLRM(tiny()), GSLRM(tiny())
    naive.load_state_dict(fast.state_dict())
    for block in naive.transformer_layers:
        attention = block.get_submodule("attn")
        assert isinstance(attention, Attention)
        block.attn = NaiveAttention(attention)
    image, (c2w, K) = torch.rand(1, views, 3, size, size), cameras(views, size)

    def step(model: GSLRM) -> Callable[[], Tensor]:
        def run() -> Tensor:
            model.zero_grad()
            found = model(image, c2w, K)
            loss = found.xyz.square().mean() + found.opacity.mean() + found.features.square().mean()
            loss.backward()
            return loss.detach()

        return run

    times: dict[str, list[float]] = {"mouselift": [], "naive": []}
    for _ in range(12):  # in turns, so that a busy machine hits both
        for name, call in (("mouselift", step(fast)), ("naive", step(naive))):
            start = time.process_time()
            call()
            times[name].append(time.process_time() - start)
    ours, plain = (1e3 * float(np.median(times[name][2:])) for name in ("mouselift", "naive"))
    print(f"tiny(), {tiny().tokens(views, size, size)} tokens, forward and backward: {ours:.1f} ms CPU, ", end="")
    print(f"naive {plain:.1f} ms, ratio {plain / ours:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=["released", "tiny"])
    parser.add_argument("--views", type=int, default=6)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sample", type=Path, help="a prepared sample, in place of noise")
    parser.add_argument("--mask-margin", type=int, default=8, help="pixels about the sample's subject")
    parser.add_argument("--compare", action="store_true", help="with --sample: with all patches, and with some")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.network == "tiny":
        run_tiny()
    elif options.compare:
        run_compare(options.size, options.layers, options.sample, options.mask_margin)
    else:
        dtype = getattr(torch, options.dtype)
        run_released(options.views, options.size, dtype, options.layers, options.sample, options.mask_margin)


if __name__ == "__main__":
    main()
