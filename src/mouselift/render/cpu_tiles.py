"""Compiled tiles: which Gaussians touch which tile, compositing, and its gradient.

Where a Gaussian begins and ends on a row of pixels (alpha = 1/255) is solved in float64, so that no rounding decides
what is drawn; values on the row are float32, computed for all of its 16 pixels at once.
"""

from __future__ import annotations

import math
from typing import no_type_check

import numpy as np
from numba import njit

from mouselift.render.base import MAX_ALPHA, MIN_TRANSMITTANCE

TILE = 16  # pixels a side: a row is one or two vector registers
_LOOK = 8  # Gaussians between two looks at whether a tile still takes light
_AREA = TILE * TILE
_STEEPEST = 8.0  # exponents are held below this: nothing above ln 255 is drawn
_CUT = np.float32(MAX_ALPHA)
_DARK = np.float32(MIN_TRANSMITTANCE)
_ONE, _ZERO, _HALF = np.float32(1), np.float32(0), np.float32(0.5)
_SIXTEENTH = np.float32(-1 / 16)
_C2, _C3, _C4, _C5, _C6 = (np.float32(1 / math.factorial(i)) for i in range(2, 7))
# values here are finite: sums may be taken in any order, which lets a row be computed at once
COMPILE = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz", "reassoc", "arcp"}}


@njit(**COMPILE, inline="always")
@no_type_check
def _columns(g, furthest, low, high, tiles_x):
    """First tile and one past the last that Gaussian `g` touches among pixel rows with centres in low .. high."""
    bottom, top = max(low - g[1], -g[6]), min(high - g[1], g[6])
    if bottom > top:
        return 0, 0
    widest = g[3] / g[4] / g[5] * furthest  # y of the ellipse's rightmost point: xy sqrt(furthest / xx)
    right, left = min(max(widest, bottom), top), min(max(-widest, bottom), top)
    end = g[0] + g[3] * right + math.sqrt(max(furthest - g[4] * right * right, 0.0) / g[2])
    start = g[0] + g[3] * left - math.sqrt(max(furthest - g[4] * left * left, 0.0) / g[2])
    first = math.ceil(min(max(start - 0.5, 0.0), TILE * tiles_x * 1.0))  # of the pixels
    last = math.floor(min(max(end - 0.5, -1.0), TILE * tiles_x - 1.0))
    if first > last:
        return 0, 0
    return int(first) // TILE, int(last) // TILE + 1


@njit(**COMPILE)
@no_type_check
def bin_tiles(flat, furthest, order, tiles_x, tiles_y, starts, entries):
    """Counts (`entries` empty: starts[t + 1] = Gaussians of tile t) or fills the tiles' lists in the given order."""
    fill = len(entries) > 0
    for place in range(len(order)):
        n = order[place]
        g = flat[n]
        first = max(int(math.ceil(max(g[1] - g[6] - 0.5, 0.0))), 0) // TILE
        last = int(min(math.floor(g[1] + g[6] - 0.5), TILE * tiles_y - 1.0)) // TILE
        for row in range(first, last + 1):
            left, right = _columns(g, furthest[n], row * TILE + 0.5, row * TILE + TILE - 0.5, tiles_x)
            for tile in range(row * tiles_x + left, row * tiles_x + right):
                if fill:
                    entries[starts[tile]] = n
                    starts[tile] += 1
                else:
                    starts[tile + 1] += 1


@njit(**COMPILE, inline="always")
@no_type_check
def _rows(g, top):
    """Rows of the tile that a Gaussian touches: first, one past the last."""
    first = math.ceil(min(max(g[1] - g[6] - 0.5 - top, 0.0), TILE * 1.0))
    last = math.floor(min(max(g[1] + g[6] - 0.5 - top, -1.0), TILE - 1.0))
    return int(first), int(last) + 1


