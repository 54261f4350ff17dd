"""Compiled tiles: which Gaussians touch which tile, compositing, and its gradient.

Where a Gaussian begins and ends on a row of pixels (alpha = 1/255) is solved in float64, so that no rounding decides
what is drawn; values on the row are float32, computed for a strip of 8 pixels, one vector register, at once.
"""

from __future__ import annotations

import math
from typing import no_type_check

import numpy as np
from numba import njit

from mouselift.render.base import MAX_ALPHA, MIN_TRANSMITTANCE
from mouselift.render.cpu_project import SPLAT

TILE = 16  # pixels a side
_STRIP = 8  # pixels: a tile's row is two strips
_STRIPS = TILE // _STRIP
_LOOK = 32  # Gaussians of a tile that are fetched together
_FULL = (1 << _STRIP) - 1
_CUT = np.float32(MAX_ALPHA)
_DARK = np.float32(MIN_TRANSMITTANCE)
_ONE, _ZERO, _HALF = np.float32(1), np.float32(0), np.float32(0.5)
_SIXTEENTH = np.float32(-1 / 16)
_C2, _C3, _C4, _C5, _C6 = (np.float32(1 / math.factorial(i)) for i in range(2, 7))
# values that are kept are finite: sums may be taken in any order, which lets pixels be computed at once
COMPILE = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz", "reassoc", "arcp"}}


@njit(**COMPILE, inline="always")
@no_type_check
def _columns(g, low, high, tiles_x):
    """First tile and one past the last that Gaussian `g` touches among pixel rows with centres in low .. high."""
    if g.my - g.reach_y >= low and g.my + g.reach_y <= high:  # all of it: its box says the same, cheaper
        start, end = g.mx - g.reach_x, g.mx + g.reach_x
    else:
        bottom, top = max(low - g.my, -g.reach_y), min(high - g.my, g.reach_y)
        if bottom > top:
            return 0, 0
        widest = g.k / g.d / g.reach_x * g.furthest  # y of the ellipse's rightmost point: xy sqrt(furthest / xx)
        right, left = min(max(widest, bottom), top), min(max(-widest, bottom), top)
        end = g.mx + g.k * right + math.sqrt(max(g.furthest - g.d * right * right, 0.0) * g.s)
        start = g.mx + g.k * left - math.sqrt(max(g.furthest - g.d * left * left, 0.0) * g.s)
    first = math.ceil(min(max(start - 0.5, 0.0), TILE * tiles_x * 1.0))  # of the pixels
    last = math.floor(min(max(end - 0.5, -1.0), TILE * tiles_x - 1.0))
    if first > last:
        return 0, 0
    return int(first) // TILE, int(last) // TILE + 1


@njit(**COMPILE, inline="always")
@no_type_check
def _tile_rows(g, tiles_y):
    """First row of tiles and one past the last that a Gaussian's box touches."""
    first = math.ceil(max(g.my - g.reach_y - 0.5, 0.0)) // TILE
    return first, math.floor(min(g.my + g.reach_y - 0.5, TILE * tiles_y - 1.0)) // TILE + 1


@njit(**COMPILE)
@no_type_check
def count_tiles(flat, depths, tiles_x, tiles_y, counts, spans_of):
    """Answers the spans of tiles [.., 2] (first, one past the last; one a row of tiles) that Gaussians touch.

    Gaussian n has spans_of[n] .. spans_of[n + 1] - 1. Adds the Gaussians of each tile to `counts`.
    """
    rows = 0
    for n in range(len(flat)):
        spans_of[n] = rows
        if depths[n] >= 0:
            first, end = _tile_rows(flat[n], tiles_y)
            rows += max(end - first, 0)
    spans_of[len(flat)] = rows
    spans = np.empty((rows, 2), np.int32)
    for n in range(len(flat)):
        if spans_of[n] == spans_of[n + 1]:
            continue
        row = _tile_rows(flat[n], tiles_y)[0]
        for at in range(spans_of[n], spans_of[n + 1]):
            left, right = _columns(flat[n], row * TILE + 0.5, row * TILE + TILE - 0.5, tiles_x)
            spans[at, 0], spans[at, 1] = row * tiles_x + left, row * tiles_x + right
            for tile in range(spans[at, 0], spans[at, 1]):
                counts[tile] += 1
            row += 1
    return spans


