"""Samples in tar files: what lies where, as the index beside each file says, and the store that reads them.

A folder of shards (`mouselift export --format webdataset` makes one):

shards.json         which shards there are, of which split
shard-000000.tar    whole samples, one after another; `<sample>.<file>`, with "/" in the file's path as "."
shard-000000.json   its index: for each file of each sample (offset, size, CRC-32); a line a sample

Names are webdataset's: a sample's key ends at the first dot, so a dot in a sample's own name is written as %2E.
"""

from __future__ import annotations

import copy
import hashlib
import mmap
import os
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar, runtime_checkable

import msgspec
import numpy as np

from mouselift.array_types import Array, Int64
from mouselift.dataset.layout import CAMERAS_FILE, sample_order
from mouselift.dataset.sample import Sample, View, read_views
from mouselift.dataset.store import SampleFacts
from mouselift.errors import DatasetError, why_not
from mouselift.foreign import json_as
from mouselift.media.numbered_names import number_of

SHARDS_FILE = "shards.json"
_LINE = ord("\n")
_OPEN_FILES = 128  # at a time and process; systems allow 1024 and more, and a loader has pipes too

T = TypeVar("T")


class ShardSample(msgspec.Struct):
    """One sample: a line of an index. What training asks before it reads images stands here too."""

    name: str
    views: list[str]  # cameras, in the order of the sample's file
    images: list[str]  # of the views: paths in the sample's folder
    side: int  # pixels, of the first view
    cameras_sha256: str  # of the cameras file
    files: dict[str, tuple[int, int, int]]  # path in the sample's folder -> (offset in the tar, size, CRC-32)


class ShardEntry(msgspec.Struct):
    """A shard, in shards.json."""

    tar: str
    bytes: int
    sha256: str  # of the tar
    index: str
    index_sha256: str
    samples: int
    split: str | None  # "train", "val"; None: in neither list


class ShardList(msgspec.Struct):
    """shards.json, as far as it is read."""

    complete: bool = False
    shards: list[ShardEntry] = []


class ShardIndex(msgspec.Struct):
    """The file beside a tar."""

    tar: str
    bytes: int
    sha256: str
    samples: list[ShardSample]
    schema: int = 1

    def encoded(self) -> bytes:
        """JSON with a line a sample, so that one can be read without the others."""
        head = msgspec.json.encode({"schema": 1, "tar": self.tar, "bytes": self.bytes, "sha256": self.sha256})
        lines = b",\n".join(msgspec.json.encode(sample) for sample in self.samples)
        return head[:-1] + b',"samples":[\n' + lines + b"\n]}\n"


def member_name(sample: str, file: str) -> str:
    """In the tar. Two files of one sample may get one name (`a/b.png`, `a.b.png`): the writer refuses that."""
    return f"{sample.replace('%', '%25').replace('.', '%2E')}.{file.replace('/', '.')}"


def is_shards(path: Path) -> bool:
    """Whether `path` is a folder of shards on this machine."""
    return (path / SHARDS_FILE).is_file()


@runtime_checkable
class ByteSource(Protocol):
    """Where a folder of shards lies. Errors are DatasetError, and name the file."""

    @property
    def where(self) -> str:
        """The folder, for messages."""
        ...

    def content(self, file: str) -> bytes: ...

    def index(self, file: str, sha256: str) -> Path:
        """A file on this machine with that file's content."""
        ...

    def part(self, file: str, offset: int, size: int) -> bytes:
        """Exactly `size` bytes."""
        ...


