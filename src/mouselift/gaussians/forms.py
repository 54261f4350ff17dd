"""Numbers of a `.ply` that mean something else than the standard's: colours 0..1, scales to base 10, w last.

No header says it. Colours that are bytes / 255 are asked about: harmonics never stand on such steps. Where both
readings are possible a note says what is assumed, and how the other one is told. Of rotations no number says it: their
lengths and their axes are possible either way.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from mouselift.errors import DatasetError
from mouselift.gaussians.splats import SH_DC

Form = Literal["colours", "log10", "xyzw"]  # f_dc: colours 0..1; scales: logarithms to base 10; quaternions: w last

_FEW = 10  # Gaussians, below which numbers say nothing
_STEP = 0.15  # of 1/255: colours with three decimals are so near to whole levels; 30 numbers by chance once in 1e15
_LEVELS = 3  # different ones: masks of 0 and 1 are no colours
_MANY = 200  # Gaussians, below which sizes and distances say nothing
_LOOKED_AT, _AMONG = 300, 20_000  # Gaussians whose nearest neighbours are sought among so many
# The median Gaussian by the distance to its neighbour, FaceLift's sample: 1.15 (`reconstruct --method fit --steps 100
# --size 128`) and 0.88 (the network in the box); stored as logarithms to base 10, read as natural ones: 11.4 and 9.7.
_TOO_LARGE, _USUAL = 8.0, (0.1, 6.0)


def check_forms(path: Path, dc: np.ndarray) -> None:
    """DatasetError where finite numbers f_dc ([n, 3]) are colours for certain: bytes / 255."""
    if len(dc) < _FEW or not _within(dc):
        return
    levels = dc.astype(np.float64) * 255
    whole = np.rint(levels)
    if (np.abs(levels - whole) < _STEP).all() and len(np.unique(whole)) >= _LEVELS:
        raise DatasetError(
            f"{path}: expected harmonics, but f_dc are all steps of 1/255 from {dc.min():.3g} to {dc.max():.3g}: these "
            "look like colours. If they are, say --read-as colours (in Python: read_as=('colours',)); if they are "
            "harmonics, --activated none"
        )


def doubts(dc: np.ndarray, scales: np.ndarray, positions: np.ndarray) -> Iterator[str]:
    """Where another reading is possible: what is assumed, and what says otherwise. Of finite numbers, [n, 3] each."""
    if len(dc) >= _FEW and _within(dc) and np.ptp(dc) > 0:
        low, high = (SH_DC * float(end) + 0.5 for end in (dc.min(), dc.max()))
        yield (
            f"f_dc all lie in 0..1 ({dc.min():.3g} to {dc.max():.3g}): read as harmonics, which makes colours of "
            f"{low:.2f} to {high:.2f}; if they are colours themselves, --read-as colours"
        )
    natural, decimal = _sizes(scales, positions)
    if natural > _TOO_LARGE and _USUAL[0] < decimal < _USUAL[1]:
        yield (
            f"as natural logarithms scales make the median Gaussian {natural:.3g} times as large as the distance to "
            f"its neighbour, as logarithms to base 10 {decimal:.2g} times: read as natural ones; if they are not, "
            "--read-as log10"
        )


def _within(dc: np.ndarray) -> bool:
    return float(dc.min()) >= 0 and float(dc.max()) <= 1


def _sizes(scales: np.ndarray, positions: np.ndarray) -> tuple[float, float]:
    """The median Gaussian's size by the median distance to the nearest neighbour, by either logarithm; 0 if unknown."""
    if len(positions) < _MANY:
        return 0.0, 0.0
    rng = np.random.default_rng(0)
    among = positions if len(positions) <= _AMONG else positions[rng.choice(len(positions), _AMONG, replace=False)]
    nearest = []
    for here in among[rng.choice(len(among), min(_LOOKED_AT, len(among)), replace=False)]:
        away = ((among - here) ** 2).sum(axis=1)
        nearest.append(float(np.sqrt(np.partition(away, 1)[1])))
    # Gaussians lie on surfaces: of n times as many the neighbour is the root of n nearer.
    spacing = float(np.median(nearest)) * float(np.sqrt(len(among) / len(positions)))
    middle = min(float(np.median(np.median(scales, axis=1))), 300.0)
    return (float(np.exp(middle)) / spacing, float(10.0**middle) / spacing) if spacing > 0 else (0.0, 0.0)


def check_told(read_as: tuple[str, ...]) -> None:
    """DatasetError for a word that is none."""
    for word in read_as:
        if word not in get_args(Form):
            raise DatasetError(f"read_as: expected words of {', '.join(get_args(Form))}, got {word!r}")
