"""Does one change of one camera bring together what outlines of many frames disagree about?

A wrong focal length, or a camera that was turned, moves its outlines by one rule in all frames, and the animal stands
elsewhere in each. What is wrong with outlines changes from frame to frame, or does not follow such a rule. So for each
camera a change of its focal length (one number), and a turn (a shift of its image, two numbers), are fitted to all
planes that it shares with others, by Huber's weights. What counts is how much nearer outlines of every second frame
come by the change that the others want, and how sure that is over frames: few frames agree about a change by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

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


class Change(NamedTuple):
    """The best change of one kind of one camera."""

    camera: int
    kind: Kind
    value: float  # focal: share by which the camera's is too long; turn: degrees by which it was turned
    moved: float  # RMS over its planes, of the subject's size, by which outlines move
    gain: float  # of the subject's size by which the camera's outlines come nearer, mean over frames
    error: float  # standard error of it over frames

    @property
    def least(self) -> float:
        """What of the gain is sure."""
        return self.gain - _SURE * self.error


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

    def chosen(self, rows: Bool[Array, " m"]) -> Residuals:
        """Some planes only."""
        kept = (self.frame, self.first, self.second, self.side, self.residual, self.distance, self.columns)
        return Residuals(self.frames, *(part[rows] for part in kept))

    def of_camera(self, camera: int) -> Bool[Array, " m"]:
        return np.asarray((self.first == camera) | (self.second == camera))


def camera_changes(found: Residuals, cameras: Sequence[Camera]) -> list[Change]:
    """Of each camera the better of a focal length and a turn, largest gain first; none of cameras with few planes.

    cameras: of the outlines' pixels.
    """
    best = []
    for number, camera in enumerate(cameras):
        own = found.of_camera(number)
        if own.sum() >= _LEAST_PLANES:
            part = found.chosen(own)
            kinds: tuple[Kind, Kind] = ("focal", "turn")
            best.append(max((_change(part, number, camera, kind) for kind in kinds), key=lambda one: one.gain))
    return sorted(best, key=lambda one: -one.gain)


def _change(own: Residuals, number: int, camera: Camera, kind: Kind) -> Change:
    columns = own.columns[:, number][:, _NUMBERS[kind]]
    left, half = own.residual.copy(), own.frame % 2
    for part in (0, 1):
        told = half == part
        if (~told).sum() > columns.shape[1]:
            left[told] -= columns[told] @ robust_fit(columns[~told], own.residual[~told], _ROUNDS)[0]
    before, after = (np.minimum(np.abs(r), _CAPPED) for r in (own.residual, left))
    planes = np.bincount(own.frame, minlength=own.frames)
    gains = (np.bincount(own.frame, before - after, own.frames) / np.maximum(planes, 1))[planes > 0]
    error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else np.inf
    values, _ = robust_fit(columns, own.residual, _ROUNDS)
    moved = float(np.sqrt(np.mean((columns @ values) ** 2)))
    # The image is too small by the factor by which the focal length is too long.
    value = float(np.expm1(-values[0])) if kind == "focal" else float(np.degrees(np.hypot(*values) / camera.focal))
    return Change(number, kind, value, moved, float(gains.mean()), error)
