"""What all verbs share: progress on stderr, results on stdout, exit codes."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import IO, Any

from mouselift.progress import Progress

LOG = logging.getLogger(__name__)
QUIET = ContextVar("QUIET", default=False)  # -q: no progress

EXIT_OK = 0
EXIT_NO = 1  # the command ran, and its answer is no
EXIT_ERROR = 2  # wrong usage or unusable input; the message says what to do
EXIT_INTERRUPTED = 130


def say(text: str = "", *, error: bool = False, markup: bool = True) -> None:
    """A line for a person: results to stdout, errors to stderr."""
    from rich.console import Console  # loaded when there is something to say

    Console(stderr=error, highlight=False, soft_wrap=True).print(text, markup=markup)


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Columns whose name ends in a space stand left, as the first does; the others (numbers) right."""
    from rich.console import Console
    from rich.table import Table

    out = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        out.add_column(column, justify="left" if index == 0 or not column or column.endswith(" ") else "right")
    for row in rows:
        out.add_row(*row)
    Console(highlight=False).print(out)


def size(count: int) -> str:
    """Bytes in a unit that suits them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(count / 1e6, 1):.0f} MB"


def duration(seconds: float) -> str:
    """Two figures at most."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def emit_json(value: Any, stream: IO[str] | None = None) -> None:
    """A result for a program: one JSON document on stdout, nothing else there."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()
    (stream or sys.stdout).write(text + "\n")


@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Progress]:
    """A bar a stage with rate and time left, on stderr; a line a stage where stderr is no terminal.

    Nothing with `quiet` and under -q. The log has the beginning and the end of each stage in all cases.
    """
    started: dict[str, float] = {}

    def note(stage: str, done: int, total: int) -> None:
        if stage not in started:
            started[stage] = time.monotonic()
            LOG.debug("%s: begins, %d to do", stage, total - done)
        if done == total:
            LOG.info("%s: %d of %d in %.1f s", stage, done, total, time.monotonic() - started[stage])

    if quiet or QUIET.get():  # without rich, which takes a tenth of a second to load
        yield note
        return
    from rich import progress as bars
    from rich.console import Console

    console = Console(stderr=True)
    columns = [
        bars.TextColumn("[bold]{task.description}"),
        bars.BarColumn(bar_width=None),
        bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[rate]}"),
        bars.TimeElapsedColumn(),
        bars.TextColumn("left"),
        bars.TimeRemainingColumn(),
    ]
    tasks: dict[str, bars.TaskID] = {}
    with bars.Progress(*columns, console=console, disable=not console.is_terminal) as bar:

        def advance(stage: str, done: int, total: int) -> None:
            note(stage, done, total)
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total, completed=done, rate="")
            task = next(task for task in bar.tasks if task.id == tasks[stage])
            bar.update(task.id, completed=done, total=total, rate=f"{task.speed:.1f}/s" if task.speed else "")
            if done == total and not console.is_terminal:
                console.print(f"{stage}: {done} of {total}", highlight=False)

        yield advance
