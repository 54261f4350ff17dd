"""Training on this machine: `python benchmarks/train_tiny.py [--updates N] [--out FOLDER]`.

Renders 150 instants of the synthetic mouse (six cameras; kept in a cache folder), prepares them (canonical, 64 px), and
trains `tiny_cpu` on the first 90 % of them: the sixth camera and the last instants are never seen, the other five
views go in. Prints the held-out foreground PSNR and IoU over time, time a step and what of it went by waiting for data.
`--plain` trains the release's kind of network instead: all patches, no hull. Goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import mouselift as ml
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.train.config import tiny_cpu
from mouselift.train.log import read_log
from recording import CACHE


def dataset(frames: int) -> Path:
    """Made unless it is there; the run continues a preparation that was stopped."""
    capture, out = CACHE / f"train-{frames}", CACHE / f"train-{frames}-64"
    if not (capture / "capture.toml").is_file():
        if capture.exists():
            shutil.rmtree(capture)  # a rendering that was stopped
        write_capture(capture, CaptureSpec(frames=frames, fps=8.0, seed=5, supersample=2))
        write_capture_toml(capture / "capture.toml", discover(capture).spec)
    ml.prepare_dataset(ml.load_capture(capture), out, ml.PrepareOptions(preset="canonical", size=64))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=1200)
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--inputs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=CACHE / "train-run")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    data = dataset(args.frames)
    recipe = tiny_cpu()
    if args.plain:
        bare = {"mask_margin": None, "colour_residual": False, "hull_channels": False, "hull_range": None}
        recipe = replace(recipe, recipe="plain", augment=None, network=replace(recipe.network, **bare))
    options = ml.TrainOptions(updates=args.updates, inputs=args.inputs, validate_every=100)
    done = ml.train_model(recipe, data, args.out, options)
    lines = read_log(args.out)
    steps = [line for line in lines if line.kind == "update"]
    seconds = np.array([line.seconds for line in steps], dtype=float)
    waited = np.array([line.waited for line in steps], dtype=float)
    elapsed = dict(zip([line.update for line in steps], np.cumsum(seconds).tolist(), strict=True))
    sys.stdout.write("| update | training s | held-out foreground PSNR, dB | IoU |\n|---|---|---|---|\n")
    for line in lines:
        if line.kind == "validation":
            sys.stdout.write(f"| {line.update} | {elapsed[line.update]:.0f} | {line.psnr:.2f} | {line.iou:.3f} |\n")
    sys.stdout.write(
        f"\nstep {np.median(seconds):.3f} s (median), waiting for data {waited[1:].sum() / seconds[1:].sum():.1%}; "
        f"{done.skipped} skipped; warnings: {done.warnings or 'none'}\n"
    )


if __name__ == "__main__":
    main()
