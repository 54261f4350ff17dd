"""The animal alone, fast, in small images: what a prepared sample shows. No floor, no shadow, any pinhole or lens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mouselift.array_types import Array, Float32
from mouselift.geometry.camera import Camera
from mouselift.synthetic.coat import fur_at
from mouselift.synthetic.light import Light, shade, sheen
from mouselift.synthetic.mouse import Posed
from mouselift.synthetic.raster import nearest_triangles, shrink


@dataclass(frozen=True, eq=False)
class Cutout:
    """The animal's own colours, not mixed with any background, and the covered share of each pixel's samples."""

    rgb: Float32[Array, "h w 3"]  # 0..1; zero where nothing is covered
    cover: Float32[Array, "h w"]  # 0..1

    def over(self, background: Float32[Array, "h w 3"]) -> Float32[Array, "h w 3"]:
        """As a camera sees it before that background."""
        return background + self.cover[..., None] * (self.rgb - background)


class CutoutRenderer:
    """Renders one posed animal, or object, into any number of cameras.

    light: of the instant. size: millimetres per millimetre of the standard mouse, for what lies near the floor.
    """

    def __init__(self, posed: Posed, light: Light, size: float = 1.0, supersample: int = 2) -> None:
        self.posed, self._light, self._supersample = posed, light, supersample
        look = posed.look
        self._shape = posed.mesh.vertices, posed.normals, look
        colours = look.albedo * shade(*self._shape, light, size)[:, None]
        self._values = np.concatenate([colours, look.fur, look.roughness[:, None], look.gloss[:, None]], axis=1)

    def render(self, camera: Camera) -> Cutout:
        """CalibrationError where a part of the animal lies behind the camera."""
        posed, look = self.posed, self.posed.look
        visible = nearest_triangles(posed.mesh, camera, self._supersample)
        window = visible.window
        rgb = np.zeros((camera.height, camera.width, 3), dtype=np.float32)
        cover = np.zeros((camera.height, camera.width), dtype=np.float32)
        if not len(visible.cell):
            return Cutout(rgb, cover)
        self._values[:, 7] = sheen(*self._shape, self._light, camera.centre)
        seen = visible.interpolate(posed.mesh.topology.faces, self._values)
        noise = 1 + np.float32(look.contrast) * seen[:, 6] * fur_at(seen[:, 3:6], 0, fine=False)
        samples = np.zeros((window.rows * window.columns, 4), dtype=np.float32)
        samples[visible.cell, :3] = np.clip((seen[:, :3] + seen[:, 7:]) * np.maximum(noise, 0.25)[:, None], 0.0, 1.0)
        samples[visible.cell, 3] = 1.0
        mean = shrink(samples.reshape(window.rows, window.columns, 4), window)
        part = slice(window.y0, window.y1), slice(window.x0, window.x1)
        cover[part] = mean[..., 3]
        rgb[part] = mean[..., :3] / np.maximum(mean[..., 3:], 1e-6)
        return Cutout(rgb, cover)
