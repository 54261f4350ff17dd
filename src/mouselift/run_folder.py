"""A folder that a verb fills sample by sample: whole samples or none, a journal to go on from, no mixing of runs.

The description is written first and says what the folder holds: a run with another identity is refused. Each sample is
written to a hidden name and renamed. The journal keeps the records of finished samples until the manifest is complete.
A sample is finished when its files have reached the disk and its line says each one's size and CRC-32: a power loss may
leave files that are renamed and empty, and those are made again.

Several processes may fill one folder: workers of one run, on one machine or many, and shards, runs that each make a
part. Each has a journal of its own (what two machines append to one file may be lost) and hidden names of its own.
Where two make the same sample, the first stays.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Generic

import msgspec

from mouselift.atomic import (
    TEMPORARY,
    check_folder,
    everything_below,
    hidden_by_us,
    is_abandoned,
    same_files,
    sync_folder,
    synced,
    this_process,
    why_not_written,
    write_first,
    write_whole,
)
from mouselift.errors import DatasetError, OutputError, is_outage
from mouselift.foreign import json_as
from mouselift.limits import LIST_BYTES, limited_bytes
from mouselift.run_lines import MANIFEST, LineIndex, R, SampleFiles, end_last_line, lines_of
from mouselift.run_lock import LOCK, lock_of

LOG = logging.getLogger(__name__)

SCHEMA = 1
JOURNAL = ".journal.jsonl"
OURS = ".mouselift-"  # begins all names of ours that may be there before the description
_JOURNALS = ".journal*.jsonl"
_TRIES = 10  # to place a sample where other processes place the same one

# Samples are synced together: 200 files of 80 kB took 0.6 s one by one and 0.025 s from 16 threads (ext4), since the
# file system commits for all that wait. A killed run loses what it made in the last second or two.
_SYNC_SECONDS, _SYNC_SAMPLES, _SYNC_THREADS = 2.0, 64, 16


class RunFolder(Generic[R]):
    """One folder on disk.

    identity: what must be equal for two runs to share it. description: name of the file that says so. verb: the
    command that writes here, for messages. way_out: what to do where the folder holds another run. shard: the name of
    the part that this run makes while others make theirs; "": all of it, alone.
    """

    def __init__(
        self,
        root: Path,
        identity: Mapping[str, Any],
        *,
        description: str,
        record: type[R],
        verb: str,
        way_out: str = "Use a new folder, or the same input and options",
        shard: str = "",
    ) -> None:
        self.root = root
        self.identity = msgspec.json.decode(msgspec.json.encode(identity))  # as it reads back
        self._description, self._record, self._verb = root / description, record, verb
        self._way_out = way_out
        self._shard = f"-{shard}" if shard else ""
        self._maker = this_process()
        self._unsynced: list[R] = []
        self._synced_at = -_SYNC_SECONDS  # the first sample is synced at once

    def open(self) -> None:
        """Make the folder, or check that it belongs to this run. DatasetError where it does not."""
        if self._description.exists():
            self._check()
            LOG.info("%s: goes on with what an earlier run made", self.root)
            return
        self._check_ours()
        self._make_root()
        with _going_on():
            if not write_first(self._description, self._described({"complete": False})):
                self._check()  # another shard was first

    def _check_ours(self) -> None:
        """DatasetError where the folder is somebody else's, or another run's, OutputError where it can be none: before
        anything is written in it.

        A run that was killed before its first description leaves the lock and unfinished files.
        """
        check_folder(self.root)
        if not os.path.lexists(self.root):
            return
        try:
            others = [name for name in os.listdir(self.root) if not name.startswith(OURS)]
        except OSError as error:
            raise _storage_error(self.root, error) from error
        if self._description.exists():
            self._check()
        elif others:
            raise DatasetError(
                f"{self.root}: is not empty and holds no {self._description.name}; expected a new folder, or one that "
                f"`mouselift {self._verb}` made. Nothing was changed"
            )

    def _make_root(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.root}: {why_not_written(error)}") from error

    def _found(self) -> Any:
        """The identity of the run that the folder belongs to."""
        try:
            return json_as(limited_bytes(self._description, LIST_BYTES), dict)["identity"]
        except OSError as error:
            raise DatasetError(f"{self._description}: cannot be read: {error.strerror or error}") from None
        except (ValueError, KeyError) as error:
            raise DatasetError(
                f"{self._description}: was not written by `mouselift {self._verb}` ({error}); use a new folder"
            ) from None

    def _differences(self, found: Any) -> Iterator[str]:
        """In words, what keeps this run out of the folder."""
        return _differences(found, self.identity)

    def _check(self) -> None:
        if differences := list(self._differences(self._found())):
            raise DatasetError(
                f"{self.root}: holds what another run of `mouselift {self._verb}` made ({'; '.join(differences[:5])}). "
                f"{self._way_out}. Nothing was changed"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One run at a time, or several shards, each once. DatasetError: another one writes here, or it is not ours."""
        self._check_ours()
        self._make_root()
        with ExitStack() as held:
            held.enter_context(lock_of(self.root, self._verb, shared=bool(self._shard)))
            if self._shard:
                held.enter_context(lock_of(self.root, self._verb, self._shard))
            self._end_last_lines()
            try:
                yield
            except BaseException:
                with suppress(OutputError):  # what went wrong first is what is said
                    self.sync()
                raise
            self.sync()

    def records(self, wanted: Callable[[R], bool] = lambda _: True) -> Iterator[R]:
        """Records of samples that are whole on disk: the manifest's, by their files' sizes, then the journals'.

        Those of journals, which a power loss may have met, are read and compared with their checksums. A sample
        without files (one that was dropped) is whole. What this run logged is among them: it is synced first.
        wanted: which are looked at; a shard has no use for those of others.
        """
        self.sync()
        for path in (self.root / MANIFEST, *self._journals()):
            for line in lines_of(path):
                try:
                    record, said = json_as(line, self._record), json_as(line, SampleFiles)
                except ValueError:
                    continue  # the line that a killed run was writing
                if wanted(record) and self._whole(record, said.files, contents=path.name != MANIFEST):
                    yield record

    def _journals(self) -> list[Path]:
        return sorted(self.root.glob(_JOURNALS))

    def _journal(self) -> Path:
        """This process's own: a worker's says whose it is."""
        mine = this_process()
        worker = "" if mine == self._maker else f"-{mine[0]}-{mine[1]}"
        return self.root / f"{Path(JOURNAL).stem}{self._shard}{worker}.jsonl"

    def _end_last_lines(self) -> None:
        """A killed run may have left half a line, to which the next one would be added. Not in journals of others."""
        mine = Path(JOURNAL).stem + self._shard
        for journal in self._journals() if not self._shard else self.root.glob(f"{mine}[.-]*jsonl"):
            try:
                end_last_line(journal)
            except OSError as error:
                raise _storage_error(journal, error) from error

    def files(self, record: R) -> dict[str, Path]:
        """The files of a record's sample by their names in the journal; links are not followed.

        OSError where the record's id leads elsewhere than into this folder: a damaged line may say anything, `/` as
        well.
        """
        name = _id(record)
        if not _names_a_sample(name):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), name)
        folder = self.root / name
        return {
            path.relative_to(folder).as_posix(): path
            for path in everything_below(folder)
            if path.is_file() and not path.is_symlink()
        }

    def _whole(self, record: R, said: Mapping[str, tuple[int, int]], contents: bool) -> bool:
        try:
            there = self.files(record)
            return there.keys() == said.keys() and all(
                there[name].stat().st_size == size
                and (not contents or zlib.crc32(there[name].read_bytes()) == checksum)
                for name, (size, checksum) in said.items()
            )
        except OSError as error:  # a name that is too long as well
            if is_outage(error):
                raise _storage_error(self.root / _id(record), error) from error
            return False

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """A new hidden folder to fill; it becomes the sample `name` when the block ends well.

        A folder of that name with the same files stays: another process made it. Any other is what a killed run left.
        """
        final = self.root / name
        temporary = hidden_by_us(final)
        try:
            temporary.mkdir()  # not its parents: a folder that was removed meanwhile is an error
            yield temporary
            for tries in range(_TRIES):
                if final.exists():
                    if same_files(temporary, final):
                        break
                    shutil.rmtree(final)
                try:
                    temporary.rename(final)
                    break
                except OSError as error:
                    if error.errno not in (errno.EEXIST, errno.ENOTEMPTY) or tries == _TRIES - 1:
                        raise
        except (OSError, shutil.Error) as error:
            raise _storage_error(final, error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def move_in(self, source: Path, name: str) -> None:
        """The finished folder `source` under its final name. What a killed run moved there already stays; what is
        lacking there is moved.
        """
        final = self.root / name
        try:
            source.mkdir(parents=True, exist_ok=True)
            if not final.exists():
                source.rename(final)
                return
            for path in sorted(source.iterdir()):
                if not (final / path.name).exists():
                    path.rename(final / path.name)
        except OSError as error:
            raise _storage_error(final, error) from error

    def log(self, records: Iterable[R]) -> None:
        """For the journal, from any process of the run; they get there with the next `sync`, soon."""
        self._unsynced += records
        if len(self._unsynced) >= _SYNC_SAMPLES or time.monotonic() - self._synced_at >= _SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """What was logged is finished: its files are brought to the disk, then its lines.

        A job in another process calls it at the end of a block.
        """
        records, self._unsynced = self._unsynced, []
        if not records:
            return
        try:
            files = [self.files(record) for record in records]
            paths = [path for each in files for path in each.values()]
            with ThreadPoolExecutor(min(_SYNC_THREADS, len(paths) or 1)) as threads:
                sums = dict(zip(paths, threads.map(synced, paths), strict=True))
                folders = {Path(), *(parent for path in paths for parent in path.relative_to(self.root).parents)}
                list(threads.map(sync_folder, [self.root / folder for folder in folders]))
            lines = [
                _line(record, {name: sums[path] for name, path in each.items()})
                for record, each in zip(records, files, strict=True)
            ]
            with self._journal().open("ab", buffering=0) as journal:
                journal.write(b"".join(lines))  # in one piece: other threads append too
                os.fsync(journal.fileno())
        except OSError as error:
            raise _storage_error(self.root, error) from error
        self._synced_at = time.monotonic()

    def read_back(self, samples: Iterable[str]) -> Iterator[R]:
        """The records of samples that this run knows to be there, in that order, one in memory at a time."""
        self.sync()
        with self._index() as index:
            for sample in samples:
                line = index.line(sample)
                if line is None:
                    raise OutputError(f"{self._gone(sample)}. {_GO_ON}")
                try:
                    yield json_as(line, self._record)
                except ValueError as error:
                    raise OutputError(f"{self.root}: the record of {sample} was changed meanwhile: {error}") from None

    def finish(self, records: Iterable[R], lists: Mapping[str, Iterable[str]], summary: Mapping[str, Any]) -> None:
        """Manifest, lists (file name -> samples), and `close`. OutputError where a sample is not there any more.

        `records`, which are gone through once, may come from `read_back`.
        """
        self.sync()
        if not self.root.is_dir():  # writing would make it again
            raise OutputError(f"{self._gone('')}. {_GO_ON}")
        self._write(MANIFEST, self._manifest(records))
        for name, samples in lists.items():
            self._write(name, (f"{(self.root / sample).resolve()}\n".encode() for sample in samples))
        self.close(summary)

    def _manifest(self, records: Iterable[R]) -> Iterator[bytes]:
        with self._index() as index:
            for record in records:
                line = index.line(_id(record))
                try:
                    files = None if line is None else json_as(line, SampleFiles).files
                except ValueError:  # damaged since it was written
                    files = None
                if files is None or not self._whole(record, files, contents=False):
                    raise OutputError(self._gone(_id(record)))
                yield _line(record, files)

    def _index(self) -> LineIndex:
        return LineIndex([self.root / MANIFEST, *self._journals()])

    def _gone(self, sample: str) -> str:
        return (
            f"{self.root / sample}: files that this run wrote are not there any more: {self.root} was changed or "
            "removed meanwhile"
        )

    def close(self, summary: Mapping[str, Any]) -> None:
        """The complete description; then the journals go, and what is unfinished, unless somebody still writes it."""
        self.sync()
        self.write(self._description.name, self._described({"complete": True, **summary}))
        for path in (*self._journals(), *self.root.glob(f"{LOCK}-*")):
            path.unlink(missing_ok=True)
        for leftover in filter(is_abandoned, self.root.glob(f"{TEMPORARY}*")):
            shutil.rmtree(leftover) if leftover.is_dir() and not leftover.is_symlink() else leftover.unlink()

    def write(self, name: str, data: bytes) -> None:
        """One of the folder's own files, replaced whole."""
        self._write(name, [data])

    def _write(self, name: str, lines: Iterable[bytes]) -> None:
        with _going_on():
            write_whole(self.root / name, lines, replace=True)

    def _described(self, more: Mapping[str, Any]) -> bytes:
        value = {"schema": SCHEMA, "identity": self.identity, **more}
        return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=1) + b"\n"


