"""Writes the compact `.splat` format of web viewers, for tests of its reader (`mouselift.gaussians.files`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mouselift.gaussians.files import RECORD, SH_DC, Splats


def splat_bytes(splats: Splats) -> bytes:
    """A `.splat` file's content, the most visible (volume times opacity) first: viewers show it while it loads.

    ValueError for harmonics of a degree above 0, which the format cannot hold, and for a rotation of length zero.
    """
    degree = round(splats.harmonics.shape[1] ** 0.5) - 1
    if degree:
        raise ValueError(f".splat holds no harmonics above degree 0, got degree {degree}; write a .ply")
    length = np.linalg.norm(splats.rotations.astype(np.float64), axis=1)
    if (length == 0).any():
        raise ValueError(f".splat: the rotation of Gaussian {int(np.argmin(length))} has length zero")
    opacity = 1 / (1 + np.exp(-splats.opacities.astype(np.float64)))
    order = np.argsort(-(splats.scales.astype(np.float64).sum(axis=1) + np.log(opacity)), kind="stable")
    out = np.zeros(len(splats), dtype=RECORD)
    out["p"], out["scale"] = splats.positions, np.exp(splats.scales)
    colour = SH_DC * splats.harmonics[:, 0] + 0.5
    out["rgba"] = _levels(np.concatenate([255 * colour, 255 * opacity[:, None]], axis=1))
    out["q"] = _levels(128 + 128 * splats.rotations / length[:, None])
    return out[order].tobytes()


def write_splat(path: Path, splats: Splats) -> None:
    """A new file with `splat_bytes`."""
    path.write_bytes(splat_bytes(splats))


def _levels(values: np.ndarray) -> np.ndarray:
    return np.rint(values).clip(0, 255).astype(np.uint8)
