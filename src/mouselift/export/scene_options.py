"""The options of exported scenes. `--help` reads them: nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SceneFormat = Literal["nerfstudio", "colmap", "facelift"]
Ground = Literal["empty", "ignored"]
LensChoice = Literal["undistort", "keep"]
ColmapForm = Literal["binary", "text"]


@dataclass(frozen=True)
class SceneOptions:
    """What of a dataset or capture becomes scenes, and how."""

    ground: Ground = "empty"
    """What trainers learn around the subject. empty: images carry alpha, so that nothing is there. ignored: images are
    opaque, and masks say which pixels count; trainers may then put anything outside (nerfstudio: mask_path)."""
    lens: LensChoice = "undistort"
    """Of a capture. undistort: images are resampled once to cameras without lens and skew. keep: images as they are;
    a lens that the format cannot hold is refused."""
    colmap_form: ColmapForm = "binary"
    """Files of COLMAP's sparse model: .bin or .txt."""
    frames: tuple[int, ...] = ()
    """Exactly these frames, of a capture or of a dataset's samples: --frames 786 1103."""
    instants: int = 10
    """Of a capture without --frames: so many, evenly spaced over the frames that have masks."""
