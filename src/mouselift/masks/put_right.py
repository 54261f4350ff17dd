"""One camera put right, step by step, each time with the scene learned again.

Under a wrong camera the floor is found too low and hulls are others, so what its outlines say of the change that is
wanted is wrong as well, by a fifth and more. With most of it undone the floor is found, and the rest can be told.

What is left between outlines then is compared with what is left where another camera is put right: a camera that is
right in truth may explain what the outlines of one scene say, but not the floor and the hulls that follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.geometry.camera import Camera
from mouselift.masks.camera_change import Change, Residuals, camera_changes, changes_of, sure
from mouselift.masks.uncut import Uncut, between_parts, covered_of

_STEPS = 3
_LITTLE = 0.002  # of the subject's size: not worth another step; right cameras leave 0.001 to 0.007
_CAPPED = 0.3  # of the subject's size: what a lost tail counts, and a frame in which nothing is seen

See = Callable[[Sequence[Camera]], Sequence[Uncut]]  # frames as they are seen with other cameras; none: no scene


@dataclass(frozen=True, eq=False)
class PutRight:
    """What is seen with one camera put right."""

    camera: int
    cameras: tuple[Camera, ...]
    frames: Sequence[Uncut]
    numbers: Float64[Array, 3]  # of what was wrong with it, as `Residuals.columns` has them

    @property
    def apart(self) -> float:
        """Mean distance of outlines from the other views' planes, a share of the subject's size."""
        return float(_apart(self.frames).mean())

    def told(self) -> Residuals:
        """What outlines would have told of the camera that was wrong, had the scene been the right one."""
        found = Residuals.of([(frame.planes, frame.size) for frame in self.frames if frame.planes is not None])
        return replace(found, residual=found.residual + found.columns[:, self.camera] @ self.numbers)

    def agrees(self, covered: float, covered_in_all: float, wanted: float) -> bool:
        """Whether all parts fill so much of the hull's projection, and in the mean, and no change that would bring
        outlines nearer by so much of the subject's size is wanted of any camera.
        """
        found = between_parts(self.frames, covered)
        if found is None or not found.tested.all() or covered_of(self.frames).mean() < covered_in_all:
            return False
        return all(change.gain < wanted for change in camera_changes(found))

    def nearer_than(self, other: PutRight) -> float:
        """By how much of the subject's size outlines surely lie nearer than with another camera put right."""
        return sure(_apart(other.frames) - _apart(self.frames))


def put_right(change: Change, cameras: Sequence[Camera], frames: Sequence[Uncut], see: See) -> PutRight | None:
    """change: wanted of `frames`, which are seen with `cameras` (of the full-size images). None where it does not help.

    A focal length may look like a turn, and the other way round: the steps after the first take what is wanted then.
    """
    best, wanted = PutRight(change.camera, tuple(cameras), frames, np.zeros(3)), change
    for _ in range(_STEPS):
        now = wanted.undone_in(best.cameras)
        seen = see(now)
        if not seen or _apart(seen).mean() >= _apart(best.frames).mean():
            break
        best = PutRight(change.camera, now, seen, best.numbers + wanted.numbers)
        # By all parts, whatever they fill: they lead there, and prove nothing.
        found = between_parts(seen, 0.0)
        following = [] if found is None else changes_of(found, change.camera)
        if not following or following[0].gain < _LITTLE:
            break
        wanted = following[0]
    return None if best.frames is frames else best


def _apart(frames: Sequence[Uncut]) -> Float64[Array, " f"]:
    """Mean distance of outlines from the other views' planes, a share of the subject's size, by frame."""
    out = np.full(len(frames), _CAPPED)
    for number, frame in enumerate(frames):
        if frame.planes is not None and len(frame.planes.residual):
            out[number] = np.minimum(np.abs(frame.planes.residual) / frame.size, _CAPPED).mean()
    return out
