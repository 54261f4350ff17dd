"""A sample's image as float32 with premultiplied alpha, the subject's part only.

PNGs of this project (one IDAT chunk, rows stored as differences to the row above) are inflated and summed here, within
the box that is not blank: a third of OpenCV's time. Every other file goes through `media.png`.
Format: W3C, "Portable Network Graphics", third edition, 2025.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mouselift.array_types import Array, Float32, ImageRGBA, UInt8
from mouselift.media.decoding import SIGNATURE
from mouselift.media.orientation import Box
from mouselift.media.png import decode_png, rgb_alpha_of, up_filtered_steps

# Colours times alpha, and alpha; 0..1. In planes: interleaved took four times as long.
Premultiplied = Float32[Array, "4 h w"]


@dataclass(frozen=True, eq=False)
class Cutout:
    """The part of an image that is not fully transparent; all pixels outside are zero."""

    width: int  # of the whole image
    height: int
    box: Box
    rgba: ImageRGBA  # straight alpha, the box's pixels; what lies under alpha 0 means nothing

    @property
    def opaque(self) -> bool:
        """The image has no transparent pixel at all: nothing tells the subject from its ground."""
        whole = self.box == (0, 0, self.width, self.height)
        return whole and bool((self.rgba[..., 3] == 255).all())

    def premultiplied(self, box: Box | None = None) -> Premultiplied:
        """`box` (default the cutout's own, else around it) of the image, in planes; zero outside the cutout."""
        around = box or self.box
        out = np.zeros((4, around[3] - around[1], around[2] - around[0]), dtype=np.float32)
        if self.rgba.size == 0:
            return out
        x0, y0, x1, y1 = self.box
        inner = out[:, y0 - around[1] : y1 - around[1], x0 - around[0] : x1 - around[0]]
        *colours, alpha = cv2.split(self.rgba)
        np.multiply(alpha, np.float32(1 / 255), out=inner[3])
        weight = inner[3] * np.float32(1 / 255)
        for plane, colour in zip(inner, colours, strict=False):  # alpha's plane is done
            np.multiply(colour, weight, out=plane)
        return out


def cutout_of(data: bytes, path: Path) -> Cutout:
    """The cutout of an image file's bytes; 16 bits become 8, an image without alpha is opaque.

    DatasetError, which names `path`, where it is damaged or cut short.
    """
    steps = up_filtered_steps(data)
    if steps is not None:
        return _summed(steps)
    if data.startswith(SIGNATURE):
        return _cut(decode_png(data, str(path)))
    colours, alpha = rgb_alpha_of(data, path)
    return _cut(np.dstack([colours, np.full(colours.shape[:2], 255, dtype=np.uint8) if alpha is None else alpha]))


def _summed(steps: UInt8[Array, "h stride"]) -> Cutout:
    """Sums down the columns, modulo 256. A row or column without any difference above or in it is blank."""
    height, width = steps.shape[0], steps.shape[1] // 4
    found = np.flatnonzero(steps.any(axis=1))
    y0 = int(found[0]) if len(found) else 0
    part = steps[y0:]
    columns = np.flatnonzero(np.bitwise_or.reduce(part, axis=0).reshape(width, 4).any(axis=1))
    if len(columns) == 0:
        return Cutout(width, height, (0, 0, 0, 0), np.zeros((0, 0, 4), dtype=np.uint8))
    x0, x1 = int(columns[0]), int(columns[-1]) + 1
    y1 = int(found[-1]) + 1  # below it every row repeats this one, which is blank unless the image is not
    out = part[: y1 - y0, 4 * x0 : 4 * x1].copy()
    for row in range(1, len(out)):
        np.add(out[row], out[row - 1], out=out[row])
    if out[-1].any():  # the last row goes on to the bottom
        out = np.concatenate([out, np.repeat(out[-1:], height - y1, axis=0)])
        y1 = height
    return Cutout(width, height, (x0, y0, x1, y1), out.reshape(len(out), x1 - x0, 4))


def _cut(image: ImageRGBA) -> Cutout:
    height, width = image.shape[:2]
    shown = image[..., 3] > 0
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    if len(rows) == 0:
        return Cutout(width, height, (0, 0, 0, 0), np.zeros((0, 0, 4), dtype=np.uint8))
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return Cutout(width, height, box, image[box[1] : box[3], box[0] : box[2]])
