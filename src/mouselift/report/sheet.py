"""Contact sheets: many small images with their outlines, to be looked at by a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mouselift.array_types import Array, ImageRGBA, Levels, UInt8
from mouselift.atomic import write_whole
from mouselift.capture.capture import Capture
from mouselift.capture.source import CaptureSource, masked_frames
from mouselift.foreign import writable
from mouselift.geometry.outlines import HALF_LEVEL
from mouselift.masks.quality import measure, rounded_median
from mouselift.media.images import FrameSet, Image
from mouselift.progress import Progress, counted, each, silent
from mouselift.sampling import evenly_spaced

Tile = UInt8[Array, "tile tile 3"]

PAPER = (250, 250, 248)
INK = (40, 44, 52)
FAINT = (96, 100, 108)
GREY = 226  # behind a subject, and around an image that does not fill its tile
OUTLINE = (255, 196, 0)  # amber: stands out on black fur, white walls and green floors alike
_CONTEXT = 1.7  # side of the shown region / longest side of the mask
_MIN_REGION = 96  # source pixels
_LABEL_HEIGHT, _ROW_LABEL_WIDTH, _GAP = 22, 74, 4
_FONT, _FONT_SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.42
_OFF = "px off: how far the outline's tangent points lie from the other views' planes (median, source pixels)"


def tile_of_sample(rgba: ImageRGBA, side: int) -> Tile:
    """A prepared view on a light ground, its alpha's outline drawn on it."""
    small = _resize(rgba, side, premultiply=True)
    alpha = small[:, :, 3:].astype(np.float32) / 255
    ground = np.full((side, side, 3), GREY, np.float32)
    image = (small[:, :, :3] * alpha + ground * (1 - alpha)).round().astype(np.uint8)
    outline_on(image, np.ascontiguousarray(small[:, :, 3]))
    return image


