"""What an image says about its subject: a silhouette in whole pixels (masks), an outline to a fraction (alpha)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from mouselift.array_types import Array, Bool, Float64, Int64, Levels, Mask, Points2

HALF_LEVEL = 128  # of a soft mask's 0..255: a pixel belongs to the subject from here on
LEVEL = HALF_LEVEL - 0.5  # of 0..255: the outline runs where the alpha crosses it
SPECK_SHARE = 0.01  # of the largest part's area: smaller parts of a mask are noise
_BORDER_PX = 1.0  # nearer to the image's edge than this, the outline may be the frame's


@dataclass(frozen=True, eq=False)
class Silhouette:
    """A subject's outline in one image, in pixels of that image.

    `outline` holds pixel *corners* of the mask's boundary: of every row the first and last, of every
    column the top and bottom ones. They contain every point that can be extreme in any direction under
    a smooth map, so "all of them inside" means "the whole mask inside".
    """

    width: int  # of the image
    height: int
    area: int  # mask pixels
    centroid: Float64[Array, "1 2"]  # mean of pixel centres
    outline: Points2  # [n, 2] corners
    box: tuple[int, int, int, int]  # x0, y0, x1, y1: half open

    @classmethod
    def from_mask(cls, mask: Mask, offset: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None) -> Silhouette:
        """From a mask, or from a crop of one whose corner lies at `offset` = (x, y) of an image of `size` = (w, h).

        ValueError where the mask is empty: an absent subject has no silhouette.
        """
        height, width = mask.shape
        rows = np.flatnonzero(mask.any(axis=1))
        if rows.size == 0:
            raise ValueError("Silhouette: the mask is empty")
        columns = np.flatnonzero(mask.any(axis=0))
        x0, x1, y0, y1 = int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1
        tight = mask[y0:y1, x0:x1]
        ones = np.ascontiguousarray(tight).view(np.uint8)
        in_column, in_row = ones.sum(axis=0, dtype=np.uint32), ones.sum(axis=1, dtype=np.uint32)
        area = int(in_row.sum())
        shift = np.array([x0 + offset[0], y0 + offset[1]], dtype=np.float64)
        centre = np.array([np.arange(x1 - x0) @ in_column, np.arange(y1 - y0) @ in_row]) / area + 0.5
        corners = np.concatenate([_run_ends(tight), _run_ends(tight.T)[:, ::-1]]).astype(np.float64)
        box = (x0 + offset[0], y0 + offset[1], x1 + offset[0], y1 + offset[1])
        return cls(*(size or (width, height)), area, (centre + shift)[None], corners + shift, box)

    def touches_border(self, margin: int = 0) -> bool:
        """Whether the mask reaches within `margin` pixels of the image's edge: the sensor may have cut it."""
        x0, y0, x1, y1 = self.box
        return x0 <= margin or y0 <= margin or x1 >= self.width - margin or y1 >= self.height - margin


def _run_ends(mask: np.ndarray) -> np.ndarray:
    """(x, y) corners of each row's first and last set pixel."""
    rows = np.flatnonzero(mask.any(axis=1))
    used = np.ascontiguousarray(mask[rows])
    first = used.argmax(axis=1)
    last = mask.shape[1] - np.ascontiguousarray(used[:, ::-1]).argmax(axis=1)
    x = np.concatenate([first, first, last, last])
    y = np.concatenate([rows, rows + 1, rows, rows + 1])
    return np.stack([x, y], axis=1)


@dataclass(frozen=True, eq=False)
class Outline:
    """Outline of one alpha in pixels of its image; pixel centres at +0.5, so the image is [0, w] x [0, h].

    Where the subject reaches the image's edge the outline is that edge. All components count: one speck beside
    the animal moves the hull (`outline_of(speck_share=...)` drops specks).
    """

    points: Points2  # crossings of the half level along rows and columns
    convex: Float64[Array, "m 2"]  # convex hull corners of `points`, in order
    uninformative: Bool[Array, " m"]  # hull corners that say nothing about the subject: on the image's edge, on a cut
    area: float  # sum(alpha) / 255, pixels
    centroid: Float64[Array, "1 2"]  # of alpha
    box: tuple[int, int, int, int]  # x0, y0, x1, y1 of the pixels from the half level on: half open

    def leaving_out(self, corners: Bool[Array, " m"]) -> Outline:
        """The same outline with more hull corners marked as saying nothing (an old frame edge, say)."""
        return replace(self, uninformative=self.uninformative | corners)