@njit(**COMPILE, inline="always")
@no_type_check
def _alphas(g, furthest, opacity, left, top, first, last, alpha):
    """alpha[256] of a Gaussian on the tile's rows first .. last - 1, 0 where it is below 1/255."""
    half_a = np.float32(0.5 * g[2])
    opacity32 = np.float32(opacity)
    for row in range(first, last):
        f = top + row + 0.5 - g[1]
        middle = g[0] + g[3] * f - 0.5 - left
        width = math.sqrt(max(furthest - g[4] * f * f, 0.0) / g[2])
        begin = np.int32(math.ceil(min(max(middle - width, 0.0), 16.0)))
        end = np.int32(math.floor(min(max(middle + width, -1.0), 15.0)))
        middle32, rest = np.float32(middle), np.float32(0.5 * g[4] * f * f)
        base = row * TILE
        for i in range(TILE):
            e = np.float32(i) - middle32
            p = min(half_a * e * e + rest, np.float32(_STEEPEST)) * _SIXTEENTH
            # exp(16 p): the series is good to 2e-8 for -0.35 <= p <= 0, squaring four times makes that 1e-6
            y = _ONE + p * (_ONE + p * (_C2 + p * (_C3 + p * (_C4 + p * (_C5 + p * _C6)))))
            y = y * y
            y = y * y
            y = y * y
            y = y * y
            value = min(opacity32 * y, _CUT)
            inside = (np.int32(i) >= begin) & (np.int32(i) <= end)
            alpha[base + i] = value if inside else _ZERO


