"""Draws the pictures of README and docs.

python docs/make_pictures.py                           the synthetic ones
python docs/make_pictures.py --masked CAPTURE --prepared DATASET   those of a real recording too
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tyro

from mouselift.core.types import ImageRGB
from mouselift.io.capture import load_capture
from mouselift.io.dataset import find_samples
from mouselift.io.png import read_png
from mouselift.report.mask_sheet import mask_sheet
from mouselift.report.sheet import contact_sheet, tile_of_sample
from mouselift.synthetic.sheet import contact_sheet as mouse_sheet

IMAGES = Path(__file__).parent / "images"
JPEG_QUALITY = 82
README_WIDTH = 1200
TILE, PER_ROW, SAMPLES = 104, 2, 50


@dataclass
class Pictures:
    """Which pictures to draw; existing ones are replaced."""

    masked: Path | None = None
    """A capture with masks: its contact sheet, 12 frames drawn at random."""
    prepared: Path | None = None
    """A dataset: 50 samples drawn at random, all views."""

    def draw(self) -> None:
        IMAGES.mkdir(exist_ok=True)
        save(IMAGES / "synthetic.jpg", narrowed(mouse_sheet()))
        if self.masked is not None:
            scratch = mask_sheet(load_capture(self.masked), IMAGES / "masks.png", rows=12, tile=160, seed=0)
            save(IMAGES / "masks.jpg", np.ascontiguousarray(cv2.imread(str(scratch))[:, :, ::-1]))
            scratch.unlink()
        if self.prepared is not None:
            save(IMAGES / "prepared.jpg", prepared_sheet(self.prepared))


def prepared_sheet(dataset: Path) -> ImageRGB:
    """Samples drawn at random, two a row."""
    folders = find_samples(dataset)
    chosen = np.sort(np.random.default_rng(0).choice(len(folders), min(SAMPLES, len(folders)), replace=False))
    rows, labels = [], []
    for start in range(0, len(chosen), PER_ROW):
        part = [folders[int(i)] for i in chosen[start : start + PER_ROW]]
        pictures = [path for folder in part for path in sorted((folder / "images").glob("*.png"))]
        rows.append([tile_of_sample(read_png(path), TILE) for path in pictures])
        labels.append(" ".join(str(int(folder.name.rsplit("_", 1)[1])) for folder in part))
    return contact_sheet(rows, labels, [])


def narrowed(image: ImageRGB) -> ImageRGB:
    scale = README_WIDTH / image.shape[1]
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def save(path: Path, image: ImageRGB) -> None:
    cv2.imwrite(str(path), image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])


if __name__ == "__main__":
    tyro.cli(Pictures).draw()
