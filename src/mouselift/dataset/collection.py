"""Many prepared recordings in one folder: a dataset each, a manifest, and lists over all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from mouselift.errors import DatasetError
from mouselift.foreign import json_as
from mouselift.limits import JSON_BYTES, limited_bytes

COLLECTION = "collection.json"
CAPTURE_FILE = "capture.toml"  # of a recording
SCHEMA = 1

SplitBy = Literal["recording", "folder", "time"]


class Recording(msgspec.Struct, frozen=True, omit_defaults=True):
    """One recording of a collection; its dataset is the folder `name` beside the manifest."""

    name: str
    capture: str  # absolute path of the folder with capture.toml, or of that file
    status: Literal["prepared", "failed"]
    frames: int = 0  # selected
    kept: int = 0  # samples
    dropped: dict[str, int] = {}  # finding code -> samples
    role: Literal["train", "val"] | None = None  # None: split in time, or failed
    error: str = ""  # why it failed
    contradiction: str = ""  # made of masks that cameras contradict: nothing made of them tells any more


class Collection(msgspec.Struct, frozen=True):
    """Recordings that were prepared together and what became of each, as collection.json holds it."""

    split: SplitBy
    recordings: list[Recording]
    schema: int = SCHEMA

    @property
    def failed(self) -> list[Recording]:
        return [recording for recording in self.recordings if recording.status == "failed"]

    @property
    def contradicted(self) -> list[Recording]:
        return [recording for recording in self.recordings if recording.contradiction]


def is_collection(path: Path) -> bool:
    return (path / COLLECTION).is_file()


def read_collection(root: Path) -> Collection:
    """DatasetError where `root` is no collection."""
    file = root / COLLECTION
    try:
        return json_as(limited_bytes(file, JSON_BYTES), Collection)
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise DatasetError(f"{file}: expected what `mouselift prepare ... --out` writes, got: {error}") from None


def datasets_of(root: Path) -> dict[str, Path]:
    """Dataset folders of a collection by the recordings' names, those that failed left out."""
    found = {r.name: root / r.name for r in read_collection(root).recordings if r.status == "prepared"}
    if not found:
        raise DatasetError(f"{root / COLLECTION}: expected at least one prepared recording, found none")
    return found
