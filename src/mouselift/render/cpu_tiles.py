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
_STEEPEST = np.float32(8)  # exponents are held below this: nothing above ln 255 is drawn
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
    if g[1] - g[6] >= low and g[1] + g[6] <= high:  # all of it: its box says the same, cheaper
        start, end = g[0] - g[5], g[0] + g[5]
    else:
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
def bin_tiles(flat, furthest, tiles_x, tiles_y, starts, entries):
    """Counts (`entries` empty: starts[t + 1] = Gaussians of tile t) or fills the tiles' lists, in the order of flat."""
    fill = len(entries) > 0
    for n in range(len(flat)):
        g = flat[n]
        first = math.ceil(max(g[1] - g[6] - 0.5, 0.0)) // TILE
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
def _line(g, variance, furthest, left, y):
    """A Gaussian on the row of pixels whose centres lie at `y`: (middle, rest, first, last, f).

    `variance` is 1 / a. Half the squared distance at pixel i of the tile is a/2 (i - middle)^2 + rest; first .. last
    are drawn.
    """
    f = y - g[1]
    middle = g[0] + g[3] * f - 0.5 - left
    width = math.sqrt(max(furthest - g[4] * f * f, 0.0) * variance)
    first = np.int32(math.ceil(min(max(middle - width, 0.0), 16.0)))
    last = np.int32(math.floor(min(max(middle + width, -1.0), 15.0)))
    return np.float32(middle), np.float32(0.5 * g[4] * f * f), first, last, f


@njit(**COMPILE, inline="always")
@no_type_check
def _alpha(i, e, half_a, rest, opacity, first, last):
    """Alpha at pixel i of a line, `e` from its middle; 0 outside first .. last. Good to 2e-6 of itself."""
    p = min(half_a * e * e + rest, _STEEPEST) * _SIXTEENTH
    # exp(16 p): the series is good to 2e-7 for -0.35 <= p <= 0, and is squared four times
    y = _ONE + p * (_ONE + p * (_C2 + p * (_C3 + p * (_C4 + p * (_C5 + p * _C6)))))
    y = y * y
    y = y * y
    y = y * y
    y = y * y
    return min(opacity * y, _CUT) if (np.int32(i) >= first) & (np.int32(i) <= last) else _ZERO


@njit(**COMPILE, inline="always")
@no_type_check
def _furthest_stops(pixels, out):
    """out[row] = the last stop of its pixels, which end each row; answers the last of all."""
    whole = _ZERO
    for row in range(TILE):
        most, line = _ZERO, pixels[row]
        for i in range(TILE):
            most = max(most, line[len(line) - TILE + i])
        out[row] = most
        whole = max(whole, most)
    return whole


