"""What a mask run may be told."""

from __future__ import annotations

from dataclasses import dataclass

from mouselift.errors import MaskError

_MOST_SAMPLES = 255


@dataclass(frozen=True)
class MaskOptions:
    """Defaults suit a recording of any length with one moving subject and static cameras."""

    every: int = 1  # segment every n-th frame; 1: all, and the masks become videos
    start: int = 0  # first frame on the common timeline
    stop: int | None = None  # one past the last; None: to the end
    samples: int = 48  # images a camera that background, floor and colours are learned from
    workers: int = 1  # processes; the result does not depend on it

    def __post_init__(self) -> None:
        if self.every < 1:
            raise MaskError(f"every: expected at least 1, got {self.every}")
        if self.start < 0 or (self.stop is not None and self.stop <= self.start):
            raise MaskError(f"expected 0 <= start < stop, got start {self.start}, stop {self.stop}")
        if not 8 <= self.samples <= _MOST_SAMPLES:
            raise MaskError(f"samples: expected 8 to {_MOST_SAMPLES}, got {self.samples}")
        if self.workers < 1:
            raise MaskError(f"workers: expected at least 1, got {self.workers}")

    @property
    def everything(self) -> bool:
        """Whether every frame of the recording is asked for."""
        return self.every == 1 and self.start == 0 and self.stop is None
