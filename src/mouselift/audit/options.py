"""What an audit of a dataset may be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mouselift.ranges import Count, OptionalCount, Ranged


@dataclass(frozen=True)
class AuditOptions(Ranged):
    """What is compared, and with what. OptionError for numbers out of range."""

    hull: bool = False
    """Also carve the visual hull of every sample and compare it with each mask: slower, and finds bad masks."""
    every: Count = 1
    """Take every n-th sample."""
    samples: OptionalCount = None
    """At most this many samples, spread over the dataset."""
    profile: str = "facelift"
    """What the cameras are compared with: facelift, or a file that `mouselift profile` wrote."""
    trainer: Path | None = None
    """A config of FaceLift's trainer (YAML): says which of its settings would move these cameras."""