def tile_of_source(image: Image, mask: Levels | None, side: int) -> Tile:
    """The region of a source image around its mask, the outline drawn on it; the whole image without one."""
    levels = np.zeros((image.height, image.width), np.uint8) if mask is None else mask
    x, y, w, h = cv2.boundingRect((levels >= HALF_LEVEL).astype(np.uint8))
    if w == 0:
        region = max(image.width, image.height)
        x0, y0 = (image.width - region + 1) // 2, (image.height - region + 1) // 2
        tile = _resize(_square_region(image, levels, x0, y0, region)[0], side)
        caption(tile, "no mask" if mask is None else "empty mask", (6, side - 8), (220, 60, 40))
        return tile
    region = max(_MIN_REGION, round(max(w, h) * _CONTEXT))
    crop, inside = _square_region(image, levels, x + w // 2 - region // 2, y + h // 2 - region // 2, region)
    tile = _resize(crop, side)
    outline_on(tile, inside)
    return tile


def contact_sheet(
    rows: Sequence[Sequence[Tile]], row_labels: Sequence[str], column_labels: Sequence[str], note: str = ""
) -> UInt8[Array, "h w 3"]:
    """Square tiles of one size in a grid, with labels, and a note below. A row may be shorter than the others."""
    side = rows[0][0].shape[0]
    columns = max(len(row) for row in rows)
    top = _LABEL_HEIGHT + _GAP
    labels = max([_ROW_LABEL_WIDTH, *(_width(label) + 12 for label in row_labels)])
    width = max(labels + columns * (side + _GAP) + _GAP, _width(note) + 12)
    bottom = top + len(rows) * (side + _GAP) + _GAP
    sheet = np.full((bottom + (_LABEL_HEIGHT if note else 0), width, 3), PAPER, np.uint8)
    caption(sheet, note, (6, bottom + _LABEL_HEIGHT - 8), INK)
    for column, label in enumerate(column_labels[:columns]):
        caption(sheet, label, (labels + column * (side + _GAP) + 3, top - 8), INK)
    for index, (row, label) in enumerate(zip(rows, row_labels, strict=True)):
        y = top + index * (side + _GAP)
        caption(sheet, label, (6, y + side // 2), FAINT)
        for column, tile in enumerate(row):
            x = labels + column * (side + _GAP)
            sheet[y : y + side, x : x + side] = tile
    return sheet


def mask_sheet(
    capture: Capture, path: Path, rows: int, tile: int = 200, seed: int | None = None, progress: Progress = silent
) -> Path:
    """`rows` frames that have masks, evenly spread (or drawn at random with `seed`), all cameras; a PNG at `path`.

    On each view, its outline mismatch: the median distance of its tangent points from the other views' planes.
    """
    source = CaptureSource(capture)
    frames = masked_frames(source)
    if seed is None:
        chosen = evenly_spaced(frames, rows)
    else:
        at = np.sort(np.random.default_rng(seed).choice(len(frames), min(rows, len(frames)), replace=False))
        chosen = [frames[int(i)] for i in at]
    tiles = [
        _row(frameset, source.cameras, tile)
        for frameset in each(source.read(chosen), counted(progress, "contact sheet", 0, len(chosen)))
    ]
    source.close()
    sheet = contact_sheet(tiles, [f"frame {frame}" for frame in chosen], list(source.cameras), _OFF)
    _, data = cv2.imencode(".png", sheet[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    write_whole(path, data.tobytes(), replace=True)
    return path


def _row(frameset: FrameSet, names: Sequence[str], side: int) -> list[Tile]:
    """A tile a camera, in their order; grey where it has no image."""
    views = [view for view in frameset.views if view.image is not None]
    found = measure([view.camera for view in views], [view.mask for view in views], frameset.frame, None)
    row = dict.fromkeys(names, np.full((side, side, 3), GREY, np.uint8))
    for view, record in zip(views, found.views, strict=True):
        assert view.image is not None
        row[view.camera.name] = tile = tile_of_source(view.image, view.mask, side)
        if record.state == "ok":
            off = rounded_median(record.tangency_px)
            said = "not compared" if off is None else f"{off:.1f} px off"
            tile[: _LABEL_HEIGHT - 4, : _width(said) + 8] = PAPER
            caption(tile, said, (4, 13), INK)
    return list(row.values())


def caption(image: Array, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    cv2.putText(image, writable(text), at, _FONT, _FONT_SIZE, colour, 1, cv2.LINE_AA)


def _width(text: str) -> int:
    """Of a caption, pixels."""
    return cv2.getTextSize(writable(text), _FONT, _FONT_SIZE, 1)[0][0]


def outline_on(tile: Tile, levels: Levels, colour: tuple[int, int, int] = OUTLINE) -> None:
    """Draw a mask's outline on a tile that shows the same region, whatever the mask's size."""
    small = _resize(levels, tile.shape[0])
    contours, _ = cv2.findContours((small >= HALF_LEVEL).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(tile, contours, -1, colour, 1, cv2.LINE_AA)


def _resize(image: Array, side: int, premultiply: bool = False) -> Array:
    if image.shape[:2] == (side, side):
        return image.copy()
    method = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_CUBIC
    if not premultiply:
        return np.asarray(cv2.resize(image, (side, side), interpolation=method))
    alpha = image[:, :, 3:].astype(np.float32) / 255
    layers = np.concatenate([image[:, :, :3] * alpha, alpha], axis=2)
    small = np.asarray(cv2.resize(layers, (side, side), interpolation=method))
    colours = small[:, :, :3] / np.maximum(small[:, :, 3:], 1 / 255)
    return np.concatenate([colours, small[:, :, 3:] * 255], axis=2).clip(0, 255).round().astype(np.uint8)


def _square_region(image: Image, mask: Levels, x0: int, y0: int, side: int) -> tuple[Tile, UInt8[Array, "tile tile"]]:
    """A square of an image and its mask; what lies outside the image is grey and unmasked."""
    left, top = max(x0, 0), max(y0, 0)
    right, bottom = min(x0 + side, image.width), min(y0 + side, image.height)
    colours = np.full((side, side, 3), GREY, np.uint8)
    levels = np.zeros((side, side), np.uint8)
    inner = (slice(top - y0, bottom - y0), slice(left - x0, right - x0))
    colours[inner] = image.rgb((left, top, right, bottom))
    levels[inner] = mask[top:bottom, left:right]
    return colours, levels
