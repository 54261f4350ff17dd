"""Functions of the API take text where they want a path: notebooks are full of it."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_PATH = re.compile(r"\bPath\b")


def takes_paths(function: Callable[P, R]) -> Callable[P, R]:
    """Text given for a parameter that is annotated with Path becomes one; in a list, each of it. Where text is taken as
    well (patterns), only a single one becomes a list."""
    hints = {name: str(hint) for name, hint in function.__annotations__.items() if name != "return"}
    names = {name: "str" in hint for name, hint in hints.items() if _PATH.search(hint)}
    order = list(inspect.signature(function).parameters)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        given = dict(zip(order, args, strict=False))
        changed = {name: _as_path(given[name], text) for name, text in names.items() if name in given}
        plain = [changed.get(name, value) for name, value in zip(order, args, strict=False)]
        named = {name: _as_path(value, names[name]) if name in names else value for name, value in kwargs.items()}
        return function(*plain, *args[len(order) :], **named)  # pyright: ignore[reportCallIssue]

    return call


def _as_path(value: object, text: bool) -> object:
    if isinstance(value, str):
        return [value] if text else Path(value)
    if isinstance(value, list | tuple) and not text:
        return type(value)(Path(each) if isinstance(each, str) else each for each in value)
    return value
