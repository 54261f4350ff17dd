"""The options of an export. Nothing heavy is imported here: `mouselift export --help` reads this file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FormatName = Literal["webdataset"]


@dataclass(frozen=True)
class ExportOptions:
    """What a format is asked for; each field names the formats that it is for."""

    shard_mb: int = 256
    """webdataset: at most so many MB (10^6 bytes) a tar file, but never less than one sample."""