@njit(**COMPILE)
@no_type_check
def fill_tiles(order, spans_of, spans, starts, entries):
    """Fills the tiles' lists with Gaussians in the given order. `starts` [tiles] is moved on to the lists' ends."""
    for n in order:
        for at in range(spans_of[n], spans_of[n + 1]):
            for tile in range(spans[at, 0], spans[at, 1]):
                entries[starts[tile]] = n
                starts[tile] += 1


@njit(**COMPILE, inline="always")
@no_type_check
def _pixels(middle, reach):
    """Of 16 pixels at 0 .. 15: the first and one past the last within `reach` of `middle`."""
    first = math.ceil(min(max(middle - reach, 0.0), 16.0))
    last = math.floor(min(max(middle + reach, -1.0), 15.0))
    return int(first), int(last) + 1


@njit(**COMPILE, inline="always")
@no_type_check
def _line(g, left, y):
    """A Gaussian on the row of pixels whose centres lie at `y`: (middle, rest, first, end, f).

    The squared distance at pixel i of the tile is (i - middle)^2 / s + 2 rest; first .. end - 1 are drawn.
    """
    f = y - g.my
    middle = g.mx + g.k * f - 0.5 - left
    q = g.d * f * f
    first, end = _pixels(middle, math.sqrt(max(g.furthest - q, 0.0) * g.s))
    return np.float32(middle), np.float32(0.5 * q), np.int32(first), np.int32(end), f


@njit(**COMPILE, inline="always")
@no_type_check
def _alpha(i, e, per_2s, rest, opacity, first, end):
    """Alpha at pixel i of a line, `e` from its middle; 0 outside first .. end - 1. Good to 2e-6 of itself."""
    p = (per_2s * e * e + rest) * _SIXTEENTH
    # exp(16 p): the series is good to 2e-7 for -0.35 <= p <= 0, and is squared four times
    y = _ONE + p * (_ONE + p * (_C2 + p * (_C3 + p * (_C4 + p * (_C5 + p * _C6)))))
    y = y * y
    y = y * y
    y = y * y
    y = y * y
    return min(opacity * y, _CUT) if (np.int32(i) >= first) & (np.int32(i) < end) else _ZERO


@njit(**COMPILE, inline="always")
@no_type_check
def _shade(g):
    """Held apart from the arrays that are written, so that the compiler sees that it stays the same."""
    return g.per_2s, g.opacity, g.red, g.green, g.blue


@njit(**COMPILE, inline="always")
@no_type_check
def _lay(strip, middle, rest, first, end, shade):
    """Lays one line of a Gaussian over a strip: 8 lights, reds, greens, blues; answers whether a pixel closed.

    A closed pixel takes no more: its light is kept with a minus.
    """
    per_2s, opacity, red, green, blue = shade
    closed = False
    for i in range(_STRIP):
        alpha = _alpha(i, np.float32(i) - middle, per_2s, rest, opacity, first, end)
        before = strip[i]
        after = before - alpha * before
        drawn = after >= _DARK
        weight = alpha * before if drawn else _ZERO
        strip[i] = after if drawn else -abs(before)
        strip[_STRIP + i] += weight * red
        strip[2 * _STRIP + i] += weight * green
        strip[3 * _STRIP + i] += weight * blue
        closed |= (before > _ZERO) & (after < _DARK)
    return closed


@njit(**COMPILE, inline="always")
@no_type_check
def _close(strip, stops, place):
    """Notes at which place the pixels of a strip closed; answers those that did in bits."""
    bits = 0
    for i in range(_STRIP):
        if strip[i] < _ZERO and stops[i] > place:
            stops[i] = place
            bits |= 1 << i
    return bits


@njit(**COMPILE, inline="always")
@no_type_check
def _fetch(which, flat, near):
    """Brings some Gaussians into the cache, all at once: one at a time, each would be waited for."""
    for i in range(len(which)):
        near[i] = flat[which[i]]


