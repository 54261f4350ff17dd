"""What an audit of a dataset may be asked for."""

from __future__ import annotations

from dataclasses import dataclass

from mouselift.errors import DatasetError


@dataclass(frozen=True)
class AuditOptions:
    """DatasetError where `every` or `limit` is below 1."""

    hull: bool = False
    """Also carve the visual hull of every sample and compare it with each mask: slower, and finds bad masks."""
    every: int = 1
    """Take every n-th sample."""
    limit: int | None = None
    """At most so many samples, spread over the dataset."""
    profile: str = "facelift"
    """What the cameras are compared with: facelift, or a file that `mouselift profile` wrote."""

    def __post_init__(self) -> None:
        if self.every < 1 or (self.limit is not None and self.limit < 1):
            raise DatasetError(f"audit: expected --every and --limit of at least 1, got {self.every} and {self.limit}")
