"""Which image samples a mesh covers, exactly: scan conversion with half-open rules, no drawing library.

Images are sampled on a regular grid of `supersample` x `supersample` points a pixel; sample k of
pixel i lies at i + (k + 0.5) / supersample. A sample belongs to a triangle when its centre does
(edges half open), so neighbours neither overlap nor leave gaps and no shape grows: drawing functions
that colour every pixel crossed by an edge would make each silhouette half a pixel too fat.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mouselift.array_types import Array, Float32, Float64, Int64, Levels, Points2
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import Camera
from mouselift.synthetic.mesh import Mesh


@dataclass(frozen=True, eq=False)
class Window:
    """The part of an image that a mesh can cover, and its sample grid."""

    x0: int  # pixels, half open
    y0: int
    x1: int
    y1: int
    supersample: int

    @property
    def columns(self) -> int:
        return max(0, self.x1 - self.x0) * self.supersample

    @property
    def rows(self) -> int:
        return max(0, self.y1 - self.y0) * self.supersample

    @classmethod
    def around(cls, pixels: Points2, camera: Camera, supersample: int) -> Window:
        x, y = pixels[:, 0], pixels[:, 1]  # one by one: reducing along the long axis of [n, 2] takes ten times as long
        x0, y0 = _whole(np.floor(x.min()), 0, camera.width), _whole(np.floor(y.min()), 0, camera.height)
        x1, y1 = _whole(np.ceil(x.max()), x0, camera.width), _whole(np.ceil(y.max()), y0, camera.height)
        return cls(x0, y0, x1, y1, supersample)

    def to_grid(self, pixels: Points2) -> Points2:
        """Pixels -> grid units in which sample n lies at the integer n."""
        return (pixels - [self.x0, self.y0]) * self.supersample - 0.5


def _whole(value: float, least: int, most: int) -> int:
    return min(max(int(value), least), most)


def project_mesh(mesh: Mesh, camera: Camera) -> Points2:
    """Pixels of all vertices; CalibrationError where the camera cannot see one (behind it, beyond its lens)."""
    pixels = camera.project(mesh.vertices)
    lost = ~np.isfinite(pixels).all(axis=1)
    if lost.any():
        raise CalibrationError(
            f"camera {camera.name!r}: {int(lost.sum())} of {len(pixels)} mesh vertices lie behind the camera or beyond "
            "the fold of its lens model, so the mesh has no image there; move the camera away from the subject"
        )
    return pixels


def facing(mesh: Mesh, pixels: Points2) -> np.ndarray:
    """[f] whether each triangle shows its outside: its corners run clockwise in y-down pixels."""
    a, b, c = mesh.topology.corners
    x, y = pixels.T.copy()
    ax, ay = x[a], y[a]
    return (x[b] - ax) * (y[c] - ay) - (y[b] - ay) * (x[c] - ax) < 0


def render_silhouette(mesh: Mesh, camera: Camera, supersample: int = 4) -> Levels:
    """Soft mask of a closed mesh: 0 outside .. 255 where all of a pixel's samples are covered.

    Counts, at each sample, how many front layers cover it: +1 and -1 where a row crosses the contour
    edges (those between a front and a back triangle), summed along the row. Unbiased: a sample is
    covered when its centre is. Raises CalibrationError as `project_mesh`.
    """
    pixels = project_mesh(mesh, camera)
    window = Window.around(pixels, camera, supersample)
    out = np.zeros((camera.height, camera.width), dtype=np.uint8)
    if window.rows == 0 or window.columns == 0:
        return out
    front = facing(mesh, pixels)
    edges = mesh.topology.edges
    edges = edges[front[edges[:, 2]] != front[edges[:, 3]]]
    start = np.where(front[edges[:, 2]], edges[:, 0], edges[:, 1])  # directed as the front triangle has it
    end = np.where(front[edges[:, 2]], edges[:, 1], edges[:, 0])
    grid = window.to_grid(pixels)
    row, column, sign = _crossings(grid[start], grid[end], window)
    layers = np.zeros((window.rows, window.columns + 1), dtype=np.int8)
    np.add.at(layers.reshape(-1), row * (window.columns + 1) + column, sign)
    covered = np.cumsum(layers[:, :-1], axis=1, dtype=np.int8) > 0
    out[window.y0 : window.y1, window.x0 : window.x1] = shrink(covered.view(np.uint8) * np.uint8(255), window)
    return out


def shrink(samples: Array, window: Window) -> Array:
    """Mean of each pixel's samples: [rows, columns, ...] -> [y1 - y0, x1 - x0, ...]."""
    size = (window.x1 - window.x0, window.y1 - window.y0)
    return np.asarray(cv2.resize(samples, size, interpolation=cv2.INTER_AREA))