@njit(**COMPILE, inline="always")
@no_type_check
def _lay_all(strips, ends, live, g, top, left, place):
    """Lays a Gaussian over a tile; answers the rows it touched, in bits, and how many rows it closed."""
    touched, closed, shade = 0, 0, _shade(g)
    first, end = _pixels(g.mx - 0.5 - left, g.reach_x)
    box = (1 << end) - (1 << first)
    begin, finish = _pixels(g.my - 0.5 - top, g.reach_y)
    for row in range(begin, finish):
        if live[row] & box == 0:
            continue
        middle, rest, first, end, _ = _line(g, left, top + row + 0.5)
        wanted = live[row] & ((1 << end) - (1 << first))
        if wanted == 0:
            continue
        touched |= 1 << row
        for side in range(_STRIPS):
            if wanted & (_FULL << side * _STRIP) == 0:
                continue
            at, start = _STRIPS * row + side, np.int32(side * _STRIP)
            if _lay(strips[at], middle - np.float32(start), rest, first - start, end - start, shade):
                live[row] &= ~(_close(strips[at], ends[at], place) << side * _STRIP)
                closed += live[row] == 0
    return touched, closed


@njit(**COMPILE)
@no_type_check
def composite(tiles, shape, flat, behind, starts, entries, image, light, stops, rows, used):
    """Draws tiles[0] .. tiles[1] - 1 into image [3, h, w], light [h, w] (what the background gives) and stops [h, w].

    stops: the place in the tile's list at which a pixel takes no more. For the way back: used [tiles], how many of a
    list were looked at, and rows [entries], in bits, on which rows of the tile they were.
    """
    height, width, tiles_x = shape
    strips, ends = np.empty((TILE * _STRIPS, 4 * _STRIP), np.float32), np.empty((TILE * _STRIPS, _STRIP), np.float32)
    live = np.empty(TILE, np.int64)  # pixels of each row that take more, in bits
    near = np.empty(_LOOK, SPLAT)
    for tile in range(tiles[0], tiles[1]):
        top, left = TILE * (tile // tiles_x), TILE * (tile % tiles_x)
        height_here, width_here = min(TILE, height - top), min(TILE, width - left)
        count = starts[tile + 1] - starts[tile]
        strips[:, :_STRIP], strips[:, _STRIP:], ends[:] = _ONE, _ZERO, count
        live[:] = 0
        live[:height_here] = (1 << width_here) - 1
        place, open_rows = 0, height_here
        while place < count and open_rows > 0:
            if place % _LOOK == 0:
                first = starts[tile] + place
                _fetch(entries[first : first + min(_LOOK, count - place)], flat, near)
            touched, closed = _lay_all(strips, ends, live, near[place % _LOOK], top, left, place)
            rows[starts[tile] + place] = touched
            open_rows -= closed
            place += 1
        used[tile] = place
        for row in range(height_here):
            for column in range(width_here):
                at, i, y, x = _STRIPS * row + column // _STRIP, column % _STRIP, top + row, left + column
                strip, left_over = strips[at], abs(strips[at, i])
                image[0, y, x] = strip[_STRIP + i] + left_over * behind[0]
                image[1, y, x] = strip[2 * _STRIP + i] + left_over * behind[1]
                image[2, y, x] = strip[3 * _STRIP + i] + left_over * behind[2]
                light[y, x], stops[y, x] = left_over, ends[at, i]


@njit(**COMPILE, inline="always")
@no_type_check
def _load(strips, top, left, behind, light, stops, g_image, g_alpha):
    """Fills the strips of a tile for the way back: 8 lights, light times its gradient, three gradients, stops."""
    strips[:] = _ZERO
    strips[:, :_STRIP] = _ONE
    for row in range(min(TILE, light.shape[0] - top)):
        for column in range(min(TILE, light.shape[1] - left)):
            strip, i, y, x = strips[_STRIPS * row + column // _STRIP], column % _STRIP, top + row, left + column
            red, green, blue = g_image[0, y, x], g_image[1, y, x], g_image[2, y, x]
            shine = red * behind[0] + green * behind[1] + blue * behind[2]
            strip[i], strip[_STRIP + i] = light[y, x], light[y, x] * (shine - g_alpha[y, x])
            strip[2 * _STRIP + i], strip[3 * _STRIP + i], strip[4 * _STRIP + i] = red, green, blue
            strip[5 * _STRIP + i] = stops[y, x]


@njit(**COMPILE, inline="always")
@no_type_check
def _lift(strip, middle, rest, first, end, shade, here):
    """Takes one line of a Gaussian off a strip; answers the sums of dq, dq e, dq e^2 and of the gradients to colour."""
    per_2s, opacity, red, green, blue = shade
    s0, s1, s2, g_red, g_green, g_blue = _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO
    for i in range(_STRIP):
        e = np.float32(i) - middle
        alpha = _alpha(i, e, per_2s, rest, opacity, first, end)
        alpha = alpha if strip[5 * _STRIP + i] > here else _ZERO
        passed = _ONE / (_ONE - alpha)
        before = strip[i] * passed
        weight = alpha * before
        shine = strip[2 * _STRIP + i] * red + strip[3 * _STRIP + i] * green + strip[4 * _STRIP + i] * blue
        g_taken = before * shine - strip[_STRIP + i] * passed
        # the gradient to the squared distance; none where alpha is held at its upper limit
        dq = -_HALF * alpha * g_taken if alpha < _CUT else _ZERO
        strip[_STRIP + i] += weight * shine
        strip[i] = before
        s0 += dq
        s1 += dq * e
        s2 += dq * (e * e)
        g_red += weight * strip[2 * _STRIP + i]
        g_green += weight * strip[3 * _STRIP + i]
        g_blue += weight * strip[4 * _STRIP + i]
    return s0, s1, s2, g_red, g_green, g_blue


@njit(**COMPILE, inline="always")
@no_type_check
def _lift_all(strips, g, touched, top, left, here, out):
    """Takes a Gaussian off a tile; fills `out`, see `project_backward`."""
    shade = _shade(g)
    t0, t1, t2, t3, t4, t5, red, green, blue = _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO
    row = 0
    while touched >> row:
        if touched >> row & 1:
            middle, rest, first, end, f = _line(g, left, top + row + 0.5)
            f, s0, s1 = np.float32(f), _ZERO, _ZERO
            for side in range(_STRIPS):
                start = np.int32(side * _STRIP)
                if end <= start or first >= start + _STRIP:
                    continue
                strip, from_here = strips[_STRIPS * row + side], middle - np.float32(start)
                got = _lift(strip, from_here, rest, first - start, end - start, shade, here)
                s0, s1, t2 = s0 + got[0], s1 + got[1], t2 + got[2]
                red, green, blue = red + got[3], green + got[4], blue + got[5]
            t0, t1, t3, t4, t5 = t0 + s0, t1 + s1, t3 + s1 * f, t4 + s0 * f, t5 + s0 * f * f
        row += 1
    out[0], out[1], out[2], out[3], out[4], out[5], out[6], out[7], out[8] = t0, t1, t2, t3, t4, t5, red, green, blue


@njit(**COMPILE)
@no_type_check
def composite_backward(tiles, shape, flat, behind, starts, entries, light, stops, rows, used, g_image, g_alpha, sums):
    """Fills sums [entries, 9] of each Gaussian in each tile, where `rows` has any.

    Back to front: the light before a Gaussian is that behind it divided by 1 - alpha.
    """
    strips = np.empty((TILE * _STRIPS, 6 * _STRIP), np.float32)
    near = np.empty(_LOOK, SPLAT)
    chosen, which = np.empty(_LOOK, np.int64), np.empty(_LOOK, np.int32)
    for tile in range(tiles[0], tiles[1]):
        top, left = TILE * (tile // shape[2]), TILE * (tile % shape[2])
        _load(strips, top, left, behind, light, stops, g_image, g_alpha)
        entry = starts[tile] + used[tile] - 1
        while entry >= starts[tile]:
            count = 0
            while entry >= starts[tile] and count < _LOOK:
                chosen[count], which[count] = entry, entries[entry]
                count += rows[entry] != 0
                entry -= 1
            _fetch(which[:count], flat, near)
            for i in range(count):
                at = chosen[i]
                _lift_all(strips, near[i], int(rows[at]), top, left, np.float32(at - starts[tile]), sums[at])


@njit(**COMPILE)
@no_type_check
def gather(starts, used, rows, entries, per_entry, sums):
    """sums[i] += the sums of Gaussian i's entries, always in the same order: the result does not depend on threads."""
    for tile in range(len(used)):
        for entry in range(starts[tile], starts[tile] + used[tile]):
            if rows[entry]:
                into = sums[entries[entry]]
                for i in range(9):
                    into[i] += per_entry[entry, i]
