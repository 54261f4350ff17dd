"""Compiled projection of Gaussians and its gradient, float64: the fast twin of `render/project.py`.

A Gaussian's picture is kept as five numbers (mx, my, a, k, d) with its squared Mahalanobis distance written as
a (x - mx - k (y - my))^2 + d (y - my)^2: both terms are positive, so float32 does not cancel, however long a needle.
With the covariance's entries: k = xy / yy, d = 1 / yy, a = 1 / (xx - xy^2 / yy).
"""

from __future__ import annotations

import math
from typing import no_type_check

import numpy as np
from numba import njit

from mouselift.render.base import DILATION, MAX_VARIANCE, MIN_ALPHA, MIN_QUATERNION, NEAR, SLOPE_LIMIT

# nothing here may count on the absence of infinities: they are how impossible Gaussians are found
COMPILE = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}}


@njit(**COMPILE, inline="always")
@no_type_check
def _matrix(q, R):
    """Rotation matrix of a quaternion into R; answers the quaternion's length."""
    length = math.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    w, x, y, z = q[0] / length, q[1] / length, q[2] / length, q[3] / length
    R[0, 0], R[0, 1], R[0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
    R[1, 0], R[1, 1], R[1, 2] = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
    R[2, 0], R[2, 1], R[2, 2] = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)
    return length


@njit(**COMPILE, inline="always")
@no_type_check
def _axes(position, scale, q, T, K, limits, R, L, J, A, M):
    """Fills R (own rotation), L = R diag(scale), J, A = J W, M = A L; answers (x, y, z, u, v, quaternion's length)."""
    x = T[0, 0] * position[0] + T[0, 1] * position[1] + T[0, 2] * position[2] + T[0, 3]
    y = T[1, 0] * position[0] + T[1, 1] * position[1] + T[1, 2] * position[2] + T[1, 3]
    z = T[2, 0] * position[0] + T[2, 1] * position[1] + T[2, 2] * position[2] + T[2, 3]
    u, v = min(max(x / z, -limits[0]), limits[0]), min(max(y / z, -limits[1]), limits[1])
    length = _matrix(q, R)
    J[0, 0], J[0, 1], J[0, 2] = K[0] / z, 0.0, -K[0] * u / z
    J[1, 0], J[1, 1], J[1, 2] = 0.0, K[1] / z, -K[1] * v / z
    for i in range(2):
        for j in range(3):
            A[i, j] = J[i, 0] * T[0, j] + J[i, 1] * T[1, j] + J[i, 2] * T[2, j]
    for i in range(3):
        for j in range(3):
            L[i, j] = R[i, j] * scale[j]
    for i in range(2):
        for j in range(3):
            M[i, j] = A[i, 0] * L[0, j] + A[i, 1] * L[1, j] + A[i, 2] * L[2, j]
    return x, y, z, u, v, length


@njit(**COMPILE)
@no_type_check
def project(positions, scales, rotations, opacities, colours, T, K, size, flat, depth):
    """Fills flat [n, 7] = (mx, my, a, k, d, reach x, reach y) in pixels, and depth [n]; depth -1 marks the unseen."""
    R, L, J = np.empty((3, 3)), np.empty((3, 3)), np.empty((2, 3))
    A, M = np.empty((2, 3)), np.empty((2, 3))
    limits = SLOPE_LIMIT * 0.5 * size[0] / K[0], SLOPE_LIMIT * 0.5 * size[1] / K[1]
    for n in range(len(depth)):
        depth[n] = -1.0
        if not (opacities[n] >= MIN_ALPHA and np.isfinite(opacities[n])):
            continue
        x, y, z, _, _, length = _axes(positions[n], scales[n], rotations[n], T, K, limits, R, L, J, A, M)
        if not (z > NEAR and length > MIN_QUATERNION):
            continue
        xx = M[0, 0] * M[0, 0] + M[0, 1] * M[0, 1] + M[0, 2] * M[0, 2] + DILATION
        yy = M[1, 0] * M[1, 0] + M[1, 1] * M[1, 1] + M[1, 2] * M[1, 2] + DILATION
        xy = M[0, 0] * M[1, 0] + M[0, 1] * M[1, 1] + M[0, 2] * M[1, 2]
        mx, my = K[0] * x / z + K[2], K[1] * y / z + K[3]
        if not (xx < MAX_VARIANCE and yy < MAX_VARIANCE and np.isfinite(colours[n, 0] + colours[n, 1] + colours[n, 2])):
            continue
        furthest = 2 * math.log(opacities[n] / MIN_ALPHA)
        reach_x, reach_y = math.sqrt(furthest * xx), math.sqrt(furthest * yy)
        if not (mx + reach_x >= 0.5 and mx - reach_x <= size[0] - 0.5):
            continue
        if not (my + reach_y >= 0.5 and my - reach_y <= size[1] - 0.5):
            continue
        depth[n] = z
        flat[n, 0], flat[n, 1] = mx, my
        # a Schur complement is no smaller than the smallest eigenvalue, which the dilation bounds
        flat[n, 2] = 1 / max(xx - xy * xy / yy, DILATION)
        flat[n, 3], flat[n, 4] = xy / yy, 1 / yy
        flat[n, 5], flat[n, 6] = reach_x, reach_y