def _crossings(start: np.ndarray, end: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(row, first column to the right, +1 entering / -1 leaving) for each sample row that an edge crosses."""
    sign = np.where(end[:, 1] > start[:, 1], 1, -1).astype(np.int8)
    swap = (sign < 0)[:, None]
    top, bottom = np.where(swap, end, start), np.where(swap, start, end)
    edge, row = _rows(top[:, 1], bottom[:, 1], window.rows)
    x = _x_at(top, bottom, edge, row)
    column = np.ceil(x).astype(np.int64).clip(0, window.columns)
    return row, column, sign[edge]


def _rows(top: np.ndarray, bottom: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """(item, row) for each sample row with top <= row < bottom, clipped to the grid."""
    first = np.ceil(top).astype(np.int64).clip(0, rows)
    count = np.ceil(bottom).astype(np.int64).clip(0, rows) - first
    item = np.repeat(np.arange(len(top)), count)
    return item, _ramp(count) + first[item]


def _ramp(count: np.ndarray) -> np.ndarray:
    """0..count[0]-1, 0..count[1]-1, ..."""
    return np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)


def _x_at(
    top: np.ndarray, bottom: np.ndarray, edge: np.ndarray, row: np.ndarray, end: np.ndarray | None = None
) -> np.ndarray:
    """Where edges top[edge] to bottom[edge] (bottom[end] where given) cross rows.

    The ends come in a fixed order, so both neighbours get the same bits. By coordinates: gathering them one by one is
    several times as fast as gathering pairs.
    """
    end = edge if end is None else end
    (top_x, top_y), (bottom_x, bottom_y) = top.T.copy(), bottom.T.copy()
    x, y = top_x[edge], top_y[edge]
    slope = (bottom_x[end] - x) / (bottom_y[end] - y)
    return x + (row - y) * slope


@dataclass(frozen=True, eq=False)
class Visible:
    """The nearest triangle at each covered sample."""

    window: Window
    cell: Int64[Array, " s"]  # row * columns + column of each covered sample, ascending
    triangle: Int64[Array, " s"]  # index into the topology's faces
    grid: Points2  # of all vertices, in sample units

    def interpolate(self, faces: Int64[Array, "f 3"], values: Float64[Array, "n c"]) -> Float32[Array, "s c"]:
        """Vertex values at the samples, linear in the image (triangles are too small for perspective to matter)."""
        used = np.flatnonzero(np.bincount(self.triangle, minlength=len(faces)))
        number = np.empty(len(faces), dtype=np.int64)
        number[used] = np.arange(len(used))
        where = number[self.triangle]
        a, b, c = (self.grid[faces[used, k]] for k in range(3))
        va, vb, vc = (values[faces[used, k]] for k in range(3))
        ab, ac = b - a, c - a
        det = (ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])[:, None]
        gx = ((vb - va) * ac[:, 1:] - (vc - va) * ab[:, 1:]) / det
        gy = ((vc - va) * ab[:, :1] - (vb - va) * ac[:, :1]) / det
        column = (self.cell % self.window.columns - a[where, 0]).astype(np.float32)[:, None]
        row = (self.cell // self.window.columns - a[where, 1]).astype(np.float32)[:, None]
        plane = np.concatenate([va, gx, gy], axis=1).astype(np.float32)[where]
        n = values.shape[1]
        return plane[:, :n] + plane[:, n : 2 * n] * column + plane[:, 2 * n :] * row


def nearest_triangles(mesh: Mesh, camera: Camera, supersample: int) -> Visible:
    """z-buffer over the front triangles of a closed mesh. Raises CalibrationError as `project_mesh`."""
    pixels = project_mesh(mesh, camera)
    window = Window.around(pixels, camera, supersample)
    grid = window.to_grid(pixels)
    front = np.flatnonzero(facing(mesh, pixels))
    corners = mesh.topology.faces[front]
    order = np.argsort(grid[corners, 1], axis=1, kind="stable")
    corners = np.take_along_axis(corners, order, axis=1)
    top, middle, bottom = (grid[corners[:, k]] for k in range(3))
    item, row = _rows(top[:, 1], bottom[:, 1], window.rows)
    upper = row < middle[item, 1]
    long = _x_at(top, bottom, item, row)
    first, second = (
        np.where(upper, corners[item, 0], corners[item, 1]),
        np.where(upper, corners[item, 1], corners[item, 2]),
    )
    short = _x_at(grid, grid, first, row, second)
    left = np.ceil(np.minimum(long, short)).astype(np.int64).clip(0, window.columns)
    count = np.ceil(np.maximum(long, short)).astype(np.int64).clip(0, window.columns) - left
    some = np.flatnonzero(count)  # thin triangles cross rows between two samples
    item, row, left, count = item[some], row[some], left[some], count[some]
    span, step = np.repeat(np.arange(len(row)), count), _ramp(count)
    inverse_depth = 1 / camera.depth(mesh.vertices)[corners]
    at_left, gradient = _nearness((top, middle, bottom), inverse_depth, item, row, left)
    nearness = at_left[span] + gradient[span] * step.astype(np.float32)
    cell = (row * window.columns + left)[span] + step
    best = np.zeros(window.rows * window.columns, dtype=np.float32)
    np.maximum.at(best, cell, nearness)
    owner = np.full(len(best), -1, dtype=np.int64)
    wins = nearness == best[cell]
    owner[cell[wins]] = front[item[span[wins]]]
    covered = np.flatnonzero(owner >= 0)
    return Visible(window, covered, owner[covered], grid)


def _nearness(
    corners: tuple[np.ndarray, np.ndarray, np.ndarray],
    inverse_depth: np.ndarray,
    item: np.ndarray,
    row: np.ndarray,
    left: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """1 / depth at the first sample of each span, and its change a sample: linear over a triangle's image."""
    a, ab, ac = corners[0], corners[1] - corners[0], corners[2] - corners[0]
    det = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    db, dc = inverse_depth[:, 1] - inverse_depth[:, 0], inverse_depth[:, 2] - inverse_depth[:, 0]
    gx = (db * ac[:, 1] - dc * ab[:, 1]) / det
    gy = (dc * ab[:, 0] - db * ac[:, 0]) / det
    value = inverse_depth[item, 0] + gx[item] * (left - a[item, 0]) + gy[item] * (row - a[item, 1])
    return value.astype(np.float32), gx[item].astype(np.float32)
