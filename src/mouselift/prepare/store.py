"""The folder of a prepared dataset: what `run_folder` does, for samples of `prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from mouselift.dataset.layout import CAMERAS_FILE, LISTS
from mouselift.prepare.sample import PreparedSample, Record
from mouselift.run_folder import RunFolder

DESCRIPTION = "dataset.json"


class _Provenance(msgspec.Struct):
    record: Record


class _CamerasFile(msgspec.Struct):
    mouselift: _Provenance


class DatasetStore(RunFolder[Record]):
    """One prepared dataset on disk."""

    def __init__(self, root: Path, identity: dict[str, Any]) -> None:
        super().__init__(root, identity, description=DESCRIPTION, record=Record, verb="prepare")

    def known(self) -> dict[int, Record]:
        """Records, by frame, of samples that need no work: dropped, or whole on disk."""
        return {
            record.frame: msgspec.structs.replace(record, split=None)
            for record in self.records()
            if record.status == "dropped" or (self.root / record.id / CAMERAS_FILE).is_file()
        }

    def stored(self, sample: str) -> Record | None:
        """The record inside a whole sample's folder; None where there is no such sample."""
        path = self.root / sample / CAMERAS_FILE
        if not path.is_file():
            return None
        return msgspec.json.decode(path.read_bytes(), type=_CamerasFile).mouselift.record

    def add(self, sample: PreparedSample) -> None:
        """All files of a sample, whole or absent."""
        with self.writing(sample.record.id) as folder:
            (folder / "images").mkdir()
            for name, data in sample.images.items():
                (folder / name).write_bytes(data)
            (folder / CAMERAS_FILE).write_bytes(sample.cameras_json)

    def complete(self, records: dict[int, Record], summary: dict[str, Any]) -> None:
        """Manifest by frame, the lists of the splits, the description."""
        ordered = [records[frame] for frame in sorted(records)]
        lists = {name: [r.id for r in ordered if r.split == split] for split, name in LISTS.items()}
        self.finish(ordered, lists, summary)
