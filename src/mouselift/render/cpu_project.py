"""Compiled projection of Gaussians, front to back, and its gradient, float64.

A Gaussian's image is kept as (mx, my, k, d, s) with its squared Mahalanobis distance written as
(x - mx - k (y - my))^2 / s + d (y - my)^2: both terms are positive, so float32 does not cancel, however long a needle.
With the covariance's entries: k = xy / yy, d = 1 / yy, s = xx - xy^2 / yy.

Poses come as tuples: T = (three rows of the rotation, the translation), K = (fx, fy, cx, cy).
"""

from __future__ import annotations

import math
from typing import no_type_check

import numpy as np
from numba import njit

from mouselift.render.base import DILATION, MAX_VARIANCE, MIN_ALPHA, MIN_QUATERNION, NEAR, SLOPE_LIMIT

# A Gaussian in the image: the five numbers; `furthest`, the squared distance at which alpha is 1/255; `reach`, half
# the sides of the box around that; then what pixels need, with per_2s = 1 / 2s. One record, since they are fetched
# together, and of whole 32 bytes.
SPLAT = np.dtype(
    [(name, np.float64) for name in ("mx", "my", "k", "d", "s", "furthest", "reach_x", "reach_y")]
    + [(name, np.float32) for name in ("per_2s", "opacity", "red", "green", "blue", "pad0", "pad1", "pad2")]
)
# nothing here may count on the absence of infinities: they are how impossible Gaussians are found
COMPILE = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}}


@njit(**COMPILE, inline="always")
@no_type_check
def _vector(array, n):
    return np.float64(array[n, 0]), np.float64(array[n, 1]), np.float64(array[n, 2])


@njit(**COMPILE, inline="always")
@no_type_check
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(**COMPILE, inline="always")
@no_type_check
def _sum(a, x, b, y):
    """a x + b y."""
    return a[0] * x + b[0] * y, a[1] * x + b[1] * y, a[2] * x + b[2] * y


@njit(**COMPILE, inline="always")
@no_type_check
def _plus(a, b):
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


@njit(**COMPILE, inline="always")
@no_type_check
def _mixed(vectors, parts):
    """The sum of three vectors times their parts."""
    (a, b, c), (x, y, z) = vectors, parts
    return a[0] * x + b[0] * y + c[0] * z, a[1] * x + b[1] * y + c[1] * z, a[2] * x + b[2] * y + c[2] * z


@njit(**COMPILE, inline="always")
@no_type_check
def _quaternion(rotations, n):
    """(unit quaternion, 1 / the length it had); no number where it has no direction."""
    w, x, y, z = (
        np.float64(rotations[n, 0]),
        np.float64(rotations[n, 1]),
        np.float64(rotations[n, 2]),
        np.float64(rotations[n, 3]),
    )
    length = math.sqrt(w * w + x * x + y * y + z * z)
    per = 1 / length if length > MIN_QUATERNION else np.nan
    return (w * per, x * per, y * per, z * per), per


@njit(**COMPILE, inline="always")
@no_type_check
def _own_axes(q):
    """Columns of a unit quaternion's rotation matrix: the Gaussian's own axes in the world."""
    w, x, y, z = q
    return (
        (1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)),
        (2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)),
        (2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)),
    )


@njit(**COMPILE, inline="always")
@no_type_check
def _linear(p, T, K, limits):
    """(x/z, y/z, 1/z, those slopes within their limits, rows of the linearised projection) at a point of the world."""
    per_z = 1 / (_dot(T[2], p) + T[3][2])
    x, y = (_dot(T[0], p) + T[3][0]) * per_z, (_dot(T[1], p) + T[3][1]) * per_z
    u, v = min(max(x, -limits[0]), limits[0]), min(max(y, -limits[1]), limits[1])
    ax, ay = K[0] * per_z, K[1] * per_z
    return x, y, per_z, u, v, _sum(T[0], ax, T[2], -ax * u), _sum(T[1], ay, T[2], -ay * v)


