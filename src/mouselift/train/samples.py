"""The order in which training sees a dataset: the n-th sample is a function of n, so a run resumes anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from mouselift.data.dataset import MultiViewDataset, reading_processes
from mouselift.data.sample import Batch, SampleTensors, collate
from mouselift.engines.program import program_left_out
from mouselift.errors import MouseliftError

_AHEAD = 4  # batches that each process reads before they are asked for


_INPUTS = 1 << 21  # a stream of random numbers of its own


class NumberedSamples(Dataset[SampleTensors | MouseliftError]):
    """Sample n, n = 0, 1, ...: epochs follow one another without a gap, each in its own order with its own draws.

    Asked for by its number and how many views go in (None: what the dataset's choice says). An error is an item: torch
    would raise those of another process with that process's traceback for a message.
    """

    def __init__(self, dataset: MultiViewDataset) -> None:
        self.dataset = dataset
        self._order = lru_cache(maxsize=2)(dataset.order)

    def __getitem__(self, asked: tuple[int, int | None]) -> SampleTensors | MouseliftError:
        try:
            return self.sample(*asked)
        except MouseliftError as error:
            return error

    def sample(self, number: int, inputs: int | None = None) -> SampleTensors:
        epoch, place = divmod(number, len(self.dataset))
        return self.dataset.sample(self._order(epoch)[place], epoch, inputs)

    def __getstate__(self) -> dict[str, Any]:  # a cache does not travel to worker processes
        return {"dataset": self.dataset}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["dataset"])


def batches_from(
    dataset: MultiViewDataset,
    first: int,
    count: int,
    batch: int,
    workers: int = 0,
    pin_memory: bool = False,
    rank: int = 0,
    ranks: int = 1,
    inputs: tuple[int, int] | None = None,
) -> Iterator[Batch]:
    """`count` batches of `batch` samples from number `first` on, read ahead by `workers` processes.

    Of `ranks` processes that take a batch each at a time, number `rank` gets those that are its own. inputs: fewest and
    most views that go in, drawn for each batch by its first sample's number; None: what the dataset's choice says.
    DatasetError where a sample cannot be read, when its batch is asked for.
    """
    starts = [first + (k * ranks + rank) * batch for k in range(count)]

    def views(start: int) -> int | None:
        if inputs is None:
            return None
        return int(np.random.default_rng([dataset.seed, start, _INPUTS]).integers(inputs[0], inputs[1] + 1))

    numbers = [[(number, views(start)) for number in range(start, start + batch)] for start in starts]
    loader: DataLoader[Any] = DataLoader(
        NumberedSamples(dataset),
        batch_sampler=numbers,
        collate_fn=_collated,
        pin_memory=pin_memory,
        prefetch_factor=_AHEAD if workers else None,
        **reading_processes(workers),
    )
    with program_left_out():
        read = iter(loader)
    for found in read:
        if isinstance(found, MouseliftError):
            raise found
        yield found


def _collated(items: Sequence[SampleTensors | MouseliftError]) -> Batch | MouseliftError:
    """The first error, where there is one."""
    samples = [item for item in items if not isinstance(item, MouseliftError)]
    return collate(samples) if len(samples) == len(items) else next(e for e in items if isinstance(e, MouseliftError))
