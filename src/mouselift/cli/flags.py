"""Arguments and flags that several verbs take: one name, one meaning, one sentence (tests/cli/test_flags.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from mouselift import ranges

CaptureFolder = Annotated[
    Positional[Path],
    arg(metavar="CAPTURE", help="Folder with a capture.toml (`mouselift init` writes one), or that file."),
]
Dataset = Annotated[
    Positional[Path],
    arg(metavar="DATASET", help="Folder of samples in FaceLift's format, one sample, or a list file (data_val.txt)."),
]
# Of a dataclass of options: its fields are options of the verb. A text, though empty: else tyro reads sources for one.
INLINE = arg(name="", help="")
Workers = Annotated[ranges.Workers, arg(help="Processes; 0: one a core. The result does not depend on it.")]
EngineAt = Annotated[
    str, arg(metavar="ENGINE", help="Where it runs: local, dask://HOST:PORT, or dask:///path/of/scheduler.json.")
]
Threads = Annotated[ranges.Threads, arg(help="CPU threads; torch's choice by default.")]
Force = Annotated[bool, arg(help="Replace what is there already.")]
Json = Annotated[bool, arg(help="Print the result as JSON on stdout, and nothing else there.")]
