"""What a reconstruction is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from mouselift.data.dataset import WHITE, ViewChoice
from mouselift.errors import ModelError
from mouselift.gaussians.filters import FILTERS
from mouselift.render.base import Colour


@dataclass(frozen=True)
class Options:
    """ModelError for a filter that does not exist, or numbers out of range."""

    views: tuple[str, ...] = ()  # cameras that go in; all where empty. The others are held out and scored apart
    size: int | None = None  # pixels a side that images are resized to, with their cameras
    filter: str = "none"  # of gaussians.filters.FILTERS
    turntable: int = 60  # frames of one turn; 0: none
    background: Colour = WHITE

    def __post_init__(self) -> None:
        if self.filter not in FILTERS:
            raise ModelError(f"filter: expected one of {', '.join(FILTERS)}, got {self.filter!r}")
        if self.size is not None and self.size < 1:
            raise ModelError(f"size: expected a positive number of pixels, got {self.size}")
        if self.turntable < 0:
            raise ModelError(f"turntable: expected a number of frames, 0 for none, got {self.turntable}")
        if not all(0 <= level <= 1 for level in self.background):
            raise ModelError(f"background: expected three numbers in 0..1, got {self.background}")

    @property
    def choice(self) -> ViewChoice:
        """Which views go in; all are loaded."""
        return ViewChoice(inputs=self.views or None)

    @property
    def identity(self) -> dict[str, object]:
        """What must be equal for two runs to share a folder."""
        return msgspec.to_builtins(self)
