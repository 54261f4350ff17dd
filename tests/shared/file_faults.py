"""Faults put into a sample's files: what exporters do to alpha, to the way it is stored, and to paths.

Each function changes a folder that `write_sample` made. `FILE_FAULTS` names them, with the finding that must say so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Change = Callable[[Image.Image], Image.Image]


def images_changed(folder: Path, change: Change, **save: Any) -> None:
    for path in sorted((folder / "images").glob("*.png")):
        with Image.open(path) as image:
            changed = change(image.copy())
        changed.save(path, **save)


def paths_changed(folder: Path, change: Callable[[str], str]) -> None:
    file = folder / "opencv_cameras.json"
    content = json.loads(file.read_bytes())
    for frame in content["frames"]:
        frame["file_path"] = change(frame["file_path"])
    file.write_text(json.dumps(content))


def _alpha(folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    def changed(image: Image.Image) -> Image.Image:
        pixels = np.array(image)
        pixels[..., 3] = change(pixels[..., 3])
        return Image.fromarray(pixels)

    images_changed(folder, changed)


def inverted_alpha(folder: Path) -> None:
    """255 minus alpha."""
    _alpha(folder, lambda alpha: 255 - alpha)


def alpha_of_ones(folder: Path) -> None:
    """A mask of 0 and 1, written as bytes."""
    _alpha(folder, lambda alpha: (alpha > 127).astype(np.uint8))


def faint_alpha(folder: Path) -> None:
    """A soft mask whose subject is at 200 of 255."""
    _alpha(folder, lambda alpha: np.rint(alpha * (200 / 255)).astype(np.uint8))


def premultiplied_alpha(folder: Path) -> None:
    """Colours times alpha."""

    def changed(image: Image.Image) -> Image.Image:
        pixels = np.array(image)
        pixels[..., :3] = np.rint(pixels[..., :3] * (pixels[..., 3:] / 255)).astype(np.uint8)
        return Image.fromarray(pixels)

    images_changed(folder, changed)


def palette(folder: Path) -> None:
    """64 colours, alpha in tRNS, as pngquant writes."""
    images_changed(folder, lambda image: image.quantize(64, method=Image.Quantize.FASTOCTREE))


def grey_alpha(folder: Path) -> None:
    """Two channels."""
    images_changed(folder, lambda image: image.convert("LA"))


def rgb_transparent_colour(folder: Path) -> None:
    """Three channels, and a colour that means transparent."""

    def changed(image: Image.Image) -> Image.Image:
        pixels = np.array(image)
        return Image.fromarray(np.where(pixels[..., 3:] > 127, pixels[..., :3], 255).astype(np.uint8))

    images_changed(folder, changed, transparency=(255, 255, 255))


def orientation_tag(folder: Path) -> None:
    """Pixels as they were, with a tag that says: turn by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    images_changed(folder, lambda image: image, exif=exif)


def absolute_path(folder: Path) -> None:
    """The path on this machine."""
    paths_changed(folder, lambda path: str(folder / path))


def foreign_path(folder: Path) -> None:
    """The path on the machine where the sample was made."""
    paths_changed(folder, lambda path: f"/home/somebody/data/{folder.name}/{path}")


def backslashes(folder: Path) -> None:
    """A path of Windows."""
    paths_changed(folder, lambda path: path.replace("/", "\\"))


FILE_FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "inverted_alpha": (inverted_alpha, "alpha-inverted"),
    "alpha_of_ones": (alpha_of_ones, "alpha-levels"),
    "faint_alpha": (faint_alpha, "alpha-faint"),
    "premultiplied_alpha": (premultiplied_alpha, "alpha-premultiplied"),
    "palette": (palette, "alpha-not-read"),
    "grey_alpha": (grey_alpha, "alpha-not-read"),
    "rgb_transparent_colour": (rgb_transparent_colour, "alpha-not-read"),
    "orientation_tag": (orientation_tag, "orientation-tag"),
    "absolute_path": (absolute_path, "file-path"),
    "foreign_path": (foreign_path, "file-path"),
    "backslashes": (backslashes, "file-path"),
}
