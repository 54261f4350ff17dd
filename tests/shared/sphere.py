"""A sphere as a mesh: its image is known exactly."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array
from mouselift.synthetic.mesh import Mesh, Topology, ellipsoid


def sphere_mesh(centre: Float64[Array, "3"], radius: float, rings: int = 60, segments: int = 120) -> Mesh:
    """A sphere with its vertices on the surface (the triangles lie slightly inside)."""
    piece = ellipsoid("sphere", centre, radius * np.eye(3), rings, segments)
    return Mesh(piece.vertices, Topology(piece.faces, (("sphere", 0, len(piece.faces)),)))
