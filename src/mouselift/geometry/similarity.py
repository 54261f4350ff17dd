"""Similarities of the world: one scale, rotation and translation for all cameras of a sample."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from mouselift.array_types import Matrix3, Matrix4, Points3, Vector3, frozen


@dataclass(frozen=True, eq=False)
class Similarity:
    """X_new = scale * R_new_old (X_old - origin_old). Keeps every ray a ray, so images stay valid."""

    scale: float = 1.0  # new units per old unit
    R_new_old: Matrix3 = field(default_factory=lambda: np.eye(3))
    origin_old: Vector3 = field(default_factory=lambda: np.zeros(3))  # the point that becomes the new origin

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", float(self.scale))
        object.__setattr__(self, "R_new_old", frozen(self.R_new_old, (3, 3), "R_new_old"))
        object.__setattr__(self, "origin_old", frozen(self.origin_old, (3,), "origin_old"))
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"Similarity: expected a positive finite scale, got {self.scale}")
        check_rotation(self.R_new_old, "Similarity.R_new_old")

    def apply(self, points_old: Points3) -> Points3:
        return self.scale * (points_old - self.origin_old) @ self.R_new_old.T

    def inverse(self) -> Similarity:
        return Similarity(1 / self.scale, self.R_new_old.T, -self.scale * (self.R_new_old @ self.origin_old))

    def after(self, first: Similarity) -> Similarity:
        """The similarity that applies `first`, then this one."""
        return Similarity(
            self.scale * first.scale,
            self.R_new_old @ first.R_new_old,
            first.origin_old + first.R_new_old.T @ self.origin_old / first.scale,
        )


def check_rotation(R: Matrix3, name: str, tolerance: float = 1e-6) -> None:
    """ValueError unless R is orthonormal with det +1 (to `tolerance` per entry)."""
    det, error = rotation_error(R)
    if not (error <= tolerance and det > 0):
        raise ValueError(
            f"{name}: not a rotation (det = {det:.3f}, expected +1; |R R^T - 1| = {error:.2g}, "
            f"expected at most {tolerance:g})"
        )


def rotation_error(R: Matrix3) -> tuple[float, float]:
    """(det R, largest |entry| of R R^T - 1); NaN and infinity make the first NaN.

    Nine numbers, which every camera of every file asks about: Python's own arithmetic takes a fifth of NumPy's time.
    """
    (a, b, c), (d, e, f), (g, h, i) = R.tolist()
    det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    lengths = a * a + b * b + c * c - 1, d * d + e * e + f * f - 1, g * g + h * h + i * i - 1
    angles = a * d + b * e + c * f, a * g + b * h + c * i, d * g + e * h + f * i
    return det if math.isfinite(det) else math.nan, max(map(abs, lengths + angles))


def nearest_rotation(matrix: Matrix3) -> Matrix3:
    """The rotation R with the least |R - matrix| (orthogonal Procrustes; Kabsch 1976 for the sign)."""
    u, _, vt = np.linalg.svd(matrix)
    return u @ np.diag([1.0, 1.0, float(np.sign(np.linalg.det(u @ vt)))]) @ vt


def look_at(forward: Vector3, down: Vector3) -> Matrix3:
    """R_cam_world whose optical axis is `forward` and whose image "down" is nearest to `down` (OpenCV axes).

    Raises ValueError where the two are parallel or one vanishes.
    """
    z = forward / max(float(np.linalg.norm(forward)), 1e-300)
    x = np.cross(down, z)
    if float(np.linalg.norm(x)) < 1e-9 * max(float(np.linalg.norm(down)), 1e-300) or not np.isfinite(x).all():
        raise ValueError("look_at: `forward` and `down` are parallel or zero; give another `down` direction")
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def looking_at(target: Vector3, centre: Vector3, down: Vector3 | None = None) -> Matrix4:
    """T_cam_world of a camera at `centre` whose optical axis meets `target`. down: world direction, -Z by default.

    ValueError as `look_at`.
    """
    R = look_at(target - centre, np.array([0.0, 0.0, -1.0]) if down is None else down)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, -R @ centre
    return T


def shortest_turn(a: Vector3, b: Vector3) -> Matrix3:
    """The smallest rotation R with R a parallel to b. Opposite vectors: half a turn about any normal.

    As two half turns, about a and then about the direction midway between a and b: this stays a rotation to
    rounding for nearly opposite vectors, where Rodrigues' formula divides by almost nothing.
    """
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    middle = a + b
    if float(a @ b) < 0:  # of nearly opposite vectors the sum holds little but rounding: keep it square to b - a
        across = (b - a) / np.linalg.norm(b - a)
        if float(np.linalg.norm(middle)) < 1e-12:
            middle = np.cross(across, np.eye(3)[int(np.abs(across).argmin())])
        for _ in range(2):
            middle = middle - across * float(across @ middle)
            middle = middle / np.linalg.norm(middle)
    middle = middle / np.linalg.norm(middle)
    return (2 * np.outer(middle, middle) - np.eye(3)) @ (2 * np.outer(a, a) - np.eye(3))
