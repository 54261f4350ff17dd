"""Closed triangle meshes: what the synthetic renderer draws and what the truth is made of; tubes and ellipsoids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from mouselift.array_types import Array, Float64, Int64, Points3, Vector3

_COARSE = 8  # rings: limbs of fewer have coarse ends too


@dataclass(frozen=True, eq=False)
class Topology:
    """Which vertices form triangles; shared by all frames of one animal.

    Triangles are counter-clockwise seen from outside. Every piece is closed: each edge belongs to
    exactly two triangles, once in each direction (ValueError otherwise), so that silhouettes can be
    drawn from contour edges alone.
    """

    faces: Int64[Array, "f 3"]
    parts: tuple[tuple[str, int, int], ...] = ()  # name, first face, end: in order

    @cached_property
    def corners(self) -> Int64[Array, "3 f"]:
        """The faces' first, second and third vertices."""
        return np.ascontiguousarray(self.faces.T)

    @cached_property
    def edges(self) -> Int64[Array, "e 4"]:
        """(from, to, triangle that has it in this direction, triangle that has it the other way round)."""
        start, end = self.faces.ravel(), np.roll(self.faces, -1, axis=1).ravel()
        owner = np.repeat(np.arange(len(self.faces)), 3)
        size = int(self.faces.max()) + 1
        order = np.argsort(start * size + end, kind="stable")
        keys, wanted = (start * size + end)[order], end * size + start
        found = np.searchsorted(keys, wanted).clip(0, len(keys) - 1)
        if not (keys[found] == wanted).all() or (np.diff(keys) == 0).any():
            raise ValueError("Topology: the mesh is not closed (each edge must occur once in each direction)")
        other = owner[order][found]
        once = start < end
        return np.stack([start[once], end[once], owner[once], other[once]], axis=1)

    def without(self, *names: str) -> Topology:
        """The triangles of all other parts; vertices keep their numbers. ValueError on an unknown name."""
        known = {name for name, _, _ in self.parts}
        if missing := set(names) - known:
            raise ValueError(f"Topology.without: no part named {sorted(missing)}; parts are {sorted(known)}")
        kept = [(name, a, b) for name, a, b in self.parts if name not in names]
        return Topology(np.concatenate([self.faces[a:b] for _, a, b in kept]))


@dataclass(frozen=True, eq=False)
class Mesh:
    """A shape at one instant: vertices in world millimetres."""

    vertices: Points3
    topology: Topology

    def normals(self) -> Points3:
        """Unit vertex normals, outward: area-weighted means of the triangles' normals."""
        corners = self.vertices[self.topology.faces]
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        corner, count = self.topology.faces.ravel(), len(self.vertices)
        total = [np.bincount(corner, np.repeat(across[:, k], 3), minlength=count) for k in range(3)]
        return unit(np.stack(total, axis=1))

    def without(self, *names: str) -> Mesh:
        """The same shape less some parts."""
        return Mesh(self.vertices, self.topology.without(*names))


@dataclass(frozen=True, eq=False)
class Piece:
    """One closed surface under construction."""

    name: str
    vertices: Points3
    faces: Int64[Array, "f 3"]
    fur: Points3


@lru_cache(maxsize=64)
def tube_faces(rings: int, segments: int) -> Int64[Array, "f 3"]:
    """Triangles of a tube of `rings` rings closed by one pole at each end.

    Vertices: pole at the start, the rings (counter-clockwise seen from the end), pole at the end.
    """
    i, j = np.meshgrid(np.arange(rings - 1), np.arange(segments), indexing="ij")
    a = 1 + i * segments + j
    b = 1 + i * segments + (j + 1) % segments
    c, d = a + segments, b + segments
    sides = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
    k = np.arange(segments)
    first, last, end = 1, 1 + (rings - 1) * segments, 1 + rings * segments
    start_cap = np.stack([np.zeros_like(k), first + (k + 1) % segments, first + k], axis=1)
    end_cap = np.stack([np.full_like(k, end), last + k, last + (k + 1) % segments], axis=1)
    faces = np.concatenate([sides, start_cap, end_cap]).astype(np.int64)
    faces.setflags(write=False)  # shared by all that ask
    return faces


def ellipsoid(
    name: str,
    centre: Float64[Array, "3"],
    axes: Float64[Array, "3 3"],
    rings: int = 12,
    segments: int = 20,
) -> Piece:
    """An ellipsoid; rows of `axes` are its half axes as vectors, right-handed."""
    polar = np.pi * np.arange(1, rings + 1) / (rings + 1)
    around = 2 * np.pi * np.arange(segments) / segments
    unit = np.stack(
        [
            np.repeat(-np.cos(polar), segments),
            np.outer(np.sin(polar), np.cos(around)).ravel(),
            np.outer(np.sin(polar), np.sin(around)).ravel(),
        ],
        axis=1,
    )
    unit = np.concatenate([[[-1.0, 0.0, 0.0]], unit, [[1.0, 0.0, 0.0]]])
    scale = np.linalg.norm(axes, axis=1)
    return Piece(name, centre + unit @ axes, tube_faces(rings, segments), unit * scale)


def join(pieces: Sequence[Piece]) -> tuple[Points3, Topology]:
    """All pieces as one vertex list and one topology; pieces of equal name must follow each other."""
    faces, parts, vertex, face = [], [], 0, 0
    for piece in pieces:
        faces.append(piece.faces + vertex)
        vertex += len(piece.vertices)
        if parts and parts[-1][0] == piece.name:
            parts[-1] = (piece.name, parts[-1][1], face + len(piece.faces))
        else:
            parts.append((piece.name, face, face + len(piece.faces)))
        face += len(piece.faces)
    return np.concatenate([p.vertices for p in pieces]), Topology(np.concatenate(faces), tuple(parts))


