"""Threads that stay: to make them anew took longer than a small image."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

_pools: dict[int, ThreadPoolExecutor] = {}  # by number of threads
_lock = threading.Lock()
_own = threading.local()  # `busy` in the pools' threads: a job there must not wait for its own pool


def at_once(job: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Results of each item's job, in order, on torch's number of threads; on this one alone from inside a job."""
    todo = list(items)
    threads = torch.get_num_threads()
    if threads == 1 or len(todo) < 2 or getattr(_own, "busy", False):
        return [job(item) for item in todo]
    return list(_pool(threads).map(job, todo))


def _pool(threads: int) -> ThreadPoolExecutor:
    with _lock:
        if threads not in _pools:
            _pools[threads] = ThreadPoolExecutor(threads, "splat", _begin)
        return _pools[threads]


def _begin() -> None:
    _own.busy = True


if hasattr(os, "register_at_fork"):  # a forked child has the pool, but not its threads
    os.register_at_fork(after_in_child=_pools.clear)
