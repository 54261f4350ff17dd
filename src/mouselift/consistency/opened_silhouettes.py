"""The body's outline: a silhouette opened by a disc, so that tail, ears and paws are gone from all views alike.

Segmentations lose thin parts in one view and keep them in another; the trunk they keep. An opening takes every part
thinner than the disc's diameter away, and leaves the outline of the rest as it was: what stays is a selection of the
original outline's points, sub-pixel as they were. Radius: a share of the largest disc that the silhouette holds, so the
answer depends on the image alone and not on the camera that is to be judged; the trunk being about as wide as it is
high, it is nearly the same part in all views.

Opened outlines are no silhouettes of one opened body (an ear before the trunk is trunk), so tangency between them is
off by pixels where parts were taken away, and exact elsewhere. What it says is coarse (`Bodies.disagreement`): it tells
two exchanged cameras from ragged masks, not a scale of a per cent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import cv2
import numpy as np

from mouselift.array_types import Levels, Points2
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Outline
from mouselift.geometry.silhouette import HALF_LEVEL
from mouselift.geometry.tangent_planes import TangentPlanes, tangent_planes

RADIUS_SHARE = 0.2  # of the largest inscribed disc's radius: parts thinner than a fifth of the subject's breadth go
_RIM = 2  # pixels of background around the crop
_SLACK_PX = 1.5  # distances are between pixel centres: a straight edge is up to so much farther from the core
_CUT_PX = 1.5  # a body's corner so near to a cut of the outline is on the cut


@dataclass(frozen=True, eq=False)
class Bodies:
    """The bodies of one sample's views. They depend on images alone: ask them about as many cameras as you like."""

    outlines: tuple[Outline | None, ...]  # one a view; None: no outline, or nothing thick in it
    breadth_px: float  # median over views of the largest inscribed disc's radius; NaN where there is no body

    def disagreement(self, cameras: Sequence[Camera]) -> float:
        """Mean |tangency residual| between the bodies in units of `breadth_px`; NaN where no plane has a say.

        Exact cameras and masks: 0.03 (what opening adds); ragged masks of a real recording: 0.05 to 0.10; two cameras
        exchanged: 0.09 to 0.9 (docs/evidence/audit-rates.md). ValueError unless there is one camera a view.
        """
        return self.share_of(tangent_planes(cameras, self.outlines))

    def share_of(self, planes: TangentPlanes) -> float:
        """`disagreement` from tangent planes that are known already."""
        residual = planes.residual
        return float(np.abs(residual).mean()) / self.breadth_px if len(residual) else float("nan")


@dataclass(frozen=True, eq=False)
class Witness:
    """What the bodies of a sample say about its cameras."""

    bodies: Bodies
    cameras: tuple[Camera, ...]
    planes: TangentPlanes  # of the bodies

    @classmethod
    def of(cls, alphas: Sequence[Levels], outlines: Sequence[Outline | None], cameras: Sequence[Camera]) -> Witness:
        """Of one sample. ValueError where the numbers differ."""
        found = bodies(alphas, outlines)
        return cls(found, tuple(cameras), tangent_planes(cameras, found.outlines))

    @property
    def breadth_px(self) -> float:
        return self.bodies.breadth_px

    @property
    def share(self) -> float:
        """`Bodies.disagreement` of the cameras as stated."""
        return self.bodies.share_of(self.planes)

    def best_exchange(self) -> float:
        """Least disagreement with the cameras of two views exchanged: more than `share` where they are right."""
        found = [float("inf")]
        for a, b in combinations(range(len(self.cameras)), 2):
            other = list(self.cameras)
            other[a], other[b] = other[b], other[a]
            found.append(self.bodies.disagreement(other))
        return float(np.nanmin(found))


def bodies(alphas: Sequence[Levels], outlines: Sequence[Outline | None]) -> Bodies:
    """The bodies of all views that have an outline (as `CameraCheck.outlines`: marks of cuts are carried over).

    2 ms a view of 512 px. ValueError where the numbers differ.
    """
    if len(alphas) != len(outlines):
        raise ValueError(f"bodies: expected one alpha an outline, got {len(alphas)} for {len(outlines)}")
    depths = [None if o is None else _depth(a, o) for a, o in zip(alphas, outlines, strict=True)]
    found = [None if o is None or d is None else _opened(o, d) for o, d in zip(outlines, depths, strict=True)]
    breadth = [float(d.max()) for d in depths if d is not None]
    return Bodies(tuple(found), float(np.median(breadth)) if breadth else float("nan"))


def _opened(outline: Outline, depth: np.ndarray) -> Outline | None:
    """The body's outline; area, centroid and box stay those of the whole subject, marks are carried over."""
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
    return replace(outline, points=points, convex=points[corners], uninformative=_marked(points[corners], outline))


def _depth(alpha: Levels, outline: Outline) -> np.ndarray:
    """[h + 2 rim, w + 2 rim] of the outline's box: distance to the background in pixels, holes filled."""
    x0, y0, x1, y1 = outline.box
    inside = cv2.threshold(alpha[y0:y1, x0:x1], HALF_LEVEL - 1, 1, cv2.THRESH_BINARY)[1]
    framed = cv2.copyMakeBorder(inside, _RIM, _RIM, _RIM, _RIM, cv2.BORDER_CONSTANT, value=(0,))
    rims, _ = cv2.findContours(framed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(framed), rims, -1, (1,), cv2.FILLED)
    return np.asarray(cv2.distanceTransform(filled, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))


def _marked(hull: Points2, outline: Outline) -> np.ndarray:
    """[m] body corners on what the whole outline marks as saying nothing: its marked corners and edges between them."""
    if outline.uninformative.all():
        return np.ones(len(hull), dtype=bool)
    start, end = outline.convex, np.roll(outline.convex, -1, axis=0)
    both = outline.uninformative & np.roll(outline.uninformative, -1)
    marked = _near(hull, start[outline.uninformative], start[outline.uninformative])
    return marked | _near(hull, start[both], end[both])


def _near(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """[m] whether a point lies near one of the segments."""
    if len(start) == 0:
        return np.zeros(len(points), dtype=bool)
    along = end - start
    length = np.maximum((along**2).sum(axis=1), 1e-12)
    share = np.clip(((points[:, None] - start) * along).sum(axis=2) / length, 0.0, 1.0)
    gap = np.linalg.norm(points[:, None] - start - share[..., None] * along, axis=2)
    return np.asarray((gap <= _CUT_PX).any(axis=1))