class LocalBytes:
    """A folder on this machine. Files stay open, so that a sample costs one read; each process opens its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["folder"])

    def __del__(self) -> None:
        for descriptor in self._files.values():
            os.close(descriptor)

    @property
    def where(self) -> str:
        return str(self.folder)

    def content(self, file: str) -> bytes:
        return self._trying(file, (self.folder / file).read_bytes)

    def index(self, file: str, sha256: str) -> Path:
        return self.folder / file

    def part(self, file: str, offset: int, size: int) -> bytes:
        data = self._trying(file, lambda: self._read(file, offset, size))
        if len(data) != size:
            raise DatasetError(
                f"{self.folder / file}: expected {size} bytes from {offset} on, got {len(data)}: it is cut short; "
                "copy or export it again"
            )
        return data

    def _read(self, file: str, offset: int, size: int) -> bytes:
        with self._lock:
            descriptor = self._files.pop(file, -1)
            if descriptor < 0:
                descriptor = os.open(self.folder / file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            self._files[file] = descriptor  # the latest are last
            if len(self._files) > _OPEN_FILES:
                os.close(self._files.popitem(last=False)[1])
            os.lseek(descriptor, offset, os.SEEK_SET)
            data = os.read(descriptor, size)
            while len(data) < size and (more := os.read(descriptor, size - len(data))):
                data += more
            return data

    def _trying(self, file: str, work: Callable[[], T]) -> T:
        try:
            return work()
        except OSError as error:
            raise DatasetError(f"{self.folder / file}: cannot be read: {why_not(error)}") from None


@dataclass(frozen=True, eq=False)
class _Shard:
    """An index that is open: any sample's line without the others."""

    data: mmap.mmap
    ends: Int64[Array, " lines"]  # of lines; the first line is the head

    def line(self, row: int) -> bytes:
        return self.data[int(self.ends[row]) + 1 : int(self.ends[row + 1])].rstrip(b",")


class ShardStore:
    """`SampleStore` over shards. split: "train" or "val", in the order of its list; None: all, as a folder's are.

    DatasetError: not finished, an index that is another one than shards.json says, no samples in the split.
    """

    def __init__(self, source: ByteSource, split: str | None = None) -> None:
        self.source = source
        listed = _decoded(source, SHARDS_FILE, source.content(SHARDS_FILE), ShardList)
        if not listed.complete:
            raise DatasetError(
                f"{source.where}: its export was not finished; the same `mouselift export` again goes on from there"
            )
        self.entries = tuple(listed.shards)
        rows: list[tuple[int, int]] = []
        names: list[str] = []
        for number, entry in enumerate(self.entries):
            _check_entry(source, entry)
            if split in (None, entry.split):
                found = self._names(entry)
                rows += [(number, row) for row in range(len(found))]
                names += found
        if split is None:
            order = sorted(range(len(names)), key=lambda k: sample_order(names[k]))
            rows, names = [rows[k] for k in order], [names[k] for k in order]
        if not names:
            there = ", ".join(sorted({entry.split or "in neither list" for entry in self.entries})) or "none"
            raise DatasetError(f"{source.where}: no samples of split {split}; splits there: {there}")
        self._rows = np.array(rows, dtype=np.int64)
        self.names: Sequence[str] = tuple(names)
        self._shards: dict[int, _Shard] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_shards": {}}  # each process maps the indexes itself

    def __len__(self) -> int:
        return len(self.names)

    @property
    def has_splits(self) -> bool:
        return any(entry.split for entry in self.entries)

    def take(self, places: Iterable[int]) -> ShardStore:
        chosen = list(places)
        out = copy.copy(self)
        out._rows, out.names = self._rows[chosen], tuple(self.names[place] for place in chosen)
        return out

    def facts(self, place: int) -> SampleFacts:
        found, _ = self._line(place)
        images = tuple((PurePosixPath(file).name, found.files[file][1]) for file in found.images)
        return SampleFacts(found.name, tuple(found.views), found.side, found.cameras_sha256, images)

    def open(self, place: int) -> OpenShardSample:
        """One read, of all its files."""
        found, entry = self._line(place)
        first = min(offset for offset, _, _ in found.files.values())
        end = max(offset + size for offset, size, _ in found.files.values())
        data = self.source.part(entry.tar, first, end - first)
        return OpenShardSample(Path(self.source.where) / entry.tar / found.name, found, first, data)

    def unpack(self, place: int, folder: Path) -> Path:
        """The sample's own folder, made in `folder` as it was when it was exported."""
        opened = self.open(place)
        sample = folder / opened.found.name
        for file in opened.found.files:
            target = sample / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(opened.content(file))
        return sample

    def _names(self, entry: ShardEntry) -> list[str]:
        data = self.source.index(entry.index, entry.index_sha256).read_bytes()
        if hashlib.sha256(data).hexdigest() != entry.index_sha256:
            raise DatasetError(
                f"{self.source.where}/{entry.index}: is not the index that {SHARDS_FILE} names; copy or export it again"
            )
        return [sample.name for sample in _decoded(self.source, entry.index, data, _NamedIndex).samples]

    def _line(self, place: int) -> tuple[ShardSample, ShardEntry]:
        number, row = (int(value) for value in self._rows[place])
        entry = self.entries[number]
        shard = self._shards.get(number)
        if shard is None:
            with self.source.index(entry.index, entry.index_sha256).open("rb") as stream:
                data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            shard = _Shard(data, np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == _LINE).astype(np.int64))
            self._shards[number] = shard
        found = _decoded(self.source, entry.index, shard.line(row), ShardSample)
        _check_sample(f"{self.source.where}/{entry.index}", found, entry)
        return found, entry


