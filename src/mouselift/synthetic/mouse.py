"""The articulated mouse: joint parameters in, closed mesh out.

Limbs, tail, ears, eyes and nose hang on the posed spine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mouselift.array_types import Points3, Vector3
from mouselift.synthetic.body import HIPS, SHOULDERS, Pose, Spine, body_piece, counted, halves_at, pose_spine
from mouselift.synthetic.coat import Coat, CoatColours, Look, paint
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
from mouselift.synthetic.shape import BodyShape

KEYPOINTS = ("nose", "left_ear", "right_ear", "left_eye", "right_eye", "tail_root", "tail_middle", "tail_tip")
MARK_RADIUS = 0.9  # mm
_MARK_RINGS, _MARK_SEGMENTS = 22, 36
_MARK_SWELL = 1.0035  # the marks' flat triangles cover as much as the round bead they stand for
_TAIL_LENGTH = 80.0  # mm
_TAIL_ROOT_RADIUS, _TAIL_TIP_RADIUS = 1.55, 0.5  # mm: about 3 mm thick at the root, 1 mm at the tip
_TOES_TOGETHER = 0.5  # detail below which toes, then thinner than a pixel, are one fan
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
    """A mouse, or a rat: shape and coat, posed at will. Equal arguments give equal bytes.

    The standard shape is about 80 mm long from nose to tail root, with a tail of 80 mm. Poses are those of the standard
    mouse; another size scales the animal about its place on the floor.
    """

    def __init__(
        self,
        coat: Coat | CoatColours = "brown",
        seed: int = 0,
        marks: int = 0,
        shape: BodyShape = BodyShape(),
        detail: float = 1.0,
    ) -> None:
        """`marks` beads are spread over the back, the flanks and the head.

        detail: rings and points a ring, as a share of the full mesh's 45,000 triangles: 0.4 has 7,000, which is plenty
        where the animal is 100 pixels long.
        """
        self.shape, self._detail = shape, detail
        pieces = _pieces(Pose(), shape, detail)
        body = pieces[0]
        upper = np.flatnonzero((body.fur[:, 2] > -1.0) & (body.fur[:, 0] > 5.0) & (body.fur[:, 0] < 66.0))
        self._mark_vertices = upper[_spread_over(body.vertices[upper], marks, seed)]
        self._keypoints = _keypoint_vertices(pieces)
        pieces += _beads(Marks(body.vertices[self._mark_vertices], np.zeros((marks, 3)), MARK_RADIUS))
        self._body_faces = Topology(body.faces)
        _, self.topology = join(pieces)
        self.look = paint(pieces, coat, shape)

    def posed(self, pose: Pose) -> Posed:
        """The mesh of a pose. Vertices are exact float32 values, so the stored truth loses nothing."""
        pieces = _pieces(pose, self.shape, self._detail)
        if self.shape.size != 1.0:
            foot = np.array([pose.x, pose.y, 0.0])
            pieces = [replace(piece, vertices=foot + self.shape.size * (piece.vertices - foot)) for piece in pieces]
        body = pieces[0]
        centres = normals = np.zeros((0, 3))
        if len(self._mark_vertices):
            normals = Mesh(body.vertices, self._body_faces).normals()[self._mark_vertices]
            centres = body.vertices[self._mark_vertices] + MARK_RADIUS * normals
        marks = Marks(centres.astype(np.float32).astype(np.float64), normals, MARK_RADIUS)
        vertices = np.concatenate([piece.vertices for piece in pieces + _beads(marks)])
        vertices = vertices.astype(np.float32).astype(np.float64)
        return Posed(Mesh(vertices, self.topology), self.look, marks, vertices[self._keypoints])


def _pieces(pose: Pose, shape: BodyShape, detail: float) -> list[Piece]:
    """In millimetres of the standard mouse."""
    spine = pose_spine(pose, shape, detail)
    return [
        body_piece(spine, shape, detail),
        _tail(spine, pose, shape, detail),
        *_hind("LH", 1.0, spine, pose, shape, detail),
        *_hind("RH", -1.0, spine, pose, shape, detail),
        *_fore("LF", 1.0, spine, pose, shape, detail),
        *_fore("RF", -1.0, spine, pose, shape, detail),
        _ear(spine, 1.0, shape, detail),
        _ear(spine, -1.0, shape, detail),
        *_eyes_and_nose(spine, shape, detail),
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


def _tail(spine: Spine, pose: Pose, shape: BodyShape, detail: float) -> Piece:
    """A long thin tube that falls from the rump to the floor and then lies along it."""
    n = counted(112, detail, 24)
    whole = _TAIL_LENGTH * shape.tail
    length = np.linspace(0.0, whole, n)
    t = length / whole
    radius = _TAIL_TIP_RADIUS + (_TAIL_ROOT_RADIUS - _TAIL_TIP_RADIUS) * (1 - t) ** 1.2
    radius = radius * shape.tail_thickness
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
    return swept("tail", path, lefts, ups, np.stack([radius] * 3, axis=1), length, counted(14, detail))


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


def _smoothing(passes: int, detail: float) -> int:
    """Passes that round a bend over the same length on a coarser mesh: their reach grows with the square root."""
    return max(1, round(passes * detail**2))


def _hind(name: str, side: float, spine: Spine, pose: Pose, shape: BodyShape, detail: float) -> list[Piece]:
    hip = spine.place(HIPS, 7.0 * shape.girth * side, 0.5)
    _, forward, left, _ = spine.at(HIPS)
    ahead, out = _level(forward), side * left
    travel, lift = _swing(name, pose)
    base = np.array([hip[0], hip[1], 0.0]) + (travel + 6.0 * np.sin(pose.rear)) * ahead + 4.0 * out
    heel = base + (3.0 + lift) * _UP
    knee, heel = bend(hip, heel, 12.0 * shape.limbs, 13.0 * shape.limbs, ahead + 0.35 * out + 0.3 * _UP)
    toe_line = unit_vector(ahead + 0.22 * out)
    drop = np.array([0.0, 0.0, 1.55 + 0.6 * lift - heel[2]])
    ball = heel + 12.0 * shape.feet * toe_line + drop
    radii = np.array([6.4, 4.6, 1.7]) * shape.girth
    joints, sole = np.stack([hip, knee, heel]), np.stack([heel, 0.5 * (heel + ball), ball])
    leg = limb(
        name, joints, radii, out, counted(30, detail, 12), counted(28, detail), 1.3, rounding=_smoothing(16, detail)
    )
    paw = counted(14, detail), counted(16, detail)
    foot = limb(f"{name} paw", sole, np.array([1.7, 1.8, 2.1]), out, *paw, 0.62, 3)
    return [leg, foot, *_toes(name, ball, toe_line, out, 4.6 * shape.feet, 0.62, 5, detail)]


def _fore(name: str, side: float, spine: Spine, pose: Pose, shape: BodyShape, detail: float) -> list[Piece]:
    shoulder = spine.place(SHOULDERS, 5.6 * shape.girth * side, -3.2)
    _, forward, left, up = spine.at(SHOULDERS)
    ahead, out = _level(forward), side * left
    travel, lift = _swing(name, pose)
    on_floor = np.array([shoulder[0], shoulder[1], 0.0]) + (travel + 2.0) * ahead + 0.8 * out + (1.9 + lift) * _UP
    folded = spine.place(SHOULDERS + 4.0, 4.0 * side, -12.5)
    raised = np.clip((pose.rear - 0.08) / 0.35, 0.0, 1.0)
    raised = raised * raised * (3 - 2 * raised)
    wrist = (1 - raised) * on_floor + raised * folded
    elbow, wrist = bend(shoulder, wrist, 9.0 * shape.limbs, 9.5 * shape.limbs, -forward + 0.25 * out)
    elbow[2] = max(float(elbow[2]), 4.2)  # a crouched leg folds beside the chest, not through the floor
    point = unit_vector((1 - raised) * (ahead + 0.15 * out - 0.05 * _UP) + raised * (0.55 * forward - 0.75 * up))
    palm = wrist + 3.6 * point
    if raised < 0.5:
        palm[2] = max(palm[2], 1.25)
    radii = np.array([4.3, 3.0, 1.35]) * shape.girth
    joints, paw = np.stack([shoulder, elbow, wrist]), (counted(10, detail), counted(14, detail))
    leg = limb(
        name, joints, radii, out, counted(26, detail, 12), counted(24, detail), 1.1, rounding=_smoothing(10, detail)
    )
    hand = limb(f"{name} paw", np.stack([wrist, palm]), np.array([1.3, 1.6]), out, *paw, 0.7, 2)
    return [leg, hand, *_toes(name, palm, point, out, 2.6 * shape.feet, 0.48, 4, detail)]


def _toes(
    name: str, ball: Vector3, ahead: Vector3, out: Vector3, length: float, radius: float, count: int, detail: float
) -> list[Piece]:
    pieces: list[Piece] = []
    mesh = counted(9, detail, 3), counted(10, detail, 4)
    if detail < _TOES_TOGETHER:
        fan = np.stack([ball, ball + 0.9 * length * ahead])
        fan[:, 2] = np.maximum(fan[:, 2], radius + 0.15)
        return [limb(f"{name} paw", fan, np.array([3.0, 3.6]) * radius, out, 4, counted(16, detail), 0.3, 1)]
    for k in np.linspace(-1.0, 1.0, count):
        direction = unit_vector(ahead + 0.55 * k * out)
        start = ball + 1.9 * radius * k * out
        end = start + length * (1 - 0.25 * k * k) * direction
        for point in (start, end):
            point[2] = max(point[2], radius + 0.15)
        middle = 0.5 * (start + end) + 0.35 * radius * np.cross(ahead, out) * np.sign(np.cross(ahead, out)[2] + 1e-9)
        radii = np.array([1.15 * radius, radius, 0.55 * radius])
        pieces.append(limb(f"{name} paw", np.stack([start, middle, end]), radii, out, *mesh, 1.0, 1))
    return pieces


def _ear(spine: Spine, side: float, shape: BodyShape, detail: float) -> Piece:
    """A thin round cup."""
    _, forward, left, up = spine.at(58.5)
    base = spine.place(58.5, 5.9 * shape.head * side, 5.6 * shape.head)
    facing = unit_vector(0.62 * forward + 0.70 * side * left + 0.12 * up)
    upright = 0.86 * up + 0.42 * side * left - 0.42 * forward
    upright = unit_vector(upright - (upright @ facing) * facing)
    across = np.cross(upright, facing)
    piece = ellipsoid("ears", np.zeros(3), np.diag([0.55, 1.0, 1.0]), counted(34, detail), counted(40, detail))
    thick, wide, high = piece.vertices.T
    r2 = wide**2 + high**2
    width = 6.3 * wide * (0.80 + 0.20 * np.clip(1.5 * (high + 1.0), 0.0, 1.0))
    height = 6.9 * high + 4.6
    depth = thick * (1.0 - 0.35 * r2) + 1.9 * (r2 - 0.5) + 0.012 * height**2 * -1.0
    depth, width, height = (shape.ears * shape.head * part for part in (depth, width, height))
    vertices = base + np.outer(depth, facing) + np.outer(width, across) + np.outer(height, upright)
    return Piece("ears", vertices, piece.faces, np.stack([4 * high, 6 * wide, thick], axis=1))


def _eyes_and_nose(spine: Spine, shape: BodyShape, detail: float) -> list[Piece]:
    pieces: list[Piece] = []
    point, forward, left, up = spine.at(67.8)
    half = halves_at(np.array([67.8]), shape)[0]
    angle = np.radians(36.0)
    for side in (1.0, -1.0):
        outward = side * np.cos(angle) * left + np.sin(angle) * up
        surface = point + side * half[0] * np.cos(angle) * left + half[1] * np.sin(angle) * up
        third = np.cross(forward, outward)
        axes = np.stack([1.85 * forward, 1.35 * outward, 1.65 * third]) * shape.eyes
        mesh = counted(16, detail), counted(26, detail)
        pieces.append(ellipsoid("eyes", surface - 0.25 * outward, axes, *mesh))
    tip, forward, left, up = spine.at(79.2)
    axes = np.stack([1.1 * forward, 1.25 * left, 0.95 * up]) * shape.snout_width
    pieces.append(ellipsoid("nose", tip + 0.35 * up, axes, counted(14, detail), counted(24, detail)))
    return pieces
