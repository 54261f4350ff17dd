"""Tar files of whole samples with an index beside each: `dataset.shards` says what they hold and how it is named.

The bytes depend on the samples and the size of a shard alone: no times, no owners. A shard is finished when its index
is there, which is written last; a stopped export goes on from the finished ones.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from mouselift import __version__
from mouselift.atomic import everything_below, whole_file
from mouselift.dataset.collection import CAPTURE_FILE
from mouselift.dataset.layout import CAMERAS_FILE, LISTS, find_samples, has_lists, lies_inside, lines_of, split_samples
from mouselift.dataset.mistaken import what_it_is
from mouselift.dataset.remote import remote_url
from mouselift.dataset.sample import Sample, read_sample
from mouselift.dataset.shards import SHARDS_FILE, ShardEntry, ShardIndex, ShardSample, member_name
from mouselift.errors import DatasetError, UnreachableError
from mouselift.export.options import ExportOptions
from mouselift.export.registry import ExportSummary
from mouselift.export.upload import upload_to
from mouselift.foreign import json_as
from mouselift.progress import Progress, counted, each
from mouselift.run_folder import RunFolder

_BLOCK = tarfile.BLOCKSIZE
_END = bytes(2 * _BLOCK)  # closes a tar


class _NoRecord(msgspec.Struct):
    """A shard's record is its index."""

    id: str


@dataclass(frozen=True)
class _Planned:
    """A whole sample and its files, the cameras first: (path in the folder, size)."""

    sample: Sample
    folder: Path
    files: tuple[tuple[str, int], ...]
    changed: float  # the newest file's time

    @property
    def bytes(self) -> int:
        """In the tar; names of more than 100 characters take two blocks more."""
        return sum(
            len(_header(member_name(self.folder.name, file), size)) + size + _padding(size) for file, size in self.files
        )


class WebDataset:
    """The format. `out` may be an address on a server (s3://, gs://)."""

    def export(
        self, source: Path, out: Path, options: ExportOptions, progress: Progress, workers: int = 0
    ) -> ExportSummary:
        """source: a dataset. DatasetError names the first sample that is not whole, before anything is written."""
        if (source / CAPTURE_FILE).is_file():
            raise DatasetError(f"{source}: expected a dataset; {what_it_is(source)}")
        splits = dict(_splits(source))
        _check_names([folder for folders in splits.values() for folder in folders])
        checked = counted(progress, "checking samples", 0, sum(map(len, splits.values())))
        groups = {split: list(each(map(_planned, folders), checked)) for split, folders in splits.items()}
        everything = [sample for samples in groups.values() for sample in samples]
        shards = [
            (split, shard) for split, samples in groups.items() for shard in _shards(samples, options.shard_mb * 10**6)
        ]
        identity = {"format": "webdataset", "shard_mb": options.shard_mb, "samples": _digest(everything)}
        url = remote_url(out)
        with nullcontext() if url is None else upload_to(url) as upload:
            folder = out if upload is None else upload.folder
            run = RunFolder(folder, identity, description=SHARDS_FILE, record=_NoRecord, verb="export")
            with run.locked():
                run.open()
                if upload is not None:
                    upload.begin()
                entries: list[ShardEntry] = []
                done = 0
                for number, (split, samples) in enumerate(shards):
                    entry = _finished(folder, number, samples, split) or _write(folder, number, samples, split)
                    if upload is not None:
                        upload.take(entry)
                    entries.append(entry)
                    done += len(samples)
                    progress("exporting", done, len(everything))
                run.close({"version": __version__, "shards": msgspec.to_builtins(entries)})
            if upload is not None:
                upload.end()
        where = url or str(out)
        return ExportSummary(
            out=where,
            format="webdataset",
            samples=done,
            files=2 * len(shards) + 1,
            bytes=sum(entry.bytes for entry in entries),
            notes=(*_notes(where, entries), *(() if upload is None else upload.notes())),
        )


FORMAT = WebDataset()


def _splits(source: Path) -> Iterator[tuple[str | None, list[Path]]]:
    """By the lists where both are there; what no list names comes last, apart."""
    if not has_lists(source):
        yield None, find_samples(source)
        return
    listed: set[Path] = set()
    for split, name in LISTS.items():
        if lines_of(source / name):  # a recording may leave nothing to validate on
            folders = split_samples(source, split)
            listed.update(folders)
            yield split, folders
    others = [folder for folder in find_samples(source) if folder.resolve() not in listed]
    if others:
        yield None, others


def _planned(folder: Path) -> _Planned:
    """DatasetError where the sample is not whole, or a file leads out of its folder."""
    sample = read_sample(folder)
    found: dict[str, os.stat_result] = {}
    with UnreachableError.reading(folder):
        for path in everything_below(folder):
            file = path.relative_to(folder)
            if any(part.startswith(".") for part in file.parts) or path.is_dir():
                continue
            if not lies_inside(folder, path):
                raise DatasetError(f"{path}: leads outside the sample's folder; copy the file into it")
            found[file.as_posix()] = path.stat()
    order = sorted(found, key=lambda file: (file != CAMERAS_FILE, file))
    names = Counter(member_name(folder.name, file).lower() for file in order)  # webdataset's keys are lower case
    twice = [file for file in order if names[member_name(folder.name, file).lower()] > 1]
    if twice:
        raise DatasetError(
            f"{folder}: {' and '.join(twice)} would have one name in a tar; expected files that differ in more than "
            "slashes, dots and capitals"
        )
    newest = max(stat.st_mtime for stat in found.values())
    return _Planned(sample, folder, tuple((file, found[file].st_size) for file in order), newest)


