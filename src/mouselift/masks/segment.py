"""One frame's masks: what changed in each view, where all views place the subject, its outline at full size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from mouselift.array_types import Array, Levels, Mask, Points3, UInt8
from mouselift.geometry.outlines import HALF_LEVEL
from mouselift.geometry.visual_hull import VisualHull
from mouselift.masks.changes import Changes, Comparer, YuvImage, enlarged, yuv_image
from mouselift.masks.scene import ColourModel, Scene, like_subject, log_ratio, without_specks
from mouselift.masks.shadow import Shade, ShadowFinder, Shares, explained
from mouselift.masks.tail_curve import body_size, find_tail
from mouselift.masks.tail_outline import draw_tail
from mouselift.masks.volume import Cloud, Extent, ViewLevels, ViewMask, footprint, subject_cluster
from mouselift.media.images import Image
from mouselift.media.orientation import Box

_SHADOW_ROUNDS = 2  # the first is blind where the shadow itself makes the hull higher
_SPARE = 4  # cameras from which on thin parts need not be seen by all
_REFLECTION = 1.5  # log-likelihood ratio above which a pixel inside the mirror image is one
_SURE = 1.0  # log-likelihood ratio above which a change of colour with a faint one of brightness is the subject
_FAINT = 0.6
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


class Tail(NamedTuple):
    """Of one frame."""

    curve: Points3  # from the body to the tip, world
    size: float  # of the subject, world units


class Segmenter:
    """Segments frames one after another.

    * A hull is carved from what changed in each view. Where a camera's background looks like the subject, or is not
      known, that camera says nothing; the others decide.
    * The mirror image in the floor is a consistent object below it: the hull is cut at the floor.
    * The shadow is found in the floor under the hull (`shadow`), and what it explains in any view is carved away.
    * The largest cluster of voxels is the subject (`subject_cluster`).
    * Projected back, the hull limits each view's mask; its mirror image tells where reflections lie.
    * A tail is found in space and drawn in every view (`tail_curve`, `tail_outline`).
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.carver = scene.carver()  # of the half-size maps
        self._comparers = [Comparer(b, self.carver.window(i)) for i, b in enumerate(scene.backgrounds)]
        windows = [comparer.window for comparer in self._comparers]
        self._shadows = ShadowFinder(self.carver.cameras, windows, scene.floor, scene.volume.voxel)
        self._last: Extent | None = None

    def segment(self, images: Sequence[Image | None]) -> tuple[ViewLevels | None, ...]:
        """Masks of one instant's images, in the scene's order of cameras; None for a view without an image.

        All are empty where the views support no subject.
        """
        colours = [None if image is None else yuv_image(image) for image in images]
        halves = self._halves(colours)
        solid, thin, shades = self._carved(halves)
        self._last = Extent(solid.min(axis=0), solid.max(axis=0)) if len(solid) >= self.scene.smallest else None
        hulls, tail = None, None
        if self._last is not None:
            curve = find_tail(self.carver, self._comparers, halves, solid, self.scene.floor)
            tail = None if curve is None else Tail(curve, body_size(solid))
            loose = thin[self._last.near(thin)]
            hulls = [VisualHull(p, self.scene.volume.voxel) for p in (solid, loose, self.scene.floor.mirrored(solid))]
        levels: list[ViewLevels | None] = []
        for view, image in enumerate(colours):
            if image is None:
                levels.append(None)
            elif hulls is None:
                levels.append(np.zeros_like(image.luma))
            else:
                levels.append(self._full_size_mask(view, image, hulls, tail, shades[view]))
        return tuple(levels)

    def carved(self, images: Sequence[Image | None]) -> tuple[list[Changes | None], Cloud, Sequence[Shade | None]]:
        """Changes in each view's window, the subject's voxels, and its shadow: what masks are made of."""
        halves = self._halves([None if image is None else yuv_image(image) for image in images])
        solid, _, shades = self._carved(halves)
        return halves, solid, shades

    def window(self, view: int) -> Box:
        """Of the half-size map, where changes are known."""
        return self._comparers[view].window

    def _halves(self, colours: Sequence[YuvImage | None]) -> list[Changes | None]:
        return [None if c is None else comparer.half(c) for c, comparer in zip(colours, self._comparers, strict=True)]

    def _carved(self, halves: Sequence[Changes | None]) -> tuple[Cloud, Cloud, Sequence[Shade | None]]:
        """Voxels of the subject, and those of everything above the floor that may be a thin part of it; the shadow."""
        allowed = (0, 1) if len(halves) >= _SPARE else (0,)
        maps = self._maps(halves, [None] * len(halves))
        hulls = [hull.points for hull in self.carver.carve(*maps, tolerance=0.0, objections=allowed)]
        solid, thin = self._chosen(hulls)
        shown = solid
        shades: Sequence[Shade | None] = [None] * len(halves)
        for _ in range(_SHADOW_ROUNDS):
            if len(solid) < self.scene.smallest:
                break
            found = self._shadows.shades(halves, self.scene.colours, shown, solid)
            if all(shade is None for shade in found):
                break
            rest = self._chosen(self.carver.kept(hulls[-1], *self._maps(halves, found), allowed))
            if len(rest[0]) < self.scene.smallest:
                break
            (solid, thin), shades = rest, found
        return solid, thin, shades

    def _maps(
        self, halves: Sequence[Changes | None], shades: Sequence[Shade | None]
    ) -> tuple[list[ViewMask | None], list[ViewMask | None]]:
        """Where each view shows a change that is no shadow, and where it knows nothing."""
        changed: list[ViewMask | None] = [None] * len(halves)
        unknown: list[ViewMask | None] = [None] * len(halves)
        for view, (changes, comparer, shade) in enumerate(zip(halves, self._comparers, shades, strict=True)):
            if changes is None:
                continue
            model = self.scene.colours[view]
            shown = without_shadow(changes.changed, changes, shade, comparer.window, model)
            changed[view] = comparer.whole(without_specks(shown))
            silent = looks_alike(changes, model)
            if model is not None and model.levels is not None:
                silent |= model.levels.undecided(changes, _within(shade, comparer.window))
            unknown[view] = comparer.whole(silent)
        return changed, unknown

    def _chosen(self, hulls: Sequence[Cloud]) -> tuple[Cloud, Cloud]:
        """The subject's voxels, and everything above the floor."""
        solid, thin = (points[self.scene.floor.above(points) >= 0] for points in (hulls[0], hulls[-1]))
        return subject_cluster(self.carver, solid, self._last, self.scene.largest), thin

    def _full_size_mask(
        self, view: int, image: YuvImage, hulls: Sequence[VisualHull], tail: Tail | None, shade: Shade | None
    ) -> Levels:
        """`hulls`: of the subject, of thin parts that one view misses, of the mirror image in the floor."""
        own, thin, mirror = (footprint(hull, self.carver.cameras[view]) for hull in hulls)
        shown = own, thin & ~(mirror & ~own), mirror
        full = np.zeros_like(image.luma)
        near = shown[0] | shown[1]
        if tail is not None:
            curve = footprint(VisualHull(tail.curve, self.scene.volume.voxel), self.carver.cameras[view])
            near = near | curve
        box = _box(near, full.shape)
        if box is None:
            return full
        x0, y0, x1, y1 = box
        changes = self._comparers[view].region(image, box)
        own, thin, mirror = (enlarged(m.view(np.uint8) * np.uint8(255), box) >= HALF_LEVEL for m in shown)
        model = self.scene.colours[view]
        mask, loose = subject_pixels(changes, own, mirror, model), thin & ~own & ~mirror
        if shade is not None:
            lit = ~explained(changes, enlarged(shade.share, box), model)
            mask, loose = mask & lit, loose & lit
        mask = with_thin_parts(mask, changes, loose)
        if tail is not None:
            mask = draw_tail(mask, changes, box, self.scene.cameras[view], tail.curve, tail.size)
        full[y0:y1, x0:x1] = softened(cleaned(mask))
        return full