@dataclass(frozen=True, eq=False)
class OpenShardSample:
    """A sample's bytes, in memory."""

    where: Path
    found: ShardSample
    first: int  # offset of `data` in the tar
    data: bytes

    @property
    def sample(self) -> Sample:
        entries = read_views(self.where / CAMERAS_FILE, self.content(CAMERAS_FILE))
        if [entry.camera.name for entry in entries] != self.found.views:
            raise DatasetError(f"{self.where}: its cameras are not those that the index names; export it again")
        views = tuple(
            View(entry.camera.name, entry.camera, path=self.where / file)
            for entry, file in zip(entries, self.found.images, strict=True)
        )
        return Sample(self.found.name, views, number_of(self.found.name))

    def image(self, place: int) -> bytes:
        return self.content(self.found.images[place])

    def content(self, file: str) -> bytes:
        """DatasetError where the bytes are not those that were exported."""
        offset, size, checksum = self.found.files[file]
        data = self.data[offset - self.first : offset - self.first + size]
        if zlib.crc32(data) != checksum:
            raise DatasetError(
                f"{self.where}/{file}: its bytes are not those that were exported (CRC-32); copy it again"
            )
        return data


class _Named(msgspec.Struct):
    name: str


class _NamedIndex(msgspec.Struct):
    samples: list[_Named]


def _decoded(source: ByteSource, file: str, data: bytes, kind: type[T]) -> T:
    try:
        return json_as(data, kind)
    except ValueError as error:
        raise DatasetError(f"{source.where}/{file}: expected what `mouselift export` writes, got: {error}") from None


def _check_entry(source: ByteSource, entry: ShardEntry) -> None:
    if any(not _is_name(name) for name in (entry.tar, entry.index)):
        raise DatasetError(f"{source.where}/{SHARDS_FILE}: expected names of files, got {entry.tar!r}, {entry.index!r}")


def _check_sample(where: str, found: ShardSample, entry: ShardEntry) -> None:
    """An index may come from anybody: it names no file outside the sample, and no byte outside the tar."""
    files: Mapping[str, tuple[int, int, int]] = found.files
    inside = all(offset >= 0 and size >= 0 and offset + size <= entry.bytes for offset, size, _ in files.values())
    plain = _is_name(found.name) and all(all(map(_is_name, file.split("/"))) for file in files)
    whole = CAMERAS_FILE in files and set(found.images) <= files.keys() and len(found.images) == len(found.views)
    if not (inside and plain and whole):
        raise DatasetError(f"{where}: {found.name}: expected files within the sample and the tar; export it again")


def _is_name(name: str) -> bool:
    return name not in ("", ".", "..") and not any(mark in name for mark in "/\\\0")
