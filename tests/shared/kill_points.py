"""Kills a process right before its n-th change below a folder: rename, mkdir, unlink, rmdir, fsync, open to write."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from typing import Any

_CHANGES = {"os.rename": "rename", "os.mkdir": "mkdir", "os.remove": "unlink", "os.rmdir": "rmdir", "open": "open"}


class KillPoint:
    """Counts from its making on; a hook cannot be taken away again, so one a process. number 0 kills nothing."""

    def __init__(self, number: int, root: str) -> None:
        self.number, self.root = number, os.path.realpath(root)
        self.kinds: list[str] = []  # of the changes so far
        sync = os.fsync

        def fsync(descriptor: int) -> None:
            self._count("fsync")
            sync(descriptor)

        os.fsync = fsync  # it has no audit event
        sys.addaudithook(self._hear)

    @property
    def seen(self) -> int:
        return len(self.kinds)

    @property
    def by_kind(self) -> dict[str, int]:
        return dict(Counter(self.kinds))

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _CHANGES or not isinstance(arguments[0], str | os.PathLike):
            return
        if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        if os.path.abspath(os.fspath(arguments[0])).startswith(self.root):
            self._count(_CHANGES[event])

    def _count(self, kind: str) -> None:
        self.kinds.append(kind)
        if self.seen == self.number:
            os.kill(os.getpid(), signal.SIGKILL)
