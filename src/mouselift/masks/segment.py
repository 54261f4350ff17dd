"""One frame's masks: evidence per view, agreement of the views, and the outline at full size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from mouselift.array_types import Array, Levels, Mask
from mouselift.geometry.silhouette import HALF_LEVEL
from mouselift.masks.agree import Agreement, Place, agree
from mouselift.masks.colour import ColourModel
from mouselift.masks.evidence import Comparer, Evidence
from mouselift.masks.planes import Planes, image_planes
from mouselift.masks.scene import Scene, changed_map
from mouselift.masks.volume import Carver, ViewLevels, ViewMask
from mouselift.media.frames import Box, Image

_REFLECTION = 1.5  # log-likelihood ratio above which a pixel inside the mirror image is one
_SURE = 1.0  # log-likelihood ratio above which a change of colour with a faint one of brightness is the subject
_FAINT = 0.6
_LOOKS_ALIKE = 6.0  # levels beyond the subject's middle half: a background so dark (or bright) tells nothing
_BROAD = 13  # full-size pixels: wider parts are not thin
_LONG = 24.0  # full-size pixels: shorter changed bits beyond the limit are noise, not a tail
_THIN = np.ones((5, 5), np.uint8)  # full-size pixels: narrower parts inside the mirror image are paws
_PAD = 8  # full-size pixels about the hull's projection that are worked on
_HOLE = 0.01  # of the mask's area: smaller holes are closed
_SPECK = 0.01  # of the largest part: smaller parts are dropped
_GAP = 6  # pixels: parts nearer than twice this hang together
_PART = 0.1  # of the largest: groups of parts that stand apart and are smaller are dropped
_INNER = np.ones((7, 7), np.uint8)  # off the limit, which is wide, where only the other views speak
_EDGE = 0.8  # pixels: softness of the outline


@dataclass(frozen=True, eq=False)
class FrameMasks:
    """Masks of one frame; None for a view without an image. All empty where the views support no subject."""

    levels: tuple[ViewLevels | None, ...]
    place: Place | None


class Segmenter:
    """Segments frames one after another; `reset` forgets the last frame."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._views = scene.views()
        self._comparers = [Comparer(b, self._views.carver.window(i)) for i, b in enumerate(scene.backgrounds)]
        self._last: Place | None = None

    @property
    def carver(self) -> Carver:
        """Of the scene's half-size maps."""
        return self._views.carver

    def reset(self) -> None:
        self._last = None

    def segment(self, images: Sequence[Image | None]) -> FrameMasks:
        """Images of one instant, in the scene's order of cameras."""
        planes = [None if image is None else image_planes(image) for image in images]
        found = self._agree(planes)
        self._last = None if found is None else found.place
        levels: list[ViewLevels | None] = []
        for view, plane in enumerate(planes):
            if plane is None:
                levels.append(None)
            elif found is None:
                levels.append(np.zeros_like(plane.luma))
            else:
                levels.append(self._outline(view, plane, found))
        return FrameMasks(tuple(levels), self._last)

    def _agree(self, planes: Sequence[Planes | None]) -> Agreement | None:
        changed: list[ViewMask] = []
        blind: list[ViewMask | None] = []
        for plane, comparer, camera, model in zip(
            planes, self._comparers, self._views.cameras, self.scene.colours, strict=True
        ):
            if plane is None:
                changed.append(np.zeros((camera.height, camera.width), dtype=bool))
                blind.append(np.ones((camera.height, camera.width), dtype=bool))
                continue
            evidence = comparer.half(plane)
            changed.append(comparer.whole(changed_map(evidence)))
            blind.append(comparer.whole(looks_alike(evidence, model)))
        return agree(self._views, changed, blind, self._last)

    def _outline(self, view: int, planes: Planes, found: Agreement) -> Levels:
        """Levels of one view at full size."""
        full = np.zeros_like(planes.luma)
        box = _box(found.limits[view] | found.reaches[view], full.shape)
        if box is None:
            return full
        x0, y0, x1, y1 = box
        model = self.scene.colours[view]
        evidence = self._comparers[view].region(planes, box)
        limit, reach, mirror = (_doubled(m[view], box) for m in (found.limits, found.reaches, found.mirrors))
        mask = subject_pixels(evidence, limit, mirror, model)
        mask = with_thin_parts(mask, evidence, reach & ~limit & ~mirror)
        full[y0:y1, x0:x1] = softened(cleaned(mask))
        return full


def looks_alike(evidence: Evidence, model: ColourModel | None) -> Mask:
    """Where the background is as dark (or bright) as the subject, or unknown: no change says nothing there."""
    if model is None:
        return evidence.uncovered
    lit = evidence.lit
    alike = (lit >= model.low - _LOOKS_ALIKE) & (lit <= model.high + _LOOKS_ALIKE)
    return alike | evidence.uncovered


