"""What a 3x3 matrix is that should be an intrinsic matrix K = [[fx s cx] [0 fy cy] [0 0 1]] and is not."""

from __future__ import annotations

import numpy as np

from mouselift.array_types import Matrix3

_EXPECTED = "expected K = [[fx, skew, cx], [0, fy, cy], [0, 0, 1]]"


def fault_of(K: Matrix3) -> str | None:
    """None where the last row is 0 0 1 and K[1][0] is 0; else what was expected, what came, and what it looks like."""
    if _upright(K):
        return None
    return f"{_EXPECTED}, got {np.asarray(K).tolist()}: {_words(np.asarray(K, dtype=np.float64))}"


def _upright(K: np.ndarray) -> bool:
    return bool(not K[2, :2].any() and K[1, 0] == 0 and K[2, 2] == 1)


def _words(K: np.ndarray) -> str:
    if not np.isfinite(K).all():
        return "it holds NaN or infinity"
    if _upright(K.T):
        return "it is transposed (the principal point in its last row); this format stores it in its last column"
    w = float(K[2, 2])
    if w == 0:
        return "its last entry is 0: no intrinsic matrix. Is it another matrix, or damaged?"
    for M, turned in ((K, ""), (K.T, "transposed and ")):
        if _upright(M / w):
            fx, fy, cx, cy = (float(value) for value in (M[0, 0] / w, M[1, 1] / w, M[0, 2] / w, M[1, 2] / w))
            if fx < 0 or fy < 0:
                return (
                    f"its last entry is {w:g}: {turned}of a camera that looks along -z (OpenGL); convert it to OpenCV"
                )
            return (
                f"it is {turned}scaled by {w:g} as a whole. Divided by {w:g}, it is fx = {fx:.6g}, fy = {fy:.6g}, "
                f"cx = {cx:.6g}, cy = {cy:.6g}; if {w:g} is the factor by which images were resized, only its first "
                "two rows should carry it. Write the one that is meant, with 1 as last entry"
            )
    if K[2, :2].any() and K[:2, 2].any():
        return "its last row and its last column both hold numbers: a product with a rotation, or a homography"
    if K[1, 0] != 0 and not K[2, :2].any():
        return f"K[1][0] = {K[1, 0]:g}: skew stands in K[0][1]; a rotated or half transposed matrix"
    return "its last row is not 0 0 1"
