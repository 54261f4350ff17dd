"""Everything that decides a sample's bytes, apart from the recording itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mouselift.errors import CaptureError
from mouselift.framing.framing import DEFAULT_PRESET, PRESETS, Framing
from mouselift.prepare.filters import DEFAULT_INTERPOLATION, Interpolation

Policy = Literal["drop", "keep", "fail"]


@dataclass(frozen=True)
class Recipe:
    """How each frame is made into a sample. Two runs into one folder must agree in every field.

    `on_missing`: a view without image, without mask or with an empty one. `on_cut`: a mask that
    touches the sensor's border. Each: `drop` the sample, `keep` it (a missing view is left out of it,
    at least two must remain), or `fail`. Always counted in the manifest.
    """

    framing: Framing = field(default_factory=lambda: PRESETS[DEFAULT_PRESET])
    interpolation: Interpolation = DEFAULT_INTERPOLATION
    background: tuple[int, int, int] | None = None  # RGB levels composited; None: transparent
    on_missing: Policy = "drop"
    on_cut: Policy = "drop"
    speck: float = 0.01  # mask parts smaller than this share of the largest are noise, and go

    def __post_init__(self) -> None:
        if not 0 <= self.speck < 1:
            raise CaptureError(f"--speck: expected a share in [0, 1), got {self.speck}")
        if self.background is not None and not all(0 <= level <= 255 for level in self.background):
            raise CaptureError(f"--background: expected three levels from 0 to 255, got {self.background}")