@njit(**COMPILE)
@no_type_check
def project(part, positions, scales, rotations, opacities, colours, T, K, size, flat, depths):
    """Projects Gaussians part[0] .. part[1] - 1 into the same places of flat (SPLAT) and depths; depth -1: unseen."""
    limits = SLOPE_LIMIT * 0.5 * size[0] / K[0], SLOPE_LIMIT * 0.5 * size[1] / K[1]
    for n in range(part[0], part[1]):
        depths[n] = -1.0
        if not (MIN_ALPHA <= opacities[n] < np.inf):
            continue
        scale = _vector(scales, n)
        x, y, per_z, _, _, A0, A1 = _linear(_vector(positions, n), T, K, limits)
        own = _own_axes(_quaternion(rotations, n)[0])
        m0 = _dot(A0, own[0]) * scale[0], _dot(A0, own[1]) * scale[1], _dot(A0, own[2]) * scale[2]
        m1 = _dot(A1, own[0]) * scale[0], _dot(A1, own[1]) * scale[1], _dot(A1, own[2]) * scale[2]
        xx, yy, xy = _dot(m0, m0) + DILATION, _dot(m1, m1) + DILATION, _dot(m0, m1)
        red, green, blue = _vector(colours, n)
        if not (0 < per_z < 1 / NEAR and xx < MAX_VARIANCE and yy < MAX_VARIANCE and np.isfinite(red + green + blue)):
            continue
        mx, my = K[0] * x + K[2], K[1] * y + K[3]
        furthest = 2 * math.log(np.float64(opacities[n]) / MIN_ALPHA)
        reach_x, reach_y = math.sqrt(furthest * xx), math.sqrt(furthest * yy)
        if not (mx + reach_x >= 0.5 and mx - reach_x <= size[0] - 0.5):
            continue
        if not (my + reach_y >= 0.5 and my - reach_y <= size[1] - 0.5):
            continue
        depths[n] = 1 / per_z
        g, d = flat[n], 1 / yy
        # a Schur complement is no smaller than the smallest eigenvalue, which the dilation bounds
        s = max(xx - xy * xy * d, DILATION)
        g.mx, g.my, g.k, g.d, g.s = mx, my, xy * d, d, s
        g.furthest, g.reach_x, g.reach_y = furthest, reach_x, reach_y
        g.per_2s, g.opacity, g.red, g.green, g.blue = 0.5 / s, opacities[n], red, green, blue


@njit(**COMPILE, inline="always")
@no_type_check
def _quaternion_gradient(q, G):
    """The gradient to a unit quaternion across itself, from that to the columns of its rotation matrix."""
    (w, x, y, z), (a, b, c) = q, G
    g0 = 2 * (z * (a[1] - b[0]) + y * (c[0] - a[2]) + x * (b[2] - c[1]))
    g1 = 2 * (y * (b[0] + a[1]) + z * (c[0] + a[2]) + w * (b[2] - c[1]) - 2 * x * (b[1] + c[2]))
    g2 = 2 * (x * (b[0] + a[1]) + z * (c[1] + b[2]) + w * (c[0] - a[2]) - 2 * y * (a[0] + c[2]))
    g3 = 2 * (x * (c[0] + a[2]) + y * (c[1] + b[2]) + w * (a[1] - b[0]) - 2 * z * (a[0] + b[1]))
    along = w * g0 + x * g1 + y * g2 + z * g3
    return g0 - w * along, g1 - x * along, g2 - y * along, g3 - z * along


@njit(**COMPILE, inline="always")
@no_type_check
def _covariance_gradient(m0, m1, s1, s2, s3, s4, s5):
    """(g_mx, g_my, g_m0, g_m1) from five of the sums that `project_backward` describes; m0, m1 as in `project`."""
    xx, yy, xy = _dot(m0, m0) + DILATION, _dot(m1, m1) + DILATION, _dot(m0, m1)
    d = 1 / yy
    k, a = xy * d, 1 / max(xx - xy * xy * d, DILATION)
    g_k = -2 * a * s3
    g_xx = -a * a * s2
    g_xy = -2 * k * g_xx + g_k * d
    g_yy = k * k * g_xx - g_k * k * d - s5 * d * d
    return -2 * a * s1, 2 * a * k * s1 - 2 * d * s4, _sum(m0, 2 * g_xx, m1, g_xy), _sum(m1, 2 * g_yy, m0, g_xy)


