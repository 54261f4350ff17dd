"""Files of one JSON record a line: the manifest and the journal of a run's folder, and logs.

A journal is as long as the recording, so it is read line by line, and lines are found again by an index.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import msgspec
import numpy as np

from mouselift.errors import DatasetError, UnreachableError
from mouselift.foreign import json_as

MANIFEST = "manifest.jsonl"

R = TypeVar("R", bound=msgspec.Struct)


class SampleFiles(msgspec.Struct):
    """What a line says besides its record: (size, CRC-32) of each file of the sample."""

    id: str = ""
    files: dict[str, tuple[int, int]] = {}


class _Id(msgspec.Struct):
    id: str


def read_manifest(root: Path, record: type[R]) -> list[R]:
    """The records of a finished folder. DatasetError where there is no manifest, or a line is none."""
    path = root / MANIFEST
    try:
        return [json_as(line, record) for line in lines_of(path, needed=True)]
    except OSError as error:
        UnreachableError.on_outage(path, error)
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}; was the run finished?") from None
    except ValueError as error:
        raise DatasetError(f"{path}: expected one record a line, as mouselift writes, got: {error}") from None


def whole_lines(path: Path, record: type[R]) -> Iterator[R]:
    """The records of a file that grows line by line, none where there is no file.

    The line that a killed run was writing is left out.
    """
    for line in lines_of(path):
        with suppress(ValueError):
            yield json_as(line, record)


def lines_of(path: Path, needed: bool = False) -> Iterator[bytes]:
    """One line in memory at a time; none where there is no file, unless it is `needed`: an OSError then."""
    if needed or path.is_file():
        with path.open("rb") as stream:
            yield from stream


def as_lines(records: Iterable[msgspec.Struct]) -> bytes:
    """What `whole_lines` reads."""
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


def end_last_line(path: Path) -> None:
    """A killed run may have left half a line, to which the next one would be added. OSError as it comes."""
    if not path.is_file() or not path.stat().st_size:
        return
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        whole = stream.read() == b"\n"
    if not whole:
        with path.open("ab") as stream:
            stream.write(b"\n")


class LineIndex:
    """Finds the last line of a sample in files of lines: 16 bytes of memory a line, whatever its length.

    Example:
        with LineIndex([root / MANIFEST, *journals]) as index:
            line = index.line("sample_000012")
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        keys, places = array("q"), array("q")
        self._streams = [path.open("rb") for path in paths if path.is_file()]
        for number, stream in enumerate(self._streams):
            start = 0
            for line in stream:
                with suppress(ValueError):
                    keys.append(hash(json_as(line, _Id).id))
                    places.append(start * len(paths) + number)
                start += len(line)
        self._step = len(paths)
        unsorted = np.frombuffer(keys, dtype=np.int64)
        order = np.argsort(unsorted, kind="stable")  # of one sample's lines the last stays the last
        self._keys, self._places = unsorted[order], np.frombuffer(places, dtype=np.int64)[order]

    def __enter__(self) -> LineIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in self._streams:
            stream.close()

    def line(self, sample: str) -> bytes | None:
        """None where no line is that sample's."""
        key = hash(sample)
        first, end = (int(np.searchsorted(self._keys, key, side=side)) for side in ("left", "right"))
        for place in reversed(self._places[first:end].tolist()):
            start, number = divmod(place, self._step)
            self._streams[number].seek(start)
            line = self._streams[number].readline()
            if json_as(line, _Id).id == sample:  # two names may have one hash
                return line
        return None
