"""Masks of one camera inside one file, or in a folder an object: a mask by frame number, whatever holds it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from mouselift.array_types import Array
from mouselift.errors import MaskError
from mouselift.foreign import first_few
from mouselift.media.images import NumberedImages
from mouselift.media.orientation import UPRIGHT, Orientation


@runtime_checkable  # for the run-time type checks of the tests
class MaskReader(Protocol):
    """How one kind of file gives its masks. Picklable: a worker opens its own file."""

    def read(self, number: int) -> Array | None:
        """[h, w], 0 background; None where there is no mask. MaskError where the file is damaged there."""
        ...


@dataclass(frozen=True, eq=False)
class MaskStack(NumberedImages):
    """The masks of one object, or of all in one label map."""

    path: Path
    width: int
    height: int
    listed: Collection[int]  # `numbers`
    reader: MaskReader
    words: str  # how the file is read
    positional: bool = False
    one_object: bool = False  # `mask_object` has chosen already
    question: str | None = None  # which of several objects? what `mask_object` has to settle
    from_zero: bool = False
    marked: Collection[int] | None = None  # `held`, where not all that are listed have a mask

    @property
    def numbers(self) -> Collection[int]:
        return self.listed

    @property
    def held(self) -> Collection[int]:
        return self.listed if self.marked is None else self.marked

    @property
    def orientation(self) -> Orientation:
        return UPRIGHT  # arrays and annotations have no tag

    def read(self, number: int) -> Array | None:
        return self.reader.read(number)


def choose_object(
    path: Path, objects: Sequence[str], chosen: int | str | None, kind: str = "objects"
) -> tuple[str, str | None]:
    """The object to read, and the question where several compete; the first stands in until it is answered.

    MaskError where the chosen one is not there.
    """
    shown = first_few(objects, 8)
    if chosen is not None:
        if str(chosen) not in objects:
            raise MaskError(f"{path}: mask_object = {chosen!r} is not among its {kind}: {shown}")
        return str(chosen), None
    if len(objects) == 1:
        return objects[0], None
    name = objects[0] if objects[0].isdigit() and str(int(objects[0])) == objects[0] else f'"{objects[0]}"'
    return objects[0], (
        f"{path}: holds several {kind}: {shown}; which of these is the subject? Say mask_object = {name} (or another "
        "of them) for this camera in capture.toml"
    )
