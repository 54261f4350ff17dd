"""Silhouettes opened by a disc, so that tail, ears and paws are gone from all views alike.

Segmentations lose thin parts in one view and keep them in another; the trunk they keep. An opening takes away every
part thinner than the disc's diameter and leaves the outline of the rest as it was: a selection of the original
outline's points, sub-pixel as they were. The radius is a share of the largest disc that the silhouette holds, so it
depends on the image alone and not on the camera that is to be checked. The trunk is about as wide as it is high, so
nearly the same part of it stays in all views.

Opened outlines are not the silhouettes of one opened subject (an ear before the trunk is trunk), so tangency between
them is off by pixels where parts were taken away, and exact elsewhere. They tell two exchanged cameras from rough
masks, not a scale of one per cent. So they are used only where masks are rough in every view (`rough_masks`), and
where faults of masks and of a camera explain the outlines about equally well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import cv2
import numpy as np

from mouselift.array_types import Levels, Points2
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import HALF_LEVEL, Outline
from mouselift.geometry.tangent_planes import TangentPlanes, tangent_planes

RADIUS_SHARE = 0.2  # of the largest inscribed disc's radius: parts thinner than a fifth of the subject's breadth go
_EXCHANGED = 8  # views among which two cameras are exchanged
_RIM = 2  # pixels of background around the crop
_SLACK_PX = 1.5  # distances are between pixel centres: a straight edge is up to so much farther from the core
_CUT_PX = 1.5  # a corner so near to a cut of the whole outline is on the cut


@dataclass(frozen=True, eq=False)
class OpenedSilhouettes:
    """One sample's opened silhouettes. They depend on images alone and can be compared under any cameras."""

    outlines: tuple[Outline | None, ...]  # one a view; None: no outline, or nothing thick in it
    breadth_px: float  # median over views of the largest inscribed disc's radius; NaN where there is none

    def disagreement(self, cameras: Sequence[Camera]) -> float:
        """Mean |tangency residual| in units of `breadth_px`; NaN without tangent planes.

        Exact cameras and masks: 0.03 (what opening adds); rough masks of a real recording: 0.05 to 0.10; two cameras
        exchanged: 0.09 to 0.9 (docs/evidence/audit-rates.md). ValueError unless there is one camera a view.
        """
        return self.disagreement_of(tangent_planes(cameras, self.outlines))

    def disagreement_of(self, planes: TangentPlanes) -> float:
        """`disagreement` from tangent planes that are known already."""
        residual = planes.residual
        return float(np.abs(residual).mean()) / self.breadth_px if len(residual) else float("nan")


@dataclass(frozen=True, eq=False)
class OpenedTangency:
    """Opened silhouettes under one sample's cameras."""

    silhouettes: OpenedSilhouettes
    cameras: tuple[Camera, ...]
    planes: TangentPlanes

    @classmethod
    def of(
        cls, alphas: Sequence[Levels], outlines: Sequence[Outline | None], cameras: Sequence[Camera]
    ) -> OpenedTangency:
        """Of one sample. ValueError where the numbers differ."""
        opened = open_silhouettes(alphas, outlines)
        return cls(opened, tuple(cameras), tangent_planes(cameras, opened.outlines))

    def least_exchanged(self) -> float:
        """Least disagreement with two cameras exchanged: more than theirs as they are where the cameras are right.

        Of many views, the exchanges among those that disagree most are tried.
        """
        off = np.zeros(len(self.cameras))
        for views in (self.planes.first, self.planes.second):
            off += np.bincount(views, np.abs(self.planes.residual), len(off))
        worst = sorted(np.argsort(-off, kind="stable")[:_EXCHANGED].tolist())
        found = [float("inf")]
        for a, b in combinations(worst, 2):
            exchanged = list(self.cameras)
            exchanged[a], exchanged[b] = exchanged[b], exchanged[a]
            found.append(self.silhouettes.disagreement(exchanged))
        return float(np.nanmin(found))


def open_silhouettes(alphas: Sequence[Levels], outlines: Sequence[Outline | None]) -> OpenedSilhouettes:
    """The opened silhouettes of all views that have an outline (as `CameraCheck.outlines`: cuts stay marked).

    2 ms a view of 512 px. ValueError where the numbers differ.
    """
    if len(alphas) != len(outlines):
        raise ValueError(f"open_silhouettes: expected one alpha an outline, got {len(alphas)} for {len(outlines)}")
    depths = [None if o is None else _depth(a, o) for a, o in zip(alphas, outlines, strict=True)]
    opened = [None if o is None or d is None else _opened(o, d) for o, d in zip(outlines, depths, strict=True)]
    breadth = [float(d.max()) for d in depths if d is not None]
    return OpenedSilhouettes(tuple(opened), float(np.median(breadth)) if breadth else float("nan"))


def _opened(outline: Outline, depth: np.ndarray) -> Outline | None:
    """The opened outline; area, centroid and box stay those of the whole subject."""
    radius = RADIUS_SHARE * float(depth.max())
    count, labels, stats, _ = cv2.connectedComponentsWithStats((depth > radius).astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    largest = 1 + int(np.asarray(stats)[1:, cv2.CC_STAT_AREA].argmax())
    outside = (np.asarray(labels) != largest).astype(np.uint8)
    reach = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Array coordinates of the crop: pixel centres at whole numbers.
    at = (outline.points - np.array(outline.box[:2]) + _RIM - 0.5).astype(np.float32)
    distance = cv2.remap(np.asarray(reach), at[:, 0], at[:, 1], cv2.INTER_LINEAR).ravel()
    points = outline.points[distance <= radius + _SLACK_PX]
    if len(points) < 3:
        return None
    corners = np.asarray(cv2.convexHull(points.astype(np.float32), returnPoints=False), dtype=np.intp).ravel()
    convex = points[corners]
    return replace(outline, points=points, convex=convex, uninformative=_uninformative(convex, outline))


def _depth(alpha: Levels, outline: Outline) -> np.ndarray:
    """[h + 2 rim, w + 2 rim] of the outline's box: distance to the background in pixels, holes filled."""
    x0, y0, x1, y1 = outline.box
    inside = cv2.threshold(alpha[y0:y1, x0:x1], HALF_LEVEL - 1, 1, cv2.THRESH_BINARY)[1]
    framed = cv2.copyMakeBorder(inside, _RIM, _RIM, _RIM, _RIM, cv2.BORDER_CONSTANT, value=(0,))
    rims, _ = cv2.findContours(framed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(framed), rims, -1, (1,), cv2.FILLED)
    return np.asarray(cv2.distanceTransform(filled, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))


def _uninformative(corners: Points2, outline: Outline) -> np.ndarray:
    """[m] corners that lie on uninformative corners of the whole outline, or on an edge between two of them."""
    if outline.uninformative.all():
        return np.ones(len(corners), dtype=bool)
    start, end = outline.convex, np.roll(outline.convex, -1, axis=0)
    both = outline.uninformative & np.roll(outline.uninformative, -1)
    marked = _near(corners, start[outline.uninformative], start[outline.uninformative])
    return marked | _near(corners, start[both], end[both])


def _near(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """[m] whether a point lies near one of the segments."""
    if len(start) == 0:
        return np.zeros(len(points), dtype=bool)
    along = end - start
    length = np.maximum((along**2).sum(axis=1), 1e-12)
    share = np.clip(((points[:, None] - start) * along).sum(axis=2) / length, 0.0, 1.0)
    gap = np.linalg.norm(points[:, None] - start - share[..., None] * along, axis=2)
    return np.asarray((gap <= _CUT_PX).any(axis=1))
