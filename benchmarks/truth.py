"""Do the written cameras match the written pixels? Synthetic recordings with lens distortion and skew, exact truth.

    python benchmarks/truth.py [--samples 30]

Prints, for every preset, the overlap (IoU) of the true mesh through the written cameras with the written alpha, views
clipped, focal spread, and, for every interpolation, how far beads on the animal are found from where the written camera
puts them. The recordings are lossless PNGs with clean masks, like the claim that they test.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import _paths  # noqa: F401  (puts tests/shared on the path)
from marks import mark_errors
from mouselift.capture.capture import Capture, load_capture
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.framing.framing import PRESETS, Preset
from mouselift.prepare.options import Interpolation, PrepareOptions
from mouselift.prepare.pipeline import prepare_dataset
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.synthetic.rigs import markerless_rig
from mouselift.synthetic.truth import Truth, view_ious

INTERPOLATIONS = ("quintic", "cubic", "linear")


def record(folder: Path, frames: int, marks: int, supersample: int) -> tuple[Capture, Truth]:
    spec = CaptureSpec(
        frames=frames,
        rig=markerless_rig(),
        images="png",
        masks="png",
        marks=marks,
        supersample=supersample,
        fps=0.7,  # slow: every instant is another posture
        seed=5,
    )
    truth = write_capture(folder, spec)
    write_capture_toml(folder / "capture.toml", discover(folder).spec)
    return load_capture(folder), truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        capture, truth = record(work / "plain", options.samples, 0, 4)
        print(f"{options.samples} samples of six views; IoU of the true shape with the alpha")
        print(f"{'preset':<12}{'IoU mean':>10}{'worst':>9}{'clipped':>9}{'focal max/min':>15}")
        for preset in PRESETS:
            print(overlap_row(preset, capture, truth, work))
        marked, marked_truth = record(work / "marked", max(2, options.samples // 5), 48, 8)
        print("\nbeads on the animal: distance from where the written camera puts them, pixels")
        print(f"{'preset':<12}{'':<9}{'beads':>7}{'median':>9}{'95 %':>9}{'worst':>9}")
        for preset in ("per-sample", "per-view", "canonical"):
            for interpolation in INTERPOLATIONS:
                print(marks_row(preset, interpolation, marked, marked_truth, work))


def overlap_row(preset: Any, capture: Capture, truth: Truth, work: Path) -> str:
    out = work / preset
    prepare_dataset(capture, out, PrepareOptions(preset=preset, on_cut="keep", val=0.0), workers=2)
    ious = np.array(list(view_ious(out, truth)))
    records = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    clipped = sum(bool(view["clipped"]) for record in records for view in record["views"])
    spreads = [max(f) / min(f) for f in ([view["focal"] for view in record["views"]] for record in records)]
    return f"{preset:<12}{ious.mean():10.4f}{ious.min():9.4f}{clipped:9d}{max(spreads):15.4f}"


def marks_row(preset: Preset, interpolation: Interpolation, capture: Capture, truth: Truth, work: Path) -> str:
    out = work / f"{preset}-{interpolation}"
    options = PrepareOptions(preset=preset, interpolation=interpolation, on_cut="keep", val=0.0)
    prepare_dataset(capture, out, options, workers=2)
    found = np.array(list(mark_errors(out, truth)))
    spread = f"{np.median(found):9.3f}{np.percentile(found, 95):9.3f}{found.max():9.3f}"
    return f"{preset:<12}{interpolation:<9}{len(found):7d}{spread}"


if __name__ == "__main__":
    main()