def _check_names(folders: Sequence[Path]) -> None:
    by_name: dict[str, Path] = {}
    for folder in folders:
        other = by_name.setdefault(folder.name, folder)
        if other != folder:
            raise DatasetError(f"two samples are called {folder.name}: {other} and {folder}; export them apart")


def _shards(samples: Sequence[_Planned], limit: int) -> Iterator[list[_Planned]]:
    """In their order, each as full as whole samples make it."""
    held: list[_Planned] = []
    size = len(_END)
    for sample in samples:
        if held and size + sample.bytes > limit:
            yield held
            held, size = [], len(_END)
        held.append(sample)
        size += sample.bytes
    if held:
        yield held


def _digest(samples: Sequence[_Planned]) -> str:
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(msgspec.json.encode([sample.folder.name, sample.files]))
    return digest.hexdigest()


def _names(number: int) -> tuple[str, str]:
    return f"shard-{number:06d}.tar", f"shard-{number:06d}.json"


def _finished(out: Path, number: int, samples: Sequence[_Planned], split: str | None) -> ShardEntry | None:
    """The shard of an earlier run, where it holds these samples and none of their files has changed since."""
    tar, name = _names(number)
    try:
        data = (out / name).read_bytes()
        index = json_as(data, ShardIndex)
        whole = (out / tar).stat().st_size == index.bytes
        since = (out / name).stat().st_mtime
    except (OSError, ValueError):
        return None
    held = [(sample.name, tuple((file, said[1]) for file, said in sample.files.items())) for sample in index.samples]
    same = held == [(sample.folder.name, sample.files) for sample in samples]
    if not (whole and same and all(sample.changed <= since for sample in samples)):
        return None
    return _entry(data, name, index, split)


def _write(out: Path, number: int, samples: Sequence[_Planned], split: str | None) -> ShardEntry:
    tar, name = _names(number)
    (out / name).unlink(missing_ok=True)  # its tar is about to change
    with whole_file(out / tar, replace=True) as temporary, temporary.open("wb") as stream:
        writer = _Tar(stream)
        held = [writer.add(sample) for sample in samples]
        writer.close()
        os.fsync(stream.fileno())
    index = ShardIndex(tar, writer.at, writer.digest.hexdigest(), held)
    data = index.encoded()
    with whole_file(out / name, replace=True) as temporary:
        temporary.write_bytes(data)
    return _entry(data, name, index, split)


def _entry(data: bytes, name: str, index: ShardIndex, split: str | None) -> ShardEntry:
    digest = hashlib.sha256(data).hexdigest()
    return ShardEntry(index.tar, index.bytes, index.sha256, name, digest, len(index.samples), split)


class _Tar:
    """A tar that is written from its beginning to its end."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream, self.at, self.digest = stream, 0, hashlib.sha256()

    def add(self, sample: _Planned) -> ShardSample:
        """DatasetError where the sample changed since it was planned."""
        files: dict[str, tuple[int, int, int]] = {}
        cameras = ""
        for file, size in sample.files:
            with UnreachableError.reading(sample.folder / file):
                data = (sample.folder / file).read_bytes()
            if len(data) != size:
                raise DatasetError(
                    f"{sample.folder / file}: had {size} bytes when the export began, has {len(data)} now; does "
                    "another program write here? Give the same command again when it is done"
                )
            self._put(_header(member_name(sample.folder.name, file), size))
            files[file] = (self.at, size, zlib.crc32(data))
            self._put(data + bytes(_padding(size)))
            if file == CAMERAS_FILE:
                cameras = hashlib.sha256(data).hexdigest()
        views = sample.sample.views
        images = [Path(os.path.normpath(view.path)).relative_to(sample.folder).as_posix() for view in views]
        side = views[0].camera.width if views else 0
        return ShardSample(sample.folder.name, [*sample.sample.names], images, side, cameras, files)

    def close(self) -> None:
        self._put(_END)

    def _put(self, data: bytes) -> None:
        self.stream.write(data)
        self.digest.update(data)
        self.at += len(data)


def _header(name: str, size: int) -> bytes:
    """Without owner and time, so that equal samples make equal bytes."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> int:
    return -size % _BLOCK


def _notes(out: str, entries: Sequence[ShardEntry]) -> Iterator[str]:
    """The shards of each split, as webdataset and shells spell a range."""
    for split in dict.fromkeys(entry.split for entry in entries):
        numbers = [k for k, entry in enumerate(entries) if entry.split == split]
        span = f"{{{numbers[0]:06d}..{numbers[-1]:06d}}}" if len(numbers) > 1 else f"{numbers[0]:06d}"
        samples = sum(entry.samples for entry in entries if entry.split == split)
        words = split or ("in neither list" if len({entry.split for entry in entries}) > 1 else "all")
        yield f"{words}: {samples} samples in {out}/shard-{span}.tar"
