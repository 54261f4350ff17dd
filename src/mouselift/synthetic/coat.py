"""Colours of the fur and skin, and the noise that makes fur look like fur.

All values are display values (0..1), as a camera writes them. In every colour of fur and floor green is
within 0.02 of the mean of red and blue: nothing but the marks is magenta, and only bare skin a little.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float32
from scipy.ndimage import gaussian_filter

from mouselift.array_types import Array, Points3
from mouselift.synthetic.body import halves_at, smoothstep
from mouselift.synthetic.mesh import Look, Piece

Coat = Literal["brown", "black"]
MARK_COLOUR = (1.0, 0.0, 1.0)
Colour = tuple[float, float, float]

_CELLS = 128  # of the periodic noise volumes, a side
_STREAK_MM = (0.55, 0.21, 0.21)  # cell size: along the hair, across it
_MOTTLE_MM = (1.6, 1.1, 1.1)


@dataclass(frozen=True)
class _Palette:
    ridge: Colour
    flank: Colour
    belly: Colour
    skin: Colour
    tail: Colour
    ear: Colour
    contrast: float  # of the fur's noise


_PALETTES: dict[Coat, _Palette] = {
    "brown": _Palette(
        (0.35, 0.265, 0.18), (0.52, 0.40, 0.275), (0.80, 0.71, 0.62), (0.92, 0.72, 0.65), (0.82, 0.635, 0.56),
        (0.88, 0.68, 0.60), 0.30,
    ),
    "black": _Palette(
        (0.105, 0.10, 0.10), (0.165, 0.155, 0.15), (0.30, 0.275, 0.26), (0.76, 0.595, 0.545), (0.50, 0.41, 0.38),
        (0.53, 0.42, 0.38), 0.42,
    ),
}  # fmt: skip


def paint(pieces: list[Piece], coat: Coat) -> Look:
    """Colours of all vertices, piece by piece."""
    palette = _PALETTES[coat]
    rows = [_paint_piece(piece, palette) for piece in pieces]
    albedo, roughness, gloss, glow = (np.concatenate(column).astype(np.float32) for column in zip(*rows, strict=True))
    # pieces sit in different places of the noise, so that no two limbs wear the same hair
    fur = np.concatenate([piece.fur + 7.3 * k for k, piece in enumerate(pieces)]).astype(np.float32)
    return Look(albedo, fur, roughness, gloss, glow)


def _paint_piece(piece: Piece, palette: _Palette) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    n = len(piece.vertices)
    zero = np.zeros(n)
    if piece.name == "body":
        albedo, roughness = _body(piece.fur, palette)
        return albedo, roughness, zero, zero
    if piece.name == "tail":
        rings = 1 + 0.05 * np.sin(2 * np.pi * piece.fur[:, 0] / 1.3)
        return np.outer(rings, palette.tail), np.full(n, 0.12), zero, zero
    if piece.name in ("LH", "RH", "LF", "RF"):
        end = float(piece.fur[:, 0].max())
        bare = smoothstep(piece.fur[:, 0], 0.72 * end, 0.93 * end)[:, None]
        flank, pale = np.array(palette.flank), np.array(palette.belly)
        fur = flank + 0.25 * smoothstep(piece.fur[:, 0], 0.2 * end, 0.8 * end)[:, None] * (pale - flank)
        return fur + bare * (np.array(palette.skin) - fur), 0.75 - 0.6 * bare[:, 0], zero, zero
    if piece.name == "ears":
        return *_ear(piece.fur, palette), zero, zero
    if piece.name == "eyes":
        return np.full((n, 3), 0.035), zero, np.ones(n), zero
    if piece.name == "marks":
        return np.tile(MARK_COLOUR, (n, 1)), zero, zero, np.ones(n)
    skin = np.array(palette.skin) * (0.92 if piece.name == "nose" else 1.0)
    return np.tile(skin, (n, 1)), np.full(n, 0.1), np.full(n, 0.25 if piece.name == "nose" else 0.0), zero


def _body(fur: np.ndarray, palette: _Palette) -> tuple[np.ndarray, np.ndarray]:
    """Dark along the ridge, paler on the flanks, pale below and around the mouth; a bare tip of the nose."""
    s, upright = fur[:, 0], fur[:, 2]
    half = halves_at(s)
    level = np.where(upright >= 0, upright / np.maximum(half[:, 1], 1e-6), upright / np.maximum(half[:, 2], 1e-6))
    ridge, flank, belly = (np.array(c) for c in (palette.ridge, palette.flank, palette.belly))
    colour = flank + smoothstep(level, 0.35, 0.95)[:, None] * (ridge - flank)
    colour = colour + smoothstep(-level, 0.25, 0.85)[:, None] * (belly - colour)
    muzzle = smoothstep(s, 71.0, 76.5)[:, None] * (0.45 + 0.35 * smoothstep(-level, -0.4, 0.4)[:, None])
    colour = colour + muzzle * (belly - colour)
    return colour, 1 - 0.7 * smoothstep(s, 74.0, 79.0)


def _ear(fur: np.ndarray, palette: _Palette) -> tuple[np.ndarray, np.ndarray]:
    """Pink inside, hairy towards the rim and behind."""
    inside = smoothstep(fur[:, 2], -0.1, 0.2)
    radius = np.hypot(fur[:, 0] / 4, fur[:, 1] / 6)
    rim = smoothstep(radius, 0.72, 1.0)
    pink, hair = np.array(palette.ear), np.array(palette.flank)
    hairy = np.maximum(0.55 * (1 - inside), 0.45 * rim)[:, None]
    shade = (1 - 0.22 * inside * (1 - smoothstep(radius, 0.0, 0.75)))[:, None]
    return (pink + hairy * (hair - pink)) * shade, 0.25 + 0.5 * hairy[:, 0]


def contrast(coat: Coat) -> float:
    """Relative brightness of the fur's noise."""
    return _PALETTES[coat].contrast


@lru_cache(maxsize=4)
def fur_noise(seed: int) -> Float32[Array, "2 c c c"]:
    """(streaks, mottling): periodic volumes of mean 0 and deviation 1."""
    rng = np.random.default_rng([seed, 0x66757200])
    volumes = []
    for sigma in ((3.2, 0.85, 0.85), (3.0, 2.2, 2.2)):
        noise = gaussian_filter(rng.standard_normal((_CELLS,) * 3, dtype=np.float32), sigma, mode="wrap")
        volumes.append((noise - noise.mean()) / noise.std())
    out = np.stack(volumes)
    out.setflags(write=False)
    return out


def fur_at(places: Float32[Array, "n 3"], seed: int) -> Float32[Array, " n"]:
    """The noise at places in the fur (millimetres, x along the hair)."""
    streaks, mottle = fur_noise(seed)
    return 0.75 * _lookup(streaks, places, _STREAK_MM) + 0.45 * _lookup(mottle, places, _MOTTLE_MM)


def _lookup(volume: np.ndarray, places: np.ndarray, cell: tuple[float, float, float]) -> np.ndarray:
    x, y, z = ((places[:, k] * np.float32(1 / cell[k])).astype(np.int32) & (_CELLS - 1) for k in range(3))
    return volume.reshape(-1)[(x * _CELLS + y) * _CELLS + z]


def spread_over(points: Points3, count: int, seed: int) -> list[int]:
    """Indices of `count` points far from each other (farthest-point sampling from a seeded start)."""
    first = int(np.random.default_rng([seed, 0x6D61726B]).integers(len(points)))
    chosen, distance = [first], np.full(len(points), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(distance.argmax()))
    return chosen[:count]
