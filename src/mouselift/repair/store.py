"""The folder of a repaired dataset: whole copies of samples, a journal to go on from, nothing overwritten."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mouselift.errors import DatasetError
from mouselift.io.dataset import CAMERAS_FILE

DESCRIPTION, MANIFEST, JOURNAL = "repair.json", "manifest.jsonl", ".journal.jsonl"
LISTS = ("data_train.txt", "data_val.txt")
_TEMPORARY = ".writing-"


class RepairRecord(msgspec.Struct):
    """One sample's line in the manifest."""

    id: str
    status: str  # "good", "repaired", "refused"
    cause: str | None = None  # code of the diagnosis
    views: list[str] = []  # guilty ones
    values: dict[str, float] = {}
    sentence: str = ""
    reason: str = ""  # why it stayed as it was
    residual_before_px: float | None = None
    residual_after_px: float | None = None
    zoom_sigma: float | None = None  # of the common zoom, relative
    shift_sigma: float | None = None  # of the common shift in space, share of the cameras' distance
    ambiguous_with: list[str] = []
    decided_by: str = ""


class RepairStore:
    """One repaired dataset on disk. `identity`: what must be equal for two runs to share the folder."""

    def __init__(self, root: Path, identity: dict[str, Any]) -> None:
        self.root, self.identity = root, identity

    def open(self) -> None:
        """Make the folder, or check that it belongs to this repair. DatasetError where it does not."""
        path = self.root / DESCRIPTION
        if path.is_file():
            try:
                found = msgspec.json.decode(path.read_bytes())["identity"]
            except (msgspec.DecodeError, KeyError, TypeError) as error:
                raise DatasetError(f"{path}: is no description of a repair ({error}); use a new folder") from None
            if found != self.identity:
                keys = sorted(k for k in {*found, *self.identity} if found.get(k) != self.identity.get(k))
                text = "; ".join(f"{k}: there {found.get(k)}, now {self.identity.get(k)}" for k in keys)
                raise DatasetError(f"{self.root}: holds another repair ({text}). Use a new folder. Nothing was changed")
        elif self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir())):
            raise DatasetError(
                f"{self.root}: exists and holds no {DESCRIPTION}; expected a new folder, or one that "
                "`mouselift repair` made. Nothing was changed"
            )
        else:
            self.root.mkdir(parents=True, exist_ok=True)
            self._write(DESCRIPTION, _pretty({"identity": self.identity, "complete": False}))

    def known(self) -> dict[str, RepairRecord]:
        """Records of samples that are whole on disk."""
        out: dict[str, RepairRecord] = {}
        for name in (MANIFEST, JOURNAL):
            path = self.root / name
            for line in path.read_bytes().splitlines() if path.is_file() else []:
                try:
                    record = msgspec.json.decode(line, type=RepairRecord)
                except msgspec.DecodeError:
                    continue  # the line that a killed run was writing
                if (self.root / record.id).is_dir():
                    out[record.id] = record
        return out

    def add(self, source: Path, cameras_json: bytes | None) -> None:
        """A copy of the sample folder `source`, its cameras replaced where given: whole or absent."""
        temporary, final = self.root / f"{_TEMPORARY}{source.name}", self.root / source.name
        try:
            for old in (temporary, final):  # a sample that no journal names was being written by a killed run
                shutil.rmtree(old, ignore_errors=True)
            shutil.copytree(source, temporary)
            if cameras_json is not None:
                (temporary / CAMERAS_FILE).write_bytes(cameras_json)
            temporary.rename(final)
        except (OSError, shutil.Error) as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise DatasetError(
                f"{final}: cannot be written ({error}). Finished samples are whole: the same command goes on from them"
            ) from error

    def log(self, record: RepairRecord) -> None:
        with (self.root / JOURNAL).open("ab") as journal:
            journal.write(msgspec.json.encode(record) + b"\n")

    def finish(
        self, records: Sequence[RepairRecord], lists: Mapping[str, Iterable[str]], summary: dict[str, Any]
    ) -> None:
        """Manifest, list files (refused samples are left out of them) and the complete description."""
        self._write(MANIFEST, b"".join(msgspec.json.encode(record) + b"\n" for record in records))
        usable = {record.id for record in records if record.status != "refused"}
        for name, ids in lists.items():
            lines = [f"{(self.root / id).resolve()}\n" for id in ids if id in usable]
            self._write(name, "".join(lines).encode())
        self._write(DESCRIPTION, _pretty({"identity": self.identity, "complete": True, **summary}))
        (self.root / JOURNAL).unlink(missing_ok=True)

    def _write(self, name: str, data: bytes) -> None:
        temporary = self.root / f"{_TEMPORARY}{name}"
        try:
            temporary.write_bytes(data)
            temporary.replace(self.root / name)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise DatasetError(f"{self.root / name}: cannot be written ({error.strerror or error})") from error


def _pretty(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=1) + b"\n"
