"""Every number that a command takes has a range, which its error names."""

from __future__ import annotations

import dataclasses
import importlib
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

from mouselift.cli.app import VERBS, run
from mouselift.errors import OptionError
from mouselift.prepare.options import PrepareOptions
from mouselift.ranges import Ranged, check_ranges, ranges_of


def classes(verb: str) -> Iterator[type]:
    """The verb's, and that of its options."""
    cls = getattr(importlib.import_module(f"mouselift.cli.{verb}"), verb.capitalize())
    yield cls
    for hint in typing.get_type_hints(cls).values():
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            yield hint


EVERY = [(verb, cls) for verb in VERBS for cls in classes(verb)]


def is_number(hint: object) -> bool:
    """Of whatever is written for it: int | None, tuple[float, ...]."""
    return hint in (int, float) or any(is_number(part) for part in typing.get_args(hint) if hint is not Ellipsis)


@pytest.mark.parametrize(("verb", "cls"), EVERY)
def test_every_number_has_a_range_which_its_error_names(verb: str, cls: type) -> None:
    hints, ranges = typing.get_type_hints(cls), ranges_of(cls)
    names = [field.name for field in dataclasses.fields(typing.cast(typing.Any, cls))]
    assert {name for name in names if is_number(hints[name])} == ranges.keys()
    of_python_too = not cls.__module__.startswith("mouselift.cli")
    assert not ranges or not of_python_too or issubclass(cls, Ranged), "made by callers too"
    blank = object.__new__(cls)
    for name in names:
        object.__setattr__(blank, name, None)
    for name, allowed in ranges.items():
        for value in (allowed.least - 1, allowed.most + 1, float("nan")):
            several = "tuple" in str(hints[name])
            object.__setattr__(blank, name, (allowed.least, value) if several else value)
            with pytest.raises(OptionError, match=rf"^--{name.replace('_', '-')}: expected {re.escape(str(allowed))}"):
                check_ranges(blank)
        for value in (allowed.least, allowed.most):
            object.__setattr__(blank, name, value)
            check_ranges(blank)
        object.__setattr__(blank, name, None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["prepare", "a", "b", "--workers", "-3"], "--workers: expected 0 to 1,024, got -3"),
        (["prepare", "a", "b", "--size", "1000000"], "--size: expected 16 to 11,585, got 1000000"),
        (["evaluate", "a", "--threads", "100000"], "--threads: expected 1 to 1,024, got 100000"),
        (["view", "a", "--port", "99999"], "--port: expected 0 to 65,535, got 99999"),
        (["mask", "a", "--every", "-1"], "--every: expected 1 to 2,147,483,648, got -1"),
        (["prepare", "a", "b", "--frames", "3", "-2"], "--frames: expected 0 to 2,147,483,648, got -2"),
        (["train", "box", "a", "b", "--learning-rate", "nan"], "--learning-rate: expected 1e-12 to 1000, got nan"),
    ],
)
def test_a_command_compares_them_before_any_work(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(given) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_so_does_python() -> None:
    with pytest.raises(OptionError, match=r"--val: expected 0 to 0\.5, got 0\.6"):
        PrepareOptions(val=0.6)
