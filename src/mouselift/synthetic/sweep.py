"""Smooth tubes along a curve: the one building block of the animal's surface."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array, Points3, Vector3
from mouselift.synthetic.mesh import Piece, tube_faces

Row = Float64[Array, " k"]


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
    angle = np.radians([20.0, 42.0, 65.0, 90.0])
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
