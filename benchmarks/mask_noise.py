"""Do noisy masks of synthetic animals disagree as masks of a real recording do?

    python benchmarks/mask_noise.py [CAPTURE] [--instants 12]

Prints, for exact masks, for each kind of noise alone and for all together, the outline mismatch over six cameras:
median, 90th percentile and RMS, in pixels, beside the subject's size (root of its area). With a capture
(mouse_cylinder), the same of masks by `mouselift mask` at eight of its instants: learning the scene takes two minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from mask_tails import learned
from mouselift.array_types import Levels
from mouselift.capture.capture import load_capture
from mouselift.geometry.camera import Camera
from mouselift.masks.quality import measure
from mouselift.masks.segment import Segmenter
from mouselift.synthetic.individual import individual
from mouselift.synthetic.mask_noise import MaskNoise, subject_size
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import markerless_rig, scaled_rig

REAL_INSTANTS = 8
KINDS = [field.name for field in fields(MaskNoise)]


class Mismatch:
    """Gathers outline mismatches."""

    def __init__(self) -> None:
        self.sizes: list[float] = []
        self.pixels: list[float] = []

    def add(self, cameras: Sequence[Camera], masks: Sequence[Levels]) -> None:
        self.sizes += [subject_size(mask) for mask in masks]
        for view in measure(cameras, masks, 0, None).views:
            self.pixels += view.tangency_px

    def show(self, name: str) -> None:
        p = np.array(self.pixels)
        numbers = (np.median(self.sizes), np.median(p), np.percentile(p, 90), np.sqrt((p**2).mean()))
        print(f"{name:<12}{numbers[0]:>8.0f}{numbers[1]:>9.2f}{numbers[2]:>9.1f}{numbers[3]:>9.1f}", flush=True)


def synthetic(name: str, noise: MaskNoise, instants: int) -> None:
    """At half the size of the recorded images, where a mouse is as large as in mouse_cylinder."""
    rig, found = scaled_rig(markerless_rig(), 0.5), Mismatch()
    mice = [seed for seed in range(200) if individual(seed).species == "mouse"][:instants]
    for k, seed in enumerate(mice):
        posed = individual(seed).mouse(0.5).posed(Motion(rig.arena, k).pose(1.7 * k + 0.3))
        masks = [render_silhouette(posed.mesh, camera, 2) for camera in rig.cameras]
        found.add(rig.cameras, [noise.apply(mask, (k, view)) for view, mask in enumerate(masks)])
    found.show(name)


def real(capture: Path) -> None:
    source, scene = learned(load_capture(capture))
    found = Mismatch()
    chosen = sorted(np.random.default_rng(5).choice(list(source.frames), REAL_INSTANTS, replace=False).tolist())
    for frame in source.read(chosen):
        levels = Segmenter(scene).segment([view.image for view in frame.views])
        assert all(level is not None for level in levels), "a camera has no image there"
        found.add([view.camera for view in frame.views], [np.asarray(level) for level in levels])
    found.show(capture.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path, nargs="?")
    parser.add_argument("--instants", type=int, default=12)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"{'masks':<12}{'size':>8}{'median':>9}{'90 %':>9}{'RMS':>9}  px")
    none = MaskNoise(**dict.fromkeys(KINDS, 0.0))
    synthetic("exact", none, options.instants)
    for kind in KINDS:
        synthetic(kind, MaskNoise(**{**dict.fromkeys(KINDS, 0.0), kind: getattr(MaskNoise(), kind)}), options.instants)
    synthetic("all", MaskNoise(), options.instants)
    if options.capture is not None:
        real(options.capture)


if __name__ == "__main__":
    main()
