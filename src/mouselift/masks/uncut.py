"""What is the subject without doubt in each view, before masks are cut to what all views support?

Its level, far from the background's: no hull decides about it. Tangent planes between such parts tell whether cameras
agree, where parts are whole subjects, and that shows by how much of the hull's projection they fill.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.geometry.outlines import Silhouette
from mouselift.geometry.tangent_planes import TangentPlanes
from mouselift.geometry.visual_hull import VisualHull
from mouselift.masks.camera_change import Residuals
from mouselift.masks.changes import Changes
from mouselift.masks.exchanged import OPENED, SURE, sure_parts
from mouselift.masks.quality import CUT_MARGIN, planes_of
from mouselift.masks.scene import like_subject
from mouselift.masks.segment import Segmenter, without_shadow
from mouselift.masks.shadow import Shade
from mouselift.masks.volume import Cloud, ViewMask, filled, footprint
from mouselift.media.images import FrameSet

_LEAST_COMPARED = 8  # frames in which outlines are compared: fewer agree about a change of a camera by chance
_LEAST_PART = 0.25  # of the subject's area, about: smaller ones are no subject that all views should place
_MOST = 0.75  # of the views
_CLOSED = np.ones((5, 5), np.uint8)  # pixels: shine and texture


class Uncut(NamedTuple):
    """What one frame shows."""

    planes: TangentPlanes | None  # between the parts that are surely the subject; None: fewer than two views show it
    size: float  # of the subject, pixels
    covered: tuple[float, ...]  # share of the hull's projection that is surely the subject, by view
    lost: bool = False  # most views show something as large as the subject, and no place is seen by all


def uncut(segmenter: Segmenter, frame: FrameSet) -> Uncut:
    """One frame, before masks are cut."""
    halves, solid, shades = segmenter.carved([view.image for view in frame.views])
    if len(solid) < segmenter.scene.smallest:
        return Uncut(None, 0.0, (), _shown_without_a_place(segmenter, halves))
    own = [
        None if half is None else _part(segmenter, view, half, solid, shades[view]) for view, half in enumerate(halves)
    ]
    shapes = {view: Silhouette.from_mask(part[0]) for view, part in enumerate(own) if part is not None}
    shapes = {view: shape for view, shape in shapes.items() if not shape.touches_border(CUT_MARGIN)}
    covered = tuple(0.0 if part is None else part[1] for part in own)
    if len(shapes) < 2:
        return Uncut(None, 0.0, covered)
    size = float(np.median([np.sqrt(shape.area) for shape in shapes.values()]))
    return Uncut(planes_of(segmenter.carver.cameras, shapes), size, covered)


def between_parts(frames: Sequence[Uncut], covered: float) -> Residuals | None:
    """Planes between views whose parts fill so much of the hull's projection; None: too few frames show something."""
    seen = [(frame.planes, frame.size) for frame in frames if frame.planes is not None]
    if len(seen) < _LEAST_COMPARED:
        return None
    whole, every = covered_of(frames) >= covered, Residuals.of(seen)
    return every.chosen(whole[every.first] & whole[every.second])


def covered_of(frames: Sequence[Uncut]) -> Float64[Array, " v"]:
    """By view; at least one frame shows something."""
    return np.median([frame.covered for frame in frames if frame.planes is not None], axis=0)


def _shown_without_a_place(segmenter: Segmenter, halves: Sequence[Changes | None]) -> bool:
    """Whether most views show a part that surely changed and is as large as the subject may be."""
    scene, shown = segmenter.scene, []
    middle = (scene.volume.low + scene.volume.high) / 2
    edge = scene.typical ** (1 / 3) * scene.volume.voxel  # of a cube as large as the subject's hull
    for camera, changes in zip(segmenter.carver.cameras, halves, strict=True):
        if changes is not None:
            areas = sure_parts(changes.bright)[1][1:, cv2.CC_STAT_AREA]
            side = edge * camera.focal / float(np.linalg.norm(camera.centre - middle))
            shown.append(areas.max(initial=0) >= _LEAST_PART * side**2)
    return len(shown) > 1 and float(np.mean(shown)) >= _MOST


def _part(
    segmenter: Segmenter, view: int, changes: Changes, solid: Cloud, shade: Shade | None
) -> tuple[ViewMask, float] | None:
    """(half-size map of the largest part that is the subject without doubt, holes filled; share of the hull's
    projection that it covers). None where there is none.
    """
    scene, model = segmenter.scene, segmenter.scene.colours[view]
    if model is None:
        return None
    window, camera = segmenter.window(view), segmenter.carver.cameras[view]
    x0, y0, x1, y1 = window
    own, mirror = (
        footprint(VisualHull(points, scene.volume.voxel), camera)[y0:y1, x0:x1]
        for points in (solid, scene.floor.mirrored(solid))
    )
    sure = without_shadow((changes.bright > SURE) & like_subject(changes.luma, model), changes, shade, window, model)
    whole = cv2.morphologyEx(sure.view(np.uint8), cv2.MORPH_CLOSE, _CLOSED)
    solid_parts = np.asarray(cv2.morphologyEx(whole, cv2.MORPH_OPEN, OPENED), dtype=np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(solid_parts, connectivity=4)
    labels = np.asarray(labels, dtype=np.int32)
    touched = np.unique(labels[own & (labels > 0)])
    if not touched.size:
        return None
    largest = touched[int(np.argmax(stats[touched, cv2.CC_STAT_AREA]))]
    part = filled((labels == largest) & (own | ~mirror))
    body = cv2.morphologyEx(own.view(np.uint8), cv2.MORPH_OPEN, OPENED) > 0
    mask = np.zeros((camera.height, camera.width), dtype=bool)
    mask[y0:y1, x0:x1] = part
    return (mask, float((part & body).sum() / max(body.sum(), 1))) if part.any() else None
