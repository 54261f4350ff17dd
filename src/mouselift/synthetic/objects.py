"""Procedural objects: a second world, unrelated to animals, for a network to learn geometry from before it sees one.

An object is a few closed parts grown on one another (superquadrics from balls to boxes, bent tubes), painted with
stripes, checks, spots and shades. About as large as a mouse, it stands on the floor at the origin.
"""

from __future__ import annotations

import numpy as np

from mouselift.array_types import Points3, Vector3
from mouselift.synthetic.coat import Look
from mouselift.synthetic.individual import check_seed
from mouselift.synthetic.mesh import Mesh, Piece, ellipsoid, join, limb, unit_vector
from mouselift.synthetic.mouse import Marks, Posed

_SIZE = 55.0  # mm, half of the longest side
_PARTS = (2, 7)  # fewest and most, half open
_BOXY = (0.25, 1.0)  # exponent of a superquadric (Barr 1981): 1 an ellipsoid, towards 0 a box
_TUBES = 0.35  # share of the parts
_RINGS, _SEGMENTS = 22, 28


def random_object(seed: int) -> Posed:
    """The object of a seed; seeds are divided as those of individuals are (ValueError for any other)."""
    check_seed(seed)
    rng = np.random.default_rng([seed, 0x6F626A65])
    pieces = [_superquadric(np.zeros(3), rng)]
    for _ in range(int(rng.integers(*_PARTS)) - 1):
        root = pieces[int(rng.integers(len(pieces)))].vertices
        at = root[int(rng.integers(len(root)))]
        pieces.append(_tube(at, rng) if rng.uniform() < _TUBES else _superquadric(at, rng))
    vertices, topology = join(pieces)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    vertices = (vertices - 0.5 * (low + high)) * (2 * _SIZE / float((high - low).max()))
    vertices[:, 2] -= vertices[:, 2].min()
    vertices = vertices.astype(np.float32).astype(np.float64)
    none = np.zeros((0, 3))
    return Posed(Mesh(vertices, topology), _painted(pieces, vertices, rng), Marks(none, none, 0.0), none)


def _superquadric(centre: Vector3, rng: np.random.Generator) -> Piece:
    ball = ellipsoid("part", np.zeros(3), np.eye(3), _RINGS, _SEGMENTS)
    power = rng.uniform(*_BOXY, 2)[[0, 1, 1]]
    shape = np.sign(ball.vertices) * np.abs(ball.vertices) ** power
    half = np.exp(rng.uniform(np.log(5.0), np.log(26.0), 3))
    return Piece("part", centre + (shape * half) @ _rotation(rng).T, ball.faces, shape * half)


def _tube(start: Vector3, rng: np.random.Generator) -> Piece:
    joints, direction = [start], unit_vector(rng.standard_normal(3))
    for _ in range(int(rng.integers(2, 5))):
        direction = unit_vector(direction + 0.7 * rng.standard_normal(3))
        joints.append(joints[-1] + rng.uniform(8.0, 22.0) * direction)
    radii = np.exp(rng.uniform(np.log(1.0), np.log(7.0), len(joints)))
    side = unit_vector(np.cross(joints[1] - joints[0], rng.standard_normal(3)))
    return limb("part", np.stack(joints), radii, side, 30, 14, float(rng.uniform(0.5, 1.5)), 6)


def _rotation(rng: np.random.Generator) -> np.ndarray:
    """Uniform over all rotations: the Q of a QR of normal numbers, signs fixed."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else q[:, [1, 0, 2]]


def _painted(pieces: list[Piece], vertices: Points3, rng: np.random.Generator) -> Look:
    albedo = np.concatenate([_texture(piece.fur, rng) for piece in pieces])
    shade = 1 + rng.uniform(-0.25, 0.25) * (vertices[:, 2:] / (2 * _SIZE) - 0.5)
    sizes, n = [len(piece.vertices) for piece in pieces], len(vertices)
    fur = np.concatenate([piece.fur + 7.3 * k for k, piece in enumerate(pieces)]) + rng.uniform(0.0, 500.0)
    gloss = np.repeat(rng.uniform(0.0, 0.25, len(pieces)) * (rng.uniform(size=len(pieces)) < 0.4), sizes)
    arrays = [np.clip(albedo * shade, 0.02, 0.95), fur, np.ones(n), gloss, np.zeros(n)]
    return Look(*[array.astype(np.float32) for array in arrays], contrast=float(rng.uniform(0.0, 0.6)))


def _texture(places: Points3, rng: np.random.Generator) -> np.ndarray:
    """[n, 3] colours of one part, by its own coordinates."""
    first, second = rng.uniform(0.05, 0.95, (2, 3))
    grey = rng.uniform(0.2, 1.0)  # how colourful
    first, second = (grey * c + (1 - grey) * c.mean() for c in (first, second))
    wave = 2 * np.pi / rng.uniform(10.0, 40.0)
    turned = places @ _rotation(rng)
    kind = int(rng.integers(4))
    if kind == 0:  # one colour
        share = np.zeros(len(places))
    elif kind == 1:  # stripes
        share = np.sin(wave * turned[:, 0])
    elif kind == 2:  # checks
        share = np.sin(wave * turned[:, 0]) * np.sin(wave * turned[:, 1])
    else:  # spots
        share = np.sin(wave * turned).prod(axis=1) * 1.5
    return first + np.clip(0.5 + 2.0 * share, 0.0, 1.0)[:, None] * (second - first)
