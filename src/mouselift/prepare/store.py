"""The output folder: whole samples or none, a journal to go on from, and no mixing of preparations.

OUT/dataset.json is written first and says what this folder holds; a run with another recipe or source
is refused. Each sample is written to a hidden name and renamed. The journal keeps the records of
finished blocks, dropped samples included, until the manifest is complete.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from mouselift.errors import DatasetError
from mouselift.prepare.sample import Record, Sample

SCHEMA = 1
DATASET, MANIFEST, JOURNAL = "dataset.json", "manifest.jsonl", ".journal.jsonl"
LISTS = {"train": "data_train.txt", "val": "data_val.txt"}
CAMERAS = "opencv_cameras.json"
_LOCK, _TEMPORARY = ".lock", ".writing-"


class _Provenance(msgspec.Struct):
    record: Record


class _CamerasFile(msgspec.Struct):
    mouselift: _Provenance


def read_manifest(root: Path) -> list[Record]:
    """The records of a finished dataset, by frame. DatasetError where there is no manifest, or a line is none."""
    path = root / MANIFEST
    try:
        lines = path.read_bytes().splitlines()
        return [msgspec.json.decode(line, type=Record) for line in lines]
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}; is the preparation finished?") from None
    except msgspec.DecodeError as error:
        raise DatasetError(f"{path}: expected one record a line, as `mouselift prepare` writes, got: {error}") from None


class DatasetStore:
    """One prepared dataset on disk. `identity`: what must be equal for two runs to share the folder."""

    def __init__(self, root: Path, identity: dict[str, Any]) -> None:
        self.root = root
        self.identity = msgspec.json.decode(msgspec.json.encode(identity))  # as it reads back

    def open(self) -> None:
        """Make the folder, or check that it belongs to this preparation. DatasetError where it does not."""
        path = self.root / DATASET
        if path.exists():
            self._check(path)
        elif self.root.exists() and any(p.name != _LOCK for p in self.root.iterdir()):
            raise DatasetError(
                f"{self.root}: is not empty and holds no {DATASET}; expected a new folder, or one that "
                "`mouselift prepare` made. Nothing was changed"
            )
        else:
            self.root.mkdir(parents=True, exist_ok=True)
            self._write(path, _pretty({"schema": SCHEMA, "identity": self.identity, "complete": False}))

    def _check(self, path: Path) -> None:
        try:
            found = msgspec.json.decode(path.read_bytes())["identity"]
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{path}: is not a dataset description of mouselift ({error}); use a new folder"
            ) from None
        differences = list(_differences(found, self.identity))
        if differences:
            shown = "; ".join(differences[:5])
            raise DatasetError(
                f"{self.root}: holds samples of another preparation ({shown}). Use a new folder, or the same "
                "options and recording. Nothing was changed"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One run at a time; a killed run leaves no lock behind."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / _LOCK).open("w") as handle:
            if not _try_lock(handle.fileno()):
                raise DatasetError(f"{self.root}: another `mouselift prepare` is writing here; wait for it, or stop it")
            try:
                yield
            finally:
                (self.root / _LOCK).unlink(missing_ok=True)

    def known(self) -> dict[int, Record]:
        """Records of samples that need no work: in the manifest or journal, and whole on disk where kept."""
        records: dict[int, Record] = {}
        for name in (MANIFEST, JOURNAL):
            path = self.root / name
            for line in path.read_bytes().splitlines() if path.exists() else []:
                try:
                    record = msgspec.json.decode(line, type=Record)
                except msgspec.DecodeError:
                    continue  # the line that a killed run was writing
                if record.status == "dropped" or self._on_disk(record.id):
                    records[record.frame] = msgspec.structs.replace(record, split=None)
        return records

    def _on_disk(self, sample: str) -> bool:
        return (self.root / sample / CAMERAS).is_file()

    def stored(self, sample: str) -> Record | None:
        """The record inside a whole sample's folder; None where there is no such sample."""
        path = self.root / sample / CAMERAS
        if not path.is_file():
            return None
        return msgspec.json.decode(path.read_bytes(), type=_CamerasFile).mouselift.record

    def write_sample(self, sample: Sample) -> None:
        """All files under a hidden name, then one rename: the sample is whole or absent."""
        temporary = self.root / f"{_TEMPORARY}{sample.record.id}"
        final = self.root / sample.record.id
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            (temporary / "images").mkdir(parents=True)
            for name, data in sample.images.items():
                (temporary / name).write_bytes(data)
            (temporary / CAMERAS).write_bytes(sample.cameras_json)
            if final.exists():  # a folder without its cameras file is nobody's finished sample
                shutil.rmtree(final)
            temporary.rename(final)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise _storage_error(final, error) from error

    def log(self, records: Iterable[Record]) -> None:
        try:
            with (self.root / JOURNAL).open("ab") as journal:
                journal.write(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
        except OSError as error:
            raise _storage_error(self.root / JOURNAL, error) from error

    def finish(self, records: dict[int, Record], summary: dict[str, Any]) -> None:
        """Manifest, list files and the complete description; then the journal goes."""
        ordered = [records[frame] for frame in sorted(records)]
        self._write(self.root / MANIFEST, b"".join(msgspec.json.encode(record) + b"\n" for record in ordered))
        for split, name in LISTS.items():
            lines = [f"{(self.root / r.id).resolve()}\n" for r in ordered if r.split == split]
            self._write(self.root / name, "".join(lines).encode())
        whole = {"schema": SCHEMA, "identity": self.identity, "complete": True, **summary}
        self._write(self.root / DATASET, _pretty(whole))
        (self.root / JOURNAL).unlink(missing_ok=True)
        for leftover in self.root.glob(f"{_TEMPORARY}*"):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()

    def _write(self, path: Path, data: bytes) -> None:
        temporary = path.with_name(f"{_TEMPORARY}{path.name}")
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise _storage_error(path, error) from error


def _pretty(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=1) + b"\n"


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


def _storage_error(path: Path, error: OSError) -> DatasetError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what = "the disk is full; free some space"
    else:
        what = f"cannot be written ({error.strerror or error})"
    return DatasetError(f"{path}: {what}. Finished samples are whole: the same command goes on from them")


def _try_lock(descriptor: int) -> bool:
    """False where another process holds the file. Windows has no flock: there, two runs are not kept apart."""
    if os.name == "nt":
        return True
    import fcntl  # POSIX only

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
