"""How surfaces are lit: one lamp, a sky, darkening near the floor, highlights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mouselift.array_types import Array, Float64, Points3, Vector3
from mouselift.synthetic.coat import Look
from mouselift.synthetic.mesh import unit

_NEAR_FLOOR = 7.0  # mm of the standard mouse's size over which the floor's darkening fades


@dataclass(frozen=True)
class Light:
    """A lamp far away and a sky. Strengths are factors on display values."""

    towards: tuple[float, float, float] = (0.34, -0.26, 0.90)  # the lamp, world; any length
    lamp: float = 0.68
    sky: float = 0.50

    @property
    def direction(self) -> Vector3:
        """Unit vector to the lamp."""
        return np.array(self.towards) / np.linalg.norm(self.towards)


def random_light(rng: np.random.Generator) -> Light:
    """A lamp 25 to 90 degrees above the floor; from nearly all sky to mostly lamp, as bright as the standard in sum."""
    azimuth, height = rng.uniform(0.0, 2 * np.pi), np.radians(rng.uniform(25.0, 90.0))
    towards = (float(np.cos(azimuth) * np.cos(height)), float(np.sin(azimuth) * np.cos(height)), float(np.sin(height)))
    share, total = rng.uniform(0.15, 0.7), rng.uniform(0.95, 1.3)
    return Light(towards, float(share * total), float((1 - share) * total))


def shade(points: Points3, normals: Points3, look: Look, light: Light, size: float = 1.0) -> Float64[Array, " n"]:
    """Factor on the albedo of each vertex, the same for all cameras: wrapped lamp, sky, darkening near the floor.

    size: millimetres per millimetre of the standard mouse.
    """
    lamp = np.maximum(0.0, (normals @ light.direction + 0.3) / 1.3)
    near = np.exp(-np.maximum(points[:, 2], 0.0) / (_NEAR_FLOOR * size))
    closed = 1 - 0.5 * near * (0.55 - 0.45 * normals[:, 2])
    return np.where(look.glow > 0, 1.0, (light.sky * _sky(normals) + light.lamp * lamp) * closed)


def sheen(points: Points3, normals: Points3, look: Look, light: Light, eye: Vector3) -> Float64[Array, " n"]:
    """What each vertex reflects towards `eye` besides: hair seen along the skin, wet eyes."""
    to_eye = unit(eye - points)
    grazing = (1 - np.abs((normals * to_eye).sum(axis=1))) ** 3
    aligned = np.maximum(0.0, (normals * unit(to_eye + light.direction)).sum(axis=1))
    hair = look.roughness * (0.07 * grazing * _sky(normals) + 0.035 * aligned**6)
    return np.where(look.glow > 0, 0.0, hair + look.gloss * (0.85 * aligned**70 + 0.05 * grazing))


def _sky(normals: Points3) -> Float64[Array, " n"]:
    return 0.62 + 0.38 * normals[:, 2]
