"""Frame numbers in the names of files, arrays and annotated images: `000012`, `frame_000012_mask`, `12_cam1`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from mouselift.errors import CaptureError

_DIGITS = re.compile(r"(\d+)")
# What is counted by digits behind a word: frames, or what is in them (a score's digits follow a point).
_IMAGE_WORD = re.compile(r"(?<![a-z])(frames?|frm)[_\-. ]*$", re.IGNORECASE)
_OTHER_WORD = re.compile(
    r"(?<![a-z])(id|obj|object|inst|instance|track|person|animal|label|class|cls|cat|category|score|conf|area|part)"
    r"s?(?:[_\-. ]?id)?[_\-. ]*$",
    re.IGNORECASE,
)


def number_of(name: str) -> int | None:
    """The number at the end of a name: of a sample's, its source frame, in what `prepare` makes."""
    last = _DIGITS.split(name)
    return int(last[-2]) if len(last) > 1 and not last[-1] else None


def numbers_of(where: str, names: Sequence[str], marked: bool = False) -> list[int]:
    """The frame number that each name (without its suffix) carries.

    The digits at the end, where all names end in digits and each carries another; else the only digits in which names
    differ that are alike otherwise. marked: names of masks, of which words may say that the digits at the end count
    something else (frame_000012_obj_3). CaptureError, led by `where`, in all other cases.

    >>> numbers_of("masks", ["frame_000012_mask", "frame_000013_mask"])
    [12, 13]
    """
    last = [number_of(name) for name in names]
    ends = [number for number in last if number is not None]
    parts = [_DIGITS.split(name) for name in names]  # text, digits, text, digits, ..., text
    alike = len({tuple(part[::2]) for part in parts}) == 1
    written = [[part[k] for part in parts] for k in range(1, len(parts[0]), 2)] if alike else []
    columns = [[int(digits) for digits in column] for column in written]
    told = [numbers for numbers in columns if len(set(numbers)) > 1] if len(names) > 1 else columns
    if marked and len(told) > 1 and (images := _of_images(where, names, parts[0][::2], written)) is not None:
        return images
    if len(ends) == len(names) and len(set(ends)) == len(names):
        return ends
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


def _of_images(
    where: str, names: Sequence[str], texts: Sequence[str], written: Sequence[list[str]]
) -> list[int] | None:
    """The numbers of several that words tell to be the images'; None where words tell nothing of those that differ.

    texts: before each column of digits, and at the end. CaptureError where several names show one image.
    """
    columns = [[int(digits) for digits in column] for column in written]
    varied = [k for k, column in enumerate(columns) if len(set(column)) > 1]
    named = [k for k in varied if _IMAGE_WORD.search(texts[k])]
    pointed = {j for k in varied if k and texts[k] == "." for j in _counted_by_point(k, written)}
    others = [k for k in varied if k not in named and (k in pointed or _OTHER_WORD.search(texts[k]))]
    left = named or [k for k in varied if k not in others]
    if (not named and not others) or len(left) != 1:
        return None
    numbers = columns[left[0]]
    if len(set(numbers)) == len(numbers):
        return numbers
    twice = Counter(numbers).most_common(1)[0][0]
    same = [name for name, number in zip(names, numbers, strict=True) if number == twice]
    raise CaptureError(
        f"{where}: {same[0]} and {same[1]} both carry frame number {twice}: by the words in their names it is "
        "that of the image; several objects or cameras belong in a folder each"
    )


def _counted_by_point(behind: int, written: Sequence[list[str]]) -> tuple[int, ...]:
    """Of the digits around a point, those that are no image's number: both of a score, else those behind it.

    None of `1.00012`, part 1 of a recording and a number of five digits: which is the image's the point does not tell.
    """
    front = written[behind - 1]
    if {int(digits) for digits in front} <= {0, 1}:
        return behind - 1, behind
    widths = {len(digits) for digits in written[behind]}
    return () if len(widths) == 1 and min(widths) > max(len(digits) for digits in front) else (behind,)
