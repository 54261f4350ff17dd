"""Blocks of frames go out to an engine, records come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

from mouselift.engines.engine import Engine, Job, Result
from mouselift.engines.local import LocalEngine, worker_count
from mouselift.engines.worker import step
from mouselift.errors import MouseliftError
from mouselift.progress import Step, unheard

__all__ = ["Engine", "LocalEngine", "engine_at", "run_blocks", "step", "worker_count"]


def run_blocks(
    job: Job[Result], blocks: Sequence[Sequence[int]], workers: int | Engine, hears: Step = unheard
) -> Iterator[Result]:
    """Results of `job` over all blocks, a block's in order, blocks in any order; see `Engine.run`.

    workers: an engine, or a number of processes, which end with this call.
    """
    engine = LocalEngine(workers) if isinstance(workers, int) else workers
    yield from engine.run(((job, block) for block in blocks), hears)


def engine_at(address: str, workers: int = 0) -> AbstractContextManager[Engine]:
    """The engine that `--engine` names, for `with`: "local" (`workers` processes), "dask://host:8786",
    "dask:///shared/scheduler.json"."""
    if address == "local":
        return LocalEngine(workers)
    scheme, _, place = address.partition("://")
    if scheme == "dask" and place:
        from mouselift.engines.dask import DaskEngine

        if workers:
            raise MouseliftError("--workers: a cluster has workers of its own; leave it away with --engine")
        return DaskEngine(place)
    raise MouseliftError(f"--engine: expected local, dask://host:port or dask:///path/scheduler.json, got {address!r}")
