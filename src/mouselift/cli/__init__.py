"""The command line. Heavy modules are loaded by the verb that needs them, never for `--help`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `mouselift`: exits 0 (done), 1 (the answer is no), 2 (error), 130 (interrupted)."""
    # Matrices here are small: BLAS threads would only wait for each other. NumPy reads this when it is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from mouselift.cli.app import run

    sys.exit(run(arguments))
