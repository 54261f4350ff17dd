"""What all verbs share: results on stdout, errors on stderr, exit codes.

Names of folders, cameras, files come from others: all that is said is text, never markup. Only `Styled` has a look.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mouselift.errors import OutputError, why_not

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

QUIET = ContextVar("QUIET", default=False)  # -q: no progress

EXIT_OK = 0
EXIT_NO = 1  # the command ran, and its answer is no
EXIT_ERROR = 2  # wrong usage or unusable input; the message says what to do
EXIT_INTERRUPTED = 130

# What moves the cursor, colours, ends lines or turns the direction of writing; bytes that are no UTF-8.
_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Styled:
    """Words with a look of rich: "bold red"."""

    text: str
    style: str


def bold(what: object) -> Styled:
    """For names and paths that a person copies."""
    return Styled(str(what), "bold")


def say(*parts: str | Styled, error: bool = False, indent: int = 0) -> None:
    """A paragraph for a person: results to stdout, errors to stderr.

    Broken between words at a terminal's width; one line elsewhere, so that it can be searched.
    """
    from rich.padding import Padding
    from rich.text import Text

    console, words = console_on(error), _text(*parts)
    with suppress(OSError) if error else written():  # what cannot be said on stderr cannot be said
        if console.is_terminal:
            console.print(Padding(words, (0, 0, 0, indent)) if indent else words, overflow="fold")
        else:
            console.print(Text(" " * indent) + words, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str | Styled]]) -> None:
    """Columns whose name ends in a space stand left, as the first does; the others (numbers) right."""
    from rich.table import Table

    out = Table(title=_text(title), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        left = index == 0 or not column or column.endswith(" ")
        out.add_column(_text(Styled(column, "bold")), justify="left" if left else "right", overflow="fold")
    for row in rows:
        out.add_row(*map(_text, row))
    with written():
        console_on().print(out)


def printable(text: str) -> str:
    """As a terminal may show it, in one line: control characters as Python writes them."""
    return _CONTROLS.sub(lambda found: _escaped(found[0]), text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else ascii(character)[1:-1]  # a byte of a file's name


def console_on(error: bool = False) -> Console:
    """Rich's console on stdout or stderr. Where nobody reads any more, it is silent."""
    from rich.console import Console  # loaded when there is something to say

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            _silence(self.file.fileno())

    return Quiet(stderr=error, highlight=False)


def _text(*parts: str | Styled) -> Text:
    from rich.text import Text

    pairs = [(part.text, part.style) if isinstance(part, Styled) else (part, "") for part in parts]
    return Text.assemble(*((printable(text), style) for text, style in pairs))


def _silence(descriptor: int) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


@contextmanager
def written() -> Iterator[None]:
    """All that is written to stdout inside has left. A reader (head, less) may have seen enough: then the rest is not
    shown, and the command goes on to its answer. OutputError where stdout takes no more."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _silence(sys.stdout.fileno())
    except OSError as error:
        raise OutputError(f"standard output: {why_not(error)}") from error


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


def emit_json(value: Any) -> None:
    """A result for a program: one JSON document on stdout, nothing else there."""
    import msgspec

    try:
        data = msgspec.json.encode(value, enc_hook=str)
    except UnicodeEncodeError:  # of files whose names are no UTF-8
        from mouselift.foreign import json_of

        data = msgspec.json.encode(json_of(json.dumps(msgspec.to_builtins(value, enc_hook=str))))
    emit(msgspec.json.format(data, indent=2).decode() + "\n")


def emit(text: str) -> None:
    """To stdout, as it is."""
    with written():
        sys.stdout.write(text)
