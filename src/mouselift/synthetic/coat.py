"""Colours of the fur and skin, and the noise that makes fur look like fur.

All values are display values (0..1), as a camera writes them. In every colour of fur and floor green is
within 0.02 of the mean of red and blue: nothing but the marks is magenta, and only bare skin a little.
Coats by name are those of common strains: black (C57BL/6, DBA is browner), agouti (C3H, wild; Brown Norway rats), white
with red eyes (BALB/c, CD-1; Wistar and Sprague-Dawley rats), hooded (Long-Evans and Lister rats). Their colours are by
eye, from photographs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter

from mouselift.array_types import Array, Float32
from mouselift.synthetic.body import halves_at, smoothstep
from mouselift.synthetic.mesh import Piece
from mouselift.synthetic.shape import BodyShape

Coat = Literal["brown", "black", "agouti", "white", "hooded"]
MARK_COLOUR = (1.0, 0.0, 1.0)
Colour = tuple[float, float, float]

_CELLS = 128  # of the periodic noise volumes, a side
_STREAK_MM = (0.55, 0.21, 0.21)  # cell size: along the hair, across it
_MOTTLE_MM = (1.6, 1.1, 1.1)


@dataclass(frozen=True)
class CoatColours:
    """What an animal wears. `hood` is a second colour of the head, the shoulders and a stripe along the back."""

    ridge: Colour
    flank: Colour
    belly: Colour
    skin: Colour  # of feet and nose
    tail: Colour
    ear: Colour
    contrast: float  # of the fur's noise
    eye: Colour = (0.035, 0.035, 0.035)
    hood: Colour | None = None
    hood_end: float = 50.0  # where the hood ends, along the spine, mm of the standard mouse
    stripe: float = 2.0  # half width of the stripe, mm
    shift: float = 0.0  # mm, of the fur's noise: animals of one coat differ in every hair


COATS: dict[Coat, CoatColours] = {
    "brown": CoatColours(
        (0.35, 0.265, 0.18), (0.52, 0.40, 0.275), (0.80, 0.71, 0.62), (0.92, 0.72, 0.65), (0.82, 0.635, 0.56),
        (0.88, 0.68, 0.60), 0.30,
    ),
    "black": CoatColours(
        (0.105, 0.10, 0.10), (0.165, 0.155, 0.15), (0.30, 0.275, 0.26), (0.76, 0.595, 0.545), (0.50, 0.41, 0.38),
        (0.53, 0.42, 0.38), 0.42,
    ),
    "agouti": CoatColours(
        (0.28, 0.235, 0.185), (0.43, 0.36, 0.28), (0.64, 0.585, 0.52), (0.74, 0.60, 0.54), (0.50, 0.42, 0.375),
        (0.60, 0.48, 0.43), 0.46,
    ),
    "white": CoatColours(
        (0.86, 0.845, 0.82), (0.89, 0.875, 0.85), (0.91, 0.895, 0.875), (0.93, 0.745, 0.70), (0.90, 0.73, 0.68),
        (0.93, 0.755, 0.71), 0.10, eye=(0.52, 0.09, 0.12),
    ),
    "hooded": CoatColours(
        (0.85, 0.835, 0.81), (0.87, 0.855, 0.83), (0.89, 0.875, 0.855), (0.91, 0.73, 0.68), (0.86, 0.69, 0.63),
        (0.55, 0.44, 0.40), 0.12, hood=(0.14, 0.125, 0.115),
    ),
}  # fmt: skip


def coat_colours(coat: Coat | CoatColours) -> CoatColours:
    """By name, or as they are."""
    return coat if isinstance(coat, CoatColours) else COATS[coat]


def varied(coat: Coat, rng: np.random.Generator) -> CoatColours:
    """One animal's version of a coat: brightness, warmth, belly, bare skin, hood and stripe differ (by eye)."""
    plain = COATS[coat]
    bright, warm = float(rng.uniform(0.85, 1.12)), float(rng.uniform(-0.04, 0.04))
    belly, pale = float(rng.uniform(0.0, 1.1)), float(rng.uniform(0.88, 1.06))

    def tinted(colour: Colour, by: float) -> Colour:
        red, green, blue = (min(0.95, by * c * (1 + t)) for c, t in zip(colour, (warm, 0.0, -warm), strict=True))
        return red, green, blue

    mixed = tuple(f + belly * (b - f) for f, b in zip(plain.flank, plain.belly, strict=True))
    fur = {"ridge": plain.ridge, "flank": plain.flank, "belly": (mixed[0], mixed[1], mixed[2])}
    if plain.hood is not None:
        fur["hood"] = plain.hood
    bare = {"skin": plain.skin, "tail": plain.tail, "ear": plain.ear}
    return replace(
        plain,
        **{name: tinted(colour, bright) for name, colour in fur.items()},
        **{name: tinted(colour, pale) for name, colour in bare.items()},
        contrast=plain.contrast * float(rng.uniform(0.7, 1.3)),
        hood_end=float(rng.uniform(44.0, 56.0)),
        stripe=float(rng.uniform(0.5, 3.0)),
        shift=float(rng.uniform(0.0, 500.0)),
    )


@dataclass(frozen=True, eq=False)
class Look:
    """What each vertex looks like, whatever the pose."""

    albedo: Float32[Array, "n 3"]  # reflectance as display values 0..1
    fur: Float32[Array, "n 3"]  # place in the fur's noise, rest-pose millimetres: x runs along the hair
    roughness: Float32[Array, " n"]  # 0 bare skin .. 1 fur: how strongly the noise shows
    gloss: Float32[Array, " n"]  # 0..1 highlight (eyes)
    glow: Float32[Array, " n"]  # 1: emissive, unlit (marks)
    contrast: float  # relative brightness of the fur's noise


