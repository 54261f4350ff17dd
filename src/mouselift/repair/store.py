"""The folder of a repaired dataset: what `run_folder` does, for copies of samples."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mouselift.dataset.layout import CAMERAS_FILE
from mouselift.run_folder import RunFolder

DESCRIPTION = "repair.json"


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
    rig: str = ""  # what the rig said, where one was given


class RepairStore(RunFolder[RepairRecord]):
    """One repaired dataset on disk."""

    def __init__(self, root: Path, identity: dict[str, Any]) -> None:
        super().__init__(root, identity, description=DESCRIPTION, record=RepairRecord, verb="repair")

    def known(self) -> dict[str, RepairRecord]:
        """Records, by sample, of those that are whole on disk."""
        return {record.id: record for record in self.records() if (self.root / record.id).is_dir()}

    def add(self, source: Path, cameras_json: bytes | None) -> None:
        """A copy of the sample folder `source`, its cameras replaced where given: whole or absent."""
        with self.writing(source.name) as folder:
            shutil.copytree(source, folder, dirs_exist_ok=True)
            if cameras_json is not None:
                (folder / CAMERAS_FILE).write_bytes(cameras_json)

    def complete(
        self, records: Sequence[RepairRecord], lists: Mapping[str, Iterable[str]], summary: dict[str, Any]
    ) -> None:
        """Manifest, list files (refused samples are left out of them) and the complete description."""
        usable = {record.id for record in records if record.status != "refused"}
        self.finish(records, {name: [i for i in ids if i in usable] for name, ids in lists.items()}, summary)
