"""Processes that start without the program that started them.

Python's spawned processes import the main program first, to find its classes. A script without `if __name__ ==
"__main__":` would be run once more by each of them: it would prepare its recordings again, at the same time.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def program_left_out() -> Iterator[None]:
    """Processes that start in here import nothing of the main program; what they get is found in its own modules.

    multiprocessing looks at these two attributes of `__main__` when it starts a process, and at nothing else.
    """
    main = sys.modules["__main__"]
    names = ("__spec__", "__file__")
    kept = {name: getattr(main, name) for name in names if hasattr(main, name)}
    try:
        for name in kept:
            setattr(main, name, None)
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)
