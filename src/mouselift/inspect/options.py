"""What `inspect` may be told. Read by `--help`: nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass

from mouselift.errors import CaptureError


@dataclass(frozen=True)
class InspectOptions:
    """How much of a recording is looked at."""

    instants: int = 60
    """How many instants, spread over the recording; with neighbours, about so many are measured."""
    lag: int = 5
    """Try frame offsets from -LAG to +LAG between cameras; 0: do not."""

    def __post_init__(self) -> None:
        if self.instants < 2 or self.lag < 0:
            raise CaptureError(
                f"inspect: expected at least 2 instants and a lag of at least 0, got {self.instants} and {self.lag}"
            )
