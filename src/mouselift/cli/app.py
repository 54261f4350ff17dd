"""The verbs, the first level of help, and what happens to errors."""

from __future__ import annotations

import contextlib
import difflib
import io
import logging
import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass
from functools import reduce
from importlib import import_module
from operator import or_
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Protocol, cast, get_args, get_origin, get_type_hints, runtime_checkable

import tyro

from mouselift import __version__
from mouselift.cli.console import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_OK, Styled, bold, emit, say, written
from mouselift.cli.flags import INLINE
from mouselift.cli.logs import Logs, logging_to
from mouselift.errors import MouseliftError, OptionError, OutputError, check_name, why_not
from mouselift.ranges import check_ranges

LOG = logging.getLogger(__name__)

_NARROWEST = 20  # columns: tyro 1.0 needs six
_COMPLETION = "--tyro-print-completion"
# Options before or after the verb; no `--no-json` beside `--json`.
_PARSING = (tyro.conf.CascadeSubcommandArgs, tyro.conf.DisallowNone, tyro.conf.FlagCreatePairsOff)

# The order of the work. README and docs/reference/command-line.md keep to it (tests/cli/test_help.py).
GROUPS: dict[str, dict[str, str]] = {
    "Start": {
        "demo": "see it work on a small synthetic recording; needs no data",
        "init": "recognise a recording's rig, videos and masks; write capture.toml",
    },
    "Prepare": {
        "inspect": "is the recording sound? rig, lag, masks, the animal's path",
        "mask": "make masks where there are none: the views decide together",
        "prepare": "make a dataset: every image resampled once, with its camera",
        "compare": "lay several framings of the same frames side by side",
        "lists": "rewrite the lists of a dataset that was moved",
        "export": "a dataset as other tools take it, or as few large files",
    },
    "Check": {
        "audit": "do cameras match their pixels? PASS, or FAIL with the cause",
        "repair": "correct the cameras as far as the silhouettes determine them",
        "report": "the audit as one page that opens offline",
        "view": "cameras, images and hulls, or Gaussians, live in the browser",
        "profile": "a dataset's distribution of rays, which an audit compares with",
    },
    "Model": {
        "train": "fit GS-LRM to a dataset, from released weights or none",
        "reconstruct": "samples to 3D Gaussians, with a checkpoint of GS-LRM or fitted",
        "evaluate": "score reconstructions on held-out views, the subject first",
    },
    "Machine": {
        "doctor": "what is installed, what is missing, and what installs it",
        "disk": "what caches of pip, Hugging Face, conda take; what frees it",
    },
}
VERBS = tuple(verb for group in GROUPS.values() for verb in group)


@runtime_checkable  # for the tests' checks of types
class Verb(Protocol):
    """One verb with its options."""

    def run(self) -> int:
        """The exit code."""
        ...


@dataclass(frozen=True)
class Call:
    """One command line: a verb with its options, and what all verbs take (before or after the verb's name)."""

    verb: Verb
    logs: Logs


