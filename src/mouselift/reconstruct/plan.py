"""What is about to be done, checked before it starts: samples, views, sizes, memory, time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mouselift.dataset.layout import find_samples
from mouselift.dataset.sample import read_sample
from mouselift.errors import DatasetError, ModelError
from mouselift.models.gslrm.memory import available_bytes
from mouselift.reconstruct.estimate import forward_seconds
from mouselift.reconstruct.network import Engine
from mouselift.reconstruct.options import Options

BYTES_A_SPLAT = 239  # of a .ply: 59 float32 numbers, 3 bytes
_DRAWN_AND_WRITTEN = (
    1000  # bytes a Gaussian, beside the weights: 1.54 GB measured for 1,572,866 (float32, one view a time)
)


@dataclass(frozen=True)
class Task:
    """One sample."""

    folder: Path
    inputs: int  # views that go in
    views: int  # in all
    side: int  # pixels, as the network will get them

    @property
    def name(self) -> str:
        return self.folder.name


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


def tasks_of(folders: Sequence[Path], options: Options, engine: Engine) -> list[Task]:
    """Every sample's cameras and image headers, read. Nothing is decoded.

    DatasetError: a sample that cannot be used (not square, an image missing), a view that it does not have.
    ModelError: a size that the network does not take, with one that it does.
    """
    tasks = []
    for folder in folders:
        found = read_sample(folder)
        try:
            chosen = options.choice.choose(found.names, np.random.default_rng(0))
        except DatasetError as error:
            raise DatasetError(f"{folder}: {error}") from None
        side = options.size or found.views[0].camera.width
        engine.check_size(str(folder), side, side)
        tasks.append(Task(folder, len(chosen.inputs), len(found.views), side))
    return tasks


def estimate(engine: Engine, tasks: Sequence[Task]) -> Estimate:
    """For at least one task. ModelError where the largest needs more memory than is free."""
    config = engine.model.config
    largest = max(tasks, key=lambda task: task.inputs * task.side**2)
    kinds = {(task.inputs, task.side) for task in tasks}
    gaussians = config.gaussians(largest.inputs, largest.side, largest.side)
    need = engine.memory(largest.inputs, largest.side, largest.side)
    available = available_bytes(engine.device)
    free = None if available is None else available + engine.held
    if engine.device.type == "cpu":  # elsewhere they are drawn on the device, from much less than its free memory
        need = max(need, engine.held + _DRAWN_AND_WRITTEN * gaussians)
    if free is not None and need > free:
        raise ModelError(
            f"{largest.folder}: expected at most the {free / 1e9:.1f} GB that are free, drawing and writing "
            f"{gaussians:,} Gaussians takes about {need / 1e9:.1f} GB; take fewer --views or a smaller --size"
        )
    seconds = {kind: forward_seconds(engine, kind[0], kind[1], kind[1]) for kind in kinds}
    return Estimate(
        len(tasks),
        largest.inputs,
        largest.side,
        config.tokens(largest.inputs, largest.side, largest.side),
        gaussians,
        need,
        free,
        gaussians * BYTES_A_SPLAT,
        sum(seconds[task.inputs, task.side] for task in tasks),
    )
