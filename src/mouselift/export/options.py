"""The options of an export. Nothing heavy is imported here: `mouselift export --help` reads this file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from mouselift.ranges import Count, Frames, Range, Ranged

Activated = Literal["none", "opacities", "scales", "both"]  # of gaussians.activated
Form = Literal["colours", "log10", "xyzw"]  # of gaussians.forms
FormatName = Literal["webdataset", "nerfstudio", "colmap", "facelift", "rerun"]
Ground = Literal["empty", "ignored"]
LensChoice = Literal["undistort", "keep"]
ColmapForm = Literal["binary", "text"]


@dataclass(frozen=True)
class ExportOptions(Ranged):
    """What a format is asked for; each field names the formats that it is for. OptionError for numbers out of range."""

    shard_mb: Annotated[int, Range(1, 1_000_000)] = 256
    """webdataset: at most so many MB (10^6 bytes) a tar file, but never less than one sample."""
    frames: Frames = ()
    """Exactly these frames, of a recording or of a dataset's samples: --frames 786 1103. Not for webdataset."""
    instants: Count = 10
    """How many instants, evenly spaced over the frames that have masks: of a recording, without --frames."""
    ground: Ground = "empty"
    """nerfstudio, colmap: what trainers learn around the subject. empty: images carry alpha, so that nothing is there.
    ignored: images are opaque and masks say which pixels count (mask_path); trainers may put anything elsewhere."""
    lens: LensChoice = "undistort"
    """nerfstudio, colmap, rerun, of a recording. undistort: images are resampled once to cameras without lens and skew.
    keep: images as they are; a lens that the format cannot hold is refused."""
    colmap_form: ColmapForm = "binary"
    """colmap: .bin or .txt."""
    gaussians: Path | None = None
    """A folder that holds a SAMPLE/gaussians.ply (`mouselift reconstruct` writes them), SAMPLE.ply or
    SAMPLE.splat of every sample; or one such file for one sample. For rerun, of a dataset: shown as points."""
    activated: Activated | None = None
    """Which numbers of a .ply of Gaussians are activated already (opacities 0..1, scales as lengths), in place of
    logits and logarithms; by default none, and a file in which they look so is refused."""
    read_as: tuple[Form, ...] = ()
    """What a .ply of Gaussians holds in another form than the standard's. colours: f_dc are colours 0..1. log10: scales
    are logarithms to base 10. xyzw: rotations have w last."""
