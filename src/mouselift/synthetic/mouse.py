"""The articulated mouse: joint parameters in, closed mesh out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mouselift.array_types import Points3
from mouselift.synthetic.appendages import ears, eyes_and_nose, limbs, tail
from mouselift.synthetic.body import Pose, body_piece, pose_spine
from mouselift.synthetic.coat import Coat, contrast, paint, spread_over
from mouselift.synthetic.mesh import Look, Mesh, Piece, Topology, ellipsoid, join

KEYPOINTS = ("nose", "left_ear", "right_ear", "left_eye", "right_eye", "tail_root", "tail_middle", "tail_tip")
MARK_RADIUS = 0.9  # mm
_MARK_RINGS, _MARK_SEGMENTS = 22, 36
_MARK_SWELL = 1.0035  # the marks' flat triangles cover as much as the round bead they stand for


@dataclass(frozen=True, eq=False)
class Marks:
    """Small magenta beads that stand on the skin.

    Beads, not painted dots: a sphere looks the same from every side, so its image has an exact centre.
    """

    centres: Points3  # world
    normals: Points3  # outward, unit: of the skin that each bead stands on
    radius: float  # world units


@dataclass(frozen=True, eq=False)
class Posed:
    """The mouse at one instant."""

    mesh: Mesh
    look: Look
    marks: Marks
    keypoints: Points3  # world, in the order of KEYPOINTS
    contrast: float  # of the fur

    @cached_property
    def normals(self) -> Points3:
        """Of all vertices; the same for every camera."""
        return self.mesh.normals()


class Mouse:
    """A mouse of about 80 mm from nose to tail root, with a tail of 80 mm. Equal arguments give equal bytes."""

    def __init__(self, coat: Coat = "brown", seed: int = 0, marks: int = 0) -> None:
        """`marks` beads are spread over the back, the flanks and the head."""
        self.coat: Coat = coat
        pieces = _pieces(Pose())
        body = pieces[0]
        upper = np.flatnonzero((body.fur[:, 2] > -1.0) & (body.fur[:, 0] > 5.0) & (body.fur[:, 0] < 66.0))
        self._mark_vertices = upper[spread_over(body.vertices[upper], marks, seed)] if marks else upper[:0]
        self._keypoints = _keypoint_vertices(pieces)
        pieces += _beads(Marks(body.vertices[self._mark_vertices], np.zeros((marks, 3)), MARK_RADIUS))
        self._body_faces = Topology(body.faces)
        _, self.topology = join(pieces)
        self.look = paint(pieces, coat)

    def posed(self, pose: Pose) -> Posed:
        """The mesh of a pose. Vertices are exact float32 values, so the stored truth loses nothing."""
        pieces = _pieces(pose)
        body = pieces[0]
        normals = Mesh(body.vertices, self._body_faces).normals()[self._mark_vertices]
        centres = body.vertices[self._mark_vertices] + MARK_RADIUS * normals
        marks = Marks(centres.astype(np.float32).astype(np.float64), normals, MARK_RADIUS)
        vertices = np.concatenate([piece.vertices for piece in pieces + _beads(marks)])
        vertices = vertices.astype(np.float32).astype(np.float64)
        return Posed(Mesh(vertices, self.topology), self.look, marks, vertices[self._keypoints], contrast(self.coat))


def _pieces(pose: Pose) -> list[Piece]:
    spine = pose_spine(pose)
    return [
        body_piece(spine),
        tail(spine, pose),
        *limbs(spine, pose),
        *ears(spine),
        *eyes_and_nose(spine),
    ]


def _beads(marks: Marks) -> list[Piece]:
    axes = marks.radius * _MARK_SWELL * np.eye(3)
    return [ellipsoid("marks", centre, axes, _MARK_RINGS, _MARK_SEGMENTS) for centre in marks.centres]


def _keypoint_vertices(pieces: list[Piece]) -> np.ndarray:
    """Vertex numbers of KEYPOINTS in the joined mesh."""
    starts = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    at: dict[str, list[int]] = {}
    for piece, start in zip(pieces, starts, strict=False):
        at.setdefault(piece.name, []).append(int(start))
    sizes = {piece.name: len(piece.vertices) for piece in pieces}
    middle = {name: size // 2 for name, size in sizes.items()}
    return np.array(
        [
            at["body"][0] + sizes["body"] - 1,
            *(start + middle["ears"] for start in at["ears"]),
            *(start + middle["eyes"] for start in at["eyes"]),
            at["body"][0],
            at["tail"][0] + middle["tail"],
            at["tail"][0] + sizes["tail"] - 1,
        ]
    )
