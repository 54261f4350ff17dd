"""What the library logs, for a person: -v, -q and --log-file, which every verb takes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mouselift.cli.console import QUIET, printable, say
from mouselift.errors import OutputError, why_not


@dataclass(frozen=True)
class Logs:
    verbose: Annotated[tyro.conf.UseCounterAction[int], tyro.conf.arg(aliases=("-v",))] = 0
    """Say on stderr what is being done; -vv: everything that is logged."""
    quiet: Annotated[bool, tyro.conf.arg(aliases=("-q",))] = False
    """No progress and no remarks: only results and errors."""
    log_file: Path | None = None
    """Add everything that is logged, with times, to this file."""

    @property
    def level(self) -> int:
        """From which level on stderr shows what is logged."""
        if self.quiet:
            return logging.ERROR
        return (logging.WARNING, logging.INFO, logging.DEBUG)[min(self.verbose, 2)]


class _OneLine(logging.Formatter):
    """Names in a message cannot move the terminal's cursor or begin a line."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return printable(super().formatMessage(record))


class _LogFile(logging.FileHandler):
    """Where it cannot be written any more, it is said once, and the run goes on without it."""

    _lost = False

    def handleError(self, record: logging.LogRecord) -> None:
        if not self._lost:
            self._lost = True
            error = sys.exc_info()[1]
            why = why_not(error) if isinstance(error, OSError) else error
            say(f"warning: --log-file {self.baseFilename}: cannot be written: {why}. The run goes on", error=True)

    def close(self) -> None:
        with suppress(OSError):  # what is left in its buffer
            super().close()


@contextmanager
def logging_to(logs: Logs) -> Iterator[None]:
    """The package's logger writes to stderr and the file inside this. OutputError where the file cannot be written."""
    logger = logging.getLogger("mouselift")
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    handlers[0].setFormatter(_OneLine(f"{'%(name)s' if logs.level < logging.WARNING else 'warning'}: %(message)s"))
    handlers[0].setLevel(logs.level)
    if logs.log_file is not None:
        from mouselift.atomic import check_output

        check_output(logs.log_file, replace=True)
        try:
            handlers.append(_LogFile(logs.log_file, encoding="utf-8", errors="backslashreplace"))
        except OSError as error:
            raise OutputError(f"--log-file {logs.log_file}: cannot be written ({error.strerror})") from None
        handlers[1].setFormatter(_OneLine("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    before, quiet = logger.level, QUIET.set(logs.quiet)
    logger.setLevel(logging.DEBUG if logs.log_file is not None else logs.level)
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        QUIET.reset(quiet)
        logger.setLevel(before)
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()
