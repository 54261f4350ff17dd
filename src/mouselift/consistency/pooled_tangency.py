"""Do the cameras of a rig match its silhouettes, over many samples? One of two or three views has too few planes.

The samples of one rig share their cameras, so a fault of a source camera is the same in all: a focal length, a
principal point or a turn. Each residual is linear in four numbers a camera (`sample_planes`).

Hotelling's test (Annals of Mathematical Statistics 2, 1931): the estimate over all samples against its scatter between
blocks of neighbouring samples. The scatter holds whatever noise masks have, shared by planes of one sample and by
neighbours or not; F's quantile knows how many blocks it came from. What repeats itself in masks is no noise: a fault
must also be larger than a floor, and than a share of what outlines disagree by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array
from mouselift.consistency.sample_planes import NUMBERS, SamplePlanes, by_camera

_FALSE_ALARMS = 1e-4  # of the test, were residuals noise alone
_POWER_SIGMA = 1.65  # a fault that shows in 95 of 100 datasets lies so far beyond the limit
_BLOCKS = 32  # of neighbouring samples; more say little more about the scatter
_SPARE_BLOCKS = 4  # blocks beyond the numbers that are seen: fewer give no scatter
_SEEN = 1e-3  # share of the largest eigenvalue below which a combination of numbers is not seen by any sample
# Exact masks repeat 0.01 to 0.04 px in all samples: 4 choices of 2 and 3 of six cameras, 20 to 200 samples, corpus 0.
FLOOR_PX = 0.1
# Rough masks repeat themselves too, under right cameras: a fault must be so large a share of what it leaves.
_REPEATED_SHARE = (
    1.05  # 9 choices of cameras of mouse_cylinder: right 0.2 to 0.92, one focal length off by 3 % from 1.19
)
_GROSS_SHARE = 0.02  # of the image's width: residuals that no small change explains, and no mask (`diagnosis.vote`)
_CLIP = 2.5  # times the typical residual: a lost tail counts as this much
_ALONE, _RIVAL = 0.9, 0.6  # share of the explained squares by which one camera is named; that no other may reach
_SAME_RIG = 1e-3  # rad: baselines of samples of one rig agree to this


@dataclass(frozen=True, eq=False)
class PooledTangency:
    """What all samples of one rig say together."""

    names: tuple[str, ...]
    samples: int
    blocks: int
    typical_px: float  # residual of most planes, 1.48 times the median
    noise_px: float  # the same of what one change of the source cameras leaves
    fault_px: float  # RMS of the part that it explains
    needed_px: float  # that a fault must reach
    gross_px: float  # noise above which the cameras do not belong to the images at all
    statistic: float  # Hotelling's T^2
    limit: float  # inf: too few samples
    seen: int  # combinations of the cameras' numbers that show at all, of NUMBERS a camera
    named: int | None  # the camera that explains it alone
    least_scale: float  # the smallest wrong focal length of any one camera that would show, as a share; inf: none
    least_turn_rad: float  # the smallest turn, about the worst axis across the optical one
    source: bool  # pixels are the source image's

    @property
    def enough(self) -> bool:
        return bool(np.isfinite(self.limit))

    @property
    def linear(self) -> bool:
        """A small change of the cameras repeats itself in all samples."""
        return self.enough and self.statistic > self.limit and self.fault_px > self.needed_px

    @property
    def faulty(self) -> bool:
        return self.linear or (self.enough and self.noise_px > self.gross_px)


def pool(evidence: Sequence[SamplePlanes]) -> PooledTangency | None:
    """Of samples in the dataset's order; those with the commonest cameras. None where nothing can be compared."""
    common = [e for e in _one_rig(evidence) if len(e.residual)]
    if not common:
        return None
    views = len(common[0].cameras)
    residuals = [e.residual.astype(np.float64) for e in common]
    reference = dict(zip(common[0].cameras, common[0].R, strict=True))
    columns = [by_camera(e.view, e.columns(reference), views) for e in common]
    together = np.concatenate(residuals)
    typical = 1.4826 * float(np.median(np.abs(together)))
    clip = _CLIP * max(typical, FLOOR_PX)
    J, r = np.concatenate(columns), np.clip(together, -clip, clip)
    size = np.sqrt(np.maximum((J**2).mean(axis=0), 1e-30))  # pixels that a unit of each number makes
    values, vectors = np.linalg.eigh((J / size).T @ (J / size))
    keep = values > _SEEN * values[-1]
    basis = vectors[:, keep] / size[:, None]  # of the combinations that are seen
    seen = int(keep.sum())
    bread = np.linalg.inv((J @ basis).T @ (J @ basis))
    estimate = bread @ (J @ basis).T @ r
    blocks = min(len(common), _BLOCKS)
    rows = np.repeat(np.arange(len(common)) * blocks // len(common), [len(x) for x in residuals])
    left = (J @ basis) * (r - J @ basis @ estimate)[:, None]
    sums = np.stack([np.bincount(rows, column, blocks) for column in left.T], axis=1)
    spare = blocks - seen
    if spare < _SPARE_BLOCKS:
        statistic, limit, inverse = float("nan"), float("inf"), np.zeros((seen, seen))
    else:
        # The scatter, and never less than what independent noise of the floor's half would make.
        scatter = bread @ (sums.T @ sums * blocks / (blocks - 1)) @ bread + (FLOOR_PX / 2) ** 2 * bread
        inverse = np.linalg.inv(scatter)
        statistic = float(estimate @ inverse @ estimate)
        from scipy.special import fdtri  # a quarter of a second that rigs of more views need not pay

        limit = seen * (blocks - 1) / spare * float(fdtri(seen, spare, 1 - _FALSE_ALARMS))
    noise = 1.4826 * float(np.median(np.abs(r - J @ basis @ estimate)))
    needed = max(FLOOR_PX, _REPEATED_SHARE * noise)
    gross = _GROSS_SHARE * float(np.mean([e.width_px for e in common]))
    fault = float(np.sqrt(np.mean((J @ basis @ estimate) ** 2)))
    least = _least(J, size, vectors[:, keep], inverse, limit, needed).reshape(views, NUMBERS)
    return PooledTangency(
        common[0].cameras, len(common), blocks, typical, noise, fault, needed, gross, statistic, limit, seen,
        _named(J, r, views), float(least[:, 3].max()), float(least[:, :2].max()),
        all(e.source for e in common),
    )  # fmt: skip


def _one_rig(evidence: Sequence[SamplePlanes]) -> list[SamplePlanes]:
    """Those with the cameras and the baselines' directions of the first of the commonest kind, turned alike."""
    kinds: dict[tuple[str, ...], list[SamplePlanes]] = {}
    for one in evidence:
        kinds.setdefault(one.cameras, []).append(one)
    if not kinds:
        return []
    most = max(kinds.values(), key=len)
    directions = np.array([_baselines(one) for one in most])
    first = directions[len(directions) // 2]
    off = np.linalg.norm(directions - first, axis=2).max(axis=1)
    return [one for one, apart in zip(most, off, strict=True) if apart < _SAME_RIG]


def _baselines(one: SamplePlanes) -> np.ndarray:
    """[v - 1, 3] unit directions from the first camera to the others."""
    along = one.centre[1:] - one.centre[0]
    return along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-300)


def _least(
    J: np.ndarray, size: np.ndarray, seen: np.ndarray, inverse: np.ndarray, limit: float, needed_px: float
) -> Float64[Array, " k"]:
    """Of each camera's numbers alone, the smallest value that the test would find in 95 of 100 datasets."""
    if not np.isfinite(limit):
        return np.full(J.shape[1], np.inf)
    effect = seen.T * size  # [d, k]: what a unit of each number does to the combinations that are seen
    strength = np.einsum("dk,de,ek->k", effect, inverse, effect)
    pixels = np.sqrt((J**2).mean(axis=0))
    with np.errstate(divide="ignore"):
        return np.maximum((np.sqrt(limit) + _POWER_SIGMA) / np.sqrt(np.maximum(strength, 0.0)), needed_px / pixels)


def _named(J: np.ndarray, r: np.ndarray, views: int) -> int | None:
    """The camera whose numbers alone explain what all cameras' do; two views cannot say which of them it is."""
    if views < 3:
        return None

    def explained(columns: np.ndarray) -> float:
        fitted = columns @ np.linalg.lstsq(columns, r, rcond=_SEEN)[0]
        return float(fitted @ fitted)

    whole = explained(J)
    shares = [explained(J[:, k * NUMBERS : (k + 1) * NUMBERS]) / max(whole, 1e-300) for k in range(views)]
    order = np.argsort(shares)[::-1].tolist()
    clear = shares[order[0]] > _ALONE and (1 - shares[order[0]]) < (1 - shares[order[1]]) * (1 - _RIVAL)
    return int(order[0]) if clear else None
