"""A sample's prepared images, renders and their differences in one sheet, cut to the subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from mouselift.array_types import Array, ImageRGB
from mouselift.reconstruct.metrics import FOREGROUND
from mouselift.render.base import Rendering

TILE = 200  # pixels a side
MOST = 8  # views a sheet shows
FULL_DIFFERENCE = 0.25  # of the range: drawn red
_ROOM = 0.06  # about the subject, of its longer side
_QUALITY = 92

_RED = (179, 38, 30)

Box = tuple[int, int, int]  # x0, y0, side, pixels; inside a square image


@dataclass(frozen=True, eq=False)
class Pair:
    """A prepared view and its render."""

    target: Float[Tensor, "4 h w"]
    rendering: Rendering


def sheet(pairs: Sequence[Pair]) -> ImageRGB:
    """Columns: views. Rows: prepared, rendered, absolute difference (mean of channels; white 0, red from 64 levels).

    A column shows the square about all that is subject in either image.
    """
    columns = []
    for pair in pairs[:MOST]:
        box = _box(pair)
        target = pair.target[:3].numpy()
        got = pair.rendering.colour.detach().clamp(0, 1).cpu().float().numpy()
        share = (np.abs(got - target).mean(axis=0) / FULL_DIFFERENCE).clip(0, 1)
        difference = 1 - share + share * np.array(_RED, dtype=np.float32)[:, None, None] / 255
        columns.append(np.concatenate([_tile(plane, box) for plane in (target, got, difference)]))
    return np.concatenate(columns, axis=1)


def jpeg(image: ImageRGB) -> bytes:
    """As file content."""
    good, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not good:
        raise ValueError("jpeg: the image cannot be encoded")
    return data.tobytes()


def _box(pair: Pair) -> Box:
    shown = (pair.target[3] > FOREGROUND) | (pair.rendering.alpha.detach().cpu() > FOREGROUND)
    height, width = shown.shape
    rows, columns = shown.any(dim=1).nonzero().flatten(), shown.any(dim=0).nonzero().flatten()
    if not len(rows):
        return 0, 0, max(height, width)
    y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    side = min(max(height, width), round((1 + 2 * _ROOM) * max(y1 - y0, x1 - x0)) + 2)
    left, top = (x0 + x1 - side) // 2, (y0 + y1 - side) // 2
    return max(0, min(left, width - side)), max(0, min(top, height - side)), side


def _tile(image: Float[Array, "3 h w"], box: Box) -> UInt8[Array, "tile tile 3"]:
    x0, y0, side = box
    part = np.ascontiguousarray(image[:, y0 : y0 + side, x0 : x0 + side].transpose(1, 2, 0), dtype=np.float32)
    how = cv2.INTER_AREA if side > TILE else cv2.INTER_LINEAR
    return np.rint(255 * cv2.resize(part, (TILE, TILE), interpolation=how)).astype(np.uint8)