_GO_ON = "Finished samples are whole: the same command goes on from them"


@contextmanager
def _going_on() -> Iterator[None]:
    """Errors say that the same command goes on."""
    try:
        yield
    except OutputError as error:
        raise OutputError(f"{error}. {_GO_ON}") from error


def _differences(found: Any, wanted: Any, key: str = "") -> Iterator[str]:
    """ "key: found, wanted" for every leaf that differs."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for name in [*wanted, *(k for k in found if k not in wanted)]:
            yield from _differences(found.get(name), wanted.get(name), f"{key}.{name}" if key else name)
    elif found != wanted:
        yield f"{key}: there {_short(found)}, now {_short(wanted)}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _storage_error(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: {why_not_written(error)}. {_GO_ON}")


def _names_a_sample(name: str) -> bool:
    """Whether it leads to a folder below the run's own."""
    parts = Path(name).parts
    return bool(parts) and ".." not in parts and not Path(name).is_absolute() and "\0" not in name


def _id(record: msgspec.Struct) -> str:
    """The sample's name. Records without one say in `RunFolder.files` where theirs lie."""
    return record.id  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]


def _line(record: msgspec.Struct, files: Mapping[str, tuple[int, int]]) -> bytes:
    value = msgspec.to_builtins(record)
    return msgspec.json.encode({**value, "files": files} if files else value) + b"\n"