@njit(**COMPILE)
@no_type_check
def composite(tiles, shape, flat, furthest, opacities, colours, behind, starts, entries, image, light, stops):
    """Draws tiles[0] .. tiles[1] - 1 into image [3, h, w], light [h, w] (what the background gives) and stops [h, w].

    stops: the place in the tile's list at which a pixel takes no more.
    """
    height, width, tiles_x = shape
    alpha, T, stop = np.zeros(_AREA, np.float32), np.empty(_AREA, np.float32), np.empty(_AREA, np.int32)
    r, g, b = np.empty(_AREA, np.float32), np.empty(_AREA, np.float32), np.empty(_AREA, np.float32)
    for tile in range(tiles[0], tiles[1]):
        top, left = TILE * (tile // tiles_x), TILE * (tile % tiles_x)
        rows, columns = min(TILE, height - top), min(TILE, width - left)
        count = np.int32(starts[tile + 1] - starts[tile])
        T[:], r[:], g[:], b[:], stop[:] = _ONE, _ZERO, _ZERO, _ZERO, 0
        for row in range(rows):
            stop[row * TILE : row * TILE + columns] = count
        for place in range(count):
            n = entries[starts[tile] + place]
            first, last = _rows(flat[n], top)
            _alphas(flat[n], furthest[n], opacities[n], left, top, first, last, alpha)
            here, red, green, blue = np.int32(place), colours[n, 0], colours[n, 1], colours[n, 2]
            for i in range(first * TILE, last * TILE):
                after = T[i] - alpha[i] * T[i]
                drawn = (stop[i] > here) & (after >= _DARK)
                weight = alpha[i] * T[i] if drawn else _ZERO
                stop[i] = stop[i] if drawn else min(stop[i], here)
                T[i] = after if drawn else T[i]
                r[i] += weight * red
                g[i] += weight * green
                b[i] += weight * blue
            if place % _LOOK == 0:
                furthest_stop = np.int32(0)
                for i in range(_AREA):
                    furthest_stop = max(furthest_stop, stop[i])
                if furthest_stop <= here:
                    break
        for row in range(rows):
            for column in range(columns):
                i = row * TILE + column
                y, x = top + row, left + column
                image[0, y, x] = r[i] + T[i] * behind[0]
                image[1, y, x] = g[i] + T[i] * behind[1]
                image[2, y, x] = b[i] + T[i] * behind[2]
                light[y, x], stops[y, x] = T[i], stop[i]


@njit(**COMPILE, inline="always")
@no_type_check
def _row_sums(g, left, top, first, last, dq, out):
    """out[0..5]: sums of dq times 1, e, e^2, e f, f, f^2 over a tile (see `cpu_project.project_backward`)."""
    for row in range(first, last):
        f = top + row + 0.5 - g[1]
        middle = np.float32(g[0] + g[3] * f - 0.5 - left)
        s0, s1, s2 = _ZERO, _ZERO, _ZERO
        for i in range(TILE):
            value = dq[row * TILE + i]
            e = np.float32(i) - middle
            # where nothing is drawn e may be so large that its square is no number
            value_e = value * e if value != _ZERO else _ZERO
            s0 += value
            s1 += value_e
            s2 += value_e * e if value != _ZERO else _ZERO
        out[0] += s0
        out[1] += s1
        out[2] += s2
        out[3] += s1 * f
        out[4] += s0 * f
        out[5] += s0 * f * f


@njit(**COMPILE)
@no_type_check
def composite_backward(
    tiles, shape, flat, furthest, opacities, colours, behind, starts, entries, light, stops, g_image, g_alpha, sums
):
    """Fills sums [entries, 9]: six of `_row_sums` and the gradient to the colour, of each Gaussian in each tile.

    Back to front: the light before a Gaussian is that behind it divided by 1 - alpha.
    """
    height, width, tiles_x = shape
    alpha, dq, stop = np.zeros(_AREA, np.float32), np.zeros(_AREA, np.float32), np.empty(_AREA, np.int32)
    T, S = np.empty(_AREA, np.float32), np.empty(_AREA, np.float32)
    r, g, b = np.empty(_AREA, np.float32), np.empty(_AREA, np.float32), np.empty(_AREA, np.float32)
    for tile in range(tiles[0], tiles[1]):
        top, left = TILE * (tile // tiles_x), TILE * (tile % tiles_x)
        T[:], S[:], r[:], g[:], b[:], stop[:] = _ONE, _ZERO, _ZERO, _ZERO, _ZERO, 0
        deepest = 0
        for row in range(min(TILE, height - top)):
            for column in range(min(TILE, width - left)):
                i, y, x = row * TILE + column, top + row, left + column
                T[i], stop[i] = light[y, x], stops[y, x]
                r[i], g[i], b[i] = g_image[0, y, x], g_image[1, y, x], g_image[2, y, x]
                S[i] = T[i] * (r[i] * behind[0] + g[i] * behind[1] + b[i] * behind[2] - g_alpha[y, x])
                deepest = max(deepest, stop[i])
        for place in range(deepest - 1, -1, -1):
            entry = starts[tile] + place
            n = entries[entry]
            first, last = _rows(flat[n], top)
            _alphas(flat[n], furthest[n], opacities[n], left, top, first, last, alpha)
            here, red, green, blue = np.int32(place), colours[n, 0], colours[n, 1], colours[n, 2]
            g_red, g_green, g_blue = _ZERO, _ZERO, _ZERO
            for i in range(first * TILE, last * TILE):
                taken = alpha[i] if stop[i] > here else _ZERO
                passed = _ONE / (_ONE - taken)
                before = T[i] * passed
                weight = taken * before
                shine = r[i] * red + g[i] * green + b[i] * blue
                g_taken = before * shine - S[i] * passed
                dq[i] = -_HALF * taken * g_taken if taken < _CUT else _ZERO
                S[i] += weight * shine
                T[i] = before
                g_red += weight * r[i]
                g_green += weight * g[i]
                g_blue += weight * b[i]
            out = sums[entry]
            _row_sums(flat[n], left, top, first, last, dq, out)
            out[6], out[7], out[8] = g_red, g_green, g_blue


@njit(**COMPILE)
@no_type_check
def gather(entries, sums, out):
    """out[n] += the sums of Gaussian n's entries, always in the same order: the result does not depend on threads."""
    for entry in range(len(entries)):
        for i in range(9):
            out[entries[entry], i] += sums[entry, i]
