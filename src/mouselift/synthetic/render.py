"""Images of the mouse in its scene: a textured floor, a plain background, soft shadows.

Z-buffered, supersampled, through any lens, on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from mouselift.array_types import Array, Float32, Float64, ImageRGB, Levels, Points2
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import looking_at
from mouselift.synthetic.coat import fur_at
from mouselift.synthetic.light import Light, shade, sheen
from mouselift.synthetic.mesh import Mesh
from mouselift.synthetic.mouse import Posed
from mouselift.synthetic.raster import nearest_triangles, render_silhouette, shrink
from mouselift.synthetic.rigs import Arena, scaled_camera

_FLOOR, _TABLE = np.array([0.735, 0.725, 0.71]), np.array([0.44, 0.46, 0.48])
_WALL_LOW, _WALL_HIGH = np.array([0.53, 0.55, 0.57]), np.array([0.68, 0.695, 0.71])
_TEXTURE_CELL = 0.3  # mm
_TEXTURE_SIZE = 1024  # cells a side; then it repeats
_SHADOW_CELL = 0.5  # mm
_FAR = 4000.0  # mm: distance of the cameras that stand for the light; rays nearly parallel
_NODE_STEP = 8  # pixels between exact rays of the scenery
_NOWHERE = 1e6  # floor coordinates of pixels that see no floor


@dataclass(frozen=True, eq=False)
class Rendering:
    """An image and its exact coverage. Colours at the border are mixed with the background, as in a photograph."""

    rgb: ImageRGB
    mask: Levels  # 0 background .. 255 animal: the covered share of each pixel's samples


class ViewRenderer:
    """Renders one camera; its empty scene is made once and kept."""

    def __init__(self, camera: Camera, arena: Arena, seed: int = 0, supersample: int = 3) -> None:
        self.camera, self._seed, self._supersample = camera, seed, supersample
        self._backdrop = make_backdrop(camera, arena, seed)

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
        shape, light = (posed.mesh.vertices, posed.normals, posed.look), Light()
        colours = posed.look.albedo * shade(*shape, light)[:, None]
        bright = sheen(*shape, light, self.camera.centre)
        return np.concatenate([colours, bright[:, None], posed.look.fur, posed.look.roughness[:, None]], axis=1)

    def _colours(self, posed: Posed, values: Float32[Array, "s 8"]) -> Float32[Array, "s 3"]:
        noise = 1 + np.float32(posed.look.contrast) * values[:, 7] * fur_at(values[:, 4:7], self._seed)
        return np.clip((values[:, :3] + values[:, 3:4]) * np.maximum(noise, 0.25)[:, None], 0.0, 1.0)


def shadow_of(posed: Posed) -> Shadow:
    """The shadow of one instant, shared by all cameras."""
    above = [name for name, _, _ in posed.mesh.topology.parts if not (name.endswith("paw") or name == "tail")]
    return cast_shadow(posed.mesh, posed.mesh.without(*above))


@dataclass(frozen=True, eq=False)
class Backdrop:
    """One camera's empty scene, made once."""

    rgb: Float32[Array, "h w 3"]  # 0..255
    floor: Float32[Array, "h w 2"]  # world (x, y) of the floor at pixel centres; far away where there is none


