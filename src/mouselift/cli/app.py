"""The verbs, and what happens to errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import tyro

from mouselift import __version__
from mouselift.cli.audit import Audit
from mouselift.cli.compare import Compare
from mouselift.cli.console import EXIT_ERROR, EXIT_INTERRUPTED, say
from mouselift.cli.demo import Demo
from mouselift.cli.doctor import Doctor
from mouselift.cli.evaluate import Evaluate
from mouselift.cli.init import Init
from mouselift.cli.inspect import Inspect
from mouselift.cli.mask import Mask
from mouselift.cli.prepare import Prepare
from mouselift.cli.profile import Profile
from mouselift.cli.reconstruct import Reconstruct
from mouselift.cli.repair import Repair
from mouselift.cli.report import Report
from mouselift.cli.view import View
from mouselift.errors import MouseliftError

Verb = (
    Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[Init, tyro.conf.subcommand("init")]
    | Annotated[Inspect, tyro.conf.subcommand("inspect")]
    | Annotated[Mask, tyro.conf.subcommand("mask")]
    | Annotated[Prepare, tyro.conf.subcommand("prepare")]
    | Annotated[Compare, tyro.conf.subcommand("compare")]
    | Annotated[Audit, tyro.conf.subcommand("audit")]
    | Annotated[Repair, tyro.conf.subcommand("repair")]
    | Annotated[Report, tyro.conf.subcommand("report")]
    | Annotated[View, tyro.conf.subcommand("view")]
    | Annotated[Reconstruct, tyro.conf.subcommand("reconstruct")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Profile, tyro.conf.subcommand("profile")]
    | Annotated[Doctor, tyro.conf.subcommand("doctor")]
)

_DESCRIPTION = """From a multi-camera recording to model-ready 3D samples whose cameras match their pixels.

The usual order: `mouselift init FOLDER` (recognise the files), `inspect FOLDER` (is the recording sound?),
`mask FOLDER` (where there are no masks), `prepare FOLDER OUT`, `audit OUT` (do cameras and pixels match?),
`report OUT PAGE.html`, and with a checkpoint of GS-LRM `reconstruct OUT RESULT` and `evaluate OUT`.
`mouselift demo` needs no data. Exit codes: 0 done, 1 the answer is no, 2 error."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Parse, run, and turn errors that are meant for the user into one line on stderr."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given in (["--version"], ["-V"]):
        say(f"mouselift {__version__}")
        return 0
    try:
        verb = tyro.cli(Verb, prog="mouselift", description=_DESCRIPTION, args=given or ["--help"])
        return verb.run()
    except MouseliftError as error:
        say(f"[bold red]{type(error).__name__}:[/] ", error=True)
        say(str(error), error=True, markup=False)
        return EXIT_ERROR
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the last flush does not fail too
        return EXIT_ERROR
    except KeyboardInterrupt:
        say("interrupted; what is finished is kept, and the same command goes on from it", error=True)
        return EXIT_INTERRUPTED
