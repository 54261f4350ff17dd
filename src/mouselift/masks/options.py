"""What a mask run may be told. Read by `--help`: nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from mouselift.errors import MaskError
from mouselift.ranges import Count, Frame, OptionalFrame, Range, Ranged

_MOST_SAMPLES = 255


@dataclass(frozen=True)
class MaskOptions(Ranged):
    """Defaults suit a recording of any length with one moving subject and static cameras.

    OptionError for numbers out of range, MaskError for no frames.
    """

    every: Count = 1
    """Take every n-th frame; masks are then PNGs named by frame number instead of videos."""
    start: Frame = 0
    """First frame."""
    stop: OptionalFrame = None
    """One past the last frame."""
    learn_from: Annotated[int, Range(8, _MOST_SAMPLES)] = 48
    """Images a camera from which background, floor and colours are learned."""

    def flags(self) -> str:
        """As `mouselift prepare` takes them, to select the frames that got masks; "" for all."""
        flags = [f"--every {self.every}"] if self.every > 1 else []
        flags += [f"--start {self.start}"] if self.start else []
        flags += [f"--stop {self.stop}"] if self.stop is not None else []
        return " ".join(flags)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stop is not None and self.stop <= self.start:
            raise MaskError(f"expected start < stop, got start {self.start}, stop {self.stop}")
