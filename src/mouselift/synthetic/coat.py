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

from mouselift.array_types import Array
from mouselift.synthetic.body import halves_at, smoothstep
from mouselift.synthetic.mesh import Piece

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


@dataclass(frozen=True, eq=False)
class Look:
    """What each vertex looks like, whatever the pose."""

    albedo: Float32[Array, "n 3"]  # reflectance as display values 0..1
    fur: Float32[Array, "n 3"]  # place in the fur's noise, rest-pose millimetres: x runs along the hair
    roughness: Float32[Array, " n"]  # 0 bare skin .. 1 fur: how strongly the noise shows
    gloss: Float32[Array, " n"]  # 0..1 highlight (eyes)
    glow: Float32[Array, " n"]  # 1: emissive, unlit (marks)
    contrast: float  # relative brightness of the fur's noise


def paint(pieces: list[Piece], coat: Coat) -> Look:
    """Colours of all vertices, piece by piece."""
    palette = _PALETTES[coat]
    albedo, roughness = zip(*(_paint_piece(piece, palette) for piece in pieces), strict=True)
    # pieces sit in different places of the noise, so that no two limbs wear the same hair
    fur = [piece.fur + 7.3 * k for k, piece in enumerate(pieces)]
    sizes = [len(piece.vertices) for piece in pieces]
    gloss = np.repeat([{"eyes": 1.0, "nose": 0.25}.get(piece.name, 0.0) for piece in pieces], sizes)
    glow = np.repeat([1.0 if piece.name == "marks" else 0.0 for piece in pieces], sizes)
    arrays = [np.concatenate(albedo), np.concatenate(fur), np.concatenate(roughness), gloss, glow]
    return Look(*[array.astype(np.float32) for array in arrays], contrast=palette.contrast)


def _paint_piece(piece: Piece, palette: _Palette) -> tuple[np.ndarray, np.ndarray]:
    """(albedo, roughness) of its vertices."""
    n, along = len(piece.vertices), piece.fur[:, 0]
    if piece.name == "body":
        return _body(piece.fur, palette)
    if piece.name == "ears":
        return _ear(piece.fur, palette)
    if piece.name == "tail":
        rings = 1 + 0.05 * np.sin(2 * np.pi * along / 1.3)
        return np.outer(rings, palette.tail), np.full(n, 0.12)
    if piece.name in ("LH", "RH", "LF", "RF"):
        end = float(along.max())
        bare = smoothstep(along, 0.72 * end, 0.93 * end)[:, None]
        flank, pale = np.array(palette.flank), np.array(palette.belly)
        fur = flank + 0.25 * smoothstep(along, 0.2 * end, 0.8 * end)[:, None] * (pale - flank)
        return fur + bare * (np.array(palette.skin) - fur), 0.75 - 0.6 * bare[:, 0]
    if piece.name == "eyes":
        return np.full((n, 3), 0.035), np.zeros(n)
    if piece.name == "marks":
        return np.tile(MARK_COLOUR, (n, 1)), np.zeros(n)
    skin = np.array(palette.skin) * (0.92 if piece.name == "nose" else 1.0)
    return np.tile(skin, (n, 1)), np.full(n, 0.1)


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
