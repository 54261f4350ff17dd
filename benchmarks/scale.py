"""What a thousand recordings cost besides their work, and what saturates first with a hundred workers.

`python benchmarks/scale.py WORK --sample-seconds S --sample-bytes B`: S, B: CPU seconds and bytes of a sample on the
cluster in question (`benchmarks/engines.py --many` measures S). Synthetic captures, with real records and manifests, go
through the planner of `prepare --out`, the jobs of which do nothing: time and memory a unit of work are the planner's
own. Then units of the same size go to two processes of this machine and to a Dask cluster on it.
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec

import mouselift as ml
from mouselift.engines.engine import Engine
from mouselift.prepare.collection import ManyCaptures
from mouselift.prepare.preparation import Preparation
from mouselift.prepare.sample import Record
from mouselift.progress import silent
from mouselift.run_folder import MANIFEST

BLOCKS, FRAMES, VIEWS, WORKERS = 10, 25, 6, 100
LONG = 250  # frames of a block between key frames far apart
_ROUNDS = 40  # units that each engine gets


def record(frame: int) -> Record:
    """As large as a real one."""
    view = dict.fromkeys(("scale", "focal", "magnification", "distance", "residual_px"), 1.2345678901)
    more = {"trusted": True, "fill_before": 0.1795931213, "fill_after": 0.2069875616, "cut": False, "clipped": False}
    views: list[dict[str, Any]] = [{"camera": f"Camera{k}", **view, **more} for k in range(VIEWS)]
    return Record(f"sample_{frame:06d}", frame, "kept", frame / 30, None, "train", (1.0, 2.0, 3.0), 1.5, views)


@dataclass(frozen=True, eq=False)
class Nothing:
    """A block whose samples are there already, as it were."""

    def __call__(self, block: Sequence[int]) -> Iterator[list[Record]]:
        for frame in block:
            yield [record(frame)]


@dataclass(eq=False)
class Manifest:
    """In the place of `Preparation`: blocks of a capture that is only a number, and a manifest in the end."""

    out: Path
    job: Nothing = field(default_factory=Nothing)
    known: dict[int, Record] = field(default_factory=dict)

    @contextmanager
    def begun(self, shared: object) -> Iterator[None]:
        yield

    def todo(self) -> list[list[int]]:
        return [list(range(FRAMES * k, FRAMES * (k + 1))) for k in range(BLOCKS)]

    def take(self, records: Sequence[Record]) -> None:
        self.known.update({one.frame: one for one in records})

    def complete(self) -> ml.PrepareSummary:
        frames, self.known = len(self.known), {}
        return ml.PrepareSummary(self.out, frames, frames, frames, {}, {}, ())


def planned(root: Path, captures: int, engine: Engine) -> tuple[float, float]:
    """(ms a unit of work in this process, peak memory in MB)."""
    named = {f"mouse{k:05d}": root / f"mouse{k:05d}" for k in range(captures)}
    before = cpu()
    options = ml.PrepareOptions()
    rows = ManyCaptures(named, root, options, engine, silent, lambda _, out, __: cast(Preparation, Manifest(out))).run()
    assert [row.kept for row in rows] == [BLOCKS * FRAMES] * captures
    return 1e3 * (cpu() - before) / (captures * BLOCKS), peak_mb()


def gathered(root: Path, captures: int) -> tuple[float, float]:
    """(ms a capture, peak memory in MB) of the lists over all recordings; the manifests are links to one."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    one = root / "one.jsonl"
    one.write_bytes(b"".join(msgspec.json.encode(record(frame)) + b"\n" for frame in range(BLOCKS * FRAMES)))
    folders = [root / f"mouse{k:05d}" for k in range(captures)]
    for folder in folders:
        folder.mkdir()
        (folder / MANIFEST).symlink_to(one)
    before = cpu()
    found = ml.gather_collection(folders, root)
    assert sum(row.kept for row in found.recordings) == captures * BLOCKS * FRAMES
    shutil.rmtree(root)
    return 1e3 * (cpu() - before) / captures, peak_mb()