@njit(**COMPILE, inline="always")
@no_type_check
def _quaternion_gradient(q, length, G, out):
    """out = the gradient to an un-normalised quaternion, from G = the gradient to its rotation matrix."""
    w, x, y, z = q[0] / length, q[1] / length, q[2] / length, q[3] / length
    g0 = 2 * (z * (G[1, 0] - G[0, 1]) + y * (G[0, 2] - G[2, 0]) + x * (G[2, 1] - G[1, 2]))
    g1 = 2 * (y * (G[0, 1] + G[1, 0]) + z * (G[0, 2] + G[2, 0]) + w * (G[2, 1] - G[1, 2]) - 2 * x * (G[1, 1] + G[2, 2]))
    g2 = 2 * (x * (G[0, 1] + G[1, 0]) + z * (G[1, 2] + G[2, 1]) + w * (G[0, 2] - G[2, 0]) - 2 * y * (G[0, 0] + G[2, 2]))
    g3 = 2 * (x * (G[0, 2] + G[2, 0]) + y * (G[1, 2] + G[2, 1]) + w * (G[1, 0] - G[0, 1]) - 2 * z * (G[0, 0] + G[1, 1]))
    along = w * g0 + x * g1 + y * g2 + z * g3
    out[0], out[1] = (g0 - w * along) / length, (g1 - x * along) / length
    out[2], out[3] = (g2 - y * along) / length, (g3 - z * along) / length


@njit(**COMPILE)
@no_type_check
def project_backward(inputs, T, K, size, flat, depth, sums, g_positions, g_scales, g_rotations, g_T, g_K):
    """Gradients to positions, scales, rotations, T [3, 4] and K from those to `flat`'s first five numbers.

    sums [n, 6]: of dq (the gradient to the squared distance at a pixel) times 1, e, e^2, e f, f, f^2, with
    e = x - mx - k (y - my) and f = y - my.
    """
    positions, scales, rotations = inputs
    R, L, J = np.empty((3, 3)), np.empty((3, 3)), np.empty((2, 3))
    A, M, gM, gA, gJ = np.empty((2, 3)), np.empty((2, 3)), np.empty((2, 3)), np.empty((2, 3)), np.empty((2, 3))
    G = np.empty((3, 3))
    limits = SLOPE_LIMIT * 0.5 * size[0] / K[0], SLOPE_LIMIT * 0.5 * size[1] / K[1]
    for n in range(len(depth)):
        if depth[n] < 0:
            continue
        x, y, z, u, v, length = _axes(positions[n], scales[n], rotations[n], T, K, limits, R, L, J, A, M)
        a, k, d = flat[n, 2], flat[n, 3], flat[n, 4]
        g_mx = -2 * a * sums[n, 1]
        g_my = 2 * a * k * sums[n, 1] - 2 * d * sums[n, 4]
        g_a, g_k, g_d = sums[n, 2], -2 * a * sums[n, 3], sums[n, 5]
        g_xx = -a * a * g_a
        g_xy = -2 * k * g_xx + g_k * d
        g_yy = k * k * g_xx - g_k * k * d - g_d * d * d
        for j in range(3):
            gM[0, j] = 2 * g_xx * M[0, j] + g_xy * M[1, j]
            gM[1, j] = 2 * g_yy * M[1, j] + g_xy * M[0, j]
        for i in range(2):
            for j in range(3):
                gA[i, j] = L[j, 0] * gM[i, 0] + L[j, 1] * gM[i, 1] + L[j, 2] * gM[i, 2]
        for i in range(2):
            for j in range(3):
                gJ[i, j] = gA[i, 0] * T[j, 0] + gA[i, 1] * T[j, 1] + gA[i, 2] * T[j, 2]
        for j in range(3):
            total = 0.0
            for i in range(3):
                g_axis = A[0, i] * gM[0, j] + A[1, i] * gM[1, j]
                total += R[i, j] * g_axis
                G[i, j] = g_axis * scales[n, j]
            g_scales[n, j] = total
        _quaternion_gradient(rotations[n], length, G, g_rotations[n])
        g_u, g_v = -K[0] / z * gJ[0, 2], -K[1] / z * gJ[1, 2]
        g_x, g_y = K[0] / z * g_mx, K[1] / z * g_my
        g_z = -(g_x * x + g_y * y) / z
        g_z -= (J[0, 0] * gJ[0, 0] + J[0, 2] * gJ[0, 2] + J[1, 1] * gJ[1, 1] + J[1, 2] * gJ[1, 2]) / z
        if abs(x / z) < limits[0]:
            g_x += g_u / z
            g_z -= g_u * x / (z * z)
        if abs(y / z) < limits[1]:
            g_y += g_v / z
            g_z -= g_v * y / (z * z)
        g_K[0] += (x * g_mx + gJ[0, 0] - u * gJ[0, 2]) / z
        g_K[1] += (y * g_my + gJ[1, 1] - v * gJ[1, 2]) / z
        g_K[2] += g_mx
        g_K[3] += g_my
        for j in range(3):
            g_positions[n, j] = T[0, j] * g_x + T[1, j] * g_y + T[2, j] * g_z
            g_T[0, j] += J[0, 0] * gA[0, j] + g_x * positions[n, j]
            g_T[1, j] += J[1, 1] * gA[1, j] + g_y * positions[n, j]
            g_T[2, j] += J[0, 2] * gA[0, j] + J[1, 2] * gA[1, j] + g_z * positions[n, j]
        g_T[0, 3] += g_x
        g_T[1, 3] += g_y
        g_T[2, 3] += g_z
