"""Contact sheets of the synthetic animals: the README's mouse (cameras down, instants across), and individuals."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mouselift.array_types import ImageRGB
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import looking_at
from mouselift.synthetic.cutout import CutoutRenderer
from mouselift.synthetic.individual import individual
from mouselift.synthetic.light import random_light
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.render import Rendering, ViewRenderer, shadow_of
from mouselift.synthetic.rigs import Arena, Rig, markerless_rig
from mouselift.synthetic.shape import Species

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


def animal_sheet(per_row: int = 6, rows: int = 2, cell: int = 200) -> ImageRGB:
    """`rows` rows of mice, then as many of rats: individuals of the first seeds, each in its own posture and light.

    All animals of a species are drawn at one scale.
    """
    wanted: dict[Species, int] = {"mouse": 120, "rat": 320}  # mm across a cell
    animals: dict[Species, list[int]]
    animals = {name: [k for k in range(400) if individual(k).species == name][: per_row * rows] for name in wanted}
    cells = [_portrait(seed, wanted[name], cell) for name, seeds in animals.items() for seed in seeds]
    side = cell + _GAP
    sheet = np.full((2 * rows * side + _GAP, per_row * side + _GAP, 3), 255, dtype=np.uint8)
    for k, image in enumerate(cells):
        top, left = _GAP + k // per_row * side, _GAP + k % per_row * side
        sheet[top : top + cell, left : left + cell] = image
    return sheet


def _portrait(seed: int, across: float, cell: int) -> ImageRGB:
    """One individual from the side and above; its tail may leave the picture."""
    rng = np.random.default_rng([seed, 0x706F72])
    who = individual(seed)
    posed = who.mouse().posed(Motion(Arena(), seed).pose(float(rng.uniform(0.0, 100.0))))
    body = posed.mesh.vertices[np.unique(posed.mesh.topology.faces[: posed.mesh.topology.parts[0][2]])]
    nose, root = body[-1] - body.mean(axis=0), body.mean(axis=0)
    azimuth = np.arctan2(nose[1], nose[0]) + rng.choice([-1, 1]) * rng.uniform(0.8, 1.8)
    distance = 4.0 * across
    place = root + distance * np.array([0.85 * np.cos(azimuth), 0.85 * np.sin(azimuth), 0.5])
    focal = cell * distance / across
    camera = Camera(cell, cell, focal, focal, cell / 2, cell / 2, looking_at(root, place))
    drawn = CutoutRenderer(posed, random_light(rng), who.shape.size, 3).render(camera)
    return np.rint(255 * drawn.over(np.full((cell, cell, 3), 0.93, dtype=np.float32))).astype(np.uint8)


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
