"""A finder of the synthetic animal's marks: it measures them in images to 0.02 px.

It knows nothing of how an image was made; it serves direct renders and prepared samples alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from mouselift.array_types import Array, Points2, Vector3
from mouselift.dataset.layout import find_samples
from mouselift.dataset.sample import read_sample
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import Similarity
from mouselift.media.png import read_png
from mouselift.synthetic.mesh import Mesh, Topology
from mouselift.synthetic.mouse import Marks
from mouselift.synthetic.raster import nearest_triangles, render_silhouette
from mouselift.synthetic.truth import Truth, sample_world, true_mesh

_OUTLINE = 128  # points of a bead's outline
_RING = 3.0  # pixels around the outline that must hold no other magenta
_EDGE = 1.5  # pixels around the outline in which the bead's border may lie


@dataclass(frozen=True)
class FoundMark:
    """One bead: where the image has it, and where the camera puts it. Pixels, centres at +0.5."""

    index: int  # into the marks
    measured: tuple[float, float]  # centroid of the bead's image
    expected: tuple[float, float]  # centroid of the sphere's exact projection (not its centre's: see `bead_outline`)
    area: float  # measured area / expected area

    @property
    def error_px(self) -> float:
        return float(np.hypot(self.measured[0] - self.expected[0], self.measured[1] - self.expected[1]))


def mark_errors(dataset: Path, truth: Truth) -> Iterator[float]:
    """Pixels from each bead that a prepared view shows whole to where the written camera puts it, over all views."""
    for folder in find_samples(dataset):
        frame, world = int(folder.name.rsplit("_", 1)[1]), sample_world(folder)
        marks, mesh = marks_in_world(truth.marks(frame), world), true_mesh(truth, folder)
        for view in read_sample(folder).views:
            for mark in find_marks(read_png(view.path), view.camera, marks, mesh=mesh):
                yield mark.error_px


def marks_in_world(marks: Marks, new_old: Similarity) -> Marks:
    """The same beads in a world changed by `new_old`."""
    return Marks(new_old.apply(marks.centres), marks.normals @ new_old.R_new_old.T, marks.radius * new_old.scale)


def bead_outline(camera: Camera, centre: Vector3, radius: float) -> Points2:
    """Outline of a sphere's image, pixels: the circle where the viewing cone touches it, projected.

    Perspective (and the lens) moves the outline's centroid away from the projection of the centre, by
    up to some hundredths of a pixel here; the finder compares centroids with centroids.
    """
    away = centre - camera.centre
    distance = float(np.linalg.norm(away))
    if distance <= radius:
        raise ValueError(f"bead_outline: the camera is inside the bead (distance {distance:.4g}, radius {radius:.4g})")
    axis = away / distance
    across = np.cross(axis, np.eye(3)[int(np.abs(axis).argmin())])
    across = across / np.linalg.norm(across)
    angle = 2 * np.pi * np.arange(_OUTLINE) / _OUTLINE
    circle = np.outer(np.cos(angle), across) + np.outer(np.sin(angle), np.cross(axis, across))
    touch = centre - (radius**2 / distance) * axis
    return camera.project(touch + radius * np.sqrt(1 - (radius / distance) ** 2) * circle)


def find_marks(
    image: UInt8[Array, "h w c"],
    camera: Camera,
    marks: Marks,
    search_px: float = 4.0,
    min_facing: float = 0.45,
    area_tolerance: float = 0.03,
    ground_tolerance: float = 0.035,
    mesh: Mesh | None = None,
) -> list[FoundMark]:
    """The beads that an image shows whole, each with its measured and its expected pixel.

    `image`: RGB, or RGBA with straight alpha; `camera` and `marks` in one world. A bead is left out when
    its skin looks away from the camera (cosine below `min_facing`), when its image is not found
    within `search_px` of the expected place, is partly hidden, touches the image's or the alpha's
    border, lies next to another bead, or before two grounds of different colour (magenta content apart by
    more than `ground_tolerance` of the bead's; raise it for lossy images). Hidden parts show as a wrong
    area (off by more than `area_tolerance`); one per cent of it still moves the centroid by 0.05 px, so give
    the true `mesh` where that matters: then beads that anything hides in the least are left out.
    """
    weight, solid = _magenta(image)
    to_eye = camera.centre - marks.centres
    cosine = (to_eye * marks.normals).sum(axis=1) / np.linalg.norm(to_eye, axis=1)
    shown = cosine >= min_facing
    if mesh is not None:
        shown &= whole_marks(mesh, len(shown), camera)
    found = []
    for index in np.flatnonzero(shown):
        outline = bead_outline(camera, marks.centres[index], marks.radius)
        if np.isfinite(outline).all():
            mark = _measure(int(index), weight, solid, outline, search_px, (area_tolerance, ground_tolerance))
            if mark is not None:
                found.append(mark)
    return found


def whole_marks(mesh: Mesh, count: int, camera: Camera, supersample: int = 4) -> Bool[Array, " m"]:
    """Which of the mesh's `count` beads nothing hides: each sample of the bead's own image is the bead's.

    The beads are the mesh's part "marks"; ValueError where it has none.
    """
    span = [(first, end) for name, first, end in mesh.topology.parts if name == "marks"]
    if not span:
        raise ValueError(f"whole_marks: the mesh has no part 'marks'; it has {[p[0] for p in mesh.topology.parts]}")
    (first, end), faces = span[0], (span[0][1] - span[0][0]) // count
    nearest = nearest_triangles(mesh, camera, supersample).triangle
    nearest = nearest[(nearest >= first) & (nearest < end)]
    seen = np.bincount((nearest - first) // faces, minlength=count)
    alone = np.empty(count)
    for k in range(count):
        own = mesh.topology.faces[first + k * faces : first + (k + 1) * faces]
        low, high = int(own.min()), int(own.max()) + 1
        bead = Mesh(mesh.vertices[low:high], Topology(own - low))
        alone[k] = render_silhouette(bead, camera, supersample).sum(dtype=np.float64) / 255 * supersample**2
    return np.abs(seen - alone) < 0.05 * supersample  # levels are rounded to 8 bits


def _magenta(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(how much of each pixel is bead: linear in coverage, whether the pixel is opaque)."""
    rgb = image[..., :3].astype(np.float64) / 255
    weight = 0.5 * (rgb[..., 0] + rgb[..., 2]) - rgb[..., 1]
    solid = np.ones(weight.shape, dtype=bool) if image.shape[2] == 3 else image[..., 3] >= 250
    return np.where(solid, weight, 0.0), solid


def _measure(
    index: int,
    weight: np.ndarray,
    solid: np.ndarray,
    outline: np.ndarray,
    search_px: float,
    tolerances: tuple[float, float],
) -> FoundMark | None:
    """One bead: find it roughly, then weigh it; `tolerances` of area and ground."""
    area, expected = _polygon(outline)
    near = _window(weight, outline, search_px)
    if near is None:
        return None
    x, y, part = near
    strong = np.where(part > 0.5, part, 0.0)
    if strong.sum() < 0.25 * area:
        return None
    shift = np.array([(strong * x).sum(), (strong * y).sum()]) / strong.sum() - expected
    moved = outline + shift
    here = _window(weight, moved, _RING)
    opaque = _window(solid, moved, _EDGE)
    if here is None or opaque is None or not opaque[2].all():
        return None
    x, y, part = here
    ring = _distance_outside(x, y, moved) > _EDGE
    ground = float(np.median(part[ring]))
    if np.ptp(part[ring]) > tolerances[1]:
        return None
    part = np.where(ring, 0.0, (part - ground) / (1 - ground))
    mass = float(part.sum())
    if abs(mass / area - 1) > tolerances[0]:
        return None
    measured = (float((part * x).sum()) / mass, float((part * y).sum()) / mass)
    return FoundMark(index, measured, (float(expected[0]), float(expected[1])), mass / area)


def _window(values: np.ndarray, outline: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """(x, y of pixel centres, values) in the outline's box plus a margin; None where it leaves the image."""
    x0, y0 = np.floor(outline.min(axis=0) - margin).astype(int)
    x1, y1 = np.ceil(outline.max(axis=0) + margin).astype(int)
    if x0 < 0 or y0 < 0 or x1 > values.shape[1] or y1 > values.shape[0]:
        return None
    x, y = np.meshgrid(np.arange(x0, x1) + 0.5, np.arange(y0, y1) + 0.5)
    return x, y, values[y0:y1, x0:x1]


def _distance_outside(x: np.ndarray, y: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Pixels from each point to the (convex) outline, 0 inside: the farthest of its edges' half planes."""
    start, end = outline, np.roll(outline, -1, axis=0)
    edge = end - start
    normal = np.stack([edge[:, 1], -edge[:, 0]], axis=1) / np.linalg.norm(edge, axis=1, keepdims=True)
    if ((outline.mean(axis=0) - start) * normal).sum() > 0:
        normal = -normal
    offset = (start * normal).sum(axis=1)
    distance = x[..., None] * normal[:, 0] + y[..., None] * normal[:, 1] - offset
    return np.maximum(distance.max(axis=-1), 0.0)


def _polygon(points: Points2) -> tuple[float, Float64[Array, "2"]]:
    """(area, centroid) of a polygon (shoelace), the area as of the smooth outline that it samples."""
    x, y = (points - points[0]).T
    nx, ny = np.roll(x, -1), np.roll(y, -1)
    cross = x * ny - nx * y
    twice = float(cross.sum())
    centroid = np.array([((x + nx) * cross).sum(), ((y + ny) * cross).sum()]) / (3 * twice)
    inscribed = np.sin(2 * np.pi / len(points)) / (2 * np.pi / len(points))
    return abs(twice) / 2 / float(inscribed), centroid + points[0]