def outline_of(alpha: Levels, speck_share: float = 0.0) -> Outline | None:
    """The outline of one alpha; None where no pixel reaches the half level.

    speck_share: components whose area is below this share of the largest one's are left out, but for those in another
    one's hole; 0 keeps all.
    """
    left, top, wide, high = cv2.boundingRect(alpha)  # of what is not blank: the rest is looked at once only
    if high == 0:
        return None
    shown = alpha[top : top + high, left : left + wide]
    inside = cv2.threshold(shown, HALF_LEVEL - 1, 1, cv2.THRESH_BINARY)[1]
    # Labelling parts takes longer than all else: it is done where there are several only.
    if speck_share > 0 and len(cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]) > 1:
        return outline_of(_without_specks(alpha, speck_share))
    x, y, w, h = cv2.boundingRect(inside)
    if h == 0:
        return None
    box = (left + x, top + y, left + x + w, top + y + h)
    points = _crossings(alpha, box)
    convex = points[convex_corners(points)]
    far = np.array([alpha.shape[1], alpha.shape[0]]) - _BORDER_PX
    uninformative = np.asarray(((convex <= _BORDER_PX) | (convex >= far)).any(axis=1))
    moments = cv2.moments(shown)
    middle = np.array([[moments["m10"], moments["m01"]]]) / moments["m00"] + 0.5
    area = float(moments["m00"] / 255)
    return Outline(points, convex, uninformative, area, middle + np.array([left, top]), box)


def convex_corners(points: Points2) -> Int64[Array, " m"]:
    """Which points are the corners of the convex hull, in order around it."""
    order = np.argsort(points[:, 0])  # OpenCV sorts them again: of sorted ones the whole takes two thirds of the time
    hull = np.asarray(cv2.convexHull(points[order].astype(np.float32), returnPoints=False), dtype=np.int64)
    return order[hull.ravel()]


def _crossings(alpha: Levels, box: tuple[int, int, int, int]) -> Points2:
    """Where the level is crossed between neighbouring pixel centres, linearly; at the image's edge, the edge."""
    height, width = alpha.shape
    x0, y0, x1, y1 = max(box[0] - 1, 0), max(box[1] - 1, 0), min(box[2] + 1, width), min(box[3] + 1, height)
    tight = np.ascontiguousarray(alpha[y0:y1, x0:x1])
    inside = tight >= HALF_LEVEL
    found = [_between(tight, inside, along=1), _between(tight, inside, along=0)]
    for reached, pixels, along, at in (
        (x0 == 0, inside[:, 0], 0, 0),
        (y0 == 0, inside[0], 1, 0),
        (x1 == width, inside[:, -1], 0, x1 - x0),
        (y1 == height, inside[-1], 1, y1 - y0),
    ):
        if reached:
            found.append(_edge(pixels, along, float(at)))
    return np.concatenate(found) + np.array([x0, y0], dtype=np.float64)


def _between(tight: Levels, inside: Bool[Array, "h w"], along: int) -> Points2:
    """Crossings between neighbours along rows (1) or columns (0), in the crop's coordinates."""
    width = tight.shape[1]
    step = 1 if along == 1 else width  # to the neighbour, in memory
    level, within = tight.ravel(), inside.ravel()
    at = np.flatnonzero(within[step:] != within[:-step])
    if along == 1:
        at = at[at % width < width - 1]  # else the neighbour is the next row's first
    rows, columns = np.divmod(at, width)
    near, far = level[at].astype(np.float64), level[at + step].astype(np.float64)
    found = np.stack([columns, rows], axis=1) + 0.5
    found[:, 1 - along] += (LEVEL - near) / (far - near)
    return found


def _edge(inside: Bool[Array, " k"], along: int, at: float) -> Points2:
    """Points on the image's edge wherever the pixels beside it are inside; both ends of each pixel."""
    index = np.flatnonzero(inside).astype(np.float64)
    run = np.concatenate([index, index + 1])
    fixed = np.full(len(run), at)
    return np.stack([run, fixed] if along == 1 else [fixed, run], axis=1)


def _without_specks(alpha: Levels, share: float) -> Levels:
    """Alpha with the pixels of small components, and of what belongs to none, set to 0."""
    inside = np.asarray(cv2.threshold(alpha, HALF_LEVEL - 1, 1, cv2.THRESH_BINARY)[1])
    count, labels, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    areas = np.asarray(stats)[:, cv2.CC_STAT_AREA]
    small = areas < share * areas[1:].max()
    if count == 2 or not small[1:].any():
        return alpha
    small[0] = False
    specks = small[np.asarray(labels)].astype(np.uint8)
    grown = np.asarray(cv2.dilate(specks, np.ones((3, 3), np.uint8))) > 0
    # The soft rim goes with its speck, but never a pixel of a component that stays.
    gone = (specks > 0) | (grown & (inside == 0))
    return np.where(gone, np.uint8(0), alpha)
