"""A sample's keypoints as points of its scene: their places and names, and whether they lie on the alphas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mouselift.array_types import Vector3
from mouselift.dataset.sample import Sample, View
from mouselift.foreign import first_few
from mouselift.keypoints.keypoints import SampleKeypoints
from mouselift.keypoints.on_mask import on_mask

Laid = Literal["on", "off", "unknown"]
_MOST_NAMED = 6  # in a note
_MOST_DRAWN = 300  # a browser shows some thousand nodes
_MOST_CAMERAS = 3  # of a keypoint in a note


@dataclass(frozen=True, eq=False)
class ScenePoint:
    """One keypoint."""

    name: str
    point: Vector3  # world
    off: tuple[str, ...]  # cameras on whose alphas it does not lie
    compared: int  # cameras whose alphas can say

    @property
    def state(self) -> Laid:
        """off: of at least one camera."""
        if self.off:
            return "off"
        return "on" if self.compared else "unknown"


def drawn(points: Sequence[ScenePoint]) -> Sequence[ScenePoint]:
    """Those that a scene shows, with their names: those off an alpha first, where there are too many for all."""
    return points if len(points) <= _MOST_DRAWN else sorted(points, key=lambda one: not one.off)[:_MOST_DRAWN]


def keypoint_note(points: Sequence[ScenePoint]) -> str:
    """What the colours say, in one sentence or two; "" of no points."""
    if not points:
        return ""
    compared = [point for point in points if point.compared]
    left = len(points) - len(drawn(points))
    lacking = f" {left:,} are not drawn." if left else ""
    if not compared:
        return f"Keypoints: {len(points)}, grey: the subject is cut in all views, so nothing is known.{lacking}"
    off = [point for point in compared if point.off]
    said = f"Keypoints: {len(compared) - len(off)} of {len(compared)} lie on every alpha (green)."
    named = "; ".join(f"{point.name} off {first_few(point.off, _MOST_CAMERAS)}" for point in off[:_MOST_NAMED])
    more = f"; and {len(off) - _MOST_NAMED} more" if len(off) > _MOST_NAMED else ""
    return f"{said} Red: {named}{more}.{lacking}" if off else f"{said}{lacking}"


def laid_on(view: View, keypoints: SampleKeypoints) -> list[Laid]:
    """Whether each keypoint lies on a view's alpha; nothing is known of a view whose subject the sensor cut."""
    if view.cut or not view.alpha.size:
        return ["unknown"] * len(keypoints.names)
    counts, on = on_mask(view.camera, view.alpha, keypoints.points)
    return ["on" if o else "off" if c else "unknown" for c, o in zip(counts.tolist(), on.tolist(), strict=True)]


def scene_points(sample: Sample) -> tuple[ScenePoint, ...]:
    """The keypoints that were found; none where the sample has none."""
    own = sample.keypoints
    if own is None:
        return ()
    states = [laid_on(view, own) for view in sample.views]
    return tuple(
        ScenePoint(name, own.points[k], *_off(sample.views, [row[k] for row in states]))
        for k, name in enumerate(own.names)
        if np.isfinite(own.points[k]).all()
    )


def _off(views: Sequence[View], states: Sequence[Laid]) -> tuple[tuple[str, ...], int]:
    """(cameras off whose alphas a keypoint lies, how many can say)."""
    off = tuple(view.name for view, state in zip(views, states, strict=True) if state == "off")
    return off, sum(state != "unknown" for state in states)