def subject_pixels(evidence: Evidence, limit: Mask, mirror: Mask, model: ColourModel | None) -> Mask:
    """Inside the limit: changed in brightness and no reflection, or changed in colour for sure, or hidden.

    Reflections are broad: thin parts inside the mirror image stay, or paws would go with it.
    """
    hidden = looks_alike(evidence, model) & cv2.erode(limit.view(np.uint8), _INNER).astype(bool)
    if model is None:
        return (limit & evidence.changed) | hidden
    bright = evidence.bright > 1
    if model.mirror is not None:
        alike = (mirror & (model.mirror.of(evidence) > _REFLECTION)).view(np.uint8)
        bright &= ~cv2.morphologyEx(alike, cv2.MORPH_OPEN, _THIN).astype(bool)
    coloured = (evidence.colour > 1) & (evidence.bright > _FAINT) & (model.subject.of(evidence) > _SURE)
    return (limit & (bright | coloured)) | hidden


def with_thin_parts(mask: Mask, evidence: Evidence, reach: Mask) -> Mask:
    """Thin changed parts within reach that hang together with the mask: tail, paws, whiskers."""
    changed = (evidence.bright > 1).view(np.uint8)
    broad = cv2.morphologyEx(changed, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_BROAD, _BROAD)))
    thin = changed.astype(bool) & ~broad.astype(bool) & reach
    _, labels, stats, _ = cv2.connectedComponentsWithStats(thin.view(np.uint8), connectivity=8)
    sides = np.asarray(stats)[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].astype(np.float64)
    long = np.hypot(sides[:, 0], sides[:, 1]) >= _LONG
    thin &= long[np.asarray(labels, dtype=np.int32)]
    together = cv2.morphologyEx((mask | thin).view(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    labels = np.asarray(cv2.connectedComponents(together, connectivity=8)[1], dtype=np.int32)
    held = np.zeros(int(labels.max()) + 1, dtype=bool)
    held[labels[mask]] = True
    return mask | (thin & held[labels])


def cleaned(mask: Mask) -> UInt8[Array, "h w"]:
    """Small holes closed, specks dropped; thin parts stay. 0 / 1."""
    whole = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    area = int(whole.sum())
    labels, areas = _parts(1 - whole, 4)
    holes = areas < max(9, _HOLE * area)
    holes[0] = False
    whole = np.where(holes[labels], 1, whole).astype(np.uint8)
    labels, areas = _parts(whole, 8)
    if len(areas) == 1:
        return whole
    kept = areas >= max(12, _SPECK * int(areas[1:].max()))
    kept[0] = False
    if not kept.any():
        return np.zeros_like(whole)
    whole = kept[labels].astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _GAP + 1, 2 * _GAP + 1))
    labels, _ = _parts(np.asarray(cv2.dilate(whole, kernel), dtype=np.uint8), 8)
    areas = np.bincount(labels[whole > 0], minlength=int(labels.max()) + 1)
    together = areas >= _PART * int(areas[1:].max())
    together[0] = False
    return (together[labels] & (whole > 0)).astype(np.uint8)


def _parts(mask: UInt8[Array, "h w"], connectivity: int) -> tuple[np.ndarray, np.ndarray]:
    """(label per pixel, area per label) of connected parts; label 0 is what is not set."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=connectivity)
    return np.asarray(labels, dtype=np.int32), np.asarray(stats, dtype=np.int64)[:, cv2.CC_STAT_AREA]


def softened(mask: UInt8[Array, "h w"]) -> Levels:
    """0 / 1 -> 0 .. 255 with an outline about a pixel wide, half way on the pixels' border."""
    return np.asarray(cv2.GaussianBlur(mask * np.uint8(255), (0, 0), _EDGE), dtype=np.uint8)


def _box(limit: Mask, shape: tuple[int, ...]) -> Box | None:
    """Full-size box with even corners around a half-size map, padded."""
    rows, columns = np.flatnonzero(limit.any(axis=1)), np.flatnonzero(limit.any(axis=0))
    if not rows.size:
        return None
    x0, y0 = (max(2 * int(v[0]) - _PAD, 0) for v in (columns, rows))
    x1, y1 = (min(2 * int(v[-1]) + 2 + _PAD, size) for v, size in ((columns, shape[1]), (rows, shape[0])))
    return x0, y0, x1, y1


def _doubled(mask: ViewMask, box: Box) -> ViewMask:
    """A half-size map in a full-size box, its outline kept smooth."""
    x0, y0, x1, y1 = box
    small = mask[y0 // 2 : (y1 + 1) // 2, x0 // 2 : (x1 + 1) // 2].view(np.uint8) * np.uint8(255)
    large = cv2.resize(small, (small.shape[1] * 2, small.shape[0] * 2), interpolation=cv2.INTER_LINEAR)
    return (np.asarray(large) >= HALF_LEVEL)[: y1 - y0, : x1 - x0]
