"""Draws the images of README and docs.

python docs/make_images.py                           the synthetic ones
python docs/make_images.py --masked CAPTURE --prepared DATASET   those of a real recording too
python docs/make_images.py --report PAGE.html        the first screen of a `mouselift report`, by headless Chromium
python docs/make_images.py --reconstructed PAGE.html that of a reconstruction
python docs/make_images.py --boxed DATASET            what the network in the box makes of it and of synthetic animals
python docs/make_images.py --evaluated PAGE.html     that of an evaluation
python docs/make_images.py --tutorial FOLDER         those of the tutorial: where docs/run_commands.py ran its commands
python docs/make_images.py --inspected CAPTURE       parts of the page of `mouselift inspect`; needs chromium
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tyro

from boxed_sheet import boxed_sheet
from mouse_sheet import animal_sheet, mouse_sheet
from mouselift.array_types import ImageRGB
from mouselift.capture.capture import load_capture
from mouselift.dataset.layout import find_samples
from mouselift.inspect.inspect_capture import inspect_capture
from mouselift.inspect.options import InspectOptions
from mouselift.media.png import read_png
from mouselift.report.inspect_page import write_inspect_page
from mouselift.report.sheet import contact_sheet, mask_sheet, tile_of_sample

IMAGES = Path(__file__).parent / "images"
JPEG_QUALITY = 82
README_WIDTH = 1200
REPORT_HEIGHT = 1440
RECONSTRUCTED_HEIGHT = 1290
EVALUATED_HEIGHT = 700
COMPARED_TILE = 190
TILE, PER_ROW, SAMPLES = 104, 2, 50
INSPECT_HEIGHT = 1560
TUTORIAL_HEIGHT = 1200


@dataclass
class Images:
    """Which images to draw; existing ones are replaced."""

    masked: Path | None = None
    """A capture with masks: its contact sheet, 12 frames drawn at random."""
    prepared: Path | None = None
    """A dataset: 50 samples drawn at random, all views."""
    inspected: Path | None = None
    """A capture with masks of a stretch of consecutive frames: its page's head, and the lag."""
    report: Path | None = None
    """A page that `mouselift report` wrote."""
    reconstructed: Path | None = None
    """A page that `mouselift reconstruct` or examples/fitted_page.py wrote."""
    boxed: Path | None = None
    """A prepared dataset of one animal: its middle view, held out, beside synthetic individuals'."""
    evaluated: Path | None = None
    """A page that `mouselift evaluate` wrote: its worst sample."""
    tutorial: Path | None = None
    """Folder in which the commands of docs/tutorial/index.md were run."""
    compared: tuple[Path, ...] = ()
    """Folders that `mouselift compare` made: one instant of each, a row a framing."""

    def draw(self) -> None:
        IMAGES.mkdir(exist_ok=True)
        save(IMAGES / "synthetic.jpg", narrowed(mouse_sheet()))
        save(IMAGES / "animals.jpg", narrowed(animal_sheet()))
        if self.masked is not None:
            save(IMAGES / "masks.jpg", masked_sheet(self.masked, rows=12))
        if self.prepared is not None:
            save(IMAGES / "prepared.jpg", prepared_sheet(self.prepared, SAMPLES))
        if self.tutorial is not None:
            save(IMAGES / "tutorial_masks.jpg", masked_sheet(self.tutorial / "recordings/mouse_cylinder", rows=5))
            save(IMAGES / "tutorial_samples.jpg", prepared_sheet(self.tutorial / "out/mouse_cylinder", 8))
            save(IMAGES / "tutorial_report.jpg", narrowed(screenshot(self.tutorial / "mouse.html", TUTORIAL_HEIGHT)))
            (fitted,) = (self.tutorial / "fitted").glob("*.png")
            save(IMAGES / "tutorial_fitted.jpg", narrowed(read_png(fitted)[..., :3]))
        if self.report is not None:
            save(IMAGES / "report.jpg", screenshot(self.report.resolve(), REPORT_HEIGHT))
        if self.reconstructed is not None:
            save(
                IMAGES / "reconstruction.jpg", narrowed(screenshot(self.reconstructed.resolve(), RECONSTRUCTED_HEIGHT))
            )
        if self.boxed is not None:
            save(IMAGES / "boxed.jpg", narrowed(boxed_sheet(self.boxed)))
        if self.evaluated is not None:
            save(IMAGES / "evaluation.jpg", evaluated_part(self.evaluated))
        if self.compared:
            save(IMAGES / "compare.jpg", np.concatenate([compared_sheet(folder) for folder in self.compared]))
        if self.inspected is not None:
            save(IMAGES / "inspect.jpg", inspect_parts(self.inspected))


