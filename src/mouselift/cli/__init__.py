"""The command line. Heavy modules are loaded by the verb that needs them, never for `--help`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `mouselift`: exits 0 (done), 1 (the answer is no), 2 (error), 130 (interrupted)."""
    _open_streams()
    # Matrices here are small: BLAS threads would only wait for each other. NumPy reads this when it is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from mouselift.cli.app import run

        code = run(arguments)
    except KeyboardInterrupt:  # while modules are loaded
        code = 130
    sys.exit(code)


def _open_streams() -> None:
    """Where the caller closed one (`>&-`), the next file that is opened would take its number, and what is printed."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode)  # noqa: SIM115 - as long as the process
            if stream.fileno() != number:
                os.dup2(stream.fileno(), number)
            setattr(sys, name, stream)