def run(arguments: Sequence[str] | None = None) -> int:
    """Parse and run; every error ends as a paragraph on stderr and exit code 2. SystemExit only for a wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _answered(given)
    except MouseliftError as error:  # options that contradict one another, or a log file that cannot be written
        return _said(error)
    except OSError as error:  # the working directory was removed, say
        return _said(_of_system(error))


def _answered(given: list[str]) -> int:
    if "--version" in given or "-V" in given:
        say(f"mouselift {__version__}")
        return EXIT_OK
    if given in ([], ["--help"], ["-h"], ["help"]):
        _help()
        return EXIT_OK
    if given[0] == "help":  # as git and others have it
        given = [*given[1:], "--help"]
    if _COMPLETION in given:
        return _completion(given)
    verb = _verb(given)
    if verb is None:
        return _wrong_usage("expected a command after the options", "", ())
    if verb not in VERBS:
        return _wrong_usage(f"there is no command {verb!r}", verb, VERBS)
    at = given.index(verb)
    rest = given[:at] + given[at + 1 :]
    known = {*dict(_options(_class_of(verb))), *dict(_options(Logs)), "--help"}
    for word in rest:
        name = word.split("=")[0].replace("_", "-")
        if word.startswith("--") and name[2:] and name not in known:
            return _wrong_usage(f"mouselift {verb} has no option {name}", name, sorted(known), f" {verb}")
    if any(word in ("", f"{word.partition('=')[0]}=") for word in rest):
        raise OptionError("an argument is empty: a variable of the shell without a value?")
    if twice := _list_given_twice(verb, rest):  # the last would count alone
        raise OptionError(f"{twice} is given several times; expected once, with all its values behind it")
    if torn := _torn_path(rest):
        raise OptionError(f"expected quotes round a path with spaces: {shlex.quote(torn)}")
    call = parsed(verb, rest)
    with logging_to(call.logs):
        return _carried_out(call, given)


def _torn_path(words: Sequence[str]) -> str | None:
    """What is there, and was given as several arguments, of which the first is not there."""
    for first in range(len(words)):
        for end in range(first + 2, len(words) + 1):
            part = words[first:end]
            if any(word.startswith("-") for word in part) or os.path.lexists(part[0]):
                break
            if os.path.lexists(" ".join(part)):
                return " ".join(part)
    return None


def _list_given_twice(verb: str, words: Sequence[str]) -> str | None:
    """An option of several values that stands there more than once."""
    given = Counter(word.split("=")[0].replace("_", "-") for word in words if word.startswith("--"))
    return next((name for name, kind in _options(_class_of(verb)) if given[name] > 1 and _is_list(kind)), None)


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is tuple and Ellipsis in get_args(kind)


def _verb(given: Sequence[str]) -> str | None:
    """The first word that is no option of all verbs, nor its value."""
    before = ""
    for word in given:
        if not word.startswith("-") and before != "--log-file":
            return word
        before = word
    return None


def _completion(given: Sequence[str]) -> int:
    """The script that a shell sources."""
    kinds = [Annotated[_class_of(verb), tyro.conf.subcommand(verb)] for verb in VERBS]
    fields = [
        ("verb", Annotated[reduce(or_, kinds), INLINE]),
        ("logs", Annotated[Logs, INLINE], field(default_factory=Logs)),
    ]
    script = io.StringIO()
    try:
        with contextlib.redirect_stdout(script):
            tyro.cli(make_dataclass("AllVerbs", fields), prog="mouselift", args=given, config=_PARSING)
    except SystemExit as stop:
        if stop.code:
            raise
    # The shell would offer every word of a description's later lines.
    lines = script.getvalue().splitlines()
    emit("".join((line.replace("\\n", " ") if line.startswith("COMPLETION_SPEC") else line) + "\n" for line in lines))
    return EXIT_OK


def _options(cls: type) -> Iterator[tuple[str, Any]]:
    """(name, type) of the options of a verb, those of its options dataclass included."""
    for name, hint in get_type_hints(cls).items():
        if is_dataclass(hint):
            yield from _options(cast("type", hint))
        elif name != "return":
            yield f"--{name.replace('_', '-')}", hint


def _class_of(verb: str) -> type:
    """Imports this verb alone: the others would load what they need."""
    return getattr(import_module(f"mouselift.cli.{verb}"), verb.capitalize())


def parsed(verb: str, rest: Sequence[str]) -> Call:
    """Of one verb alone: its usage and its errors name its own options, not those of others."""
    cls = _class_of(verb)
    logs = ("logs", Annotated[Logs, INLINE], field(default_factory=Logs, kw_only=True))
    one = make_dataclass(cls.__name__, [logs], bases=(cls,), namespace={"__doc__": cls.__doc__})
    if shutil.get_terminal_size().columns < _NARROWEST:  # where tyro's layout of its help never ends
        os.environ["COLUMNS"] = str(_NARROWEST)
    found: Any = None
    with _defaults_trusted(), written():
        found = tyro.cli(one, prog=f"mouselift {verb}", args=rest, config=_PARSING)
    if found is None:  # nobody reads the rest of its help, or of its words about a wrong usage
        raise SystemExit(EXIT_OK if {"-h", "--help"} & {*rest} else EXIT_ERROR)
    check_ranges(found)
    _check_paths(found)
    return Call(found, found.logs)


@contextlib.contextmanager
def _defaults_trusted() -> Iterator[None]:
    """tyro compares defaults with their types by typeguard, whose import (with asyncio) takes a tenth of a second, and
    pyright has compared ours: inside, a stand-in agrees to all. Where typeguard is loaded already, it is asked."""
    if "typeguard" in sys.modules:
        yield
        return
    agrees: Any = ModuleType("typeguard")
    agrees.check_type, agrees.TypeCheckError = lambda *_: None, TypeError
    sys.modules["typeguard"] = agrees
    try:
        yield
    finally:
        del sys.modules["typeguard"]


def _check_paths(given: Any) -> None:
    """Of a verb and its options: OptionError for what no record or list of ours can name, before any work."""
    for field_ in fields(given):
        value = getattr(given, field_.name)
        if is_dataclass(value):
            _check_paths(value)
        for path in value if isinstance(value, tuple) else (value,):
            if isinstance(path, Path):
                check_name(os.path.abspath(path))
                try:
                    path.resolve()
                except RuntimeError:  # of Python below 3.13
                    raise OptionError(f"{path}: its links lead in a circle; remove the link") from None


def _carried_out(call: Call, given: list[str]) -> int:
    LOG.info("mouselift %s: %s", __version__, " ".join(given))
    try:
        code = call.verb.run()
    except MouseliftError as error:
        LOG.debug("stopped by an error", exc_info=True)
        code = _said(error)
    except OSError as error:  # of a path that no reader or writer has a better word for
        LOG.debug("stopped by an error", exc_info=True)
        code = _said(_of_system(error))
    except MemoryError:
        LOG.debug("stopped by an error", exc_info=True)
        code = _said(MouseliftError("the memory does not suffice; close other programs, or take fewer --workers"))
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


def _of_system(error: OSError) -> MouseliftError:
    return OutputError(f"{error.filename or 'a file'}: {why_not(error)}")


def _said(error: Exception) -> int:
    """Errors for the user have no use for the class's name; a defect's report has."""
    head = "Error" if isinstance(error, MouseliftError) else type(error).__name__
    say(Styled(f"{head}:", "bold red"), f" {error}", error=True)
    return EXIT_ERROR


def _wrong_usage(what: str, word: str, among: Iterable[str], verb: str = "") -> int:
    near = difflib.get_close_matches(word, among, n=2, cutoff=0.6)
    said = f"`mouselift{verb} --help` lists the {'options' if verb else 'commands'}"
    hint = ("did you mean ", bold(" or ".join(near)), "?") if near else (said,)
    say(Styled("Error:", "bold red"), f" {what}; ", *hint, error=True)
    return EXIT_ERROR


def _help() -> None:
    """The first level: a line a verb, in the order of the work."""
    say(bold("mouselift"), " turns multi-camera animal recordings into 3D samples whose cameras match their pixels.")
    say()
    say(bold("Usage:"), " mouselift ", bold("COMMAND"), " ...    (mouselift COMMAND --help: its options)")
    for title, verbs in GROUPS.items():
        say()
        say(bold(title))
        for verb, words in verbs.items():
            say("  ", bold(f"{verb:<13}"), words)
    say()
    say(bold("With every command"))
    say("  ", bold("-v"), ", ", bold("-q"), "           say more (-vv: all), or only results and errors")
    say("  ", bold("--log-file"), " FILE  write all of it, with times, to a file")
    say("  ", bold("--version"), "        print the version")
    say()
    say(bold("Begin with"))
    say("  mouselift demo                      needs no data")
    say("  mouselift init recordings/mouse7    your recording; commands name the next")
    say()
    say("Exit codes: 0 done, 1 the answer is no, 2 error, 130 interrupted.")
