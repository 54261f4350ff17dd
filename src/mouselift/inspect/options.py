"""What `inspect` may be told. Read by `--help`: nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass

from mouselift.errors import CaptureError


@dataclass(frozen=True)
class InspectOptions:
    """How much of a recording is looked at."""

    frames: int = 60
    """About how many instants to measure, spread over the recording."""
    lag: int = 5
    """Try frame offsets from -LAG to +LAG between cameras; 0: do not."""

    def __post_init__(self) -> None:
        if self.frames < 2 or self.lag < 0:
            raise CaptureError(
                f"inspect: expected at least 2 frames and a lag of at least 0, got {self.frames} and {self.lag}"
            )