def swept(
    name: str,
    centres: Points3,
    lefts: Points3,
    ups: Points3,
    halves: Float64[Array, "n 3"],
    along: Float64[Array, " n"],
    segments: int,
) -> Piece:
    """A closed tube with egg-shaped cross-sections.

    `halves` holds (half width, height above, depth below) a ring; the first and the last row are the
    poles, where the tube closes (their halves are not used). `along` is the rest-pose arc length, mm.
    """
    angle = 2 * np.pi * np.arange(segments) / segments
    sideways = np.outer(halves[1:-1, 0], np.cos(angle))
    sine = np.sin(angle)
    upright = np.where(sine >= 0, np.outer(halves[1:-1, 1], sine), np.outer(halves[1:-1, 2], sine))
    rings = centres[1:-1, None] + sideways[..., None] * lefts[1:-1, None] + upright[..., None] * ups[1:-1, None]
    fur = np.stack([np.broadcast_to(along[1:-1, None], sideways.shape), sideways, upright], axis=-1)
    ends = np.array([[along[0], 0.0, 0.0], [along[-1], 0.0, 0.0]])
    return Piece(
        name,
        np.concatenate([centres[:1], rings.reshape(-1, 3), centres[-1:]]),
        tube_faces(len(centres) - 2, segments),
        np.concatenate([ends[:1], fur.reshape(-1, 3), ends[1:]]),
    )


def limb(
    name: str,
    joints: Points3,
    radii: Float64[Array, " j"],
    side: Vector3,
    rings: int,
    segments: int,
    flatness: float = 1.0,
    rounding: int = 8,
) -> Piece:
    """A tapering tube through joints, bends rounded, closed by round ends.

    `radii` (mm) belong to the joints; `side` is a direction across the limb; `flatness` = height / width.
    """
    lengths = np.linalg.norm(np.diff(joints, axis=0), axis=1)
    knots = np.concatenate([[0.0], np.cumsum(lengths)])
    at = np.linspace(0.0, knots[-1], rings)
    path = np.stack([np.interp(at, knots, joints[:, k]) for k in range(3)], axis=1)
    radius = np.interp(at, knots, radii)
    for _ in range(rounding):
        path[1:-1] = 0.25 * path[:-2] + 0.5 * path[1:-1] + 0.25 * path[2:]
        radius[1:-1] = 0.25 * radius[:-2] + 0.5 * radius[1:-1] + 0.25 * radius[2:]
    path, radius, at = _rounded_ends(path, radius, at)
    lefts, ups = frames_along(path, np.broadcast_to(side, path.shape))
    halves = np.stack([radius, flatness * radius, flatness * radius], axis=1)
    return swept(name, path, lefts, ups, halves, at, segments)


def _rounded_ends(path: np.ndarray, radius: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half-ellipsoid caps: a few rings beyond each end, closing on a pole."""
    angle = np.radians([20.0, 42.0, 65.0, 90.0] if len(path) >= _COARSE else [50.0, 90.0])
    out, shrink = np.sin(angle), np.cos(angle)

    def cap(end: np.ndarray, inner: np.ndarray, size: float, here: float, sign: float) -> tuple[np.ndarray, ...]:
        direction = (end - inner) / max(float(np.linalg.norm(end - inner)), 1e-9)
        return end + np.outer(out * size, direction), size * shrink, here + sign * out * size

    head = cap(path[0], path[1], float(radius[0]), float(at[0]), -1.0)
    tail = cap(path[-1], path[-2], float(radius[-1]), float(at[-1]), 1.0)
    return (
        np.concatenate([head[0][::-1], path, tail[0]]),
        np.concatenate([head[1][::-1], radius, tail[1]]),
        np.concatenate([head[2][::-1], at, tail[2]]),
    )


def frames_along(path: Points3, sides: Points3) -> tuple[Points3, Points3]:
    """(left, up) across a curve: `sides` made perpendicular to it, and tangent x left."""
    tangent = unit(np.gradient(path, axis=0))
    left = unit(sides - (sides * tangent).sum(axis=1, keepdims=True) * tangent)
    return left, np.cross(tangent, left)


def unit(vectors: Points3) -> Points3:
    """Vectors scaled to length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def unit_vector(v: Vector3) -> Vector3:
    """A vector scaled to length 1."""
    return v / max(float(np.linalg.norm(v)), 1e-12)


def bend(hip: Vector3, paw: Vector3, upper: float, lower: float, pole: Vector3) -> tuple[Vector3, Vector3]:
    """(knee, reached paw) of a two-bone limb whose knee points towards `pole`; an out-of-reach paw is pulled in."""
    reach = paw - hip
    distance = max(float(np.linalg.norm(reach)), 1e-9)
    direction = reach / distance
    distance = float(np.clip(distance, abs(upper - lower) + 0.5, upper + lower - 0.3))
    sideways = pole - (pole @ direction) * direction
    sideways = sideways / max(float(np.linalg.norm(sideways)), 1e-9)
    cosine = (upper**2 + distance**2 - lower**2) / (2 * upper * distance)
    knee = hip + upper * (cosine * direction + np.sqrt(max(0.0, 1 - cosine**2)) * sideways)
    return knee, hip + distance * direction
