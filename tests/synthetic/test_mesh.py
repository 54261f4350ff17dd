from __future__ import annotations

import numpy as np
import pytest

from mouselift.synthetic.mesh import Mesh, Piece, Topology, ellipsoid, join
from sphere import sphere_mesh


def volume(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.topology.faces[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def test_a_sphere_is_closed_outward_and_nearly_as_large_as_the_ball() -> None:
    mesh = sphere_mesh(np.array([3.0, -4.0, 5.0]), 2.0)
    assert volume(mesh) == pytest.approx(4 / 3 * np.pi * 8, rel=3e-3)
    outward = mesh.vertices - [3.0, -4.0, 5.0]
    assert ((mesh.normals() * outward).sum(axis=1) / 2.0).min() > 0.999


def test_every_edge_belongs_to_two_triangles() -> None:
    topology = sphere_mesh(np.zeros(3), 1.0, 6, 8).topology
    assert len(topology.edges) == 3 * len(topology.faces) // 2  # Euler
    first, second = topology.faces[topology.edges[:, 2]], topology.faces[topology.edges[:, 3]]
    for column in (0, 1):
        assert (first == topology.edges[:, column : column + 1]).any(axis=1).all()
        assert (second == topology.edges[:, column : column + 1]).any(axis=1).all()


def test_an_open_mesh_is_refused() -> None:
    topology = sphere_mesh(np.zeros(3), 1.0, 6, 8).topology
    with pytest.raises(ValueError, match="not closed"):
        _ = Topology(topology.faces[1:]).edges


def test_a_turned_over_triangle_is_refused() -> None:
    faces = sphere_mesh(np.zeros(3), 1.0, 6, 8).topology.faces.copy()
    faces[3] = faces[3, ::-1]
    with pytest.raises(ValueError, match="not closed"):
        _ = Topology(faces).edges


def test_parts_can_be_left_out_by_name() -> None:
    def ball(name: str, x: float) -> Piece:
        return ellipsoid(name, np.array([x, 0.0, 0.0]), np.eye(3), 5, 6)

    vertices, topology = join([ball("a", 0), ball("b", 3), ball("b", 6), ball("c", 9)])
    mesh = Mesh(vertices, topology)
    each = len(ball("a", 0).faces)
    assert topology.parts == (("a", 0, each), ("b", each, 3 * each), ("c", 3 * each, 4 * each))
    assert volume(mesh.without("b")) == pytest.approx(volume(mesh) / 2)
    with pytest.raises(ValueError, match=r"no part named \['d'\]"):
        mesh.without("d")
