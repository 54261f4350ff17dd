"""The question that the project began with, answered by training: how should the views of an instant be framed?

    python experiments/framing/run.py FOLDER [--updates 500] [--seeds 3] [--networks plain hull] [--arms ARM...]

One command, which goes on where it was: a small GS-LRM learns procedural objects before FaceLift's published cameras
(50 degrees, distance 2.7, axes through the origin); then, from those weights, mice before a rig of six cameras, in
every arm of `arms.py`, with equal budgets and seeds; and from random weights as a control. Everything is judged alike:
held-out individuals, six views in, Gaussians drawn into six exact views that were never given, at their true poses.
FOLDER/results.json holds every figure; `table.py` makes the page's table and figure of it.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import torch
from arms import ARMS, INPUTS, SIZE, write_arms

import mouselift as ml
from mouselift.cli.progress_bar import progress_bar
from mouselift.models.gslrm.config import GSLRMConfig, from_scratch
from mouselift.models.gslrm.facelift import save_gslrm
from mouselift.models.gslrm.model import GSLRM
from mouselift.reconstruct.options import EvaluateOptions
from mouselift.synthetic.samples import SampleOptions, write_samples
from mouselift.train.config import TrainConfig, tiny_cpu

EXTRA = tuple(f"extra{k}" for k in range(6))
STAGES = (100, 500)  # updates after which weights are judged too
FIGURES = ("foreground_psnr", "foreground_ssim", "iou")
CONTROL = "from scratch"  # arm per-sample without pretraining


class Result(msgspec.Struct):
    """One set of weights, judged on one dataset."""

    network: str
    arm: str
    seed: int
    updates: int
    rig: str  # "own", "other": random cameras, or "below": its own, judged from below
    samples: dict[str, dict[str, float | None]]  # of each held-out individual: means over the views never given
    floaters: float | None  # share of opacity outside the hull
    needles: float | None  # share of opacity


def network(name: str) -> GSLRMConfig:
    """hull: the visual hull goes in. plain: as FaceLift's network, which knows no hull, but for start constants."""
    return from_scratch() if name == "hull" else replace(from_scratch(), hull_channels=False, hull_range=None)


def recipe(name: str, updates: int, seed: int) -> TrainConfig:
    """Three to five of the six views in, all six compared."""
    return replace(
        tiny_cpu(), network=network(name), updates=updates, seed=seed, inputs=5, fewest_inputs=3, batch=4, size=SIZE,
        hold_out=("none",), augment=None, validate_every=0, keep_every=STAGES[0], readers=0, ema=0.99, save_minutes=2.0,
    )  # fmt: skip


def pretrained(folder: Path, name: str, updates: int, objects: int, workers: int) -> Path:
    """Weights that know procedural objects before the published ring."""
    drawn = folder / "drawn" / "objects"
    options = SampleOptions(world="objects", rig="facelift", size=SIZE, noise=None, sensor=False, extra=0)
    write_samples(drawn, range(objects), 1, options, workers=workers)
    out = folder / "pretrained" / name
    with progress_bar() as progress:
        ml.train_model(recipe(name, updates, 0), drawn / "data_train.txt", out, checked=False, progress=progress)
    return out / "last.safetensors"


def untrained(folder: Path, name: str, seed: int) -> Path:
    """Random weights in a file."""
    path = folder / "untrained" / f"{name}-{seed}.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)
        save_gslrm(GSLRM(network(name)), path)
    return path


def judge(dataset: Path, weights: Path) -> tuple[dict[str, dict[str, float | None]], dict[str, float | None]]:
    """Figures of each individual, and artefacts in the mean."""
    found = ml.evaluate_reconstruction(dataset, None, EvaluateOptions(checkpoint=weights, views=INPUTS, size=SIZE))
    samples = {r.id: {name: r.mean(name, "held-out") for name in FIGURES} for r in found.records}
    known = {name: mean.mean for name, mean in found.artefacts.items()}
    return samples, {name: known.get(name) for name in ("floaters", "needles")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--individuals", type=int, default=100, help="to train on, four instants each")
    parser.add_argument("--judged", type=int, default=24, help="held-out individuals")
    parser.add_argument("--objects", type=int, default=600)
    parser.add_argument("--pretraining", type=int, default=1500, help="updates")
    parser.add_argument("--updates", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", nargs="+", choices=["plain", "hull"], default=["plain", "hull"])
    parser.add_argument("--arms", nargs="+", choices=[*ARMS, CONTROL], default=[*ARMS, CONTROL], help="to train")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    folder: Path = args.folder
    file = folder / "results.json"
    results = msgspec.json.decode(file.read_bytes(), type=list[Result]) if file.is_file() else []
    with progress_bar() as progress:
        write_arms(folder, args.individuals, args.judged, args.workers, progress)

    def judged(name: str, arm: str, seed: int, updates: int, weights: Path, rig: str = "own") -> None:
        key = (name, arm, seed, updates, rig)
        if any((r.network, r.arm, r.seed, r.updates, r.rig) == key for r in results):
            return
        dataset = folder / "arms" / ("per-sample" if arm == CONTROL else arm) / ("judged" if rig == "own" else rig)
        samples, means = judge(dataset, weights)
        results.append(Result(*key, samples=samples, **means))
        file.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
        psnr = [value["foreground_psnr"] or 0.0 for value in samples.values()]
        iou = [value["iou"] or 0.0 for value in samples.values()]
        words = f"{sum(psnr) / len(psnr):.2f} dB, IoU {sum(iou) / len(iou):.3f}"
        sys.stdout.write(f"{name}, {arm}, seed {seed}, {updates} updates, {rig}: {words}\n")
        sys.stdout.flush()

    for name in args.networks:
        begun = pretrained(folder, name, args.pretraining, args.objects, args.workers)
        for arm in (arm for arm in args.arms if arm != CONTROL):
            judged(name, arm, 0, 0, begun)
        for seed in range(args.seeds):
            for arm in args.arms:
                out = folder / "runs" / name / arm.replace(" ", "_").replace(",", "") / str(seed)
                start = untrained(folder, name, seed) if arm == CONTROL else begun
                config = replace(recipe(name, args.updates, seed), checkpoint=start)
                data = folder / "arms" / ("per-sample" if arm == CONTROL else arm) / "train"
                spent = time.process_time()
                with progress_bar() as progress:
                    ml.train_model(config, data, out, checked=False, progress=progress)
                sys.stdout.write(f"{name}, {arm}, seed {seed}: {time.process_time() - spent:.0f} CPU s\n")
                for stage in (stage for stage in STAGES if stage < args.updates):
                    judged(name, arm, seed, stage, out / f"update_{stage:06d}.safetensors")
                judged(name, arm, seed, args.updates, out / "last.safetensors")
                for rig in ("below", "other"):
                    judged(name, arm, seed, args.updates, out / "last.safetensors", rig)


if __name__ == "__main__":
    main()
