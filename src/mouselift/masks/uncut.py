"""Do the cameras agree about the subject before its masks are cut to what all views support?

Masks of `segment` fit one another as well as they can, under wrong cameras too: their agreement proves little. So in a
few frames the part of each image that is the subject without doubt (its level, far from the background's) is taken
uncut. How far its tangent points lie from the other views' tangent planes, and to which side, is measured as shares of
its size:

* one camera is to blame where its pairs lie far apart and all others agree;
* where most pairs lie far apart, several are exchanged, or the calibration is wrong as a whole.

A subject of many levels (a white animal on a pale floor) has no such part in most views: nothing is said then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.geometry.outlines import Silhouette
from mouselift.geometry.visual_hull import VisualHull
from mouselift.masks.changes import Changes
from mouselift.masks.quality import CUT_MARGIN, planes_of
from mouselift.masks.scene import Scene, like_subject
from mouselift.masks.segment import Segmenter, without_shadow
from mouselift.masks.shadow import Shade
from mouselift.masks.volume import Cloud, ViewMask, footprint
from mouselift.media.images import FrameSet
from mouselift.media.orientation import Box

TESTED_FRAMES = 24
_LEAST_FRAMES = 5
_SURE = 2.0  # times what counts as a change of brightness
# Of the hull's projection, median of a view: right 0.62 to 0.85, wrong 0.57 to 0.83, white animals 0.17 to 0.53.
_COVERED = 0.55
_PART = 0.25  # of the subject's area, about: smaller parts are no subject that all views should place
_MOST = 0.75  # of the views
_CLOSED = np.ones((5, 5), np.uint8)  # pixels: shine and texture
_OPENED = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))  # tails, paws and ears differ most between views
# Shares of the subject's size. Right cameras of mouse_cylinder (50 frames, 24 of them) and of nine kinds of
# benchmarks/mask_shadows.py: 0.049 at most. mouse_cylinder with a focal length off by 3 %, three cameras in turn: 0.07
# to 0.10, the others 0.03, 2.7 to 5 times; turned by 1 degree: 0.36; two files exchanged: all pairs 0.13, the rest 0.1.
_FAR = 0.06
_RATIO = 2.0
_GROSS = 0.09


class CameraTest(NamedTuple):
    """What the cameras see, against their calibration. Nothing was found wrong where `text` is empty."""

    untested: tuple[str, ...]  # too few frames show a whole subject there
    cameras: tuple[str, ...] = ()  # to blame; none where it cannot be told which
    text: str = ""


def camera_test(scene: Scene, framesets: Iterable[FrameSet]) -> CameraTest:
    """framesets: far from each other in time, `TESTED_FRAMES` of them."""
    segmenter, frames, asked, lost = Segmenter(scene), [], 0, 0
    for frame in framesets:
        asked += 1
        halves, solid, shades = segmenter.carved([view.image for view in frame.views])
        if len(solid) < scene.smallest:
            lost += _shown_without_a_place(segmenter, halves)
        elif (found := _pair_shares(segmenter, halves, solid, shades)) is not None:
            frames.append(found)
    if lost >= _LEAST_FRAMES and 2 * lost > asked:
        text = (
            f"the cameras contradict what they see: in {lost} of {asked} frames most views show something as large as "
            "the subject, and no place is seen by all of them. Cameras are exchanged, or the calibration is wrong as a "
            "whole; the few masks that are not empty agree all the same"
        )
        return CameraTest((), (), text)
    if len(frames) < _LEAST_FRAMES:
        return CameraTest(scene.names)
    shares, covered = np.stack([pairs for pairs, _ in frames]), np.array([own for _, own in frames])
    parts = np.median(covered, axis=0) < _COVERED  # what is told from the background there is no whole subject
    shares[:, parts] = shares[:, :, parts] = np.nan
    return _judged(scene.names, shares)


def _judged(names: tuple[str, ...], shares: Float64[Array, "n v v 2"]) -> CameraTest:
    """shares: residual of a view's tangent point from the other's plane, by side, of the subject's size; NaN: unknown.

    Medians over frames keep the sign: a wrong camera is off to the same side always, outlines are not.
    """
    views = range(len(names))
    off = np.array([[[abs(_median(shares[:, a, b, side])) for side in (0, 1)] for b in views] for a in views])
    known = np.isfinite(off)
    untested = tuple(name for view, name in enumerate(names) if not (known[view].any() or known[:, view].any()))
    own = [_median(np.concatenate([off[view], off[:, view]])) for view in views]
    where = f"over {len(shares)} frames, before masks are cut to what all views support,"
    worst = int(np.argmax(np.nan_to_num(own, nan=-1.0)))
    rest = _median(np.delete(np.delete(off, worst, 0), worst, 1))
    if own[worst] > _FAR and rest <= _FAR and own[worst] > _RATIO * rest:
        text = (
            f"camera {names[worst]}: {where} the subject's outlines lie {own[worst]:.0%} of its size from where the "
            f"others put them; the others agree to {rest:.0%}. Its calibration or its place is wrong, and masks made "
            "with it agree with it all the same"
        )
        return CameraTest(untested, (names[worst],), text)
    if (every := _median(off)) > _GROSS:
        text = (
            f"the cameras contradict what they see: {where} the subject's outlines lie {every:.0%} of its size from "
            "where the other views put them. Cameras are exchanged, or the calibration is wrong as a whole, and masks "
            "made with it agree with it all the same"
        )
        return CameraTest(untested, (), text)
    return CameraTest(untested)


def _median(shares: np.ndarray) -> float:
    known = shares[np.isfinite(shares)]
    return float(np.median(known)) if known.size else float("nan")


def _shown_without_a_place(segmenter: Segmenter, halves: Sequence[Changes | None]) -> bool:
    """Whether most views show a part that surely changed and is as large as the subject may be."""
    scene, shown = segmenter.scene, []
    middle = (scene.volume.low + scene.volume.high) / 2
    edge = scene.typical ** (1 / 3) * scene.volume.voxel  # of a cube as large as the subject's hull
    for camera, changes in zip(segmenter.carver.cameras, halves, strict=True):
        if changes is not None:
            sure = cv2.morphologyEx((changes.bright > _SURE).view(np.uint8), cv2.MORPH_OPEN, _OPENED)
            areas = cv2.connectedComponentsWithStats(np.asarray(sure, dtype=np.uint8), connectivity=4)[2][1:, -1]
            side = edge * camera.focal / float(np.linalg.norm(camera.centre - middle))
            shown.append(areas.max(initial=0) >= _PART * side**2)
    return len(shown) > 1 and float(np.mean(shown)) >= _MOST


def _pair_shares(
    segmenter: Segmenter, halves: Sequence[Changes | None], solid: Cloud, shades: Sequence[Shade | None]
) -> tuple[Float64[Array, "v v 2"], list[float]] | None:
    """(residuals as `_judged`, share of the hull's projection that is surely the subject by view).

    None where fewer than two views show it whole.
    """
    cameras = segmenter.carver.cameras
    uncut = [
        None if own is None else _uncut(segmenter, view, own, solid, shades[view]) for view, own in enumerate(halves)
    ]
    shapes = {view: Silhouette.from_mask(found[0]) for view, found in enumerate(uncut) if found is not None}
    shapes = {view: shape for view, shape in shapes.items() if not shape.touches_border(CUT_MARGIN)}
    if len(shapes) < 2:
        return None
    size = float(np.median([np.sqrt(shape.area) for shape in shapes.values()]))
    found = np.full((len(cameras), len(cameras), 2), np.nan)
    planes = planes_of(cameras, shapes)
    found[planes.first, planes.second, planes.side] = planes.distance[:, 0] / size
    found[planes.second, planes.first, planes.side] = planes.distance[:, 1] / size
    return found, [0.0 if own is None else own[1] for own in uncut]


def _uncut(
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
    sure = without_shadow((changes.bright > _SURE) & like_subject(changes.luma, model), changes, shade, window, model)
    whole = cv2.morphologyEx(sure.view(np.uint8), cv2.MORPH_CLOSE, _CLOSED)
    solid_parts = np.asarray(cv2.morphologyEx(whole, cv2.MORPH_OPEN, _OPENED), dtype=np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(solid_parts, connectivity=4)
    labels = np.asarray(labels, dtype=np.int32)
    touched = np.unique(labels[own & (labels > 0)])
    if not touched.size:
        return None
    largest = touched[int(np.argmax(stats[touched, cv2.CC_STAT_AREA]))]
    part = (labels == largest) & (own | ~mirror)
    body = cv2.morphologyEx(own.view(np.uint8), cv2.MORPH_OPEN, _OPENED) > 0
    mask = _filled(part, camera.height, camera.width, window)
    return (mask, float((mask[y0:y1, x0:x1] & body).sum() / max(body.sum(), 1))) if mask.any() else None


def _filled(part: np.ndarray, height: int, width: int, window: Box) -> ViewMask:
    """The whole map, without holes."""
    lines, _ = cv2.findContours(part.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    out = np.zeros((height, width), dtype=np.uint8)
    cv2.drawContours(out, lines, -1, 1, cv2.FILLED, offset=window[:2])
    return out.astype(bool)