def without_shadow(shown: Mask, changes: Changes, shade: Shade | None, window: Box, model: ColourModel | None) -> Mask:
    """What of `shown` the shadow does not explain; all three cover the window of the half-size map."""
    if shade is None:
        return shown
    x0, y0, x1, y1 = shade.box
    at = np.s_[y0 - window[1] : y1 - window[1], x0 - window[0] : x1 - window[0]]
    left = shown.copy()
    left[at] &= ~explained(Changes(*(field[at] for field in changes)), shade.share[y0:y1, x0:x1], model)
    return left


def _within(shade: Shade | None, window: Box) -> Shares | None:
    """The light in a window of the half-size map."""
    return None if shade is None else shade.share[window[1] : window[3], window[0] : window[2]]


def looks_alike(changes: Changes, model: ColourModel | None) -> Mask:
    """Where the background is as dark (or bright) as the subject, or unknown: no change says nothing there."""
    if model is not None and model.levels is not None:
        return model.levels.alike(changes) | changes.uncovered
    return like_subject(changes.lit, model) | changes.uncovered


def subject_pixels(changes: Changes, footprint: Mask, mirror: Mask, model: ColourModel | None) -> Mask:
    """Inside the footprint: changed in brightness and no reflection, or changed in colour for sure, or hidden.

    Reflections are broad: thin parts inside the mirror image stay, or paws would go with it.
    """
    hidden = looks_alike(changes, model)
    if model is not None and model.levels is not None:
        hidden |= model.levels.undecided(changes)
    hidden &= cv2.erode(footprint.view(np.uint8), _INNER).astype(bool)
    if model is None:
        return (footprint & changes.changed) | hidden
    bright = changes.bright > 1
    if model.mirror is not None:
        alike = (mirror & (log_ratio(model.mirror, changes) > _REFLECTION)).view(np.uint8)
        bright &= ~cv2.morphologyEx(alike, cv2.MORPH_OPEN, _THIN).astype(bool)
    coloured = (changes.colour > 1) & (changes.bright > _FAINT) & (log_ratio(model.subject, changes) > _SURE)
    return (footprint & (bright | coloured)) | hidden


