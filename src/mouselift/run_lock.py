"""The lock of a folder that a run fills: held by the kernel for as long as the process lives, so that two never are.

Its file stays: were it removed, a second run could hold the removed one and a third its successor.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mouselift.atomic import why_not_written
from mouselift.errors import DatasetError, OutputError

LOCK = ".mouselift-lock"


@contextmanager
def lock_of(root: Path, verb: str, part: str = "", *, shared: bool = False) -> Iterator[None]:
    """Hold the lock of `root`, or of a part of its work; shared: beside other shared holders.

    DatasetError: another `mouselift {verb}` holds it. OutputError: its file cannot be made; a link is not followed.
    """
    path = root / f"{LOCK}{part}"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    except OSError as error:
        raise OutputError(f"{path}: {why_not_written(error)}") from error
    try:
        if not _try_lock(descriptor, shared):
            raise DatasetError(f"{root}: another `mouselift {verb}` is writing here; wait for it, or stop it")
        if not os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False)):
            raise DatasetError(f"{path}: was replaced meanwhile; give the same command again")
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, shared: bool) -> bool:
    """False where another process holds the file. Windows has no flock: there, two runs are not kept apart."""
    if os.name == "nt":
        return True
    import fcntl  # POSIX only

    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
