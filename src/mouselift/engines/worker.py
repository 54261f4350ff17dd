"""What happens in a process that works, whatever started it."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import pickle
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mouselift.engines.engine import Job
from mouselift.progress import Step, unheard

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc, malloc.h
_KEEP_BYTES = 1 << 27
_JOBS = 4  # kept unpacked: neighbouring units mostly share one, at most those of a few captures alternate

_own = threading.local()  # of a thread: who hears its steps; its jobs, which hold open files
_settled = False


def step(count: int = 1) -> None:
    """Called by a job, in whatever process: so many more of the steps that its caller counts are done."""
    _own.__dict__.get("hears", unheard)(count)


@contextlib.contextmanager
def heard_by(hears: Step) -> Iterator[None]:
    """Steps of this thread are told to `hears`."""
    before = hear_by(hears)
    try:
        yield
    finally:
        hear_by(before)


def hear_by(hears: Step) -> Step:
    """From now on; what heard before."""
    before = _own.__dict__.get("hears", unheard)
    _own.hears = hears
    return before


def digest_of(packed: bytes) -> str:
    """What a packed job is known by."""
    return hashlib.sha256(packed).hexdigest()


def run_unit(digest: str, packed: Callable[[], bytes], block: Sequence[int]) -> list[Any]:
    """The job is unpacked where this thread does not have it from an earlier unit."""
    settle()
    jobs: dict[str, Job[Any]] = _own.__dict__.setdefault("jobs", {})
    if digest not in jobs:
        while len(jobs) >= _JOBS:
            del jobs[next(iter(jobs))]  # the oldest
        jobs[digest] = pickle.loads(packed())
    return list(jobs[digest](block))


def settle() -> None:
    """Make this process cheap to run many small array operations in."""
    global _settled
    if _settled:
        return
    _settled = True
    import cv2  # loaded where pixels are moved only
    from threadpoolctl import threadpool_limits

    cv2.setNumThreads(1)  # processes share the cores; threads inside them only get in each other's way
    threadpool_limits(1, user_api="blas")  # matrices here are small: BLAS threads spun for as long as all else took
    if sys.platform == "linux":
        # Freed image buffers stay with the process: giving them back to the system and faulting them in again
        # took half of the warp's time.
        with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
            mallopt(_M_TRIM_THRESHOLD, 2 * _KEEP_BYTES)
