"""What an audit of a dataset may be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mouselift.errors import DatasetError


@dataclass(frozen=True)
class AuditOptions:
    """DatasetError where `every` or `samples` is below 1."""

    hull: bool = False
    """Also carve the visual hull of every sample and compare it with each mask: slower, and finds bad masks."""
    every: int = 1
    """Take every n-th sample."""
    samples: int | None = None
    """At most this many samples, spread over the dataset."""
    profile: str = "facelift"
    """What the cameras are compared with: facelift, or a file that `mouselift profile` wrote."""
    trainer: Path | None = None
    """A config of FaceLift's trainer (YAML): says which of its settings would move these cameras."""

    def __post_init__(self) -> None:
        if self.every < 1 or (self.samples is not None and self.samples < 1):
            raise DatasetError(
                f"audit: expected --every and --samples of at least 1, got {self.every} and {self.samples}"
            )
