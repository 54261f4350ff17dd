"""Are cameras exchanged? Which exchange of two, or round of three, makes outlines agree?

Each view's outline here is that of the largest part that surely changed, shadow and mirror image included: under the
right cameras these are one object, and no hull is needed to find them, which wrong cameras would not give. Agreement is
the median distance between tangent points and planes, a share of the subject's size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import cv2
import numpy as np

from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Silhouette
from mouselift.masks.changes import Background, Comparer, yuv_image
from mouselift.masks.quality import CUT_MARGIN, planes_of
from mouselift.masks.volume import filled, half_camera
from mouselift.media.images import FrameSet

SURE = 2.0  # times what counts as a change of brightness
OPENED = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))  # tails, paws and ears differ most between views
ASKED_FRAMES = 12
_LEAST_FRAMES = 3
_ALL_PAIRS = 32  # views up to which every pair has its two planes (`geometry.tangent_planes`)
_SUSPECTS = 8  # cameras that are off most; the orders of more would take minutes
# mouse_cylinder, any two of five exchanged, and rounds of three: 0.3 as given, 0.05 when put right, 0.19 and more with
# any other exchange (`python benchmarks/camera_agreement.py`).
_AGREES = 0.12
_OF_GIVEN = 0.5
_OF_NEXT = 0.6

Shapes = dict[int, Silhouette]  # by view; of the half-size maps


class Exchange(NamedTuple):
    """An order of the cameras that brings outlines together."""

    cameras: tuple[str, ...]  # two, or three whose files went round
    given: float  # median share of the subject's size between outlines, as the cameras are,
    exchanged: float  # and in that order

    @property
    def words(self) -> str:
        among = " and ".join(self.cameras) if len(self.cameras) == 2 else ", ".join(self.cameras)
        return (
            f"the files of {among} are exchanged: outlines are {self.exchanged:.0%} of the subject's size from one "
            f"another with them put right, {min(self.given, 1.0):.0%} as they are"
        )


def exchanged_cameras(
    framesets: Iterable[FrameSet], backgrounds: Sequence[Background], cameras: Sequence[Camera]
) -> Exchange | None:
    """None where no exchange makes outlines agree, or several do. framesets: `ASKED_FRAMES` of them."""
    comparers, halves = [Comparer(background) for background in backgrounds], [half_camera(c) for c in cameras]
    frames = [shapes for frame in framesets if len(shapes := _shapes(frame, comparers)) > 1]
    if len(frames) < _LEAST_FRAMES:
        return None
    given = _apart(frames, halves)
    tried = sorted((_apart(frames, [halves[k] for k in order]), order) for order in _orders(_suspects(frames, halves)))
    least, order = tried[0]
    following = tried[1][0] if len(tried) > 1 else np.inf
    if least > min(_AGREES, _OF_GIVEN * given, _OF_NEXT * following):
        return None
    return Exchange(tuple(cameras[k].name for k in range(len(cameras)) if order[k] != k), given, least)


def sure_parts(bright: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(label by pixel, cv2's statistics by label) of what surely changed, without thin parts; label 0 is the rest."""
    solid = cv2.morphologyEx((bright > SURE).view(np.uint8), cv2.MORPH_OPEN, OPENED)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(np.asarray(solid, dtype=np.uint8), connectivity=4)
    return np.asarray(labels, dtype=np.int32), np.asarray(stats, dtype=np.int64)


def _shapes(frame: FrameSet, comparers: Sequence[Comparer]) -> Shapes:
    found: Shapes = {}
    for number, (view, comparer) in enumerate(zip(frame.views, comparers, strict=True)):
        if view.image is None:
            continue
        labels, stats = sure_parts(comparer.half(yuv_image(view.image)).bright)
        if len(stats) > 1:
            shape = Silhouette.from_mask(filled(labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())))
            if not shape.touches_border(CUT_MARGIN):
                found[number] = shape
    return found


def _apart(frames: Sequence[Shapes], cameras: Sequence[Camera]) -> float:
    """Median share over all planes that there could be; those that are none count as endlessly far."""
    return float(np.median(np.concatenate([np.abs(_shares(shapes, cameras)[2]) for shapes in frames])))


def _shares(shapes: Shapes, cameras: Sequence[Camera]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(first view, second view, residual) of each plane of one frame."""
    planes = planes_of(cameras, shapes)
    size = float(np.median([np.sqrt(shape.area) for shape in shapes.values()]))
    views = len(shapes) if len(shapes) <= _ALL_PAIRS else 0
    lacking = np.full(max(views * (views - 1) - len(planes.angle), 0), np.inf)
    return planes.first, planes.second, np.concatenate([planes.residual / size, lacking])


def _suspects(frames: Sequence[Shapes], cameras: Sequence[Camera]) -> tuple[list[int], int]:
    """(cameras that are off most, how many cameras there are)."""
    count = len(cameras)
    if count <= _SUSPECTS:
        return list(range(count)), count
    own: list[list[np.ndarray]] = [[] for _ in cameras]
    for shapes in frames:
        first, second, shares = _shares(shapes, cameras)
        for view in shapes:
            own[view].append(np.abs(shares[: len(first)][(first == view) | (second == view)]))
    off = [float(np.median(np.concatenate(parts))) if parts and sum(map(len, parts)) else 0.0 for parts in own]
    return sorted(np.argsort(off)[::-1][:_SUSPECTS].tolist()), count


def _orders(suspects: tuple[list[int], int]) -> Iterator[tuple[int, ...]]:
    """Which camera each view gets: every two exchanged, every three in both rounds."""
    who, count = suspects
    for pair in combinations(who, 2):
        yield _order(count, pair, pair[::-1])
    for a, b, c in combinations(who, 3):
        yield _order(count, (a, b, c), (b, c, a))
        yield _order(count, (a, b, c), (c, a, b))


def _order(count: int, places: Sequence[int], cameras: Sequence[int]) -> tuple[int, ...]:
    moved = dict(zip(places, cameras, strict=True))
    return tuple(moved.get(k, k) for k in range(count))