def make_backdrop(camera: Camera, arena: Arena, seed: int) -> Backdrop:
    """The empty scene as `camera` sees it, through its lens, from two samples a pixel along each side."""
    fine = _shade(scaled_camera(camera, 2), arena, seed)
    small = cv2.resize(fine, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    return Backdrop(np.asarray(small), _floor_of(camera)[0])


def _floor_of(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """(world x, y where each pixel's ray meets the floor, ray directions), [h w 2] and [h w 3]."""
    rays = _ray_grid(camera)
    centre = camera.centre.astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = -centre[2] / rays[..., 2]
        xy = centre[:2] + reach[..., None] * rays[..., :2]
    good = (reach > 0) & np.isfinite(xy).all(axis=-1)
    return np.where(good[..., None], xy, np.float32(_NOWHERE)), rays


def _ray_grid(camera: Camera) -> np.ndarray:
    """Unit ray directions at all pixel centres, float32, interpolated between exact ones 8 pixels apart.

    Good to some thousandths of a pixel, which is enough for scenery.
    """
    nodes_x = np.linspace(0.0, camera.width, camera.width // _NODE_STEP + 2)
    nodes_y = np.linspace(0.0, camera.height, camera.height // _NODE_STEP + 2)
    x, y = np.meshgrid(nodes_x, nodes_y)
    exact = camera.rays(np.stack([x.ravel(), y.ravel()], axis=1), on_fold="nan").reshape(*x.shape, 3)
    across = _between(exact.astype(np.float32).swapaxes(0, 1), camera.width)
    rays = _between(across.swapaxes(0, 1), camera.height)
    return rays / np.linalg.norm(rays, axis=-1, keepdims=True)


def _between(nodes: np.ndarray, size: int) -> np.ndarray:
    """Linear interpolation along the first axis: nodes spread evenly over [0, size], read at pixel centres."""
    at = (np.arange(size) + 0.5) * ((len(nodes) - 1) / size)
    first = np.floor(at).astype(int)
    part = (at - first).astype(np.float32)[:, None, None]
    return nodes[first] * (1 - part) + nodes[first + 1] * part


def _shade(camera: Camera, arena: Arena, seed: int) -> np.ndarray:
    xy, rays = _floor_of(camera)
    distance = np.hypot(xy[..., 0] - arena.x, xy[..., 1] - arena.y)
    cells = np.mod(xy * np.float32(1 / _TEXTURE_CELL), np.float32(_TEXTURE_SIZE))
    texture = _lookup(_floor_texture(seed), cells, cv2.BORDER_WRAP)
    texture = texture * np.clip(1.6 - distance / 400.0, 0.0, 1.0)  # far away it would only flicker
    vignette = 1.03 - 0.10 * np.clip(distance / (1.35 * arena.radius), 0.0, 1.0) ** 2
    inside = np.clip(0.5 - (distance - 1.38 * arena.radius) / 2.0, 0.0, 1.0)
    up = np.nan_to_num(rays[..., 2])
    height, near = np.clip(up / 0.45, 0.0, 1.0), np.clip(-up / 0.07, 0.0, 1.0)
    out = np.empty((*up.shape, 3), dtype=np.float32)
    for k in range(3):
        table = _TABLE[k] * (1 + 0.03 * texture)
        ground = table + inside * (_FLOOR[k] * (vignette + 0.045 * texture) - table)
        wall = _WALL_LOW[k] + height * (_WALL_HIGH[k] - _WALL_LOW[k])
        out[..., k] = 255 * np.clip(wall + near * (ground - wall), 0.0, 1.0)
    return out


def _lookup(grid: np.ndarray, cells: np.ndarray, border: int) -> np.ndarray:
    """Values of a grid at (column, row), bilinear; 1 outside it where the border is constant."""
    x, y = np.ascontiguousarray(cells[..., 0]), np.ascontiguousarray(cells[..., 1])
    return np.asarray(cv2.remap(grid, x, y, cv2.INTER_LINEAR, borderMode=border, borderValue=(1.0,)))


@lru_cache(maxsize=2)
def _floor_texture(seed: int) -> np.ndarray:
    """Grain, speckles and stains of the floor: periodic, deviation about 1."""
    rng = np.random.default_rng([seed, 0x666C6F6F])
    out = np.zeros((_TEXTURE_SIZE, _TEXTURE_SIZE), dtype=np.float32)
    for sigma, weight in ((1.2, 0.45), (5.0, 0.55), (38.0, 0.75)):
        noise = gaussian_filter(rng.standard_normal(out.shape, dtype=np.float32), sigma, mode="wrap")
        out += weight * noise / noise.std()
    out.setflags(write=False)
    return out


@dataclass(frozen=True, eq=False)
class Shadow:
    """How much light reaches the floor around the animal."""

    light: Float32[Array, "s s"]  # 1 lit, 0 dark; cell (0, 0) begins at `corner`
    corner: Points2  # [1, 2] world x, y

    def apply(self, backdrop: Backdrop, camera: Camera) -> Float32[Array, "h w 3"]:
        """The empty scene with the shadow on it (a copy)."""
        out = backdrop.rgb.copy()
        x0, y0, x1, y1 = self._box(camera)
        if x1 <= x0 or y1 <= y0:
            return out
        cells = (backdrop.floor[y0:y1, x0:x1] - self.corner[0].astype(np.float32)) / np.float32(_SHADOW_CELL)
        cells -= np.float32(0.5)  # cv2.remap counts from the centre of the first cell
        out[y0:y1, x0:x1] *= _lookup(self.light, cells, cv2.BORDER_CONSTANT)[..., None]
        return out

    def _box(self, camera: Camera) -> tuple[int, int, int, int]:
        """Pixels that can see the shadowed floor; the whole image where that cannot be told."""
        n = len(self.light)
        edge = np.linspace(0.0, n * _SHADOW_CELL, 24)
        zero, full = np.zeros_like(edge), np.full_like(edge, n * _SHADOW_CELL)
        ring = np.concatenate([np.stack(p, axis=1) for p in ((edge, zero), (edge, full), (zero, edge), (full, edge))])
        points = np.concatenate([ring + self.corner, np.zeros((len(ring), 1))], axis=1)
        pixels = camera.project(points)
        if not np.isfinite(pixels).all():
            return 0, 0, camera.width, camera.height
        low, high = np.floor(pixels.min(axis=0)) - 2, np.ceil(pixels.max(axis=0)) + 2
        x0, x1 = np.clip([low[0], high[0]], 0, camera.width).astype(int)
        y0, y1 = np.clip([low[1], high[1]], 0, camera.height).astype(int)
        return int(x0), int(y0), int(x1), int(y1)


def cast_shadow(mesh: Mesh, standing: Mesh) -> Shadow:
    """Soft shadow of `mesh`, from the lamp and from the sky, darker right under `standing` (paws, tail)."""
    low, high = mesh.vertices[:, :2].min(axis=0) - 30.0, mesh.vertices[:, :2].max(axis=0) + 30.0
    side = float(np.ceil((high - low).max() / 8.0) * 8.0)
    corner = 0.5 * (low + high) - side / 2
    cells = round(side / _SHADOW_CELL)
    lamp = _blurred(_seen_from(Light().direction, mesh, corner, side, cells), 5.0)
    up = np.array([0.0, 0.0, 1.0])
    sky = _blurred(_seen_from(up, mesh, corner, side, cells), 9.0)
    under = _blurred(_seen_from(up, standing, corner, side, cells), 2.0)
    light = (1 - 0.34 * lamp) * (1 - 0.42 * sky) * (1 - 0.32 * under)
    return Shadow(light.astype(np.float32), corner[None])


def _blurred(mask: np.ndarray, sigma_mm: float) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma_mm / _SHADOW_CELL, borderType=cv2.BORDER_CONSTANT))


def _seen_from(direction: np.ndarray, mesh: Mesh, corner: np.ndarray, side: float, cells: int) -> np.ndarray:
    """The mesh's shadow on the floor square, thrown along `direction`: 0..1 on the square's cells."""
    centre = np.array([*(corner + side / 2), 0.0])
    T = looking_at(centre, centre + _FAR * direction, np.array([0.0, -1.0, 0.0]))
    focal = _FAR / _SHADOW_CELL
    camera = Camera(cells, cells, focal, focal, cells / 2, cells / 2, T)
    silhouette = render_silhouette(mesh, camera, 1).astype(np.float32) / 255
    ends = np.array([(0.0, 0.0), (side, 0.0), (0.0, side), (side, side)])
    seen = camera.project(np.concatenate([ends + corner, np.zeros((4, 1))], axis=1)) - 0.5
    onto = cv2.getPerspectiveTransform(seen.astype(np.float32), (ends / _SHADOW_CELL - 0.5).astype(np.float32))
    return np.asarray(cv2.warpPerspective(silhouette, onto, (cells, cells), flags=cv2.INTER_LINEAR))