def masked_sheet(capture: Path, rows: int) -> ImageRGB:
    """Frames drawn at random, one a row."""
    with tempfile.TemporaryDirectory() as scratch:
        path = mask_sheet(load_capture(capture), Path(scratch) / "masks.png", rows=rows, tile=160, seed=0)
        return np.ascontiguousarray(read_png(path)[..., :3])


def prepared_sheet(dataset: Path, count: int) -> ImageRGB:
    """Samples drawn at random, two a row."""
    folders = find_samples(dataset)
    chosen = np.sort(np.random.default_rng(0).choice(len(folders), min(count, len(folders)), replace=False))
    rows, labels = [], []
    for start in range(0, len(chosen), PER_ROW):
        part = [folders[int(i)] for i in chosen[start : start + PER_ROW]]
        images = [path for folder in part for path in sorted((folder / "images").glob("*.png"))]
        rows.append([tile_of_sample(read_png(path), TILE) for path in images])
        labels.append(" ".join(str(int(folder.name.rsplit("_", 1)[1])) for folder in part))
    return contact_sheet(rows, labels, [])


def compared_sheet(folder: Path) -> ImageRGB:
    """The middle instant of a comparison, as wide as the README."""
    names = [way["name"] for way in json.loads((folder / "compare.json").read_text())["ways"]]
    rows = []
    for name in names:
        samples = find_samples(folder / name)
        images = sorted((samples[len(samples) // 2] / "images").glob("*.png"))
        rows.append([tile_of_sample(read_png(path), COMPARED_TILE) for path in images])
    return narrowed(contact_sheet(rows, names, []))


def inspect_parts(capture: Path) -> ImageRGB:
    """The page's head, and below it the part about lag, as chromium shows them."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "inspect.html"
        found = inspect_capture(load_capture(capture), InspectOptions(instants=80))
        write_inspect_page(found, page)
        text = page.read_text(encoding="utf-8")
        for private in {Path(found.capture).parent.parent, *(Path(camera.source).parent for camera in found.cameras)}:
            text = text.replace(f"{private}/", "")
        head, rest = text.split('<h2 id="images">')
        lag = rest[rest.index('<h2 id="lag">') : rest.index('<h2 id="agreement">')]
        page.write_text(f"{head}{lag}</main></body></html>", encoding="utf-8")
        return narrowed(screenshot(page, INSPECT_HEIGHT))


def evaluated_part(page: Path) -> ImageRGB:
    """The worst sample of an evaluation's page."""
    text = page.read_text(encoding="utf-8")
    head, rest = text[: text.index("<main>")], text[text.index("<h3>") :]
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "part.html"
        part.write_text(f"{head}<main>{rest[: rest.index('<h3>', 1)]}</main></body></html>", encoding="utf-8")
        return narrowed(screenshot(part, EVALUATED_HEIGHT))


def screenshot(page: Path, height: int) -> ImageRGB:
    """A page's top, 1280 pixels wide."""
    with tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch) / "page.png"
        command = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size=1280,{height}"]
        subprocess.run([*command, f"--screenshot={image}", page.as_uri()], check=True, capture_output=True)
        return np.ascontiguousarray(read_png(image)[..., :3])


def narrowed(image: ImageRGB) -> ImageRGB:
    scale = README_WIDTH / image.shape[1]
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def save(path: Path, image: ImageRGB) -> None:
    cv2.imwrite(str(path), image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])


if __name__ == "__main__":
    tyro.cli(Images).draw()
