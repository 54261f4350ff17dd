"""The articulated mouse: joint parameters in, closed mesh out.

Limbs, tail, ears, eyes and nose hang on the posed spine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mouselift.array_types import Points3, Vector3
from mouselift.synthetic.body import HIPS, SHOULDERS, Pose, Spine, body_piece, halves_at, pose_spine
from mouselift.synthetic.coat import Coat, Look, paint
from mouselift.synthetic.mesh import (
    Mesh,
    Piece,
    Topology,
    bend,
    ellipsoid,
    frames_along,
    join,
    limb,
    swept,
    unit_vector,
)

KEYPOINTS = ("nose", "left_ear", "right_ear", "left_eye", "right_eye", "tail_root", "tail_middle", "tail_tip")
MARK_RADIUS = 0.9  # mm
_MARK_RINGS, _MARK_SEGMENTS = 22, 36
_MARK_SWELL = 1.0035  # the marks' flat triangles cover as much as the round bead they stand for
_TAIL_LENGTH = 80.0  # mm
_TAIL_ROOT_RADIUS, _TAIL_TIP_RADIUS = 1.55, 0.5  # mm: about 3 mm thick at the root, 1 mm at the tip
DUTY = 0.62  # share of a stride in which a paw is on the floor
_OFFSETS = {"LH": 0.0, "LF": 0.27, "RH": 0.5, "RF": 0.77}  # lateral-sequence walk
_UP = np.array([0.0, 0.0, 1.0])


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

    @cached_property
    def normals(self) -> Points3:
        """Of all vertices; the same for every camera."""
        return self.mesh.normals()


class Mouse:
    """A mouse of about 80 mm from nose to tail root, with a tail of 80 mm. Equal arguments give equal bytes."""

    def __init__(self, coat: Coat = "brown", seed: int = 0, marks: int = 0) -> None:
        """`marks` beads are spread over the back, the flanks and the head."""
        pieces = _pieces(Pose())
        body = pieces[0]
        upper = np.flatnonzero((body.fur[:, 2] > -1.0) & (body.fur[:, 0] > 5.0) & (body.fur[:, 0] < 66.0))
        self._mark_vertices = upper[_spread_over(body.vertices[upper], marks, seed)]
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
        return Posed(Mesh(vertices, self.topology), self.look, marks, vertices[self._keypoints])


def _pieces(pose: Pose) -> list[Piece]:
    spine = pose_spine(pose)
    return [
        body_piece(spine),
        _tail(spine, pose),
        *_hind("LH", 1.0, spine, pose),
        *_hind("RH", -1.0, spine, pose),
        *_fore("LF", 1.0, spine, pose),
        *_fore("RF", -1.0, spine, pose),
        _ear(spine, 1.0),
        _ear(spine, -1.0),
        *_eyes_and_nose(spine),
    ]


def _beads(marks: Marks) -> list[Piece]:
    axes = marks.radius * _MARK_SWELL * np.eye(3)
    return [ellipsoid("marks", centre, axes, _MARK_RINGS, _MARK_SEGMENTS) for centre in marks.centres]


def _keypoint_vertices(pieces: list[Piece]) -> np.ndarray:
    """Vertex numbers of KEYPOINTS in the joined mesh: poles and middles of the pieces, in the order of `_pieces`."""
    sizes = np.array([len(piece.vertices) for piece in pieces])
    first = np.cumsum(sizes) - sizes
    middle, last = first + sizes // 2, first + sizes - 1
    return np.array([last[0], *middle[-5:-1], first[0], middle[1], last[1]])  # ears and eyes; the nose comes last


def _spread_over(points: Points3, count: int, seed: int) -> np.ndarray:
    """Indices of `count` points far from each other (farthest-point sampling from a seeded start)."""
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    first = int(np.random.default_rng([seed, 0x6D61726B]).integers(len(points)))
    chosen, distance = [first], np.full(len(points), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(distance.argmax()))
    return np.array(chosen)


def _tail(spine: Spine, pose: Pose) -> Piece:
    """A long thin tube that falls from the rump to the floor and then lies along it."""
    n = 112
    length = np.linspace(0.0, _TAIL_LENGTH, n)
    t = length / _TAIL_LENGTH
    radius = _TAIL_TIP_RADIUS + (_TAIL_ROOT_RADIUS - _TAIL_TIP_RADIUS) * (1 - t) ** 1.2
    root, forward, _, up = spine.at(3.5)
    start = root + 1.0 * up
    yaw = np.arctan2(-forward[1], -forward[0])
    wave = pose.tail_wave * t * np.sin(2 * np.pi * (1.1 * t - pose.tail_phase))
    heading = yaw + pose.tail_bend * t + wave
    floor = radius + 0.25
    fall = max(float(start[2]) - float(floor[0]), 0.5)
    reach = np.clip(fall * 0.85, 6.0, 16.0)
    z = floor + fall * (1 + length / reach) * np.exp(-length / reach)
    slope = np.gradient(z, length).clip(-0.97, 0.97)
    plan = np.sqrt(1 - slope**2) * (length[1] - length[0])
    step = np.stack([np.cos(heading) * plan, np.sin(heading) * plan], axis=1)
    xy = start[:2] + np.cumsum(step, axis=0) - step[0]
    path = np.concatenate([xy, z[:, None]], axis=1)
    lefts, ups = frames_along(path, np.stack([-np.sin(heading), np.cos(heading), np.zeros(n)], axis=1))
    radius[[0, -1]] = 0.0
    return swept("tail", path, lefts, ups, np.stack([radius] * 3, axis=1), length, 14)


def _swing(name: str, pose: Pose) -> tuple[float, float]:
    """(forward travel, lift) of a paw relative to its neutral place, mm."""
    phase = (pose.gait + _OFFSETS[name]) % 1.0
    if phase < DUTY:
        return pose.stride * (0.5 - phase / DUTY), 0.0
    swing = (phase - DUTY) / (1 - DUTY)
    ease = swing * swing * (3 - 2 * swing)
    return pose.stride * (ease - 0.5), 0.22 * pose.stride * float(np.sin(np.pi * swing)) ** 2


def _level(v: np.ndarray) -> np.ndarray:
    flat = np.array([v[0], v[1], 0.0])
    return flat / max(float(np.linalg.norm(flat)), 1e-9)


def _hind(name: str, side: float, spine: Spine, pose: Pose) -> list[Piece]:
    hip = spine.place(HIPS, 7.0 * side, 0.5)
    _, forward, left, _ = spine.at(HIPS)
    ahead, out = _level(forward), side * left
    travel, lift = _swing(name, pose)
    base = np.array([hip[0], hip[1], 0.0]) + (travel + 6.0 * np.sin(pose.rear)) * ahead + 4.0 * out
    heel = base + (3.0 + lift) * _UP
    knee, heel = bend(hip, heel, 12.0, 13.0, ahead + 0.35 * out + 0.3 * _UP)
    toe_line = unit_vector(ahead + 0.22 * out)
    drop = np.array([0.0, 0.0, 1.55 + 0.6 * lift - heel[2]])
    ball = heel + 12.0 * toe_line + drop
    leg = limb(name, np.stack([hip, knee, heel]), np.array([6.4, 4.6, 1.7]), out, 30, 28, 1.3, rounding=16)
    foot = limb(
        f"{name} paw", np.stack([heel, 0.5 * (heel + ball), ball]), np.array([1.7, 1.8, 2.1]), out, 14, 16, 0.62, 3
    )
    return [leg, foot, *_toes(name, ball, toe_line, out, 4.6, 0.62, 5)]


def _fore(name: str, side: float, spine: Spine, pose: Pose) -> list[Piece]:
    shoulder = spine.place(SHOULDERS, 5.6 * side, -3.2)
    _, forward, left, up = spine.at(SHOULDERS)
    ahead, out = _level(forward), side * left
    travel, lift = _swing(name, pose)
    on_floor = np.array([shoulder[0], shoulder[1], 0.0]) + (travel + 2.0) * ahead + 0.8 * out + (1.9 + lift) * _UP
    folded = spine.place(SHOULDERS + 4.0, 4.0 * side, -12.5)
    raised = np.clip((pose.rear - 0.08) / 0.35, 0.0, 1.0)
    raised = raised * raised * (3 - 2 * raised)
    wrist = (1 - raised) * on_floor + raised * folded
    elbow, wrist = bend(shoulder, wrist, 9.0, 9.5, -forward + 0.25 * out)
    elbow[2] = max(float(elbow[2]), 4.2)  # a crouched leg folds beside the chest, not through the floor
    point = unit_vector((1 - raised) * (ahead + 0.15 * out - 0.05 * _UP) + raised * (0.55 * forward - 0.75 * up))
    palm = wrist + 3.6 * point
    if raised < 0.5:
        palm[2] = max(palm[2], 1.25)
    leg = limb(name, np.stack([shoulder, elbow, wrist]), np.array([4.3, 3.0, 1.35]), out, 26, 24, 1.1, rounding=10)
    hand = limb(f"{name} paw", np.stack([wrist, palm]), np.array([1.3, 1.6]), out, 10, 14, 0.7, 2)
    return [leg, hand, *_toes(name, palm, point, out, 2.6, 0.48, 4)]


def _toes(
    name: str, ball: Vector3, ahead: Vector3, out: Vector3, length: float, radius: float, count: int
) -> list[Piece]:
    pieces: list[Piece] = []
    for k in np.linspace(-1.0, 1.0, count):
        direction = unit_vector(ahead + 0.55 * k * out)
        start = ball + 1.9 * radius * k * out
        end = start + length * (1 - 0.25 * k * k) * direction
        for point in (start, end):
            point[2] = max(point[2], radius + 0.15)
        middle = 0.5 * (start + end) + 0.35 * radius * np.cross(ahead, out) * np.sign(np.cross(ahead, out)[2] + 1e-9)
        radii = np.array([1.15 * radius, radius, 0.55 * radius])
        pieces.append(limb(f"{name} paw", np.stack([start, middle, end]), radii, out, 9, 10, 1.0, 1))
    return pieces


def _ear(spine: Spine, side: float) -> Piece:
    """A thin round cup."""
    _, forward, left, up = spine.at(58.5)
    base = spine.place(58.5, 5.9 * side, 5.6)
    facing = unit_vector(0.62 * forward + 0.70 * side * left + 0.12 * up)
    upright = 0.86 * up + 0.42 * side * left - 0.42 * forward
    upright = unit_vector(upright - (upright @ facing) * facing)
    across = np.cross(upright, facing)
    piece = ellipsoid("ears", np.zeros(3), np.diag([0.55, 1.0, 1.0]), 34, 40)
    thick, wide, high = piece.vertices.T
    r2 = wide**2 + high**2
    width = 6.3 * wide * (0.80 + 0.20 * np.clip(1.5 * (high + 1.0), 0.0, 1.0))
    height = 6.9 * high + 4.6
    depth = thick * (1.0 - 0.35 * r2) + 1.9 * (r2 - 0.5) + 0.012 * height**2 * -1.0
    vertices = base + np.outer(depth, facing) + np.outer(width, across) + np.outer(height, upright)
    return Piece("ears", vertices, piece.faces, np.stack([4 * high, 6 * wide, thick], axis=1))


def _eyes_and_nose(spine: Spine) -> list[Piece]:
    pieces: list[Piece] = []
    point, forward, left, up = spine.at(67.8)
    half = halves_at(np.array([67.8]))[0]
    angle = np.radians(36.0)
    for side in (1.0, -1.0):
        outward = side * np.cos(angle) * left + np.sin(angle) * up
        surface = point + side * half[0] * np.cos(angle) * left + half[1] * np.sin(angle) * up
        third = np.cross(forward, outward)
        axes = np.stack([1.85 * forward, 1.35 * outward, 1.65 * third])
        pieces.append(ellipsoid("eyes", surface - 0.25 * outward, axes, 16, 26))
    tip, forward, left, up = spine.at(79.2)
    axes = np.stack([1.1 * forward, 1.25 * left, 0.95 * up])
    pieces.append(ellipsoid("nose", tip + 0.35 * up, axes, 14, 24))
    return pieces
