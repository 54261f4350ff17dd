"""`mouselift disk`: what caches take, and the commands that free it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mouselift.cli.console import EXIT_ERROR, EXIT_OK, bold, emit, emit_json, printable, say, size, table
from mouselift.cli.flags import Json
from mouselift.errors import MouseliftError

if TYPE_CHECKING:
    from mouselift.disk import DiskUse


@dataclass
class Disk:
    """What caches of pip, uv, Hugging Face, torch hub, wandb and conda take, and what frees it; changes nothing.

    Largest first, with the command of each cache's own tool. --apply asks about each of these commands and runs those
    that you confirm, nothing else. Links out of a cache are not followed. Example: `mouselift disk`
    """

    apply: bool = False
    """Ask about each command, and run it where the answer is yes."""
    json: Json = False

    def run(self) -> int:
        from mouselift.disk import disk_usage

        if self.apply and self.json:
            raise MouseliftError("--apply asks questions; leave --json away")
        uses = disk_usage()
        if self.json:
            emit_json([{**asdict(use), "environment": dict(use.environment)} for use in uses])
            return EXIT_OK
        show(uses)
        return ask(uses) if self.apply else EXIT_OK


def show(uses: list[DiskUse]) -> None:
    """Sizes, then commands."""
    if not uses:
        say("No caches were found.")
        return
    rows = [[size(use.size) + "+" * bool(use.unreadable), use.owner, use.what, str(use.path)] for use in uses]
    at = Path(os.path.expanduser("~"))
    left = shutil.disk_usage(at if at.exists() else Path("/")).free
    total = size(sum(use.size for use in uses))
    table(f"{total} in caches and environments; {size(left)} free at {at}", ["size", "owner ", "what ", "path "], rows)
    if any(use.unreadable for use in uses):
        say("+: at least; some folders cannot be read")
    say()
    if any(use.command for use in uses):
        say(bold("What frees it"), " (--apply asks about each)")
    for use in uses:
        if use.command:
            say(f"{words(use)}    # {size(use.size)}{use.note and ', ' + use.note}", indent=2)
        elif use.note:
            say(f"{use.path}: {use.note}", indent=2)


def words(use: DiskUse) -> str:
    """The command as a shell takes it."""
    return " ".join([*(f"{name}={shlex.quote(value)}" for name, value in use.environment), shlex.join(use.command)])


def ask(uses: list[DiskUse]) -> int:
    """EXIT_ERROR where a command failed; the others are asked about all the same."""
    from mouselift.disk import free

    code, freed = EXIT_OK, 0
    for use in uses:
        if not use.command:
            continue
        say()
        say(words(use))
        emit(printable(f"Free {use.path} ({size(use.size)})? [y/N] "))
        answer = sys.stdin.readline()
        if answer.strip().lower() not in ("y", "yes"):
            continue
        try:
            gained = free(use)
            say(f"{size(gained)} freed" if gained > 0 else f"{use.path} takes as much as before")
            freed += gained
        except MouseliftError as error:
            say(f"Error: {error}", error=True)
            code = EXIT_ERROR
    say()
    say(f"Together {size(freed)} freed." if freed > 0 else "Nothing was freed.")
    return code
