"""What goes wrong in one of two processes: functions by name, so that they reach the processes."""

from __future__ import annotations

import os
import signal
from typing import Any

from mouselift.errors import DatasetError

_ORIGINAL: dict[str, Any] = {}


def no_gradient(rank: int, rank_with_it: int = 1, update: int = 3) -> None:
    """One process's gradient of one update is not a number."""
    loop = _healed()
    seen = {"calls": 0}

    def poisoned(model: Any, *args: Any, **kwargs: Any) -> Any:
        found = _ORIGINAL["add_gradients"](model, *args, **kwargs)
        seen["calls"] += 1
        if seen["calls"] == update and rank == rank_with_it:
            model.input_layer_norm.weight.grad[0] = float("nan")
        return found

    loop.add_gradients = poisoned


def refusal(rank: int) -> None:
    """The first process finds before the first step that nothing can be trained."""
    loop = _healed()

    def refuse(*args: Any) -> None:
        raise DatasetError("these cameras are wrong")

    loop._prepare = refuse


def bad_sample(rank: int) -> None:
    """The second process cannot read what it needs for its third update."""
    loop = _healed()
    seen = {"calls": 0}

    def failing(*args: Any, **kwargs: Any) -> Any:
        seen["calls"] += 1
        if seen["calls"] == 3 and rank == 1:
            raise DatasetError("sample_000005: cannot be read")
        return _ORIGINAL["add_gradients"](*args, **kwargs)

    loop.add_gradients = failing


def killed(rank: int) -> None:
    """The second process is killed in its fifth update."""
    loop = _healed()
    seen = {"calls": 0}

    def dying(*args: Any, **kwargs: Any) -> Any:
        seen["calls"] += 1
        if seen["calls"] == 5 and rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return _ORIGINAL["add_gradients"](*args, **kwargs)

    loop.add_gradients = dying


def _healed() -> Any:
    from mouselift.train import loop

    for name in ("add_gradients", "_prepare"):
        _ORIGINAL.setdefault(name, getattr(loop, name))
        setattr(loop, name, _ORIGINAL[name])
    return loop
