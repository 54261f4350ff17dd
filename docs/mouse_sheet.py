"""A contact sheet of the synthetic mouse for the README: cameras down, instants across."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mouselift.array_types import ImageRGB
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.render import Rendering, ViewRenderer, shadow_of
from mouselift.synthetic.rigs import Rig, markerless_rig

_SEED = 3
_GAP = 4  # pixels of white between cells
_MARGIN = 1.18  # side of a cell's square / longest side of the animal in it
TIMES = (0.55, 1.5, 2.6, 3.95, 6.3, 8.9)  # s: walking, turning, rearing


def mouse_sheet(
    times: Sequence[float] = TIMES,
    views: Sequence[int] = (0, 1, 2, 5),
    rig: Rig | None = None,
    cell: int = 280,
) -> ImageRGB:
    """One row a view, one column an instant; each cell shows a square of the image around the animal."""
    rig = rig if rig is not None else markerless_rig()
    motion, mouse = Motion(rig.arena, _SEED), Mouse(seed=_SEED)
    instants = [mouse.posed(motion.pose(time)) for time in times]
    shadows = [shadow_of(posed) for posed in instants]
    side = cell + _GAP
    sheet = np.full((len(views) * side + _GAP, len(times) * side + _GAP, 3), 255, dtype=np.uint8)
    for row, view in enumerate(views):
        renderer = ViewRenderer(rig.cameras[view], rig.arena, _SEED)
        for column, (posed, shadow) in enumerate(zip(instants, shadows, strict=True)):
            image = _around(renderer.render(posed, shadow), cell)
            top, left = _GAP + row * side, _GAP + column * side
            sheet[top : top + cell, left : left + cell] = image
    return sheet


def _around(rendering: Rendering, cell: int) -> ImageRGB:
    """A square around the animal, moved back into the image where it would leave it."""
    height, width = rendering.mask.shape
    ys, xs = np.nonzero(rendering.mask)
    if len(xs) == 0:
        xs, ys = np.array([0, width - 1]), np.array([0, height - 1])
    x, y = (xs.min() + xs.max()) // 2, (ys.min() + ys.max()) // 2
    size = int(min(max(_MARGIN * (xs.max() - xs.min()), _MARGIN * (ys.max() - ys.min()), cell), height, width))
    x0, y0 = int(np.clip(x - size // 2, 0, width - size)), int(np.clip(y - size // 2, 0, height - size))
    part = rendering.rgb[y0 : y0 + size, x0 : x0 + size]
    return np.asarray(cv2.resize(part, (cell, cell), interpolation=cv2.INTER_AREA), dtype=np.uint8)
