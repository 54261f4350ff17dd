"""How near `reconstruct.plan` comes: the time foretold for a forward pass of `released()`, and the time it took.

    python benchmarks/forward_estimate.py [--views 6] [--sizes 128 256] [--layers 24] [--dtype float32] [--threads 2]

Random weights: time does not depend on them. Wall time on a machine as busy as it happens to be, and CPU time.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import torch

from mouselift.data.sample import SampleTensors
from mouselift.models.gslrm.config import released
from mouselift.models.gslrm.model import GSLRM
from mouselift.reconstruct.gaussian_source import Engine
from mouselift.reconstruct.plan import forward_seconds
from mouselift.render.orbit import turntable


def random_sample(views: int, size: int) -> SampleTensors:
    """Noise, seen by cameras of the released kind."""
    cameras = turntable(views, size=size)
    T_cam_world = torch.stack([torch.tensor(camera.T_cam_world) for camera in cameras])
    return SampleTensors(
        name="random",
        views=tuple(camera.name for camera in cameras),
        image=torch.rand(views, 4, size, size),
        c2w=torch.linalg.inv(T_cam_world).float(),
        fxfycxcy=torch.tensor([[c.fx, c.fy, c.cx, c.cy] for c in cameras], dtype=torch.float32),
        index=torch.zeros(views, 2, dtype=torch.int64),
        background=torch.ones(3),
        inputs=torch.arange(views),
        targets=torch.arange(views),
        held_out=torch.zeros(views, dtype=torch.bool),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=int, default=6)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    dtype = getattr(torch, options.dtype)
    model = GSLRM(replace(released(), layers=options.layers)).eval().requires_grad_(False).lower_precision(dtype)
    engine = Engine(model, torch.device("cpu"), dtype)
    for size in options.sizes:
        sample = random_sample(options.views, size)
        shape = (options.views, size, size)
        wall, cpu = (forward_seconds(engine, *shape, clock=clock) for clock in (time.perf_counter, time.process_time))
        start = time.perf_counter(), time.process_time()
        engine.reconstruct(sample)
        took = time.perf_counter() - start[0], time.process_time() - start[1]
        print(
            f"{options.views} x {size} x {size}, {options.layers} layers, {dtype}: wall foretold {wall:.1f} s, took "
            f"{took[0]:.1f} s, ratio {took[0] / wall:.2f}; CPU foretold {cpu:.1f} s, took {took[1]:.1f} s, ratio "
            f"{took[1] / cpu:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
