"""The order in which training sees a dataset: the n-th sample is a function of n, so a run resumes anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from torch.utils.data import DataLoader, Dataset

from mouselift.data.dataset import MultiViewDataset, reading_processes
from mouselift.data.sample import Batch, SampleTensors, collate

_AHEAD = 4  # batches that each process reads before they are asked for


class NumberedSamples(Dataset[SampleTensors]):
    """Sample n, n = 0, 1, ...: epochs follow one another without a gap, each in its own order with its own draws."""

    def __init__(self, dataset: MultiViewDataset) -> None:
        self.dataset = dataset
        self._order = lru_cache(maxsize=2)(dataset.order)

    def __getitem__(self, index: int) -> SampleTensors:
        epoch, place = divmod(index, len(self.dataset))
        return self.dataset.sample(self._order(epoch)[place], epoch)

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
) -> Iterator[Batch]:
    """`count` batches of `batch` samples from number `first` on, read ahead by `workers` processes.

    Of `ranks` processes that take a batch each at a time, number `rank` gets those that are its own.
    """
    starts = [first + (k * ranks + rank) * batch for k in range(count)]
    numbers = [list(range(start, start + batch)) for start in starts]
    loader: DataLoader[Any] = DataLoader(
        NumberedSamples(dataset),
        batch_sampler=numbers,
        collate_fn=collate,
        pin_memory=pin_memory,
        prefetch_factor=_AHEAD if workers else None,
        **reading_processes(workers),
    )
    yield from loader
