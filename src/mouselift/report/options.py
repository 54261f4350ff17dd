"""What a comparison of framings and a report take. Nothing heavy is imported: `--help` reads this file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CompareOptions:
    """Which framings are compared, on which frames."""

    presets: tuple[str, ...] = ("per-view", "per-sample", "canonical", "legacy")
    """Which presets."""
    also: tuple[str, ...] = ()
    """Other framings, each as aim/quantity/scope/world: look-at/focal/sample/distance."""
    instants: int = 24
    """How many instants, spread over the recording."""
    frames: tuple[int, ...] = ()
    """Exactly these frames, instead of --instants."""
    size: int = 512
    """Pixels a side, of the images that are written."""
    profile: str = "facelift"
    """What the cameras are compared with: facelift, or a file that `mouselift profile` wrote."""


@dataclass(frozen=True)
class ReportOptions:
    """What the page of an audit shows."""

    profile: str = "facelift"
    """What the cameras are compared with: facelift, or a file that `mouselift profile` wrote; as in the audit."""
    rows: int = 8
    """Rows of the contact sheet: a third the worst, the others drawn at random."""
