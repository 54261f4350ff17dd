"""Processes of this machine. Within `with` they live on from call to call: starting one costs over a second."""

from __future__ import annotations

import contextlib
import itertools
import logging
import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any

from mouselift.engines.engine import Job, Result, Unit
from mouselift.engines.program import program_left_out
from mouselift.engines.worker import digest_of, hear_by, heard_by, run_unit, settle
from mouselift.errors import MouseliftError
from mouselift.progress import Step, unheard
from mouselift.ranges import PROCESSES, Range

LOG = logging.getLogger(__name__)

_QUEUED_PER_WORKER = 2  # units handed out ahead: enough to keep workers busy, few enough to stop soon
# Seconds of work from which on other processes pay: two cost 0.7 to 1.1 CPU s to start, and half a second to a second
# pass until they work (`python benchmarks/engines.py WORK --many 3 --size 128`).
WORTH = 1.5
_HEARD = 0.5  # seconds after which a worker's steps are heard at the latest


class LocalEngine:
    """Runs work in `workers` processes of this machine; 0: one a core that this process may run on; 1: this one.

    Within `with` the processes live on from call to call; without it they end with each call. It is for one thread.
    A script needs no `if __name__ == "__main__":` for them, unless it hands over objects of classes of its own.

    Errors: MouseliftError for a negative number, and where the system killed a process; finished samples stay.

    Example:
        >>> with ml.LocalEngine(4) as engine:
        ...     for name in ("mouse7", "mouse8"):
        ...         capture = ml.load_capture(Path("recordings") / name)
        ...         ml.prepare_dataset(capture, Path("out") / name, engine=engine)
    """

    def __init__(self, workers: int = 0) -> None:
        self.workers = worker_count(workers)
        self._pool: _Pool | None = None
        self._keeps = 0
        self._done_here = 0.0  # seconds of work, by what jobs say

    def __enter__(self) -> LocalEngine:
        self._keeps += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._keeps -= 1
        if not self._keeps:
            self._end()

    def run(self, units: Iterable[Unit[Result]], hears: Step = unheard) -> Iterator[Result]:
        """As `Engine.run`. With one worker, fewer than two units, or units that are done before other processes would
        have started, those of earlier calls counted, everything runs in this process."""
        taken = iter(units)
        first = [] if self.workers == 1 else self._ahead(taken)
        if len(first) < 2 or not self._pool_pays(first):
            self._done_here += sum(map(_seconds, first))
            settle()
            with heard_by(hears):
                for job, block in itertools.chain(first, taken):
                    yield from job(block)
            return
        with self:
            self._pool = pool = self._pool or _Pool(self.workers)
            try:
                yield from pool.run(itertools.chain(first, taken), hears)
            except KeyboardInterrupt:
                pool.terminate()  # samples are whole or absent, so nothing is lost
                self._end()
                raise
            except BrokenProcessPool as error:
                self._end()
                raise MouseliftError(
                    "a worker process was killed, by the system if memory ran out; run again with fewer `--workers`: "
                    "finished samples are kept"
                ) from error

    def _ahead(self, taken: Iterator[Unit[Result]]) -> list[Unit[Result]]:
        """The first units: two at least, and so many that processes for them pay, as far as there are any."""
        first = list(itertools.islice(taken, 2))
        while not self._pool_pays(first) and (unit := next(taken, None)):
            first.append(unit)
        return first

    def _pool_pays(self, units: Sequence[Unit[Any]]) -> bool:
        return self._pool is not None or self._done_here + sum(map(_seconds, units)) >= WORTH

    def _end(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.end()


def seconds_an_item(job: Job[Any]) -> float:
    """As the job says; of one that does not, so much that processes pay at once."""
    return getattr(job, "seconds_an_item", WORTH)


def _seconds(unit: Unit[Any]) -> float:
    job, block = unit
    return len(block) * seconds_an_item(job)


def worker_count(asked: int) -> int:
    """Processes to use: as many as asked for; 0: one a core that this process may run on. OptionError out of range."""
    Range(0, PROCESSES).check("workers", asked)
    available = getattr(os, "sched_getaffinity", None)  # Linux: a container or a scheduler may allow fewer
    return asked or (len(available(0)) if available is not None else os.cpu_count() or 1)


class _Pool:
    """Started processes, and the folder through which jobs reach them: once each, not with every unit."""

    def __init__(self, workers: int) -> None:
        LOG.debug("up to %d processes", workers)
        self._ahead = workers * _QUEUED_PER_WORKER
        self._others = set(multiprocessing.active_children())
        context = multiprocessing.get_context("spawn")  # fork copies threads' locks: decoders would hang
        self._counter = context.Value("q", 0)
        self._jobs = tempfile.TemporaryDirectory(prefix="mouselift-jobs-")
        self._needs_program = False  # the job holds objects of classes that the program itself defines
        self._processes = ProcessPoolExecutor(workers, context, _start_worker, (self._counter,))

    def run(self, units: Iterable[Unit[Result]], hears: Step) -> Iterator[Result]:
        heard, last, packed = self._counter.value, None, Path()
        pending: set[Future[list[Result]]] = set()
        jobs: dict[Future[list[Result]], Path] = {}  # of the pending units
        todo = iter(units)
        try:
            while True:
                for job, block in todo:
                    if job is not last:
                        last, packed = job, self._packed(job)
                    with _interrupts_held(), self._program():
                        unit = self._processes.submit(_run, str(packed), list(block))
                    pending.add(unit)
                    jobs[unit] = packed
                    if len(pending) >= self._ahead:
                        break
                if not pending:
                    return
                done, pending = wait(pending, _HEARD, FIRST_COMPLETED)
                if (so_far := self._counter.value) > heard:
                    hears(so_far - heard)
                    heard = so_far
                for unit in done:
                    yield from unit.result()
                    if (file := jobs.pop(unit)) != packed and file not in jobs.values():
                        file.unlink()  # a collection has thousands of jobs
        except KeyboardInterrupt:
            raise  # nobody waits
        except BaseException:
            wait([unit for unit in pending if not unit.cancel()])  # their steps are not those of the next call
            raise

    def _packed(self, job: Job[Any]) -> Path:
        """The file of a job; its name is the digest."""
        packed = pickle.dumps(job)
        self._needs_program = b"__main__" in packed
        file = Path(self._jobs.name, digest_of(packed))
        if not file.exists():
            file.write_bytes(packed)
        return file

    def _program(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self._needs_program else program_left_out()

    def terminate(self) -> None:
        for worker in set(multiprocessing.active_children()) - self._others:
            worker.terminate()

    def end(self) -> None:
        self._processes.shutdown(cancel_futures=True)
        self._jobs.cleanup()


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Processes that start in here never see Ctrl-C, which a terminal sends to all: the parent ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(packed: str, block: list[int]) -> list[Any]:
    return run_unit(Path(packed).name, Path(packed).read_bytes, block)


def _start_worker(counter: Any) -> None:
    def count_in_all(count: int) -> None:
        with counter.get_lock():
            counter.value += count

    hear_by(count_in_all)
    settle()
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """A killed parent must not leave workers that write into the folder of the next run."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)
