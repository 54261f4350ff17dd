"""Compiled twin of `hull_prior`'s walk along rays, for CPUs: the same entries, ray after ray.

Most of a ray's steps are not looked up. Between two steps a ray's image in another view is a straight piece; where the
rectangle around it holds no pixel of the subject, that view says "nothing" of all steps between. Two such views end
the question, since at most one may lack a part. And a step is given up at the second view that says so.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from mouselift.array_types import Array, Float32, Int32

COMPILE = {"cache": True, "nogil": True, "error_model": "numpy"}
BLOCK = 8  # steps that are asked about at once


def counts_before(alpha: Float32[Array, "v h w"], half: float) -> Int32[Array, "v h1 w1"]:
    """Of each view: pixels of the subject above and left of (row, column), h1 = h + 1, w1 = w + 1."""
    views, height, width = alpha.shape
    out = np.zeros((views, height + 1, width + 1), dtype=np.int32)
    np.cumsum(np.cumsum(alpha >= half, axis=1, dtype=np.int32), axis=2, out=out[:, 1:, 1:])
    return out


@njit(**COMPILE)
@no_type_check
def entries(alpha, counts, T_cam_world, fxfycxcy, own, origins, directions, along, lone, near, half, least, found):
    """The hull's entry along each of a view's rays.

    alpha [v, h, w]; counts: its `counts_before`; T_cam_world [v, 4, 4]; fxfycxcy [v, 4]; own: the rays' view; origins,
    directions [r, 3]; along [n]: steps about the point nearest the origin; lone: one view may lack a part; near: the
    least depth that a view sees; half: the alpha of an edge; least: views that must see a point. Fills found [r, 2]:
    entry, 1 where there is one.
    """
    steps, step = len(along), along[1] - along[0]
    for ray in range(len(origins)):
        o, d = origins[ray], directions[ray]
        t0 = -(o[0] * d[0] + o[1] * d[1] + o[2] * d[2])
        first = second = np.float32(0.0)
        with_all = with_one_less = False
        low_before = next_before = np.float32(np.inf)  # not below the edge: the first step is no entry
        for begin in range(0, steps, BLOCK):
            end = min(begin + BLOCK, steps)
            if _empty(counts, T_cam_world, fxfycxcy, own, o, d, t0 + along[begin], t0 + along[end - 1], near):
                low_before = next_before = np.float32(0.0)
                continue
            for k in range(begin, end):
                t = t0 + along[k]
                low, after, ended = _cover(alpha, T_cam_world, fxfycxcy, own, o, d, t, near, half, least, True)
                rises = not ended and low >= half and low_before < half
                rises_less = not ended and lone and not with_one_less and after >= half and next_before < half
                if rises or rises_less:
                    t -= step
                    b_low, b_after, _ = _cover(alpha, T_cam_world, fxfycxcy, own, o, d, t, near, half, least, False)
                    if rises_less:
                        second = along[k - 1] + (half - b_after) / max(after - b_after, np.float32(1e-6)) * step
                        with_one_less = True
                    if rises:
                        first = along[k - 1] + (half - b_low) / max(low - b_low, np.float32(1e-6)) * step
                        with_all = True
                        break
                low_before, next_before = low, after
            if with_all:
                break
        found[ray, 0] = first if with_all else second
        found[ray, 1] = 1.0 if with_all or with_one_less else 0.0


@njit(**COMPILE, inline="always")
@no_type_check
def _seen_at(T, K, o, d, t, near, height, width):
    """(x, y, whether the view sees the point o + t d)."""
    x, y, z = o[0] + t * d[0], o[1] + t * d[1], o[2] + t * d[2]
    depth = T[2, 0] * x + T[2, 1] * y + T[2, 2] * z + T[2, 3]
    if depth <= near:
        return np.float32(0.0), np.float32(0.0), False
    u = K[0] * (T[0, 0] * x + T[0, 1] * y + T[0, 2] * z + T[0, 3]) / depth + K[2]
    v = K[1] * (T[1, 0] * x + T[1, 1] * y + T[1, 2] * z + T[1, 3]) / depth + K[3]
    return u, v, 0 <= u <= width and 0 <= v <= height


@njit(**COMPILE, inline="always")
@no_type_check
def _empty(counts, T_cam_world, fxfycxcy, own, o, d, t_begin, t_end, near):
    """Whether two other views say "nothing" of all points between."""
    views, height, width = counts.shape[0], counts.shape[1] - 1, counts.shape[2] - 1
    below = 0
    for view in range(views):
        if view == own:
            continue
        u0, v0, seen0 = _seen_at(T_cam_world[view], fxfycxcy[view], o, d, t_begin, near, height, width)
        u1, v1, seen1 = _seen_at(T_cam_world[view], fxfycxcy[view], o, d, t_end, near, height, width)
        if not (seen0 and seen1):  # outside its image it says nothing
            continue
        # one pixel about all that bilinear weights reach
        left, right = max(int(min(u0, u1)) - 1, 0), min(int(max(u0, u1)) + 2, width)
        top, bottom = max(int(min(v0, v1)) - 1, 0), min(int(max(v0, v1)) + 2, height)
        table = counts[view]
        if table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left] == 0:
            below += 1
            if below == 2:
                return True
    return False


@njit(**COMPILE, inline="always")
@no_type_check
def _cover(alpha, T_cam_world, fxfycxcy, own, o, d, t, near, half, least, may_end):
    """(least, second least alpha of the views that see the point; whether two are below the edge). Where it ends at
    the second, both numbers are below the edge and mean no more."""
    views, height, width = alpha.shape
    low = after = np.float32(1.0)
    seen = below = 0
    for view in range(views):
        if view == own:
            continue
        u, v, inside = _seen_at(T_cam_world[view], fxfycxcy[view], o, d, t, near, height, width)
        if not inside:
            continue
        seen += 1
        value = _bilinear(alpha[view], u, v)
        if value < low:
            low, after = value, low
        elif value < after:
            after = value
        if value < half:
            below += 1
            if below == 2 and may_end:
                return low, after, True
    if seen < least:
        return np.float32(0.0), np.float32(0.0), False
    return low, after, False


@njit(**COMPILE, inline="always")
@no_type_check
def _bilinear(image, u, v):
    """Pixel centres at +0.5, the border repeated."""
    height, width = image.shape
    x = min(max(u - np.float32(0.5), np.float32(0.0)), np.float32(width - 1))
    y = min(max(v - np.float32(0.5), np.float32(0.0)), np.float32(height - 1))
    i, j = int(y), int(x)
    under, right = min(i + 1, height - 1), min(j + 1, width - 1)
    p, q = x - j, y - i
    top = image[i, j] + p * (image[i, right] - image[i, j])
    bottom = image[under, j] + p * (image[under, right] - image[under, j])
    return top + q * (bottom - top)