def paint(pieces: list[Piece], coat: Coat | CoatColours, shape: BodyShape) -> Look:
    """Colours of all vertices, piece by piece."""
    palette = coat_colours(coat)
    albedo, roughness = zip(*(_paint_piece(piece, palette, shape) for piece in pieces), strict=True)
    # pieces sit in different places of the noise, so that no two limbs wear the same hair
    fur = [piece.fur + (7.3 * k + palette.shift) for k, piece in enumerate(pieces)]
    sizes = [len(piece.vertices) for piece in pieces]
    gloss = np.repeat([{"eyes": 1.0, "nose": 0.25}.get(piece.name, 0.0) for piece in pieces], sizes)
    glow = np.repeat([1.0 if piece.name == "marks" else 0.0 for piece in pieces], sizes)
    arrays = [np.concatenate(albedo), np.concatenate(fur), np.concatenate(roughness), gloss, glow]
    return Look(*[array.astype(np.float32) for array in arrays], contrast=palette.contrast)


def _paint_piece(piece: Piece, palette: CoatColours, shape: BodyShape) -> tuple[np.ndarray, np.ndarray]:
    """(albedo, roughness) of its vertices."""
    n, along = len(piece.vertices), piece.fur[:, 0]
    if piece.name == "body":
        return _body(piece.fur, palette, shape)
    if piece.name == "ears":
        return _ear(piece.fur, palette)
    if piece.name == "tail":
        rings = 1 + 0.05 * np.sin(2 * np.pi * along / 1.3)
        return np.outer(rings, palette.tail), np.full(n, 0.12)
    if piece.name in ("LH", "RH", "LF", "RF"):
        end = float(along.max())
        bare = smoothstep(along, 0.72 * end, 0.93 * end)[:, None]
        hooded = palette.hood is not None and piece.name in ("LF", "RF")
        flank, pale = np.array(palette.hood if hooded else palette.flank), np.array(palette.belly)
        fur = flank + 0.25 * smoothstep(along, 0.2 * end, 0.8 * end)[:, None] * (pale - flank)
        return fur + bare * (np.array(palette.skin) - fur), 0.75 - 0.6 * bare[:, 0]
    if piece.name == "eyes":
        return np.tile(palette.eye, (n, 1)), np.zeros(n)
    if piece.name == "marks":
        return np.tile(MARK_COLOUR, (n, 1)), np.zeros(n)
    skin = np.array(palette.skin) * (0.92 if piece.name == "nose" else 1.0)
    return np.tile(skin, (n, 1)), np.full(n, 0.1)


def _body(fur: np.ndarray, palette: CoatColours, shape: BodyShape) -> tuple[np.ndarray, np.ndarray]:
    """Dark along the ridge, paler on the flanks, pale below and around the mouth; a bare tip of the nose."""
    s, upright = fur[:, 0], fur[:, 2]
    half = halves_at(s, shape)
    level = np.where(upright >= 0, upright / np.maximum(half[:, 1], 1e-6), upright / np.maximum(half[:, 2], 1e-6))
    ridge, flank, belly = (np.array(c) for c in (palette.ridge, palette.flank, palette.belly))
    colour = flank + smoothstep(level, 0.35, 0.95)[:, None] * (ridge - flank)
    colour = colour + smoothstep(-level, 0.25, 0.85)[:, None] * (belly - colour)
    if palette.hood is not None:
        end = palette.hood_end + 3.0 * np.sin(0.45 * fur[:, 1]) + 4.0 * np.minimum(level, 0.0)
        stripe = 1 - smoothstep(np.abs(fur[:, 1]) - palette.stripe, -1.0, 1.0)
        hood = np.maximum(smoothstep(s - end, -1.5, 1.5), stripe * (upright > 0) * smoothstep(s, 4.0, 8.0))
        hood = hood * (1 - smoothstep(-level, 0.55, 0.85))  # the throat is white
        colour = colour + hood[:, None] * (np.array(palette.hood) - colour)
        return colour, 1 - 0.7 * smoothstep(s, 74.0, 79.0)
    muzzle = smoothstep(s, 71.0, 76.5)[:, None] * (0.45 + 0.35 * smoothstep(-level, -0.4, 0.4)[:, None])
    colour = colour + muzzle * (belly - colour)
    return colour, 1 - 0.7 * smoothstep(s, 74.0, 79.0)


def _ear(fur: np.ndarray, palette: CoatColours) -> tuple[np.ndarray, np.ndarray]:
    """Pink inside, hairy towards the rim and behind."""
    inside = smoothstep(fur[:, 2], -0.1, 0.2)
    radius = np.hypot(fur[:, 0] / 4, fur[:, 1] / 6)
    rim = smoothstep(radius, 0.72, 1.0)
    pink, hair = np.array(palette.ear), np.array(palette.hood or palette.flank)
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


def fur_at(places: Float32[Array, "n 3"], seed: int, fine: bool = True) -> Float32[Array, " n"]:
    """The noise at places in the fur (millimetres, x along the hair).

    fine: with single hairs. Where a pixel is wider than 0.5 mm these average out in a photograph, while samples of them
    would be noise that no two views share.
    """
    streaks, mottle = fur_noise(seed)
    if not fine:
        return 0.45 * _lookup(mottle, places, _MOTTLE_MM)
    return 0.75 * _lookup(streaks, places, _STREAK_MM) + 0.45 * _lookup(mottle, places, _MOTTLE_MM)


def _lookup(volume: np.ndarray, places: np.ndarray, cell: tuple[float, float, float]) -> np.ndarray:
    x, y, z = ((places[:, k] * np.float32(1 / cell[k])).astype(np.int32) & (_CELLS - 1) for k in range(3))
    return volume.reshape(-1)[(x * _CELLS + y) * _CELLS + z]
