"""Images of the mouse: z-buffered, supersampled, through any lens, on a CPU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from mouselift.array_types import Array, ImageRGB, Levels, Points3
from mouselift.geometry.camera import Camera
from mouselift.synthetic.coat import fur_at
from mouselift.synthetic.mesh import Look
from mouselift.synthetic.mouse import Posed
from mouselift.synthetic.raster import nearest_triangles, shrink
from mouselift.synthetic.scene import LIGHT, Arena, Shadow, backdrop, cast_shadow


@dataclass(frozen=True, eq=False)
class Rendering:
    """An image and its exact coverage. Colours at the border are mixed with the background, as in a photograph."""

    rgb: ImageRGB
    mask: Levels  # 0 background .. 255 animal: the covered share of each pixel's samples


class ViewRenderer:
    """Renders one camera; its empty scene is made once and kept."""

    def __init__(self, camera: Camera, arena: Arena, seed: int = 0, supersample: int = 3) -> None:
        self.camera, self._seed, self._supersample = camera, seed, supersample
        self._backdrop = backdrop(camera, arena, seed)

    @property
    def empty(self) -> ImageRGB:
        """The scene without the animal."""
        return np.rint(self._backdrop.rgb).astype(np.uint8)

    def render(self, posed: Posed, shadow: Shadow) -> Rendering:
        """The animal in the scene. `shadow` as of `shadow_of`: the same for all cameras of an instant."""
        canvas = shadow.apply(self._backdrop, self.camera)
        visible = nearest_triangles(posed.mesh, self.camera, self._supersample)
        window = visible.window
        mask = np.zeros((self.camera.height, self.camera.width), dtype=np.uint8)
        if len(visible.cell):
            colours = self._colours(posed, visible.interpolate(posed.mesh.topology.faces, self._shaded(posed)))
            samples = np.zeros((window.rows * window.columns, 4), dtype=np.float32)
            samples[visible.cell, :3] = colours
            samples[visible.cell, 3] = 1.0
            mean = shrink(samples.reshape(window.rows, window.columns, 4), window)
            part = slice(window.y0, window.y1), slice(window.x0, window.x1)
            canvas[part] = 255 * mean[..., :3] + canvas[part] * (1 - mean[..., 3:])
            mask[part] = np.rint(255 * mean[..., 3]).astype(np.uint8)
        return Rendering(np.rint(canvas.clip(0, 255)).astype(np.uint8), mask)

    def _shaded(self, posed: Posed) -> Float64[Array, "n 8"]:
        """Per vertex: lit colour (3), additive sheen (1), place in the fur (3), roughness (1)."""
        light, sheen = _lighting(posed.mesh.vertices, posed.normals, posed.look, self.camera.centre)
        lit = posed.look.albedo * light[:, None]
        return np.concatenate([lit, sheen[:, None], posed.look.fur, posed.look.roughness[:, None]], axis=1)

    def _colours(self, posed: Posed, values: Float32[Array, "s 8"]) -> Float32[Array, "s 3"]:
        noise = 1 + np.float32(posed.contrast) * values[:, 7] * fur_at(values[:, 4:7], self._seed)
        return np.clip((values[:, :3] + values[:, 3:4]) * np.maximum(noise, 0.25)[:, None], 0.0, 1.0)


def shadow_of(posed: Posed) -> Shadow:
    """The shadow of one instant, shared by all cameras."""
    above = [name for name, _, _ in posed.mesh.topology.parts if not (name.endswith("paw") or name == "tail")]
    return cast_shadow(posed.mesh, posed.mesh.without(*above))


def _lighting(
    points: Points3, normals: Points3, look: Look, eye: Float64[Array, "3"]
) -> tuple[Float64[Array, " n"], Float64[Array, " n"]]:
    """(factor on the albedo, additive highlight) a vertex: wrapped lamp, sky, darkening near the floor."""
    to_eye = eye - points
    to_eye = to_eye / np.linalg.norm(to_eye, axis=1, keepdims=True)
    lamp = np.maximum(0.0, (normals @ LIGHT + 0.3) / 1.3)
    sky = 0.62 + 0.38 * normals[:, 2]
    closed = 1 - 0.5 * np.exp(-np.maximum(points[:, 2], 0.0) / 7.0) * (0.55 - 0.45 * normals[:, 2])
    light = (0.50 * sky + 0.68 * lamp) * closed
    grazing = (1 - np.abs((normals * to_eye).sum(axis=1))) ** 3
    halfway = to_eye + LIGHT
    halfway = halfway / np.linalg.norm(halfway, axis=1, keepdims=True)
    aligned = np.maximum(0.0, (normals * halfway).sum(axis=1))
    hair = look.roughness * (0.07 * grazing * sky + 0.035 * aligned**6)
    sheen = hair + look.gloss * (0.85 * aligned**70 + 0.05 * grazing)
    return np.where(look.glow > 0, 1.0, light), np.where(look.glow > 0, 0.0, sheen)
