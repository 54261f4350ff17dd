"""The options of a repair. Nothing heavy is imported here: `mouselift repair --help` reads this file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Pool = Literal["sample", "camera"]


@dataclass(frozen=True)
class RepairOptions:
    """How cameras are corrected."""

    pool: Pool = "sample"
    """sample: each sample alone. camera: one change a camera, the same in all samples, from up to 50 of them."""
    rig: Path | None = None
    """The calibration that the images were prepared with (file or folder, any format that `init` reads). It fixes
    what silhouettes leave open, as far as a rig can; samples whose poses are not its own are refused."""
    rig_format: str | None = None
    """Of --rig, where its file does not say: dannce, mammal, anipose, facelift, jarvis."""
    rig_variant: str | None = None
    """Of --rig, as in capture.toml, where its convention is ambiguous."""
