"""The subject's shadow: where less light falls on the floor, and the background in that light.

A shadow changes an image as the subject does, and the views agree about it: it lies in the floor. So it is looked for
there, over all views, and not in one image.

* A place of the floor that two or more views see past the subject has one share of its light: the ratio of image and
  background is the same in these views, whatever the floor's texture. A mirror image moves with the camera, so
  the views disagree about it. The subject's own low parts are left out where they have its colours.
* Shadows are broad: a dark place that is narrower than a foot is a tail or a toe that lies on the floor.
* Places that views cannot tell, under the belly, take the share of the nearest one, if that is near.

Images are then compared with the background in this light too (`explained`): a shadow is no change, and the subject in
front of it still is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from mouselift.array_types import Array, Float32, Float64, Levels, Mask, Points2, Points3
from mouselift.geometry.camera import Camera
from mouselift.geometry.visual_hull import VisualHull
from mouselift.masks.changes import Changes, compared_with, darkened
from mouselift.masks.floor import Floor
from mouselift.masks.scene import ColourModel, like_subject
from mouselift.masks.volume import Cloud, dilated, footprint
from mouselift.media.orientation import Box

_CELL = 0.5  # voxels: edge of a place of the floor
_ROOM = 4  # cells about the hull
_LOW = 3.0  # voxels: parts of the hull below this height may be shadow, and hide nothing
_AGREE = 0.06  # of the light: shares that differ less are one
_MOST = 0.75  # of the views that see a place must agree
_DARKEST = 0.2  # of the light: no shadow is darker
_BROAD = 0.05  # sizes of the subject: narrower dark places are tails and toes
_NEAREST = 0.1  # sizes: how far a share is carried under the belly
_SAME_COLOUR = 0.6  # of what counts as a change of colour: a shadow has the floor's colour
_NODE = 8  # pixels between exact rays
_NOWHERE = 1e9  # in the floor, of pixels that do not see it

Shares = Float32[Array, "_ _"]  # of the light; 1: all


class Shade(NamedTuple):
    """Light in one view."""

    box: Box  # of the half-size image; all light is left outside
    share: Shares  # of the half-size image


class _Places(NamedTuple):
    """Square cells of the floor."""

    points: Points3
    corner: Float64[Array, "2"]  # of cell (0, 0), along the floor's axes
    cell: float  # world units
    shape: tuple[int, int]


class ShadowFinder:
    """Finds the light on the floor about the subject, frame by frame."""

    def __init__(self, cameras: Sequence[Camera], windows: Sequence[Box], floor: Floor, voxel: float) -> None:
        """`cameras` of the half-size maps, `windows`: the parts of them that changes are known in."""
        self._cameras, self._windows, self._floor, self._voxel = cameras, windows, floor, voxel
        across = np.cross(floor.normal, np.eye(3)[int(np.abs(floor.normal).argmin())])
        across /= np.linalg.norm(across)
        self._axes = np.stack([across, np.cross(floor.normal, across)], axis=1)  # [3, 2] unit, level
        self._seen = [self._seen_floor(camera, box) for camera, box in zip(cameras, windows, strict=True)]

    def shades(
        self, changes: Sequence[Changes | None], models: Sequence[ColourModel | None], shown: Cloud, solid: Cloud
    ) -> list[Shade | None]:
        """By view; None where it has no image, or nothing is dark.

        changes: in the windows; shown: the hull of whatever changed, shadow and all; solid: of the subject, as far as
        it is known, which hides the floor.
        """
        places = self._places(shown)
        dark = self._darkness(places, changes, models, solid)
        if dark is None:
            return [None] * len(changes)
        return [None if own is None else self._shade(view, places, dark, shown) for view, own in enumerate(changes)]

    def _places(self, shown: Cloud) -> _Places:
        flat = shown @ self._axes
        cell = _CELL * self._voxel
        corner = flat.min(axis=0) - _ROOM * cell
        columns, rows = (int(n) + _ROOM for n in np.ceil((flat.max(axis=0) - corner) / cell))
        at = np.stack(np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5), axis=-1).reshape(-1, 2)
        points = self._floor.height * self._floor.normal + (at * cell + corner) @ self._axes.T
        return _Places(points, corner, cell, (rows, columns))

    def _darkness(
        self, places: _Places, changes: Sequence[Changes | None], models: Sequence[ColourModel | None], solid: Cloud
    ) -> Shares | None:
        """What each place lacks of the light; None where that is nothing."""
        high = VisualHull(solid[self._floor.above(solid) >= _LOW * self._voxel], self._voxel)
        shares, seen, like = [], [], []
        for camera, window, own, model in zip(self._cameras, self._windows, changes, models, strict=True):
            if own is None:
                continue
            x0, y0, x1, y1 = window
            at = camera.project(places.points).reshape(*places.shape, 2) - 0.5 - window[:2]  # cv2: integer centres
            at = np.nan_to_num(at, nan=-1e6).astype(np.float32)
            free = ~own.uncovered & ~dilated(footprint(high, camera), 1)[y0:y1, x0:x1]
            shares.append(cv2.remap(darkened(own) * free, at[..., 0], at[..., 1], cv2.INTER_LINEAR))
            seen.append(cv2.remap(free.astype(np.float32), at[..., 0], at[..., 1], cv2.INTER_LINEAR) > 0.99)
            same = _of_its_level(own.luma, model).view(np.uint8)
            like.append(cv2.remap(same, at[..., 0], at[..., 1], cv2.INTER_NEAREST).astype(bool))
        if len(shares) < 2:
            return None
        share, told = _agreed(np.stack(shares), np.stack(seen), np.stack(like))
        dark = np.where(told, 1 - share, 0).clip(0, 1).astype(np.float32)
        if not dark.any():
            return None
        size = float(np.linalg.norm(solid.max(axis=0) - solid.min(axis=0))) / places.cell
        dark = _carried(dark, told, _NEAREST * size)
        width = 2 * int(np.ceil(_BROAD * size / 2)) + 1
        broad = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
        return np.asarray(cv2.morphologyEx(dark, cv2.MORPH_OPEN, broad), dtype=np.float32)

    def _shade(self, view: int, places: _Places, dark: Shares, shown: Cloud) -> Shade | None:
        camera, window = self._cameras[view], self._windows[view]
        x, y, wide, high = cv2.boundingRect(footprint(VisualHull(shown, self._voxel), camera).view(np.uint8))
        x0, y0 = max(x - _ROOM, window[0]), max(y - _ROOM, window[1])
        x1, y1 = min(x + wide + _ROOM, window[2]), min(y + high + _ROOM, window[3])
        if x1 <= x0 or y1 <= y0:
            return None
        part = self._seen[view][y0 - window[1] : y1 - window[1], x0 - window[0] : x1 - window[0]]
        at = (part - places.corner.astype(np.float32)) / np.float32(places.cell) - np.float32(0.5)
        own = cv2.remap(dark, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        if not own.any():
            return None
        share = np.ones((camera.height, camera.width), dtype=np.float32)
        share[y0:y1, x0:x1] -= own
        return Shade((x0, y0, x1, y1), share)

    def _seen_floor(self, camera: Camera, window: Box) -> Float32[Array, "h w 2"]:
        """Where each pixel of the window sees the floor, along its axes: interpolated between exact rays."""
        x0, y0, x1, y1 = window
        columns, rows = -(-(x1 - x0) // _NODE) + 2, -(-(y1 - y0) // _NODE) + 2
        i, j = np.meshgrid(x0 + _NODE * (np.arange(columns) - 0.5), y0 + _NODE * (np.arange(rows) - 0.5))
        rays = camera.rays(np.stack([i.ravel(), j.ravel()], axis=1), on_fold="nan")
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = -self._floor.above(camera.centre[None])[0] / (rays @ self._floor.normal)
            flat: Points2 = (camera.centre + np.where(reach > 0, reach, np.nan)[:, None] * rays) @ self._axes
        nodes = np.nan_to_num(flat, nan=_NOWHERE).astype(np.float32).reshape(rows, columns, 2)
        whole = cv2.resize(nodes, (columns * _NODE, rows * _NODE), interpolation=cv2.INTER_LINEAR)
        return np.asarray(whole[_NODE : _NODE + y1 - y0, _NODE : _NODE + x1 - x0], dtype=np.float32)


def _agreed(shares: Float32[Array, "v r c"], seen: np.ndarray, like: np.ndarray) -> tuple[Shares, Mask]:
    """(share of the light, whether views tell it) by place; like: [v, r, c] bool, the subject's colours are seen."""
    count = seen.sum(axis=0)
    ordered = np.sort(np.where(seen, shares, np.inf), axis=0)
    middle = np.take_along_axis(ordered, np.maximum(count - 1, 0)[None] // 2, axis=0)[0]
    agree = (seen & (np.abs(shares - middle) <= _AGREE)).sum(axis=0)
    told = (agree >= np.maximum(2, _MOST * count)) & (middle > _DARKEST) & (2 * (like & seen).sum(axis=0) < count)
    return middle, told


def _carried(dark: Shares, told: Mask, reach: float) -> Shares:
    """Places that are not told take the nearest told one's value, up to `reach` cells away; 0 beyond."""
    far, labels = cv2.distanceTransformWithLabels(
        (~told).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest = np.asarray(labels, dtype=np.int32)
    values = np.zeros(int(nearest.max()) + 1, dtype=np.float32)
    values[nearest[told]] = dark[told]
    return np.where(far <= reach, values[nearest], 0).astype(np.float32)


def explained(changes: Changes, share: Shares, model: ColourModel | None) -> Mask:
    """Where the background in a share of its light is what the image shows, and is not as dark as the subject."""
    shaded = compared_with(changes, share)
    nearer = (shaded.bright < np.minimum(changes.bright, 1)) & (shaded.colour < _SAME_COLOUR) & (share < 1)
    return nearer & ~_of_its_level(changes.luma, model) & ~_of_its_level(shaded.lit, model) & ~changes.uncovered


def _of_its_level(levels: Levels, model: ColourModel | None) -> Mask:
    """As dark (or bright) as the subject, if it has one level; a subject of many has those of any shadow."""
    if model is None or model.levels is not None:
        return np.zeros(levels.shape, dtype=bool)
    return like_subject(levels, model)
