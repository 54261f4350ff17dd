"""Two processes that make runs together, as torchrun starts them: by the environment, with a store outside them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.distributed import TCPStore

from mouselift.train.config import TrainConfig


@dataclass(frozen=True)
class Job:
    """One run; `change` is called in every process before it, with its rank."""

    config: TrainConfig
    out: Path
    change: Callable[[int], None] | None = None


def train_together(jobs: Sequence[Job], dataset: Path) -> tuple[list[list[str]], list[int | None]]:
    """For each process what each job ended with ("" or its error), and its exit code. Heavy modules load once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mouselift.train.loop"])
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    said = context.SimpleQueue()
    processes = [context.Process(target=_train, args=(k, store.port, jobs, dataset, said)) for k in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    ends: list[list[str]] = [[], []]
    while not said.empty():
        rank, text = said.get()
        ends[rank].append(text)
    return ends, [process.exitcode for process in processes]


def _train(rank: int, port: int, jobs: Sequence[Job], dataset: Path, said: Any) -> None:
    import torch

    from mouselift.train.loop import train_model

    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    os.environ |= {"MASTER_PORT": str(port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    for number, job in enumerate(jobs):
        os.environ["TORCHELASTIC_RESTART_COUNT"] = str(number)
        if job.change is not None:
            job.change(rank)
        try:
            train_model(job.config, dataset, job.out, checked=False)
            said.put((rank, ""))
        except Exception as error:
            said.put((rank, f"{type(error).__name__}: {error}"))
