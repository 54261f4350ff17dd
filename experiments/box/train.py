"""The model in the box: its animals and its training, from nothing but seeds. One command, which goes on where it was.

    python experiments/box/train.py FOLDER [--individuals 400] [--threads 1] [--workers 1]

1. FOLDER/data: synthetic animals seen by four kinds of rigs (`mouselift.synthetic.samples`), six noisy input views and
   six exact ones that are never given; held-out individuals validate.
2. FOLDER/coarse: recipe `box` at 64 px. FOLDER/fine: the same weights at 128 px.
3. FOLDER/box.safetensors: float16, what the package holds; and the last validation of both stages.

Judged on other held-out individuals by `experiments/box/judge.py`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

import mouselift as ml
from mouselift.cli.progress_bar import progress_bar
from mouselift.models.gslrm.facelift import load_gslrm, save_gslrm
from mouselift.synthetic.individual import HELD_OUT
from mouselift.synthetic.samples import SampleOptions, write_samples
from mouselift.train.config import TrainConfig, box
from mouselift.train.log import read_log

# share of the individuals, and how they are seen; mice differ from part to part
PARTS: dict[str, tuple[float, SampleOptions]] = {
    "canonical": (0.4, SampleOptions(framing="canonical")),
    "per-sample": (0.2, SampleOptions(framing="per-sample")),
    "random": (0.3, SampleOptions(rig="random")),
    "facelift": (0.1, SampleOptions(rig="facelift")),
    "exact": (0.25, SampleOptions(framing="canonical", noise=None, sensor=False)),  # beside the others: good masks
}
INSTANTS = 6  # of each individual
VALIDATED = 8  # held-out individuals of the first part: other ones than judge.py takes
NEVER = "extra5"  # an exact view that training never sees
COARSE = 64  # px


def write_data(folder: Path, individuals: int, workers: int) -> Path:
    """The parts, and one list of all of them."""
    lists: dict[str, list[str]] = {"train": [], "val": []}
    first = 0
    for name, (share, options) in PARTS.items():
        count = round(share * individuals)
        seeds = [*range(first, first + count)]
        first += count
        if not lists["val"]:
            seeds += HELD_OUT[:VALIDATED]
        with progress_bar() as progress:
            write_samples(folder / name, seeds, INSTANTS, options, workers=workers, progress=progress)
        for split, lines in lists.items():
            file = folder / name / f"data_{split}.txt"
            lines += file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    for split, lines in lists.items():
        (folder / f"data_{split}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def recipe() -> TrainConfig:
    """Of three to six noisy views; exact ones are compared."""
    return replace(
        box(),
        input_views=tuple(f"cam{k}" for k in range(6)),
        target_views=tuple(f"extra{k}" for k in range(5)),
        hold_out=(NEVER,),
        readers=0,
    )


def coarse(updates: int) -> TrainConfig:
    """The same world in larger pixels."""
    config = recipe()
    assert config.size is not None
    network = replace(config.network, pixel_width=(config.network.pixel_width or 0.0) * config.size / COARSE)
    return replace(config, size=COARSE, updates=updates, network=network)


def at_size(begun: Path, config: TrainConfig) -> Path:
    """The weights of another size of images, for this one's width of a pixel."""
    model, path = load_gslrm(begun), begun.with_name("begun.safetensors")
    model.config = config.network
    if not path.exists():  # the next stage knows its start by the file's bytes
        save_gslrm(model, path)
    return path


def train(data: Path, out: Path, config: TrainConfig) -> None:
    # cameras are exact by construction; the audit takes masks as noisy as these, of animals of 30 px, for wrong cameras
    with progress_bar() as progress:
        ml.train_model(config, data, out, checked=False, progress=progress)
    for line in read_log(out):
        if line.kind == "validation":
            sys.stdout.write(f"{out.name}: update {line.update}: {line.psnr:.2f} dB, IoU {line.iou:.3f}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--individuals", type=int, default=400)
    parser.add_argument("--coarse", type=int, default=1200, help="updates at 64 px")
    parser.add_argument("--fine", type=int, default=2200, help="updates at 128 px")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    data = write_data(args.folder / "data", args.individuals, args.workers)
    train(data, args.folder / "coarse", coarse(args.coarse))
    begun = args.folder / "coarse" / "last.safetensors"
    fine = replace(recipe(), updates=args.fine, learning_rate=4e-4)
    train(data, args.folder / "fine", replace(fine, checkpoint=at_size(begun, fine)))
    model = load_gslrm(args.folder / "fine" / "best.safetensors")
    save_gslrm(model, args.folder / "box.safetensors", overwrite=True, dtype=torch.float16)
    size = sum(part.numel() for part in load_file(args.folder / "box.safetensors").values())
    sys.stdout.write(f"{args.folder / 'box.safetensors'}: {size:,} weights\n")


if __name__ == "__main__":
    main()
