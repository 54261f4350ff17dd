"""A flag means one thing: same name, same type and same words in every verb that takes it."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import itertools
import re
import textwrap
import typing
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import mouselift
from mouselift.cli.app import VERBS, run

# Places differ by what stands there: a page, a file, a folder.
PLACES = {"out", "rig"}
OPTIONS = sorted(name for name in mouselift.__all__ if name.endswith("Options"))


def flags(cls: type) -> Iterator[tuple[str, object, str]]:
    """(name, type, help) of all that a verb takes, with what its options dataclass adds."""
    hints = typing.get_type_hints(cls, include_extras=True)
    texts = documented(cls)
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        plain = typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint
        if dataclasses.is_dataclass(plain):
            yield from flags(typing.cast(type, plain))
            continue
        said = [extra.help for extra in getattr(hint, "__metadata__", ()) if getattr(extra, "help", None)]
        yield field.name, plain, said[0] if said else texts.get(field.name, "")


def documented(cls: type) -> dict[str, str]:
    """The string under each field, those of its base classes included."""
    bases = [base for base in cls.__mro__ if dataclasses.is_dataclass(base)]
    return {field: text for base in reversed(bases) for field, text in _documented_here(base).items()}


def _documented_here(cls: type) -> dict[str, str]:
    body = typing.cast(ast.ClassDef, ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]).body
    return {
        field.target.id: text.value.value
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def verb_class(verb: str) -> type:
    return getattr(importlib.import_module(f"mouselift.cli.{verb}"), verb.capitalize())


def gist(text: str) -> str:
    """The first sentence, with what is counted left open."""
    return re.sub(r"frame|sample", "#", " ".join(re.split(r"[.;:(,]", text)[0].split()))


def test_shared_flags_are_listed() -> None:
    """In the order of the table; `out` and `rig` are told by each command."""
    taken = Counter(name for verb in VERBS for name, _, _ in flags(verb_class(verb)))
    taken_twice = {name for name, count in taken.items() if count > 1} - PLACES - {"capture", "captures", "dataset"}
    shared = {name.replace("_", "-") for name in taken_twice}
    text = (Path(__file__).parents[2] / "docs/reference/command-line.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `--([a-z-]+)", text.split("## Flags")[1].split("\n## ")[0], re.MULTILINE)
    assert set(listed) == shared


def test_one_name_one_meaning() -> None:
    meanings: dict[str, dict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for verb in VERBS:
        for name, kind, text in flags(verb_class(verb)):
            if name not in PLACES:
                type_ = re.sub(r" \| None|pathlib\.|<class '|'>", "", str(kind))  # required or not
                meanings[name][type_, gist(text)].append(verb)
    assert {"every", "samples", "frames", "force", "json", "workers", "hull", "size", "instants"} <= meanings.keys()
    twofold = {name: dict(found) for name, found in meanings.items() if len(found) > 1}
    assert not twofold


@pytest.mark.parametrize("verb", VERBS)
def test_every_flag_says_what_it_does(verb: str) -> None:
    assert all(text for _, _, text in flags(verb_class(verb)))


@pytest.mark.parametrize("name", OPTIONS)
def test_options_are_frozen_and_documented(name: str) -> None:
    cls = getattr(mouselift, name)
    assert cls.__dataclass_params__.frozen
    assert documented(cls).keys() == {field.name for field in dataclasses.fields(cls)}
    assert cls.__doc__
    assert not any(re.search(r"<[a-z]+>", text) for text in documented(cls).values()), "taken for a tag by a browser"


@pytest.mark.parametrize("verb", VERBS)
def test_switches_have_no_twin(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run([verb, "--help"])
    assert "--no-" not in capsys.readouterr().out
