"""How a long run says how far it is, and how long the rest takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Progress = Callable[[str, int, int], None]  # stage, done, total: may be called often, `done` never falls in a stage
Step = Callable[[int], object]  # hears of so many more steps of one stage

# Seconds: steps that are older count less and less, e-fold. Chosen, not measured: a minute after a change of pace the
# old one weighs exp(-2) = 14 % (tests/test_progress.py), and steps of some seconds are still averaged over several.
_MEMORY = 30.0
_SAYING = 1.0  # seconds of a stage from which a rate means something
T = TypeVar("T")


def silent(stage: str, done: int, total: int) -> None:
    """The `Progress` that says nothing."""


def unheard(count: int) -> None:
    """The `Step` that nobody hears."""


def renamed(progress: Progress, stage: str) -> Progress:
    """For a part of a longer run: whatever the part calls its stages, this name is passed on."""
    return lambda _, done, total: progress(stage, done, total)


def counted(progress: Progress, stage: str, done: int, total: int) -> Step:
    """Says at once that `done` of `total` are done; each call adds so many."""
    progress(stage, done, total)

    def add(count: int) -> None:
        nonlocal done
        done = min(done + count, total)
        progress(stage, done, total)

    return add


def each(items: Iterable[T], step: Step, weight: int = 1) -> Iterator[T]:
    """The items; `weight` steps after what is done with each."""
    for item in items:
        yield item
        step(weight)


def spread(step: Step, budget: int, parts: int) -> Step:
    """For work of `parts` parts that is worth `budget` steps: each call says that so many parts are done."""
    done = 0

    def add(count: int) -> None:
        nonlocal done
        before, done = done, min(done + count, parts)
        step(budget * done // parts - budget * before // parts)

    return add


class Pace:
    """How fast one stage goes, smoothed, from its own steps alone. Times in seconds, of a clock that only goes on.

    What was done before the stage began (an earlier run) says nothing about its pace.
    """

    def __init__(self, now: float, done: int) -> None:
        self.began = self._changed = now
        self.done = self.first = done
        self._steps = self._seconds = 0.0

    def note(self, now: float, done: int) -> None:
        """`done` steps are done now."""
        if done <= self.done:
            return
        passed = now - self._changed
        keep = math.exp(-passed / _MEMORY)
        self._steps = keep * self._steps + done - self.done
        self._seconds = keep * self._seconds + passed
        self._changed, self.done = now, done

    def rate(self, now: float) -> float | None:
        """Steps a second; None while too little was seen. A step that takes longer than usual lowers it."""
        if now - self.began < _SAYING or not self._steps:
            return None
        waiting = now - self._changed
        late = waiting > self._seconds / self._steps
        return self._steps / (self._seconds + (waiting if late else 0.0))

    def left(self, now: float, total: int) -> float | None:
        """Seconds until `total` steps are done; None while unknown."""
        rate = self.rate(now)
        if rate is None:
            return None
        return max((total - self.done) / rate - (now - self._changed), (total - self.done - 1) / rate, 0.0)