def unit_cost(engine: Engine, units: int = _ROUNDS, frames: int = FRAMES) -> tuple[float, float]:
    """(ms of this process a unit, units a second) once processes are there; a unit answers with `frames` records."""
    job, block = Nothing(), list(range(frames))
    list(engine.run([(job, block)] * 4))
    begin, clock = cpu(), time.perf_counter()
    assert sum(1 for _ in engine.run([(job, block)] * units)) == units * frames
    return 1e3 * (cpu() - begin) / units, units / (time.perf_counter() - clock)


@contextmanager
def cluster() -> Iterator[Engine]:
    """A scheduler in this process and two workers."""
    distributed: Any = importlib.import_module("distributed")
    with (
        closing(distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)) as made,
        ml.DaskEngine(made.scheduler_address) as engine,
    ):
        yield engine


ENGINES: dict[str, Callable[[], AbstractContextManager[Engine]]] = {
    "two processes": lambda: ml.LocalEngine(2),
    "Dask, its scheduler in this process": cluster,
}


def long_block_cost(opened: Callable[[], AbstractContextManager[Engine]], plain: float) -> float:
    """ms of CPU of all processes a unit of `LONG` frames, without the job's own (`plain`) and without their start."""
    spent = []
    for units in (1, 1 + _ROUNDS):
        before = cpu_of_all()
        with opened() as engine:
            unit_cost(engine, units, LONG)
        spent.append(cpu_of_all() - before)
    return 1e3 * (spent[1] - spent[0]) / _ROUNDS - plain


def cpu_of_all() -> float:
    """Of this process and of those that it started and that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return cpu() + ended.ru_utime + ended.ru_stime


def cpu() -> float:
    return time.process_time()


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def on_paper(seconds: float, size: float, unit_ms: float, plan_ms: float) -> None:
    """What `WORKERS` workers ask of the one process that plans, and of the storage that all share."""
    samples = WORKERS / seconds
    units, busy = samples / FRAMES, samples / FRAMES * (unit_ms + plan_ms)  # ms a second
    print(
        f"{WORKERS} workers, {seconds * 1e3:.0f} ms of CPU and {size / 1e3:.0f} kB a sample, {FRAMES} samples a unit:"
    )
    asked = f"{units:.0f} units/s, {samples * size / 1e6:.0f} MB/s, {samples * (VIEWS + 1):.0f} files/s"
    print(f"  {samples:.0f} samples/s: {asked}")
    print(f"  the process that plans: {busy / 10:.0f} % of one core; full with {WORKERS * 1e3 / busy:.0f} workers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--sample-seconds", type=float, default=0.07)
    parser.add_argument("--sample-bytes", type=float, default=290e3)
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores; {FRAMES} samples a unit, {BLOCKS} units a capture, {VIEWS} views")
    plan = 0.0
    for captures in (1000, 10000):
        plan, memory = planned(given.work / "planned", captures, ml.LocalEngine(1))
        print(f"{captures} captures planned: {plan:.2f} ms of CPU a unit, making records included; {memory:.0f} MB")
    for captures in (100, 1000):
        each, memory = gathered(given.work / "gathered", captures)
        print(f"{captures} manifests gathered: {each:.1f} ms of CPU a capture; {memory:.0f} MB")
    begin = cpu()
    for _ in range(_ROUNDS):
        list(Nothing()(range(LONG)))
    plain = 1e3 * (cpu() - begin) / _ROUNDS
    highest = 0.0
    for name, opened in ENGINES.items():
        with opened() as engine:
            ms, rate = unit_cost(engine)
        highest = max(ms, highest)
        print(f"{name}: {ms:.1f} ms of CPU a unit in the process that plans, {rate:.0f} units/s")
        long = long_block_cost(opened, plain)
        share = long / (1e3 * LONG * given.sample_seconds)
        print(f"  blocks of {LONG} frames: {long:.0f} ms of CPU of all processes a unit, {share:.2%} of its work")
    on_paper(given.sample_seconds, given.sample_bytes, highest, plan)


if __name__ == "__main__":
    main()
