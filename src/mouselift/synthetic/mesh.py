"""Closed triangle meshes: what the synthetic renderer draws and what the truth is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Float64, Int64

from mouselift.array_types import Array, Points3

_POLE = 1e-12


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
        total = np.stack(
            [
                np.bincount(self.topology.faces.ravel(), np.repeat(across[:, k], 3), minlength=len(self.vertices))
                for k in range(3)
            ],
            axis=1,
        )
        return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), _POLE)

    def without(self, *names: str) -> Mesh:
        """The same shape less some parts."""
        return Mesh(self.vertices, self.topology.without(*names))


@dataclass(frozen=True, eq=False)
class Look:
    """What each vertex looks like, whatever the pose."""

    albedo: Float32[Array, "n 3"]  # reflectance as display values 0..1
    fur: Float32[Array, "n 3"]  # place in the fur's noise, rest-pose millimetres: x runs along the hair
    roughness: Float32[Array, " n"]  # 0 bare skin .. 1 fur: how strongly the noise shows
    gloss: Float32[Array, " n"]  # 0..1 highlight (eyes)
    glow: Float32[Array, " n"]  # 1: emissive, unlit (marks)


@dataclass(frozen=True, eq=False)
class Piece:
    """One closed surface under construction."""

    name: str
    vertices: Points3
    faces: Int64[Array, "f 3"]
    fur: Points3


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
    return np.concatenate([sides, start_cap, end_cap]).astype(np.int64)


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


def sphere_mesh(centre: Float64[Array, "3"], radius: float, rings: int = 60, segments: int = 120) -> Mesh:
    """A sphere with its vertices on the surface (the triangles lie slightly inside)."""
    piece = ellipsoid("sphere", centre, radius * np.eye(3), rings, segments)
    return Mesh(piece.vertices, Topology(piece.faces, (("sphere", 0, len(piece.faces)),)))


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
