"""What is about to be done, checked before it starts: samples, views, sizes; and the memory and time that it takes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from mouselift.data.dataset import MultiViewDataset
from mouselift.dataset.layout import find_samples
from mouselift.dataset.sample import read_sample
from mouselift.errors import DatasetError, ModelError
from mouselift.models.gslrm.config import available_bytes, block_flops, forward_flops
from mouselift.progress import Progress, silent
from mouselift.reconstruct.gaussian_source import Engine
from mouselift.reconstruct.options import HoldOut, Round
from mouselift.sampling import evenly_spaced

BYTES_A_SPLAT = 248  # of a .ply: 62 float32 numbers
# bytes a Gaussian that is drawn and written, beside the weights: 1.54 GB for 1,572,866 (float32, one view a time)
_DRAWN_AND_WRITTEN = 1000
_TRIAL_TOKENS = 2048  # enough to keep all threads busy


@dataclass(frozen=True)
class Task:
    """One sample."""

    folder: Path
    rounds: tuple[Round, ...]
    views: int  # in all
    side: int  # pixels, as the network will get them

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def inputs(self) -> int:
        """Views that go in at once, at most."""
        return max(len(each.inputs) for each in self.rounds)


@dataclass(frozen=True)
class Plan:
    """Samples and which of their views go in: all cameras and image headers are read, nothing is decoded."""

    tasks: tuple[Task, ...]
    rule: HoldOut

    @property
    def rounds(self) -> int:
        """Reconstructions in all."""
        return sum(len(task.rounds) for task in self.tasks)


@dataclass(frozen=True)
class Estimate:
    """The largest task's needs, and the time for all of them. Drawing comes on top."""

    tasks: int
    views: int
    side: int
    tokens: int
    gaussians: int
    bytes: int  # at the peak, weights included
    free: int | None  # bytes; None where nobody says
    disk: int  # bytes of one gaussians.ply
    seconds: float  # of the network's passes over all tasks
    where: str  # device and precision, in words


def sample_folders(paths: Sequence[Path]) -> list[Path]:
    """The samples of folders, datasets and list files, in order. DatasetError where two have the same name."""
    folders = [folder.resolve() for path in paths for folder in find_samples(path)]
    seen: dict[str, Path] = {}
    for folder in folders:
        if folder.name in seen:
            twice = "is given twice" if seen[folder.name] == folder else f"is in {seen[folder.name].parent} too"
            raise DatasetError(
                f"{folder}: {twice}; expected samples of different names, because each gets a folder of its name"
            )
        seen[folder.name] = folder
    return folders


def make_plan(
    samples: Path | Sequence[Path],
    rule: HoldOut,
    size: int | None = None,
    most: int | None = None,
    progress: Progress = silent,
) -> Plan:
    """Of datasets, list files or samples. most: at most that many, spread over them.

    DatasetError names the sample: unusable, not square, without a view that the rule names; or named as another one.
    """
    folders = sample_folders([samples] if isinstance(samples, Path) else samples)
    folders = evenly_spaced(folders, most or len(folders))
    tasks = []
    progress("samples checked", 0, len(folders))
    for folder in folders:
        found = read_sample(folder)
        try:
            rule = rule.settled(found.names)
            rounds = rule.rounds(found.names)
        except DatasetError as error:
            raise DatasetError(f"sample {folder.name}: {error}") from None
        tasks.append(Task(folder, rounds, len(found.names), size or found.views[0].camera.width))
        progress("samples checked", len(tasks), len(folders))
    return Plan(tuple(tasks), rule)


def estimate(engine: Engine, plan: Plan) -> Estimate:
    """For at least one task. ModelError: a size that the network does not take, or more memory than is free."""
    config = engine.model.config
    for task in plan.tasks:
        engine.check_size(f"sample {task.name}", task.side, task.side)
    largest = max(plan.tasks, key=lambda task: task.inputs * task.side**2)
    share = None if config.mask_margin is None else _share_of_patches(engine, largest)

    def shape(task: Task) -> tuple[int, int, int, int | None]:
        every = task.inputs * (task.side // config.patch_size) ** 2
        return task.inputs, task.side, task.side, None if share is None else math.ceil(share * every)

    gaussians = config.gaussians(*shape(largest))
    need = engine.memory(*shape(largest))
    available = available_bytes(engine.device)
    free = None if available is None else available + engine.held
    on_cpu = engine.device.type == "cpu"
    if on_cpu:  # elsewhere they are drawn on the device, from much less than its free memory
        need = max(need, engine.held + _DRAWN_AND_WRITTEN * gaussians)
    if free is not None and need > free:
        raise ModelError(
            f"{largest.folder}: expected at most the {free / 1e9:.1f} GB that are free, drawing and writing "
            f"{gaussians:,} Gaussians takes about {need / 1e9:.1f} GB; take fewer --views or a smaller --size"
        )
    seconds = {kind: forward_seconds(engine, *kind) for kind in {shape(task) for task in plan.tasks}}
    threads = f", {torch.get_num_threads()} threads" if on_cpu else ""
    return Estimate(
        len(plan.tasks),
        largest.inputs,
        largest.side,
        config.tokens(*shape(largest)),
        gaussians,
        need,
        free,
        gaussians * BYTES_A_SPLAT,
        sum(len(task.rounds) * seconds[shape(task)] for task in plan.tasks),
        f"{engine.device}, {str(engine.dtype).removeprefix('torch.')}{threads}",
    )


def _share_of_patches(engine: Engine, task: Task) -> float:
    """Of a sample's patches, those that its subject touches: the one sample that is decoded for an estimate."""
    sample = MultiViewDataset([task.folder], size=task.side)[0]
    chosen = max((each.inputs for each in task.rounds), key=len)
    found = engine.patches(sample, chosen)
    assert found is not None
    return found / (len(chosen) * (task.side // engine.model.config.patch_size) ** 2)


def forward_seconds(
    engine: Engine,
    views: int,
    height: int,
    width: int,
    patches: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Seconds for one sample on this device, as busy as it is now: one block is run on part of the tokens, scaled up.

    A few seconds for `released()` on a CPU. How near it comes: `benchmarks/forward_estimate.py`.
    """
    config = engine.model.config
    tokens = min(_TRIAL_TOKENS, config.tokens(views, height, width, patches))
    block, trial = engine.model.transformer_layers[0], torch.zeros(1, tokens, config.width, device=engine.device)

    def spent() -> float:
        start = clock()
        block(trial)
        if engine.device.type == "cuda":
            torch.cuda.synchronize(engine.device)
        return clock() - start

    with torch.no_grad():
        spent()  # the first call also prepares
        return spent() * forward_flops(config, views, height, width, patches) / block_flops(config, tokens)
