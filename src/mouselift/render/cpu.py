"""The fast renderer for CPUs: compiled (numba), gradients written out, same conventions as the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mouselift.array_types import Array, Float64, Int32
from mouselift.render import cpu_project, cpu_tiles
from mouselift.render.base import WHITE, Colour, Gaussians, RenderCamera, Rendering
from mouselift.render.cpu_threads import at_once
from mouselift.render.cpu_tiles import TILE

_PARTS = 7  # tensors of one image
_PART = 8192  # Gaussians taken together: decides how the gradient of the pose is rounded, so it is fixed


@dataclass(frozen=True)
class CpuRenderer:
    """Differentiable to the Gaussians and to the camera. Uses `torch.get_num_threads()` threads, which share tiles.

    The result does not depend on the number of threads (`render.cpu_threads`). Memory beside the Gaussians: about 150
    bytes each, with gradients 100 more; and 6 bytes for each tile that one touches, with gradients 42.
    """

    def render(self, gaussians: Gaussians, camera: RenderCamera, background: Colour = WHITE) -> Rendering:
        """As `Renderer.render`. ValueError for Gaussians that are not on the CPU."""
        (only,) = self.render_all([(gaussians, camera)], background)
        return only

    def render_all(
        self, shots: Sequence[tuple[Gaussians, RenderCamera]], background: Colour = WHITE
    ) -> list[Rendering]:
        """Many images in one call, of one or several samples: threads take whole images, which costs them less.

        Values and gradients are those of `render`, image by image, added up in this order. ValueError as there.
        """
        tensors: list[Tensor] = []
        for gaussians, camera in shots:
            if gaussians.positions.device.type != "cpu":
                raise ValueError(f"CpuRenderer: expected Gaussians on the CPU, got {gaussians.positions.device}")
            g, colours = gaussians, gaussians.colours_seen_from(camera.centre)
            tensors += [g.positions, g.scales, g.rotations, g.opacities, colours]
            tensors += [camera.T_cam_world, camera.intrinsics]
        if not shots:
            return []
        drawn = _Splat.apply([(camera.width, camera.height) for _, camera in shots], background, *tensors)
        return [Rendering(colour, alpha) for colour, alpha in zip(drawn[::2], drawn[1::2], strict=True)]


@dataclass(frozen=True, eq=False)
class _Scene:
    """One image, sorted into tiles; arrays as the compiled functions take them."""

    inputs: tuple[np.ndarray, ...]  # positions, scales, rotations, opacities, colours
    pose: tuple[Any, Any, tuple[int, int]]  # T and K as `cpu_project` takes them; width, height
    flat: np.ndarray
    behind: np.ndarray
    starts: np.ndarray  # of each tile's list in `entries`, and the end of all
    entries: np.ndarray  # indices of Gaussians, front to back

    @classmethod
    def of(cls, tensors: list[Tensor], size: tuple[int, int], background: Colour) -> _Scene:
        *inputs, T, K = _arrays(tensors)
        rows, translation, intrinsics = T[:3, :3].tolist(), T[:3, 3].tolist(), K.tolist()
        pose = (*(tuple(row) for row in rows), tuple(translation)), tuple(intrinsics), size
        count = len(inputs[0])
        flat, depths = np.empty(count, cpu_project.SPLAT), np.empty(count)
        _in_parts(count, lambda part: cpu_project.project(part, *inputs, *pose, flat, depths))  # pyright: ignore[reportCallIssue]
        tiles_x, tiles_y = -(-size[0] // TILE), -(-size[1] // TILE)
        starts = np.zeros(tiles_x * tiles_y + 1, dtype=np.int64)
        spans_of = np.empty(count + 1, np.int32)
        spans = cpu_tiles.count_tiles(flat, depths, tiles_x, tiles_y, starts[1:], spans_of)
        starts = np.cumsum(starts)
        entries = np.empty(starts[-1], dtype=np.int32)
        cpu_tiles.fill_tiles(front_to_back(depths), spans_of, spans, starts[:-1].copy(), entries)
        behind = np.array(background, dtype=np.float32)
        return cls(tuple(inputs), pose, flat, behind, starts, entries)

    def over_tiles(self, kernel: Any, *more: np.ndarray) -> None:
        """Runs a kernel on all tiles, one row of tiles after another."""
        width, height = self.pose[2]
        tiles_x = -(-width // TILE)
        shared = (height, width, tiles_x), self.flat, self.behind, self.starts, self.entries
        first_tiles = range(0, len(self.starts) - 1, tiles_x)
        at_once(lambda first: kernel((first, first + tiles_x), *shared, *more), first_tiles)


def front_to_back(depths: Float64[Array, " n"]) -> Int32[Array, " m"]:
    """Indices of the depths that are not negative, in their order; equal depths keep theirs."""
    seen = np.flatnonzero(depths >= 0).astype(np.int32)
    return seen[np.argsort(depths[seen], kind="stable")]


def _arrays(tensors: list[Tensor]) -> list[np.ndarray]:
    """Gaussians in one floating type, float32 where all are no wider; the pose in float64."""
    parts = tensors[:-2]
    kind = torch.float64 if any(part.dtype == torch.float64 for part in parts) else torch.float32
    kinds = [kind] * len(parts) + [torch.float64] * 2
    return [np.ascontiguousarray(t.detach().to(k).numpy()) for t, k in zip(tensors, kinds, strict=True)]


def _in_parts(count: int, job: Callable[[tuple[int, int]], object]) -> None:
    at_once(lambda first: job((first, min(first + _PART, count))), range(0, count, _PART))


class _Image:
    """One image on its way forth and back, in arrays."""

    def __init__(self, tensors: list[Tensor], size: tuple[int, int], background: Colour) -> None:
        self.scene = _Scene.of(tensors, size, background)
        width, height = size
        self.colour = np.empty((3, height, width), dtype=np.float32)
        self.light, self._stops = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
        self._rows = np.empty(len(self.scene.entries), np.uint16)
        self._used = np.empty(len(self.scene.starts) - 1, np.int64)
        self.scene.over_tiles(cpu_tiles.composite, self.colour, *self._seen)

    @property
    def _seen(self) -> tuple[np.ndarray, ...]:
        return self.light, self._stops, self._rows, self._used

    def backward(self, g_colour: Tensor, g_alpha: Tensor) -> list[np.ndarray]:
        """Gradients to positions, scales, rotations, opacities, plain colours, T_cam_world, intrinsics."""
        scene = self.scene
        g_image, g_light = (np.ascontiguousarray(g.float().numpy()) for g in (g_colour, g_alpha))
        per_entry = np.empty((len(scene.entries), 9), dtype=np.float32)  # no more is touched than is needed
        scene.over_tiles(cpu_tiles.composite_backward, *self._seen, g_image, g_light, per_entry)
        positions, scales, rotations, opacities, _ = scene.inputs
        count = len(positions)
        sums = np.zeros((count, 9), dtype=np.float32)
        cpu_tiles.gather(scene.starts, self._used, self._rows, scene.entries, per_entry, sums)
        found = tuple(np.zeros_like(part) for part in scene.inputs)
        # a part's share of the pose's gradients, summed in order: the result does not depend on threads
        g_T, g_K = np.zeros((-(-count // _PART), 4, 4)), np.zeros((-(-count // _PART), 4))

        def part_backward(part: tuple[int, int]) -> None:
            i = part[0] // _PART
            cpu_project.project_backward(
                part, positions, scales, rotations, opacities, *scene.pose, sums, found, g_T[i], g_K[i]
            )

        _in_parts(count, part_backward)
        return [*found, g_T.sum(axis=0), g_K.sum(axis=0)]


class _Splat(torch.autograd.Function):
    """Sizes, background, then of each image positions, scales, rotations, opacities, plain colours, T_cam_world and
    intrinsics -> of each image colour and alpha.
    """

    @staticmethod
    def forward(ctx: Any, sizes: list[tuple[int, int]], background: Colour, *tensors: Tensor) -> tuple[Tensor, ...]:
        parts = [list(tensors[i : i + _PARTS]) for i in range(0, len(tensors), _PARTS)]
        images = at_once(lambda i: _Image(parts[i], sizes[i], background), range(len(parts)))
        ctx.images, ctx.kinds = images, [tensor.dtype for tensor in tensors]
        out: list[Tensor] = []
        for image, (positions, *_) in zip(images, parts, strict=True):
            kind = positions.dtype
            out += [torch.from_numpy(image.colour).to(kind), 1 - torch.from_numpy(image.light).to(kind)]
        return tuple(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        images: list[_Image] = ctx.images
        found = at_once(lambda i: images[i].backward(*gradients[2 * i : 2 * i + 2]), range(len(images)))
        arrays = [array for each in found for array in each]
        return None, None, *(torch.from_numpy(g).to(kind) for g, kind in zip(arrays, ctx.kinds, strict=True))
