"""Frame numbers in the names of files, arrays and annotated images: `000012`, `frame_000012_mask`, `12_cam1`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from mouselift.errors import CaptureError

_DIGITS = re.compile(r"(\d+)")


def number_of(name: str) -> int | None:
    """The number at the end of a name: of a sample's, its source frame, in what `prepare` makes."""
    last = _DIGITS.split(name)
    return int(last[-2]) if len(last) > 1 and not last[-1] else None


def numbers_of(where: str, names: Sequence[str]) -> list[int]:
    """The frame number that each name (without its suffix) carries.

    The digits at the end, where all names end in digits and each carries another; else the only digits in which names
    differ that are alike otherwise. CaptureError, led by `where`, in all other cases.

    >>> numbers_of("masks", ["frame_000012_mask", "frame_000013_mask"])
    [12, 13]
    """
    last = [number_of(name) for name in names]
    ends = [number for number in last if number is not None]
    if len(ends) == len(names) and len(set(ends)) == len(names):
        return ends
    parts = [_DIGITS.split(name) for name in names]  # text, digits, text, digits, ..., text
    alike = len({tuple(part[::2]) for part in parts}) == 1
    columns = [[int(part[k]) for part in parts] for k in range(1, len(parts[0]), 2)] if alike else []
    told = [numbers for numbers in columns if len(set(numbers)) > 1] if len(names) > 1 else columns
    if len(told) == 1 and len(set(told[0])) == len(names):
        return told[0]
    strange = next((name for name, number in zip(names, last, strict=True) if number is None), None)
    if strange is not None:
        raise CaptureError(
            f"{where}: {strange}: expected a name that ends in the frame number, such as frame_000123, or names that "
            "differ in their frame number only"
        )
    twice = Counter(ends).most_common(1)[0][0]
    same = [name for name, number in zip(names, ends, strict=True) if number == twice]
    raise CaptureError(
        f"{where}: {same[0]} and {same[1]} both carry frame number {twice}: expected names that end in their frame "
        "number, or differ in it only; several objects or cameras belong in a folder each"
    )