@njit(**COMPILE)
@no_type_check
def project_backward(part, positions, scales, rotations, opacities, T, K, size, sums, found, g_T, g_K):
    """Gradients to Gaussians part[0] .. part[1] - 1, zero before, and their shares of those to T [3, 4] and K [4].

    found: of positions, scales, rotations, opacities, colours.

    sums [n, 9] of each Gaussian: of dq (the gradient to the squared distance at a pixel) times 1, e, e^2, e f, f, f^2,
    with e = x - mx - k (y - my) and f = y - my; then the gradient to its colour.
    """
    g_positions, g_scales, g_rotations, g_opacities, g_colours = found
    limits = SLOPE_LIMIT * 0.5 * size[0] / K[0], SLOPE_LIMIT * 0.5 * size[1] / K[1]
    fx, fy, cx, cy = 0.0, 0.0, 0.0, 0.0
    t0, t1, t2, t3 = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
    for n in range(part[0], part[1]):
        s = sums[n]
        g_colours[n, 0], g_colours[n, 1], g_colours[n, 2] = s[6], s[7], s[8]
        if s[0] == 0 and s[1] == 0 and s[2] == 0 and s[3] == 0 and s[4] == 0 and s[5] == 0:
            continue
        g_opacities[n] = -2 * s[0] / np.float64(opacities[n])
        p, scale = _vector(positions, n), _vector(scales, n)
        x, y, per_z, u, v, A0, A1 = _linear(p, T, K, limits)
        q, per = _quaternion(rotations, n)
        own = _own_axes(q)
        b0 = _dot(A0, own[0]), _dot(A0, own[1]), _dot(A0, own[2])
        b1 = _dot(A1, own[0]), _dot(A1, own[1]), _dot(A1, own[2])
        m0 = b0[0] * scale[0], b0[1] * scale[1], b0[2] * scale[2]
        m1 = b1[0] * scale[0], b1[1] * scale[1], b1[2] * scale[2]
        g_mx, g_my, g_m0, g_m1 = _covariance_gradient(m0, m1, s[1], s[2], s[3], s[4], s[5])
        for j in range(3):
            g_scales[n, j] = b0[j] * g_m0[j] + b1[j] * g_m1[j]
        h0 = g_m0[0] * scale[0], g_m0[1] * scale[1], g_m0[2] * scale[2]
        h1 = g_m1[0] * scale[0], g_m1[1] * scale[1], g_m1[2] * scale[2]
        G = _sum(A0, h0[0], A1, h1[0]), _sum(A0, h0[1], A1, h1[1]), _sum(A0, h0[2], A1, h1[2])
        g_q = _quaternion_gradient(q, G)
        for j in range(4):
            g_rotations[n, j] = g_q[j] * per
        # the gradients to A's rows, and from there to the linearised projection
        g_A0, g_A1 = _mixed(own, h0), _mixed(own, h1)
        ax, ay = K[0] * per_z, K[1] * per_z
        gJ00, gJ02, gJ11, gJ12 = _dot(g_A0, T[0]), _dot(g_A0, T[2]), _dot(g_A1, T[1]), _dot(g_A1, T[2])
        g_u, g_v = (-ax * gJ02 if abs(x) < limits[0] else 0.0), (-ay * gJ12 if abs(y) < limits[1] else 0.0)
        g_x, g_y = (K[0] * g_mx + g_u) * per_z, (K[1] * g_my + g_v) * per_z
        g_z = -(g_x * x + g_y * y) - per_z * (ax * (gJ00 - u * gJ02) + ay * (gJ11 - v * gJ12))
        fx += x * g_mx + per_z * (gJ00 - u * gJ02)
        fy += y * g_my + per_z * (gJ11 - v * gJ12)
        cx += g_mx
        cy += g_my
        for j in range(3):
            g_positions[n, j] = T[0][j] * g_x + T[1][j] * g_y + T[2][j] * g_z
        t0 = _plus(t0, _sum(g_A0, ax, p, g_x))
        t1 = _plus(t1, _sum(g_A1, ay, p, g_y))
        t2 = _plus(t2, _mixed((g_A0, g_A1, p), (-ax * u, -ay * v, g_z)))
        t3 = t3[0] + g_x, t3[1] + g_y, t3[2] + g_z
    for j in range(3):
        g_T[0, j], g_T[1, j], g_T[2, j], g_T[j, 3] = t0[j], t1[j], t2[j], t3[j]
    g_K[0], g_K[1], g_K[2], g_K[3] = fx, fy, cx, cy
