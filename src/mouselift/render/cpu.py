"""The fast renderer for CPUs: compiled (numba), gradients written out, same conventions as the reference."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mouselift.render import cpu_project, cpu_tiles
from mouselift.render.base import MIN_ALPHA, WHITE, Colour, Gaussians, Rendering, View
from mouselift.render.cpu_tiles import TILE


@dataclass(frozen=True)
class CpuRenderer:
    """Differentiable to the Gaussians and to the camera. Uses `torch.get_num_threads()` threads, which share tiles.

    The result does not depend on the number of threads. Memory: about 200 bytes a Gaussian, and with gradients 40
    more for each tile that one touches.
    """

    def render(self, gaussians: Gaussians, view: View, background: Colour = WHITE) -> Rendering:
        """As `Renderer.render`. ValueError for Gaussians that are not on the CPU."""
        if gaussians.positions.device.type != "cpu":
            raise ValueError(f"CpuRenderer: expected Gaussians on the CPU, got {gaussians.positions.device}")
        colour, alpha = _Splat.apply(
            gaussians.positions,
            gaussians.scales,
            gaussians.rotations,
            gaussians.opacities,
            gaussians.colours_seen_from(view.centre),
            view.T_cam_world,
            view.intrinsics,
            (view.width, view.height),
            background,
        )
        return Rendering(colour, alpha)


@dataclass(eq=False)
class _Scene:
    """Everything of one picture that its gradient needs again; arrays as the compiled functions take them."""

    geometry: tuple[np.ndarray, np.ndarray, np.ndarray]  # positions, scales, rotations
    T: np.ndarray
    K: np.ndarray
    size: tuple[int, int]  # width, height
    behind: np.ndarray
    flat: np.ndarray  # of all Gaussians
    depth: np.ndarray
    order: np.ndarray  # those that are seen, by depth
    sorted: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # flat, furthest, opacities, colours in that order
    starts: np.ndarray
    entries: np.ndarray  # places in `order`

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, tiles across)."""
        return self.size[1], self.size[0], -(-self.size[0] // TILE)


def _scene(tensors: tuple[Tensor, ...], size: tuple[int, int], background: Colour) -> _Scene:
    positions, scales, rotations, opacities, colours, T, K = (
        np.ascontiguousarray(tensor.detach().double().numpy()) for tensor in tensors
    )
    count = len(positions)
    flat, depth = np.empty((count, 7)), np.empty(count)
    cpu_project.project(positions, scales, rotations, opacities, colours, T, K, size, flat, depth)
    seen = np.flatnonzero(depth >= 0)
    order = seen[np.argsort(depth[seen], kind="stable")]
    opaque = opacities[order]
    furthest = 2 * np.log(opaque / MIN_ALPHA)
    # neighbours in depth lie side by side in memory: binning takes a third of the time
    by_depth = (flat[order], furthest, opaque, colours[order].astype(np.float32))
    tiles_x, tiles_y = -(-size[0] // TILE), -(-size[1] // TILE)
    starts = np.zeros(tiles_x * tiles_y + 1, dtype=np.int64)
    cpu_tiles.bin_tiles(by_depth[0], furthest, tiles_x, tiles_y, starts, np.empty(0, dtype=np.int64))
    starts = np.cumsum(starts)
    entries = np.empty(starts[-1], dtype=np.int64)
    if len(entries):
        cpu_tiles.bin_tiles(by_depth[0], furthest, tiles_x, tiles_y, starts[:-1].copy(), entries)
    behind = np.array(background, dtype=np.float32)
    geometry = (positions, scales, rotations)
    return _Scene(geometry, T, K, size, behind, flat, depth, order, by_depth, starts, entries)


def _over_tiles(scene: _Scene, kernel: Any, *more: np.ndarray) -> None:
    """Runs a kernel on all tiles, one row of tiles after another, on torch's number of threads."""
    tiles_x, tiles = scene.shape[2], len(scene.starts) - 1
    shared = (scene.shape, *scene.sorted, scene.behind)

    def row(first: int) -> None:
        kernel((first, first + tiles_x), *shared, scene.starts, scene.entries, *more)

    threads = torch.get_num_threads()
    if threads == 1:
        kernel((0, tiles), *shared, scene.starts, scene.entries, *more)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(row, range(0, tiles, tiles_x)))


class _Splat(torch.autograd.Function):
    """positions, scales, rotations, opacities, plain colours, T_cam_world, intrinsics -> (colour, alpha)."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor]:
        *tensors, size, background = inputs
        scene = _scene(tuple(tensors), size, background)
        width, height = size
        image = np.empty((3, height, width), dtype=np.float32)
        light, stops = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
        _over_tiles(scene, cpu_tiles.composite, image, light, stops)
        ctx.scene, ctx.light, ctx.stops = scene, light, stops
        ctx.kinds = [tensor.dtype for tensor in tensors]
        kind = tensors[0].dtype
        return torch.from_numpy(image).to(kind), 1 - torch.from_numpy(light).to(kind)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        scene: _Scene = ctx.scene
        g_image, g_alpha = (np.ascontiguousarray(g.float().numpy()) for g in gradients)
        per_entry = np.zeros((len(scene.entries), 9), dtype=np.float32)
        _over_tiles(scene, cpu_tiles.composite_backward, ctx.light, ctx.stops, g_image, g_alpha, per_entry)
        by_depth = np.zeros((len(scene.order), 9))
        cpu_tiles.gather(scene.entries, per_entry, by_depth)
        sums = np.zeros((len(scene.depth), 9))
        sums[scene.order] = by_depth
        g_positions, g_scales, g_rotations = (np.zeros_like(part) for part in scene.geometry)
        g_T, g_K = np.zeros((4, 4)), np.zeros(4)
        cpu_project.project_backward(
            scene.geometry, scene.T, scene.K, scene.size, scene.flat, scene.depth, sums,
            g_positions, g_scales, g_rotations, g_T, g_K,
        )  # fmt: skip
        g_opacities = np.zeros(len(scene.depth))
        g_opacities[scene.order] = -2 * by_depth[:, 0] / scene.sorted[2]
        found = (g_positions, g_scales, g_rotations, g_opacities, sums[:, 6:], g_T, g_K)
        return *(torch.from_numpy(g).to(kind) for g, kind in zip(found, ctx.kinds, strict=True)), None, None
