"""Kills a process right before its n-th change below a folder: rename, mkdir, unlink, rmdir, fsync, open for writing.

    python kill_points.py N ROOT VERB ...

runs a command of mouselift; N = 0 kills nothing and prints how many changes there were.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

_CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "open")


class KillPoint:
    """Counts from its making on; a hook cannot be taken away again, so one a process."""

    def __init__(self, number: int, root: str) -> None:
        self.number, self.root, self.seen = number, os.path.realpath(root), 0
        sync = os.fsync

        def fsync(descriptor: int) -> None:
            self._count()
            sync(descriptor)

        os.fsync = fsync  # it has no audit event
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _CHANGES or not isinstance(arguments[0], str | os.PathLike):
            return
        if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        if os.path.abspath(os.fspath(arguments[0])).startswith(self.root):
            self._count()

    def _count(self) -> None:
        self.seen += 1
        if self.seen == self.number:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from mouselift.cli.app import run

    point = KillPoint(int(sys.argv[1]), sys.argv[2])
    code = run(sys.argv[3:])
    sys.stdout.write(f"changes {point.seen}\n")
    sys.exit(code)
