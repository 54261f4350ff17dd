"""One frame's masks: what changed in each view, where all views place the subject, its outline at full size."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import UInt8

from mouselift.array_types import Array, Levels, Mask
from mouselift.geometry.outlines import HALF_LEVEL
from mouselift.masks.changes import Changes, Comparer
from mouselift.masks.scene import Scene, changed_map
from mouselift.masks.subject import Extent, LocatedSubject, locate_subject
from mouselift.masks.subject_colours import ColourModel
from mouselift.masks.volume import Carver, ViewLevels, ViewMask
from mouselift.masks.yuv_images import YuvImage, yuv_image
from mouselift.media.frames import Box, Image

_REFLECTION = 1.5  # log-likelihood ratio above which a pixel inside the mirror image is one
_SURE = 1.0  # log-likelihood ratio above which a change of colour with a faint one of brightness is the subject
_FAINT = 0.6
_LOOKS_ALIKE = 6.0  # levels beyond the subject's middle half: a background so dark (or bright) tells nothing
_BROAD = 13  # full-size pixels: wider parts are not thin
_LONG = 24.0  # full-size pixels: shorter changed bits beyond the footprint are noise, not a tail
_THIN = np.ones((5, 5), np.uint8)  # full-size pixels: narrower parts inside the mirror image are paws
_PAD = 8  # full-size pixels about the hull's projection that are worked on
_HOLE = 0.01  # of the mask's area: smaller holes are closed
_SPECK = 0.01  # of the largest part: smaller parts are dropped
_GAP = 6  # pixels: parts nearer than twice this hang together
_PART = 0.1  # of the largest: groups of parts that stand apart and are smaller are dropped
_INNER = np.ones((7, 7), np.uint8)  # off the footprint, which is wide, where only the other views speak
_EDGE = 0.8  # pixels: softness of the outline


class Segmenter:
    """Segments frames one after another; `reset` forgets the last frame."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._views = scene.views()
        self._comparers = [Comparer(b, self._views.carver.window(i)) for i, b in enumerate(scene.backgrounds)]
        self._last: Extent | None = None

    @property
    def carver(self) -> Carver:
        """Of the scene's half-size maps."""
        return self._views.carver

    def reset(self) -> None:
        self._last = None

    def segment(self, images: Sequence[Image | None]) -> tuple[ViewLevels | None, ...]:
        """Masks of one instant's images, in the scene's order of cameras; None for a view without an image.

        All are empty where the views support no subject.
        """
        colours = [None if image is None else yuv_image(image) for image in images]
        found = self._located(colours)
        self._last = None if found is None else found.extent
        levels: list[ViewLevels | None] = []
        for view, image in enumerate(colours):
            if image is None:
                levels.append(None)
            elif found is None:
                levels.append(np.zeros_like(image.luma))
            else:
                levels.append(self._full_size_mask(view, image, found))
        return tuple(levels)

    def _located(self, images: Sequence[YuvImage | None]) -> LocatedSubject | None:
        changed: list[ViewMask] = []
        unknown: list[ViewMask | None] = []
        for image, comparer, camera, model in zip(
            images, self._comparers, self._views.cameras, self.scene.colours, strict=True
        ):
            if image is None:
                changed.append(np.zeros((camera.height, camera.width), dtype=bool))
                unknown.append(np.ones((camera.height, camera.width), dtype=bool))
                continue
            changes = comparer.half(image)
            changed.append(comparer.whole(changed_map(changes)))
            unknown.append(comparer.whole(looks_alike(changes, model)))
        return locate_subject(self._views, changed, unknown, self._last)

    def _full_size_mask(self, view: int, image: YuvImage, found: LocatedSubject) -> Levels:
        """Levels of one view at full size."""
        full = np.zeros_like(image.luma)
        box = _box(found.footprints[view] | found.thin_footprints[view], full.shape)
        if box is None:
            return full
        x0, y0, x1, y1 = box
        model = self.scene.colours[view]
        changes = self._comparers[view].region(image, box)
        maps = (found.footprints, found.thin_footprints, found.mirror_footprints)
        own, thin, mirror = (_doubled(m[view], box) for m in maps)
        mask = subject_pixels(changes, own, mirror, model)
        mask = with_thin_parts(mask, changes, thin & ~own & ~mirror)
        full[y0:y1, x0:x1] = softened(cleaned(mask))
        return full


def looks_alike(changes: Changes, model: ColourModel | None) -> Mask:
    """Where the background is as dark (or bright) as the subject, or unknown: no change says nothing there."""
    if model is None:
        return changes.uncovered
    lit = changes.lit
    alike = (lit >= model.low - _LOOKS_ALIKE) & (lit <= model.high + _LOOKS_ALIKE)
    return alike | changes.uncovered


def subject_pixels(changes: Changes, footprint: Mask, mirror: Mask, model: ColourModel | None) -> Mask:
    """Inside the footprint: changed in brightness and no reflection, or changed in colour for sure, or hidden.

    Reflections are broad: thin parts inside the mirror image stay, or paws would go with it.
    """
    hidden = looks_alike(changes, model) & cv2.erode(footprint.view(np.uint8), _INNER).astype(bool)
    if model is None:
        return (footprint & changes.changed) | hidden
    bright = changes.bright > 1
    if model.mirror is not None:
        alike = (mirror & (model.mirror.of(changes) > _REFLECTION)).view(np.uint8)
        bright &= ~cv2.morphologyEx(alike, cv2.MORPH_OPEN, _THIN).astype(bool)
    coloured = (changes.colour > 1) & (changes.bright > _FAINT) & (model.subject.of(changes) > _SURE)
    return (footprint & (bright | coloured)) | hidden


def with_thin_parts(mask: Mask, changes: Changes, reach: Mask) -> Mask:
    """Thin changed parts within reach that hang together with the mask: tail, paws, whiskers."""
    changed = (changes.bright > 1).view(np.uint8)
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


def _box(footprint: Mask, shape: tuple[int, ...]) -> Box | None:
    """Full-size box with even corners around a half-size map, padded."""
    rows, columns = np.flatnonzero(footprint.any(axis=1)), np.flatnonzero(footprint.any(axis=0))
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
