"""What a person sees of a long run: a bar a stage on a terminal, lines elsewhere, nothing with -q."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mouselift.cli.console import QUIET, console_on, printable, say
from mouselift.progress import Pace, Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task

LOG = logging.getLogger(__name__)
_LINE_EVERY = 60.0  # seconds between lines of one stage where there is no terminal: a log of hours stays short


@contextmanager
def progress_bar(quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> Iterator[Progress]:
    """A bar a stage, with the time that it took so far and the time left, on stderr; lines where that is no terminal.

    Nothing with `quiet` and under -q. The log has the beginning and the end of each stage in all cases.
    """
    paces: dict[str, Pace] = {}

    def note(stage: str, done: int, total: int) -> None:
        now = clock()
        if stage not in paces:
            paces[stage] = Pace(now, done)
            LOG.debug("%s: begins, %d to do", stage, total - done)
        elif done > paces[stage].done and done == total:
            LOG.info("%s: %d of %d in %.1f s", stage, done, total, now - paces[stage].began)
        paces[stage].note(now, done)

    if quiet or QUIET.get():  # without rich, which takes a tenth of a second to load
        yield note
        return
    console = console_on(error=True)
    show = _bars if console.is_terminal else _lines
    with show(console, paces, clock) as tell:

        def advance(stage: str, done: int, total: int) -> None:
            note(stage, done, total)
            if total:  # of nothing, nothing is said
                tell(stage, done, total)

        yield advance


@contextmanager
def _lines(_: Console, paces: dict[str, Pace], clock: Callable[[], float]) -> Iterator[Progress]:
    """A line at the end of each stage, and one a minute before."""
    said: dict[str, float] = {}  # when; infinity: that it is finished

    def tell(stage: str, done: int, total: int) -> None:
        now, pace = clock(), paces[stage]
        if done == total:
            if said.get(stage) != float("inf"):
                said[stage] = float("inf")
                took = _took(pace, now, total)
                say(f"{stage}: {done} of {total}, {took}", error=True)
        elif now - said.setdefault(stage, now) >= _LINE_EVERY:
            said[stage] = now
            left = pace.left(now, total)
            rest = "" if left is None else f", {clock_words(left)} left"
            so_far = clock_words(now - pace.began)
            say(f"{stage}: {done} of {total}, {so_far} elapsed{rest}", error=True)

    yield tell


@contextmanager
def _bars(console: Console, paces: dict[str, Pace], clock: Callable[[], float]) -> Iterator[Progress]:
    from rich import progress as bars
    from rich.table import Column
    from rich.text import Text

    class Times(bars.ProgressColumn):
        """Of one stage: what it took, or has taken so far and will still take. No colours: they fail on some ground."""

        def render(self, task: Task) -> Text:
            return Text(_times(named[task.description], task, clock()))

    columns = [
        bars.TextColumn("{task.description}", style="bold", markup=False),
        bars.BarColumn(bar_width=None),
        bars.TextColumn("{task.completed:.0f}/{task.total:.0f}", justify="right"),
        Times(table_column=Column(no_wrap=True)),  # the bar gives way
    ]
    tasks: dict[str, bars.TaskID] = {}
    named: dict[str, Pace] = {}  # by what is shown
    with bars.Progress(*columns, console=console, refresh_per_second=4) as bar:

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                named[printable(stage)] = paces[stage]
                tasks[stage] = bar.add_task(printable(stage), total=total, completed=done)
            bar.update(tasks[stage], completed=done, total=total)

        yield tell


def _times(pace: Pace, task: Task, now: float) -> str:
    total = int(task.total or 0)
    if task.finished:
        return _took(pace, pace.began + (task.finished_time or 0.0), total)
    rate, left = pace.rate(now), pace.left(now, total)
    elapsed = f"{clock_words(now - pace.began)} elapsed"
    if rate is None or left is None:
        return elapsed
    return f"{elapsed}, {clock_words(left)} left ({rate_words(rate)})"


def _took(pace: Pace, now: float, total: int) -> str:
    return "done before" if pace.first == total else f"took {clock_words(now - pace.began)}"


def rate_words(rate: float) -> str:
    """Steps a second, or seconds a step where that is the larger number."""
    return f"{1 / rate:.3g} s each" if rate < 1 else f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"


def clock_words(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
