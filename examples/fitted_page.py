"""The page of `mouselift reconstruct`, of Gaussians that were fitted to the views: nobody's weights are needed.

    python examples/fit_gaussians.py OUT --presets per-sample
    python examples/fitted_page.py OUT/per-sample OUT/per-sample.ply PAGE_FOLDER

The scores are those of the very views that were fitted. A trained network's page looks alike, with its own numbers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mouselift.data.dataset import MultiViewDataset
from mouselift.dataset.layout import find_samples
from mouselift.gaussians.ply import read_ply
from mouselift.reconstruct.options import Options
from mouselift.reconstruct.sample import assess
from mouselift.reconstruct.write import write_made
from mouselift.render.base import Gaussians
from mouselift.render.choose import make_renderer
from mouselift.report.reconstruction_page import write_reconstruction_page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="its first sample is taken")
    parser.add_argument("splats", type=Path)
    parser.add_argument("out", type=Path, help="a new folder")
    parser.add_argument("--frames", type=int, default=60, help="of the turn")
    options = parser.parse_args()
    folder = find_samples(options.dataset)[0]
    sample, renderer = MultiViewDataset([folder])[0], make_renderer()
    gaussians = Gaussians.from_splats(read_ply(options.splats))
    made = assess(gaussians, renderer, sample, folder, Options(), "no network: fitted to these views")
    options.out.mkdir(parents=True)
    write_made(made, options.out, renderer, options.frames, write_reconstruction_page)
    print(options.out / "index.html")


if __name__ == "__main__":
    main()
