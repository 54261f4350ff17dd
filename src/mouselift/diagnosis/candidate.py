"""A candidate cause: what would have to be undone for cameras and images to agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mouselift.array_types import Array, Float64, Int64
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines

Basis = Callable[[CameraArrays], np.ndarray]  # [v, 7, k]: what each parameter does to every view
Start = Callable[[CameraArrays, ConvexOutlines], np.ndarray]  # [k]: a guess from the silhouettes' centroids and areas
Starts = Callable[[CameraArrays, ConvexOutlines], list[np.ndarray]]  # several [k], the likeliest first: of one sample
Rows = tuple[tuple[int, ...], ...]  # for each parameter, the numbers of y that it changes
About = Literal["middle", "corner", "principal"]

_LOG_SCALE_SIGMA = 0.5  # prior of a log scale: 0.6 to 1.6 is nothing special
_SHIFT_SIGMA = 0.25  # of a shift, share of the image's width
_CENTRE_SIGMA = 0.5  # of a camera centre, share of its distance


def unchanged(cameras: CameraArrays) -> CameraArrays:
    """Nothing discrete to undo."""
    return cameras


@dataclass(frozen=True, eq=False)
class Candidate:
    """One possible cause. A discrete part is undone by `apply`; a continuous one is fitted.

    The fit's parameters x give for every view y = basis x = (log sx, log sy, dx, dy, three shares of the camera's
    distance): the *image* was stretched by exp(log sx), exp(log sy) about its middle, its corner or the file's
    principal point, and shifted by (dx, dy) pixels, without the camera; the camera's centre was moved by minus the
    last three. Undoing it in the camera leaves the pixels as they are.
    """

    code: str  # stable, e.g. "view-scale-shift"
    views: tuple[int, ...]  # the faulty ones
    apply: Callable[[CameraArrays], CameraArrays] = unchanged
    basis: Basis | None = None
    prior_sigma: tuple[float, ...] = ()  # of each parameter, pixels given as a share of the image's width
    about: About = "middle"
    start: Start | None = None
    starts: Starts | None = None
    options: int = 1  # how many like it are tried: the more, the easier one fits by chance
    detail: str = ""  # what this one says beyond its code's sentence, e.g. "by 90 degrees clockwise"

    @property
    def parameters(self) -> int:
        return len(self.prior_sigma)


@dataclass(frozen=True, eq=False)
class Change:
    """How a candidate's parameters change cameras: what of it does not depend on them. b candidates, or one."""

    basis: Float64[Array, "*b v 7 k"]  # centres in units of the world
    arm: Float64[Array, "*b v 2"]  # from the point about which images were stretched to the principal point, pixels

    @classmethod
    def of(cls, candidate: Candidate, cameras: CameraArrays) -> Change:
        """Of one candidate."""
        assert candidate.basis is not None
        basis = candidate.basis(cameras)
        distance = np.linalg.norm(cameras.centre - cameras.centre.mean(axis=0), axis=1).mean()
        basis[:, 4:] *= distance
        about = {"middle": cameras.size / 2, "corner": np.zeros_like(cameras.size), "principal": cameras.principal}
        return cls(basis, cameras.principal - about[candidate.about])

    @classmethod
    def stacked(cls, changes: Sequence[Change]) -> Change:
        """Of several candidates; the ones with fewer parameters get some that change nothing."""
        most = max(each.basis.shape[2] for each in changes)
        padded = [np.pad(each.basis, ((0, 0), (0, 0), (0, most - each.basis.shape[2]))) for each in changes]
        return cls(np.stack(padded), np.stack([each.arm for each in changes]))

    def take(self, which: Int64[Array, " a"]) -> Change:
        """Of some of the candidates."""
        return Change(self.basis[which], self.arm[which])

    def at(self, x: Float64[Array, "*b k"]) -> tuple[Float64[Array, "*b v 7"], Float64[Array, "*b v 7 k"]]:
        """The change of `CameraArrays.moved` that undoes the cause with parameters x, and its derivative."""
        change = (self.basis @ x[..., None, :, None])[..., 0]
        slope = self.basis.copy()
        grown = np.exp(change[..., :2]) * self.arm
        slope[..., 2:4, :] += grown[..., None] * self.basis[..., :2, :]
        change[..., 2:4] += grown - self.arm
        return change, slope


def change_of(
    candidate: Candidate, cameras: CameraArrays, x: Float64[Array, " k"]
) -> tuple[Float64[Array, "v 7"], Float64[Array, "v 7 k"]]:
    """The change of `CameraArrays.moved` that undoes the cause with parameters x, and its derivative."""
    return Change.of(candidate, cameras).at(x)


def columns(faulty: tuple[int, ...], rows: Rows, shared: bool, cameras: CameraArrays) -> Float64[Array, "v 7 k"]:
    """The basis of parameters that act on `rows` of y in the faulty views: one set for all of them, or one each."""
    count = len(rows)
    out = np.zeros((len(cameras), 7, count * (1 if shared else len(faulty))))
    for n, view in enumerate(faulty):
        for k, row in enumerate(rows):
            out[view, list(row), (0 if shared else n) * count + k] = 1.0
    return out


SCALE, SHIFT_X, SHIFT_Y = (0, 1), (2,), (3,)
SCALE_X, SCALE_Y = (0,), (1,)
CENTRE: Rows = ((4,), (5,), (6,))


def prior_sigma(rows: Rows, sets: int) -> tuple[float, ...]:
    """Prior sigma of the parameters that `columns` makes."""
    each = [_LOG_SCALE_SIGMA if r[0] < 2 else _SHIFT_SIGMA if r[0] < 4 else _CENTRE_SIGMA for r in rows]
    return tuple(each * sets)
