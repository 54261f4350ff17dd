"""The verbs, the first level of help, and what happens to errors."""

from __future__ import annotations

import difflib
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import field, make_dataclass
from functools import reduce
from importlib import import_module
from operator import or_
from typing import Annotated, Protocol, runtime_checkable

import tyro

from mouselift import __version__
from mouselift.cli.console import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_OK, say
from mouselift.cli.logs import Logs, logging_to
from mouselift.errors import MouseliftError

LOG = logging.getLogger(__name__)

# Options before or after the verb; no `--no-json` beside `--json`.
_PARSING = (tyro.conf.CascadeSubcommandArgs, tyro.conf.DisallowNone, tyro.conf.FlagCreatePairsOff)

# The order of the work. README and docs/reference/command-line.md keep to it (tests/cli/test_help.py).
GROUPS: dict[str, dict[str, str]] = {
    "Start": {
        "demo": "see it work on a small synthetic recording; needs no data",
        "init": "recognise a recording's rig, videos and masks; write capture.toml",
    },
    "Prepare": {
        "inspect": "is the recording sound? rig, lag between cameras, masks, the animal's path",
        "mask": "make masks where there are none: the views decide together",
        "prepare": "make a dataset: every image resampled once, together with its camera",
        "compare": "lay several framings of the same frames side by side",
    },
    "Check": {
        "audit": "do a dataset's cameras match its pixels? PASS, or FAIL with the cause",
        "repair": "correct the cameras as far as the silhouettes determine them",
        "report": "the audit as one page that opens offline",
        "view": "cameras, images and hulls, or Gaussians, live in the browser",
        "profile": "a dataset's distribution of rays, which an audit compares with",
    },
    "Model": {
        "train": "fit GS-LRM to a dataset: released weights or none, resumable, guarded",
        "reconstruct": "samples to 3D Gaussians with a checkpoint of GS-LRM",
        "evaluate": "score reconstructions on held-out views, the subject first",
    },
    "Machine": {
        "doctor": "what is installed, what is missing, and the line that installs it",
    },
}
VERBS = tuple(verb for group in GROUPS.values() for verb in group)


@runtime_checkable
class Verb(Protocol):
    """One verb with its options."""

    def run(self) -> int:
        """The exit code."""
        ...


@runtime_checkable
class Call(Protocol):
    """One command line: a verb with its options, and what all verbs take (before or after the verb's name)."""

    verb: Verb
    logs: Logs


def _parsed(given: Sequence[str]) -> Call:
    """Of the verbs only the one that is asked for is imported, and one more: of one alone tyro makes no command."""
    verbs = [given[0], next(v for v in reversed(VERBS) if v != given[0])] if given[0] in VERBS else VERBS
    kinds = [getattr(import_module(f"mouselift.cli.{verb}"), verb.capitalize()) for verb in verbs]
    choice = reduce(or_, (Annotated[kind, tyro.conf.subcommand(verb)] for kind, verb in zip(kinds, verbs, strict=True)))
    fields = [
        ("verb", Annotated[choice, tyro.conf.arg(name="")]),
        ("logs", Annotated[Logs, tyro.conf.arg(name="")], field(default_factory=Logs)),
    ]
    call = make_dataclass("Call", fields, namespace={"__doc__": Call.__doc__})
    return tyro.cli(call, prog="mouselift", args=given, config=_PARSING)


def run(arguments: Sequence[str] | None = None) -> int:
    """Parse and run; every error ends as a line on stderr and exit code 2. SystemExit only for a wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given in (["--version"], ["-V"]):
        say(f"mouselift {__version__}")
        return EXIT_OK
    if given in ([], ["--help"], ["-h"], ["help"]):
        _help()
        return EXIT_OK
    if given[0] not in VERBS and not given[0].startswith("-"):
        return _unknown(given[0])
    call = _parsed(given)
    try:
        with logging_to(call.logs):
            return _carried_out(call, given)
    except MouseliftError as error:  # the log file cannot be written
        return _said(error)


def _carried_out(call: Call, given: list[str]) -> int:
    LOG.info("mouselift %s: %s", __version__, " ".join(given))
    try:
        code = call.verb.run()
    except MouseliftError as error:
        LOG.debug("stopped by an error", exc_info=True)
        code = _said(error)
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the last flush does not fail too
        code = EXIT_ERROR
    except KeyboardInterrupt:
        say("interrupted; what is finished is kept, and the same command goes on from it", error=True)
        code = EXIT_INTERRUPTED
    except Exception as error:
        LOG.info("unexpected error", exc_info=True)
        code = _said(error)
        where = call.logs.log_file or "what `-v` or `--log-file FILE` adds"
        say(f"This is a defect of mouselift. Please report it (CONTRIBUTING.md) with {where}.", error=True)
    LOG.info("exit code %d", code)
    return code


def _said(error: Exception) -> int:
    say(f"[bold red]{type(error).__name__}:[/] ", error=True)
    say(str(error), error=True, markup=False)
    return EXIT_ERROR


def _unknown(word: str) -> int:
    near = difflib.get_close_matches(word, VERBS, n=2, cutoff=0.5)
    hint = f"did you mean [bold]{' or '.join(near)}[/]?" if near else "`mouselift --help` lists the commands"
    say(f"[bold red]mouselift:[/] there is no command {word!r}; {hint}", error=True)
    return EXIT_ERROR


def _help() -> None:
    """The first level: a line a verb, in the order of the work."""
    lines = [
        "[bold]mouselift[/] turns multi-camera animal recordings into 3D samples whose cameras match their pixels.",
        "",
        "[bold]Usage:[/] mouselift [bold cyan]COMMAND[/] ...    [dim](mouselift COMMAND --help: its options)[/]",
    ]
    for title, verbs in GROUPS.items():
        lines += ["", f"[bold]{title}[/]", *(f"  [cyan]{verb:<13}[/]{words}" for verb, words in verbs.items())]
    lines += [
        "",
        "[bold]With every command[/]",
        "  [cyan]-v[/], [cyan]-q[/]           say more (-vv: all), or only results and errors",
        "  [cyan]--log-file[/] FILE  write all of it, with times, to a file",
        "",
        "[bold]Example[/]",
        "  mouselift init recordings/mouse7 && mouselift prepare recordings/mouse7 out/mouse7",
        "",
        "[dim]Exit codes: 0 done, 1 the answer is no, 2 error, 130 interrupted.[/]",
    ]
    say("\n".join(lines))
