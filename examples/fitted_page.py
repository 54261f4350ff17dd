"""The page of `mouselift reconstruct`, of Gaussians that were fitted to the views: nobody's weights are needed.

    python examples/fit_gaussians.py OUT --presets per-sample
    python examples/fitted_page.py OUT/per-sample OUT/per-sample.ply PAGE_FOLDER

The scores are those of the very views that were fitted. A trained network's page looks alike, with its own numbers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from mouselift.data.dataset import MultiViewDataset
from mouselift.dataset.layout import find_samples
from mouselift.reconstruct.gaussian_source import FileSource
from mouselift.reconstruct.options import NONE, HoldOut
from mouselift.reconstruct.plan import make_plan
from mouselift.reconstruct.sample import reconstruct_sample
from mouselift.reconstruct.write import write_made
from mouselift.render.backends import renderer_for
from mouselift.report.reconstruction_page import write_reconstruction_page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="its first sample is taken")
    parser.add_argument("splats", type=Path)
    parser.add_argument("out", type=Path, help="a new folder")
    parser.add_argument("--frames", type=int, default=60, help="of the turn")
    options = parser.parse_args()
    folder = find_samples(options.dataset)[0]
    source = FileSource(options.splats, torch.device("cpu"))
    sample, renderer = MultiViewDataset([folder])[0], renderer_for(source.device)
    (task,) = make_plan(folder, HoldOut(held_out=(NONE,))).tasks
    made = reconstruct_sample(source, renderer, sample, task, "none")
    options.out.mkdir(parents=True)
    write_made(made, options.out, renderer, options.frames, write_reconstruction_page)
    print(options.out / "index.html")


if __name__ == "__main__":
    main()
