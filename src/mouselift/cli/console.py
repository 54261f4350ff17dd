"""What all verbs share: results on stdout, errors on stderr, exit codes."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import IO, Any

QUIET = ContextVar("QUIET", default=False)  # -q: no progress

EXIT_OK = 0
EXIT_NO = 1  # the command ran, and its answer is no
EXIT_ERROR = 2  # wrong usage or unusable input; the message says what to do
EXIT_INTERRUPTED = 130


def say(text: str = "", *, error: bool = False, markup: bool = True, indent: int = 0) -> None:
    """A paragraph for a person: results to stdout, errors to stderr.

    Broken between words at a terminal's width; one line elsewhere, so that it can be searched. Without `markup`, and
    for names and messages always, square brackets are only text.
    """
    from rich.console import Console  # loaded when there is something to say
    from rich.padding import Padding
    from rich.text import Text

    console = Console(stderr=error, highlight=False)
    words = Text.from_markup(text) if markup else Text(text)
    if console.is_terminal:
        console.print(Padding(words, (0, 0, 0, indent)) if indent else words, overflow="fold")
    else:
        console.print(Text(" " * indent) + words, soft_wrap=True)


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Columns whose name ends in a space stand left, as the first does; the others (numbers) right."""
    from rich.console import Console
    from rich.table import Table

    out = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        out.add_column(
            column, justify="left" if index == 0 or not column or column.endswith(" ") else "right", overflow="fold"
        )
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