@njit(**COMPILE)
@no_type_check
def composite(tiles, shape, flat, furthest, opacities, colours, behind, starts, entries, image, light, stops):
    """Draws tiles[0] .. tiles[1] - 1 into image [3, h, w], light [h, w] (what the background gives) and stops [h, w].

    stops: the place in the tile's list at which a pixel takes no more.
    """
    height, width, tiles_x = shape
    # a row of pixels: 16 lights, reds, greens, blues, stops. One array, so that the compiler sees that parts are apart
    pixels, deepest = np.empty((TILE, 5 * TILE), np.float32), np.empty(TILE, np.float32)
    for tile in range(tiles[0], tiles[1]):
        top, left = TILE * (tile // tiles_x), TILE * (tile % tiles_x)
        rows, columns = min(TILE, height - top), min(TILE, width - left)
        count = starts[tile + 1] - starts[tile]
        pixels[:] = _ZERO
        pixels[:, :TILE] = _ONE
        pixels[:rows, 4 * TILE : 4 * TILE + columns] = count
        deepest[:] = count
        for place in range(count):
            n = entries[starts[tile] + place]
            g, here = flat[n], np.float32(place)
            half_a, variance, opacity = np.float32(0.5 * g[2]), 1 / g[2], np.float32(opacities[n])
            red, green, blue = colours[n, 0], colours[n, 1], colours[n, 2]
            begin, end = _rows(g, top)
            for row in range(begin, end):
                if deepest[row] <= here:
                    continue
                middle, rest, first, last, _ = _line(g, variance, furthest[n], left, top + row + 0.5)
                if first > last:
                    continue
                line = pixels[row]
                for i in range(TILE):
                    alpha = _alpha(i, np.float32(i) - middle, half_a, rest, opacity, first, last)
                    before, stop = line[i], line[64 + i]
                    after = before - alpha * before
                    drawn = (stop > here) & (after >= _DARK)
                    weight = alpha * before if drawn else _ZERO
                    line[i] = after if drawn else before
                    line[16 + i] += weight * red
                    line[32 + i] += weight * green
                    line[48 + i] += weight * blue
                    line[64 + i] = stop if drawn else min(stop, here)
            if place % _LOOK == 0 and _furthest_stops(pixels, deepest) <= here:
                break
        for row in range(rows):
            for column in range(columns):
                line, y, x = pixels[row], top + row, left + column
                image[0, y, x] = line[16 + column] + line[column] * behind[0]
                image[1, y, x] = line[32 + column] + line[column] * behind[1]
                image[2, y, x] = line[48 + column] + line[column] * behind[2]
                light[y, x], stops[y, x] = line[column], line[64 + column]


@njit(**COMPILE, inline="always")
@no_type_check
def _load(pixels, top, left, behind, light, stops, g_image, g_alpha):
    """Fills the rows of a tile for the way back: 16 lights, light times its gradient, three gradients, stops."""
    pixels[:] = _ZERO
    pixels[:, :TILE] = _ONE
    for row in range(min(TILE, light.shape[0] - top)):
        for i in range(min(TILE, light.shape[1] - left)):
            line, y, x = pixels[row], top + row, left + i
            line[i], line[80 + i] = light[y, x], stops[y, x]
            line[32 + i], line[48 + i], line[64 + i] = g_image[0, y, x], g_image[1, y, x], g_image[2, y, x]
            shine = line[32 + i] * behind[0] + line[48 + i] * behind[1] + line[64 + i] * behind[2]
            line[16 + i] = line[i] * (shine - g_alpha[y, x])


@njit(**COMPILE)
@no_type_check
def composite_backward(
    tiles, shape, flat, furthest, opacities, colours, behind, starts, entries, light, stops, g_image, g_alpha, sums
):
    """Fills sums [entries, 9] of each Gaussian in each tile: see `project_backward`, and the gradient to its colour.

    Back to front: the light before a Gaussian is that behind it divided by 1 - alpha.
    """
    pixels, deepest = np.empty((TILE, 6 * TILE), np.float32), np.empty(TILE, np.float32)
    for tile in range(tiles[0], tiles[1]):
        top, left = TILE * (tile // shape[2]), TILE * (tile % shape[2])
        _load(pixels, top, left, behind, light, stops, g_image, g_alpha)
        for place in range(int(_furthest_stops(pixels, deepest)) - 1, -1, -1):
            entry = starts[tile] + place
            n = entries[entry]
            g, here, out = flat[n], np.float32(place), sums[entry]
            half_a, variance, opacity = np.float32(0.5 * g[2]), 1 / g[2], np.float32(opacities[n])
            red, green, blue = colours[n, 0], colours[n, 1], colours[n, 2]
            begin, end = _rows(g, top)
            for row in range(begin, end):
                if deepest[row] <= here:
                    continue
                middle, rest, first, last, f = _line(g, variance, furthest[n], left, top + row + 0.5)
                if first > last:
                    continue
                line = pixels[row]
                s0, s1, s2, g_red, g_green, g_blue = _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO
                for i in range(TILE):
                    e = np.float32(i) - middle
                    alpha = _alpha(i, e, half_a, rest, opacity, first, last)
                    alpha = alpha if line[80 + i] > here else _ZERO
                    passed = _ONE / (_ONE - alpha)
                    before = line[i] * passed
                    weight = alpha * before
                    shine = line[32 + i] * red + line[48 + i] * green + line[64 + i] * blue
                    g_taken = before * shine - line[16 + i] * passed
                    # the gradient to the squared distance; none where alpha is held at its upper limit
                    dq = -_HALF * alpha * g_taken if alpha < _CUT else _ZERO
                    line[16 + i] += weight * shine
                    line[i] = before
                    s0 += dq
                    s1 += dq * e
                    s2 += dq * (e * e)
                    g_red += weight * line[32 + i]
                    g_green += weight * line[48 + i]
                    g_blue += weight * line[64 + i]
                out[0] += s0
                out[1] += s1
                out[2] += s2
                out[3] += s1 * f
                out[4] += s0 * f
                out[5] += s0 * f * f
                out[6] += g_red
                out[7] += g_green
                out[8] += g_blue


@njit(**COMPILE)
@no_type_check
def gather(entries, sums, out):
    """out[n] += the sums of Gaussian n's entries, always in the same order: the result does not depend on threads."""
    for entry in range(len(entries)):
        for i in range(9):
            out[entries[entry], i] += sums[entry, i]
