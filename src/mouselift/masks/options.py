"""What a mask run may be told. Read by `--help`: nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass

from mouselift.errors import MaskError

_MOST_SAMPLES = 255


@dataclass(frozen=True)
class MaskOptions:
    """Defaults suit a recording of any length with one moving subject and static cameras."""

    every: int = 1
    """Take every n-th frame; masks are then PNGs named by frame number instead of videos."""
    start: int = 0
    """First frame."""
    stop: int | None = None
    """One past the last frame."""
    learn_from: int = 48
    """Images a camera from which background, floor and colours are learned."""

    def flags(self) -> str:
        """As `mouselift prepare` takes them, to select the frames that got masks; "" for all."""
        flags = [f"--every {self.every}"] if self.every > 1 else []
        flags += [f"--start {self.start}"] if self.start else []
        flags += [f"--stop {self.stop}"] if self.stop is not None else []
        return " ".join(flags)

    def __post_init__(self) -> None:
        if self.every < 1:
            raise MaskError(f"every: expected at least 1, got {self.every}")
        if self.start < 0 or (self.stop is not None and self.stop <= self.start):
            raise MaskError(f"expected 0 <= start < stop, got start {self.start}, stop {self.stop}")
        if not 8 <= self.learn_from <= _MOST_SAMPLES:
            raise MaskError(f"learn_from: expected 8 to {_MOST_SAMPLES}, got {self.learn_from}")
