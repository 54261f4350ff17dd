"""Does one change of one camera bring together what outlines of many frames disagree about?

A wrong focal length, or a camera that was turned, moves its outlines by one rule in all frames, and the animal stands
elsewhere in each. What is wrong with outlines changes from frame to frame, or does not follow such a rule. So for each
camera a change of its focal length (one number), and a turn (a shift of its image, two numbers), are fitted to all
planes that it shares with others, by Huber's weights. What counts is how much nearer outlines of every second frame
come by the change that the others want, and how sure that is over frames: few frames agree about a change by chance.

Another camera's change may explain part of the same, the more the fewer cameras there are: of three, each plane of the
wrong camera is shared by a right one. Which it is, the scene tells that is learned with either put right (`put_right`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mouselift.array_types import Array, Bool, Float64, Int64
from mouselift.geometry.camera import Camera
from mouselift.geometry.robust_fit import robust_fit
from mouselift.geometry.tangent_planes import TangentPlanes

_ROUNDS = 15  # of reweighting
_CAPPED = 0.3  # of the subject's size: a lost tail counts so much and no more
_SURE = 2.0  # standard errors
_LEAST_PLANES = 8  # of a camera; fewer fix no change
_NUMBERS = {"focal": [0], "turn": [1, 2]}  # of (log-scale about the principal point, shift in x, in y)

Kind = Literal["focal", "turn"]


@dataclass(frozen=True, eq=False)
class Change:
    """The best change of one kind of one camera."""

    camera: int
    kind: Kind
    values: Float64[Array, " k"]  # focal: log of the factor by which its image is too large; turn: its shift, pixels
    moved: float  # RMS over its planes, of the subject's size, by which outlines move
    gains: Float64[Array, " f"]  # by frame: shares of the subject's size by which planes come nearer, summed
    planes: Int64[Array, " f"]  # of the camera, by frame

    @property
    def gain(self) -> float:
        """Of the subject's size by which the camera's outlines come nearer, mean over frames."""
        return float(self._of_a_plane(self.gains).mean())

    @property
    def least(self) -> float:
        """What of the gain is sure."""
        return sure(self._of_a_plane(self.gains))

    def degrees(self, camera: Camera) -> float:
        """Of a turn: by how much; camera: of the outlines' pixels."""
        return float(np.degrees(np.hypot(*self.values) / camera.focal))

    @property
    def too_long(self) -> float:
        """Of a focal length: the share by which it is too long. The image is too small by the same factor."""
        return float(np.expm1(-self.values[0]))

    @property
    def numbers(self) -> Float64[Array, 3]:
        """As `Residuals.columns` has them."""
        out = np.zeros(3)
        out[_NUMBERS[self.kind]] = self.values
        return out

    def undone_in(self, cameras: Sequence[Camera]) -> tuple[Camera, ...]:
        """Cameras of the full-size images, one of them without what is wrong with it; outlines are of half the size."""
        numbers = self.numbers
        factor, (x, y) = float(np.exp(numbers[0])), 2 * numbers[1:]
        out = list(cameras)
        own = out[self.camera]
        out[self.camera] = replace(own, fx=own.fx * factor, fy=own.fy * factor, cx=own.cx + x, cy=own.cy + y)
        return tuple(out)

    def _of_a_plane(self, sums: Float64[Array, " f"]) -> Float64[Array, " n"]:
        shown = self.planes > 0
        return np.asarray(sums[shown] / self.planes[shown])


def sure(values: Float64[Array, " n"]) -> float:
    """Their mean, less two standard errors."""
    if len(values) < 2:
        return -np.inf
    return float(values.mean() - _SURE * values.std(ddof=1) / np.sqrt(len(values)))


@dataclass(frozen=True, eq=False)
class Residuals:
    """Tangent planes of many frames; residuals and distances in shares of the subject's size."""

    frames: int
    frame: Int64[Array, " m"]
    first: Int64[Array, " m"]
    second: Int64[Array, " m"]
    side: Int64[Array, " m"]
    residual: Float64[Array, " m"]  # signed
    distance: Float64[Array, "m 2"]  # signed, of each view's point from the other view's plane
    columns: Float64[Array, "m v 3"]  # d residual / d (log-scale about the principal point, shift), by view

    @classmethod
    def of(cls, found: Sequence[tuple[TangentPlanes, float]]) -> Residuals:
        """found: planes of one frame and the subject's size in it, pixels. At least one."""
        columns = []
        for planes, size in found:
            own = planes.jacobian() / size
            # scales are about the image's middle there
            own[..., 0] += ((planes.middle - planes.principal) * own[..., 1:]).sum(axis=2)
            columns.append(own)
        parts = [planes for planes, _ in found]
        counts = [len(planes.angle) for planes in parts]
        sizes = np.repeat([size for _, size in found], counts)
        first, second, side, residual, distance = (
            np.concatenate([getattr(planes, name) for planes in parts])
            for name in ("first", "second", "side", "residual", "distance")
        )
        frame = np.repeat(np.arange(len(parts)), counts)
        return cls(
            len(parts), frame, first, second, side, residual / sizes, distance / sizes[:, None], np.concatenate(columns)
        )

    @property
    def views(self) -> int:
        return self.columns.shape[1]

    @property
    def tested(self) -> Bool[Array, " v"]:
        """Cameras that have planes."""
        return np.array([self.of_camera(view).any() for view in range(self.views)])

    def chosen(self, rows: Bool[Array, " m"]) -> Residuals:
        """Some planes only."""
        kept = (self.frame, self.first, self.second, self.side, self.residual, self.distance, self.columns)
        return Residuals(self.frames, *(part[rows] for part in kept))

    def of_camera(self, camera: int) -> Bool[Array, " m"]:
        return np.asarray((self.first == camera) | (self.second == camera))


def camera_changes(found: Residuals) -> list[Change]:
    """Of each camera the better of a focal length and a turn, largest gain first; none of cameras with few planes."""
    each = (changes_of(found, number) for number in range(found.views))
    return sorted((own[0] for own in each if own), key=lambda one: -one.gain)


def changes_of(found: Residuals, camera: int) -> list[Change]:
    """A focal length and a turn of one camera, the better one first; none where it has few planes."""
    own = found.of_camera(camera)
    if own.sum() < _LEAST_PLANES:
        return []
    kinds: tuple[Kind, Kind] = ("focal", "turn")
    return sorted((_change(found.chosen(own), camera, kind) for kind in kinds), key=lambda one: -one.gain)


def _change(own: Residuals, number: int, kind: Kind) -> Change:
    columns = own.columns[:, number][:, _NUMBERS[kind]]
    left, half = own.residual.copy(), own.frame % 2
    for part in (0, 1):
        told = half == part
        if (~told).sum() > columns.shape[1]:
            left[told] -= columns[told] @ robust_fit(columns[~told], own.residual[~told], _ROUNDS)[0]
    before, after = (np.minimum(np.abs(r), _CAPPED) for r in (own.residual, left))
    gains, planes = (np.bincount(own.frame, one, own.frames) for one in (before - after, np.ones(len(left))))
    values, _ = robust_fit(columns, own.residual, _ROUNDS)
    moved = float(np.sqrt(np.mean((columns @ values) ** 2)))
    return Change(number, kind, values, moved, gains, planes.astype(np.int64))
