"""A local pool of processes: blocks of frames go out, records come back."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from mouselift.errors import MouseliftError
from mouselift.progress import Step, unheard

LOG = logging.getLogger(__name__)

Result = TypeVar("Result")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc, malloc.h
_KEEP_BYTES = 1 << 27
_QUEUED_PER_WORKER = 2  # blocks handed out ahead: enough to keep workers busy, few enough to stop soon

_HEARD = 0.5  # seconds after which a worker's steps are heard at the latest

_state: Any = None  # a worker's job, set once when it starts
_hears: Step = unheard  # where `step` reports: to the caller of `run_blocks`, or in a worker to a shared counter


def worker_count(asked: int) -> int:
    """Processes to use: as many as asked for; 0: one a core that this process may run on."""
    if asked < 0:
        raise MouseliftError(f"workers: expected 0 (one a core) or more, got {asked}")
    available = getattr(os, "sched_getaffinity", None)  # Linux: a container or a scheduler may allow fewer
    return asked or (len(available(0)) if available is not None else os.cpu_count() or 1)


def step(count: int = 1) -> None:
    """Called by a job, in whatever process: so many more of the steps that its caller counts are done."""
    _hears(count)


def run_blocks(
    job: Callable[[Sequence[int]], Iterator[Result]],
    blocks: Sequence[Sequence[int]],
    workers: int,
    hears: Step = unheard,
) -> Iterator[Result]:
    """Results of `job` over all blocks, a block's in order, blocks in any order. `job` must be picklable.

    With one worker everything runs in this process. An exception in a worker is raised here, after the
    results that came before it; other workers finish the block they are in. hears: of the job's calls of `step`, within
    half a second, long before a block is done.
    """
    if workers == 1 or len(blocks) < 2:
        _settle()
        with _heard_by(hears):
            for block in blocks:
                yield from job(block)
        return
    LOG.debug("%d processes for %d blocks", min(workers, len(blocks)), len(blocks))
    context = multiprocessing.get_context("spawn")  # fork copies threads' locks: decoders would hang
    others = set(multiprocessing.active_children())
    counter, heard = context.Value("q", 0), 0
    pool = ProcessPoolExecutor(min(workers, len(blocks)), context, _start_worker, (job, counter))
    try:
        pending: set[Future[list[Result]]] = set()
        todo = iter(blocks)
        while True:
            for block in todo:
                with _interrupts_held():
                    pending.add(pool.submit(_run_block, list(block)))
                if len(pending) >= workers * _QUEUED_PER_WORKER:
                    break
            if not pending:
                return
            done, pending = wait(pending, _HEARD, FIRST_COMPLETED)
            if (so_far := counter.value) > heard:
                hears(so_far - heard)
                heard = so_far
            for future in done:
                yield from future.result()
    except KeyboardInterrupt:
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()  # samples are whole or absent, so nothing is lost
        raise
    except BrokenProcessPool as error:
        raise MouseliftError(
            "a worker process was killed, by the system if memory ran out; run again with fewer `--workers`: "
            "finished samples are kept"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _heard_by(hears: Step) -> Iterator[None]:
    global _hears
    _hears = hears
    try:
        yield
    finally:
        _hears = unheard


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


def _run_block(block: list[int]) -> list[Any]:
    return list(_state(block))


def _start_worker(job: Any, counter: Any) -> None:
    global _state, _hears
    _state = job

    def count_in_all(count: int) -> None:
        with counter.get_lock():
            counter.value += count

    _hears = count_in_all
    _settle()
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """A killed parent must not leave workers that write into the folder of the next run."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _settle() -> None:
    """Make this process cheap to run many small array operations in."""
    import cv2  # loaded where pixels are moved only

    cv2.setNumThreads(1)  # processes share the cores; threads inside them only get in each other's way
    threadpool_limits(1, user_api="blas")  # matrices here are small: BLAS threads spun for as long as all else took
    if sys.platform == "linux":
        # Freed image buffers stay with the process: giving them back to the system and faulting them in again
        # took half of the warp's time.
        with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
            mallopt(_M_TRIM_THRESHOLD, 2 * _KEEP_BYTES)
