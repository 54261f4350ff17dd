"""What a comparison of framings and a report take. Nothing heavy is imported: `--help` reads this file."""

from __future__ import annotations

from dataclasses import dataclass

from mouselift.ranges import Frames, Instants, Ranged, Rows, Side


@dataclass(frozen=True)
class CompareOptions(Ranged):
    """Which framings are compared, on which frames. OptionError for numbers out of range."""

    presets: tuple[str, ...] = ("per-view", "per-sample", "canonical", "legacy")
    """Which presets."""
    also: tuple[str, ...] = ()
    """Other framings, each as aim/quantity/scope/world: look-at/focal/sample/distance."""
    instants: Instants = 24
    """How many instants, spread over the recording."""
    frames: Frames = ()
    """Exactly these frames, instead of --instants."""
    size: Side = 512
    """Pixels a side, of the images that are written."""
    profile: str = "facelift"
    """What the cameras are compared with: facelift, or a file that `mouselift profile` wrote."""


@dataclass(frozen=True)
class ReportOptions(Ranged):
    """What the page of an audit shows. OptionError for numbers out of range."""

    profile: str = "facelift"
    """What the cameras are compared with: facelift, or a file that `mouselift profile` wrote; as in the audit."""
    rows: Rows = 8
    """Rows of the contact sheet: a third the worst, the others drawn at random."""
