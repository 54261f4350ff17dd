"""Reads the chosen frames once, in order, and keeps of each view what is measured later: outlines, no pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array, Levels
from mouselift.errors import LensFoldError
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import HALF_LEVEL, Outline, outline_of
from mouselift.geometry.tangent_planes import rays_at_depth_one
from mouselift.media.frames import FrameSet

SPECK = 0.01  # parts smaller than this share of the largest are noise: `prepare` removes them too
_DIRECTIONS = 16  # in which an outline's reach is compared from frame to frame


@dataclass(frozen=True, eq=False)
class ViewOutline:
    """One view's outline, and the rays through its convex corners."""

    camera: Camera
    outline: Outline
    rays: Float64[Array, "m 3"]  # world, z = 1 in the camera
    parts: int  # components of at least SPECK x the largest


@dataclass(frozen=True, eq=False)
class FrameOutlines:
    """One instant, views in the order of the source's cameras."""

    frame: int
    views: tuple[ViewOutline | None, ...]  # None: no mask, an empty one, or outside the lens
    states: tuple[str, ...]  # ok | empty | no-mask | no-image | outside-lens


def read_outlines(framesets: Iterator[FrameSet], names: Sequence[str]) -> Iterator[tuple[FrameOutlines, FrameSet]]:
    """Every frame set with its outlines; a view that a sample lacks counts as `no-image`."""
    for frameset in framesets:
        by_name = {view.camera.name: view for view in frameset.views}
        views: list[ViewOutline | None] = []
        states: list[str] = []
        for name in names:
            view = by_name.get(name)
            outline, state = (None, "no-image") if view is None else view_outline(view.camera, view.mask)
            views.append(outline)
            states.append(state)
        yield FrameOutlines(frameset.frame, tuple(views), tuple(states)), frameset


def view_outline(camera: Camera, mask: Levels | None) -> tuple[ViewOutline | None, str]:
    """(the outline as rays, state)."""
    if mask is None:
        return None, "no-mask"
    parts, specks = _parts(mask)
    # Whole-image components are dear: specks are looked for in the crop, and removed only where there are any.
    outline = outline_of(mask, SPECK if specks else 0.0)
    if outline is None:
        return None, "empty"
    try:
        rays = rays_at_depth_one(camera, outline.convex)
    except LensFoldError:
        return None, "outside-lens"
    return ViewOutline(camera, outline, rays, parts), "ok"


def _parts(mask: Levels) -> tuple[int, bool]:
    """(components of at least SPECK x the largest, whether there are smaller ones)."""
    x, y, w, h = cv2.boundingRect(mask)
    inside = (mask[y : y + h, x : x + w] >= HALF_LEVEL).astype(np.uint8)
    if not inside.any():
        return 0, False
    count, _, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    areas = np.asarray(stats)[1:count, cv2.CC_STAT_AREA]
    large = int((areas >= SPECK * areas.max()).sum())
    return large, large < len(areas)


def motion_a_frame(window: Sequence[FrameOutlines]) -> float | None:
    """Pixels a frame that the outline moves over consecutive frames; None for a single one, and where no view knows.

    From end to end: from one frame to the next, the masks' own flicker would pass for motion.
    """
    moved = motion_px(window[0], window[-1]) if len(window) > 1 else None
    return None if moved is None else moved / (len(window) - 1)


def motion_px(before: FrameOutlines, after: FrameOutlines) -> float | None:
    """Pixels that the outline moves between two instants: RMS change of its reach in 16 directions, median view."""
    angle = np.arange(_DIRECTIONS) * 2 * np.pi / _DIRECTIONS
    directions = np.stack([np.cos(angle), np.sin(angle)])
    corners = [
        (early.outline.convex, late.outline.convex)
        for early, late in zip(before.views, after.views, strict=True)
        if early is not None and late is not None
    ]
    moved = [
        float(np.sqrt(np.mean(((late @ directions).max(axis=0) - (early @ directions).max(axis=0)) ** 2)))
        for early, late in corners
    ]
    return float(np.median(moved)) if moved else None
