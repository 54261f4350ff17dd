"""What the model in the box is worth on animals and cameras that nothing was trained or tuned on.

    python experiments/box/judge.py individuals WORK --checkpoint box.safetensors [--count 24]
    python experiments/box/judge.py rig DATASET --checkpoint box.safetensors [--instants 24] [--camera-colours]

`individuals`: held-out individuals (not those that validate the training), six noisy views in, six exact views never
given, 128 px. `rig`: a prepared recording, each camera held out in turn. Foreground PSNR and IoU of views that never
went in, means over samples with their standard error, and CPU seconds a sample of one thread: the network, the network
refined, and a fit without it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

from mouselift.data.dataset import MultiViewDataset
from mouselift.data.sample import SampleTensors
from mouselift.dataset.layout import find_samples
from mouselift.fit.camera_colours import CameraColours, camera_colours
from mouselift.progress import silent
from mouselift.reconstruct.fit_source import FitSource, RefinedSource
from mouselift.reconstruct.gaussian_source import BOX, NetworkSource, Source
from mouselift.reconstruct.metrics import view_scores
from mouselift.reconstruct.options import BOX_SIZE, STEPS
from mouselift.reconstruct.sample import background_of, camera_of
from mouselift.render.base import draw
from mouselift.render.cpu import CpuRenderer
from mouselift.sampling import evenly_spaced
from mouselift.synthetic.individual import HELD_OUT
from mouselift.synthetic.samples import SampleOptions, write_samples

FIRST = 1000  # of the held-out individuals that are judged: those before validate
REFINE = 60  # steps after the network


def methods(checkpoint: Path, steps: int, refine: int) -> dict[str, Source]:
    network = NetworkSource(checkpoint, device_name="cpu")
    return {
        "network": network,
        f"network, {refine} steps": RefinedSource(network, refine),
        f"fit, {steps} steps": FitSource(steps, "cpu"),
    }


def judged(
    source: Source, sample: SampleTensors, inputs: list[int], never: list[int], colours: CameraColours | None
) -> tuple[float, float, float]:
    """(foreground PSNR, IoU, CPU seconds): means over the views that never went in. colours: as `reconstruct_sample`"""
    begun = time.process_time()
    given = sample if colours is None else colours.common(sample)
    gaussians = source.gaussians(given, inputs, silent)
    spent = time.process_time() - begun
    background, found = background_of(sample), []
    for place in never:
        drawn = draw(CpuRenderer(), gaussians, camera_of(sample, place), background)
        if colours is not None:
            drawn = colours.seen_by(sample.views[place], drawn, background)
        scores = view_scores(drawn.colour, drawn.alpha, sample.image[place], background)
        found.append((scores.foreground_psnr, scores.iou))
    psnr, iou = np.nanmean(np.array(found), axis=0).tolist()
    return psnr, iou, spent


def table(rows: dict[str, list[tuple[float, float, float]]], samples: int) -> None:
    sys.stdout.write(f"| {samples} samples | foreground PSNR, dB | IoU | CPU s |\n|---|---|---|---|\n")
    for name, values in rows.items():
        psnr, iou, seconds = np.array(values).T
        error = np.array([psnr.std(ddof=1), iou.std(ddof=1)]) / np.sqrt(samples)
        sys.stdout.write(
            f"| {name} | {psnr.mean():.2f} ± {error[0]:.2f} | {iou.mean():.3f} ± {error[1]:.3f} | "
            f"{np.median(seconds):.2f} |\n"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["individuals", "rig"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--checkpoint", type=Path, default=BOX)
    parser.add_argument("--count", type=int, default=24, help="individuals, one instant each")
    parser.add_argument("--instants", type=int, default=24)
    parser.add_argument("--steps", type=int, default=STEPS, help="of the fit")
    parser.add_argument("--refine", type=int, default=REFINE)
    parser.add_argument("--clean", action="store_true", help="individuals: exact masks and colours in the input views")
    parser.add_argument(
        "--camera-colours",
        action="store_true",
        help="rig: with the gain and offset of each camera, estimated from all views of the instants that are judged",
    )
    args = parser.parse_args()
    if args.camera_colours and args.what != "rig":
        parser.error("--camera-colours: individuals are drawn by cameras of one kind each; expected it with rig")
    torch.set_num_threads(1)
    if args.what == "individuals":
        noise = {"noise": None, "sensor": False} if args.clean else {}
        options = SampleOptions(framing="canonical", **noise)  # pyright: ignore[reportArgumentType]
        write_samples(args.folder, HELD_OUT[FIRST : FIRST + args.count], 1, options)
        folders = find_samples(args.folder)
    else:
        folders = evenly_spaced(find_samples(args.folder), args.instants)
    data = MultiViewDataset(folders, size=BOX_SIZE)
    colours = camera_colours(data[k] for k in range(len(data))) if args.camera_colours else None
    if colours is not None:
        sys.stdout.write(f"camera colours: {colours.words}\n")
    sources = methods(args.checkpoint, args.steps, args.refine)
    rows: dict[str, list[tuple[float, float, float]]] = {name: [] for name in sources}
    for sample in (data[k] for k in range(len(data))):
        if args.what == "individuals":
            inputs = [k for k, name in enumerate(sample.views) if name.startswith("cam")]
            rounds = [(inputs, [k for k in range(len(sample.views)) if k not in inputs])]
        else:
            every = range(len(sample.views))
            rounds = [([k for k in every if k != out], [out]) for out in every]
        for name, source in sources.items():
            found = [judged(source, sample, *each, colours) for each in rounds]
            psnr, iou, seconds = np.mean(found, axis=0).tolist()
            rows[name].append((psnr, iou, seconds))
    table(rows, len(data))


if __name__ == "__main__":
    main()
