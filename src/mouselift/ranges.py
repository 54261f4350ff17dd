"""Ranges and choices of options: each stands in the option's type, and one function compares all of them.

>>> from typing import Annotated
>>> @dataclass(frozen=True)
... class Options(Ranged):
...     every: Annotated[int, Range(1, 100)] = 1
>>> Options(every=0)
Traceback (most recent call last):
mouselift.errors.OptionError: --every: expected 1 to 100, got 0
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from mouselift.errors import OptionError
from mouselift.limits import IMAGE_PIXELS, NETWORK


@dataclass(frozen=True)
class Range:
    """Both ends are allowed."""

    least: int | float
    most: int | float

    def __str__(self) -> str:
        return f"{_words(self.least)} to {_words(self.most)}"

    def check(self, name: str, value: int | float) -> None:
        """OptionError names the range. NaN lies in none."""
        if isinstance(value, str) or not self.least <= value <= self.most:
            raise OptionError(f"--{name.replace('_', '-')}: expected {self}, got {value!r}")


# More than any recording, machine or run has; beyond them a number is a slip, or takes the memory or the machine.
FRAMES = 1 << 31  # a year of 60 frames a second has 1.9e9
PROCESSES = 1 << 10  # the largest machines have some hundred cores
SIDE = math.isqrt(IMAGE_PIXELS)  # of a square image that this package would read again: 11,585 pixels

PORTS = Range(0, 65535)  # 16 bits in TCP; 0: any free one
SHARDS = Range(1, 4_000_001)  # tasks of the largest job array that Slurm can be set to (MaxArraySize)

Workers = Annotated[int, Range(0, PROCESSES)]
Threads = Annotated[int | None, Range(1, PROCESSES)]
Frame = Annotated[int, Range(0, FRAMES)]
OptionalFrame = Annotated[int | None, Range(0, FRAMES)]
Frames = Annotated[tuple[int, ...], Range(0, FRAMES)]
Count = Annotated[int, Range(1, FRAMES)]
OptionalCount = Annotated[int | None, Range(1, FRAMES)]
Steps = Annotated[int, Range(0, 10_000_000)]  # of a fit or a film: months on any machine
Rows = Annotated[int, Range(1, 1000)]  # of a sheet of images: at 200 pixels each beyond what viewers open
Instants = Annotated[int, Range(2, 1_000_000)]
Side = Annotated[int, Range(16, SIDE)]  # what `prepare` writes: framing.MIN_SIZE and more
OptionalSide = Annotated[int | None, Range(1, SIDE)]
MaskMargin = Annotated[int | None, Range(0, NETWORK["mask_margin"])]


class Ranged:
    """Base of option dataclasses. When one is made, OptionError for numbers out of the ranges of their types and for
    words that are no choice; text for a path becomes one, a list or one word for several becomes a tuple."""

    def __post_init__(self) -> None:
        take_kinds(self)
        check_ranges(self)


def take_kinds(options: Any) -> None:
    """The command line gives values of the right kind; programs give what reads well: `views="Camera1"`."""
    hints = get_type_hints(type(options))
    for field in fields(options):
        value, kinds = getattr(options, field.name), _kinds(hints[field.name])
        several = [kind for kind in kinds if get_origin(kind) is tuple]
        if isinstance(value, str) and Path in kinds:
            object.__setattr__(options, field.name, Path(value))
        elif several and isinstance(value, str | list):
            value = (value,) if isinstance(value, str) else tuple(value)
            object.__setattr__(options, field.name, value)
        words = [get_args(kind) for kind in kinds if get_origin(kind) is Literal]
        if several and not words:
            kinds = [inner for kind in several for inner in _kinds(get_args(kind)[0])]
            words = [get_args(kind) for kind in kinds if get_origin(kind) is Literal]
        choices = [word for group in words for word in group]
        for one in value if isinstance(value, tuple) else (value,):
            if choices and one is not None and str not in kinds and one not in choices:
                near = difflib.get_close_matches(str(one), map(str, choices), n=1, cutoff=0.7)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise OptionError(f"{field.name}: expected one of {', '.join(map(str, choices))}, got {one!r}{hint}")


def _kinds(hint: Any) -> list[Any]:
    """What a value may be, of `A | B | None` each."""
    return list(get_args(hint)) if get_origin(hint) in (Union, UnionType) else [hint]


def check_ranges(options: Any) -> None:
    """Of the fields of a dataclass. OptionError for the first number out of its range."""
    for name, allowed in ranges_of(type(options)).items():
        value = getattr(options, name)
        for number in value if isinstance(value, tuple) else () if value is None else (value,):
            allowed.check(name, number)


def ranges_of(cls: type) -> dict[str, Range]:
    """By the field's name."""
    return dict(_ranges_of(cls))


def _ranges_of(cls: type) -> Iterator[tuple[str, Range]]:
    hints = get_type_hints(cls, include_extras=True)
    for field in fields(cls):
        for extra in getattr(hints[field.name], "__metadata__", ()):
            if isinstance(extra, Range):
                yield field.name, extra


def _words(number: int | float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"