def with_thin_parts(mask: Mask, changes: Changes, reach: Mask) -> Mask:
    """Thin changed parts within reach that hang together with the mask: tail, paws, whiskers."""
    changed = (changes.bright > 1).view(np.uint8)
    broad = cv2.morphologyEx(changed, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_BROAD, _BROAD)))
    thin = changed.astype(bool) & ~broad.astype(bool) & reach
    labels, stats = _parts(thin.view(np.uint8), 8)
    thin &= (np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]) >= _LONG)[labels]
    together = cv2.morphologyEx((mask | thin).view(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    labels, stats = _parts(together, 8)
    held = np.zeros(len(stats), dtype=bool)
    held[labels[mask]] = True
    return mask | (thin & held[labels])


def cleaned(mask: Mask) -> UInt8[Array, "h w"]:
    """Small holes closed, specks dropped; thin parts stay. 0 / 1."""
    whole = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    area = int(whole.sum())
    labels, stats = _parts(1 - whole, 4)
    holes = stats[:, cv2.CC_STAT_AREA] < max(9, _HOLE * area)
    holes[0] = False
    whole = np.where(holes[labels], 1, whole).astype(np.uint8)
    labels, stats = _parts(whole, 8)
    areas = stats[:, cv2.CC_STAT_AREA]
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


def _parts(mask: np.ndarray, connectivity: int) -> tuple[np.ndarray, np.ndarray]:
    """(label per pixel, cv2's statistics per label) of connected parts; label 0 is what is not set."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=connectivity)
    return np.asarray(labels, dtype=np.int32), np.asarray(stats, dtype=np.int64)


def softened(mask: UInt8[Array, "h w"]) -> Levels:
    """0 / 1 -> 0 .. 255 with an outline about a pixel wide, half way on the pixels' border."""
    return np.asarray(cv2.GaussianBlur(mask * np.uint8(255), (0, 0), _EDGE), dtype=np.uint8)


def _box(footprint: Mask, shape: tuple[int, ...]) -> Box | None:
    """Full-size box with even corners around a half-size map, padded."""
    x, y, wide, high = (2 * side for side in cv2.boundingRect(footprint.view(np.uint8)))
    if not wide:
        return None
    right, bottom = min(x + wide + _PAD, shape[1]), min(y + high + _PAD, shape[0])
    return max(x - _PAD, 0), max(y - _PAD, 0), right, bottom
