"""The causes that the diagnosis knows. A new one is added here: its entry in `CAUSES`, and the candidates that undo it.

A candidate (`candidate.Candidate`) says how the cameras would read without its cause. Readings change the stated
numbers and fit nothing; other candidates have values, which `fit` finds. `explain` tries them all, and the one that
makes cameras and silhouettes agree with the fewest values wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from mouselift.diagnosis.candidate import (
    SCALE,
    SCALE_X,
    SCALE_Y,
    SHIFT_X,
    SHIFT_Y,
    About,
    Candidate,
    Columns,
    Rows,
    prior_sigma,
)
from mouselift.diagnosis.fit_starts import starts_from_positions
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines, subject_point

_Part = Literal["all", "pose", "intrinsics"]
_Poses = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]  # (R, C) [v, 3, 3], [v, 3] -> the same


@dataclass(frozen=True)
class CauseKind:
    """What is known about a cause beforehand."""

    sentence: str  # what was done, in words
    repair: str = "yes"  # whether `mouselift repair` undoes it


_BUT_SCALE = "yes, up to a common factor"
CAUSES: dict[str, CauseKind] = {
    "view-scale": CauseKind("one view's pixels were scaled without its fx, fy"),
    "view-shift": CauseKind("one view's pixels were shifted without its cx, cy"),
    "view-scale-shift": CauseKind("one view's pixels, or two views', were scaled and shifted on their own"),
    "view-focal": CauseKind("one view's fx, fy are not those of its image"),
    "view-size": CauseKind("one view's intrinsics belong to an image of another size"),
    "view-anisotropic": CauseKind("one view's image was stretched in x and y differently"),
    "each-scale-shift": CauseKind("each view's pixels were scaled and shifted on their own without fx, fy, cx, cy"),
    "each-scale": CauseKind("each view's pixels were scaled on their own without fx, fy"),
    "each-shift": CauseKind("each view's pixels were shifted on their own without cx, cy"),
    "one-intrinsics": CauseKind("all views state the same intrinsics, and each image needs its own"),
    "all-half-pixel": CauseKind(
        "off by half a pixel: pixel centres at whole numbers on one side, at +0.5 on the other"
    ),
    "all-scale": CauseKind("all views' pixels were scaled alike without fx, fy"),
    "all-focal": CauseKind("one wrong fx, fy for all views"),
    "all-size": CauseKind("the intrinsics of all views belong to images of another size"),
    "all-shift": CauseKind("all views' pixels were shifted alike without cx, cy"),
    "all-scale-shift": CauseKind("all views' pixels were scaled and shifted alike"),
    "all-anisotropic": CauseKind("all views' images were stretched in x and y differently"),
    "k-transposed": CauseKind("the principal point is 0, as when K is read from its transpose"),
    "xy-swapped": CauseKind("fx, cx and fy, cy are exchanged (rows for columns)"),
    "rotation-transposed": CauseKind("the rotation was written transposed"),
    "c2w-for-w2c": CauseKind("the file holds camera-to-world matrices under the name w2c"),
    "opengl-axes": CauseKind(
        "the camera's axes are OpenGL's (y up, z backward), expected OpenCV's (y down, z forward)"
    ),
    "c2w-opengl": CauseKind("the file holds camera-to-world matrices of OpenGL axes under the name w2c"),
    "views-swapped": CauseKind("the images of the two views are exchanged"),
    "poses-swapped": CauseKind("the poses of the two views are exchanged, their intrinsics are not"),
    "intrinsics-swapped": CauseKind("the intrinsics of the two views are exchanged, their poses are not"),
    "views-out-of-order": CauseKind("the images stand in another order than the cameras"),
    "each-distance": CauseKind(
        "each camera's distance was set on its own (the centre moved, the image did not)", _BUT_SCALE
    ),
    "view-distance": CauseKind("one camera's distance was changed on its own", _BUT_SCALE),
    "view-centre": CauseKind("one camera's centre was moved on its own", _BUT_SCALE),
    "mirrored": CauseKind(
        "the image is mirrored; no camera can say that, so the image itself must be flipped", "no: flip the image"
    ),
    "calibration-copied": CauseKind(
        "its pose is a copy of another camera's; its own calibration is missing", "no: its own is missing"
    ),
    "views-disagree": CauseKind(
        "the other views agree without it, and no change of its intrinsics or centre explains it: a wrong calibration, "
        "a wrong mask, or a video that lags (`mouselift inspect` on the capture decides)",
        "no: `mouselift inspect` on the capture",
    ),
    "unexplained": CauseKind("the views disagree, and no single cause explains it", "no"),
}

# Causes in one view, or alike in all, with their values {v}: by what follows `view-` or `all-` in the code.
VALUE_SENTENCES = {
    "centre": "the camera's centre was moved on its own: {v}",
    "distance": "the camera's distance was changed on its own: {v}",
    "size": "the intrinsics belong to images of another size: pixels {v}",
    "focal": "fx, fy are not those of the images: pixels {v} about the principal point",
    "anisotropic": "the image was stretched without fx, fy alike (anisotropic resize): {v}",
    "shift": "pixels {v} without cx, cy",
    "scale": "pixels {v} without fx, fy",
    "scale-shift": "pixels {v} without fx, fy, cx, cy",
}
# What would tell rivals apart, by the end of their codes.
DECIDED_BY = {
    "focal": "the original calibration's focal length",
    "centre": "the original calibration, or more samples at other places",
    "distance": "the original camera positions",
    "anisotropic": "the size of the source images",
    "scale": "the size of the source images and crops",
    "shift": "the crop that was cut out",
    "disagree": "neighbouring frames (a lag follows the movement), or the original calibration",
}
# The commonest first: of causes that explain the silhouettes equally well, it is taken.
COMMONEST = ("half-pixel", "shift", "scale", "focal", "size", "scale-shift", "distance", "centre", "anisotropic")


def readings(cameras: CameraArrays) -> Iterator[Candidate]:
    """Every way to read the stated numbers otherwise: no value is fitted, but for the point of a transposed K."""
    yield from conventions(cameras)
    yield from swaps(cameras)
    yield from mirrors(cameras)
    yield from intrinsics(cameras)


def conventions(cameras: CameraArrays) -> Iterator[Candidate]:
    """Each misreading, undone in all cameras and in each alone."""
    views = len(cameras)
    for code, change in _MISREADINGS.items():
        yield Candidate(code, tuple(range(views)), apply=_InPoses(change, tuple(range(views))))
        for view in range(views):
            yield Candidate(code, (view,), apply=_InPoses(change, (view,)), options=views)


def swaps(cameras: CameraArrays) -> Iterator[Candidate]:
    """Two views' cameras exchanged, whole or in part; all views turned round by some places, or in reverse."""
    views = len(cameras)
    pairs = list(combinations(range(views), 2))
    parts: tuple[tuple[str, _Part], ...] = (
        ("views-swapped", "all"), ("poses-swapped", "pose"), ("intrinsics-swapped", "intrinsics"),
    )  # fmt: skip
    for code, what in parts:
        for a, b in pairs:
            order = list(range(views))
            order[a], order[b] = b, a
            yield Candidate(code, (a, b), apply=_Reordered(order, what), options=len(pairs))
    everyone = tuple(range(views))
    for turn in range(1, views if views > 2 else 1):
        order = [(i + turn) % views for i in range(views)]
        yield Candidate("views-out-of-order", everyone, apply=_Reordered(order, "all"), options=views)
    if views > 2:
        yield Candidate(
            "views-out-of-order", everyone, apply=_Reordered(list(range(views))[::-1], "all"), options=views
        )


def mirrors(cameras: CameraArrays) -> Iterator[Candidate]:
    """Images flipped left to right (or, the same but for half a turn, top to bottom)."""
    views = len(cameras)
    everyone = tuple(range(views))
    for axis in (0, 1):
        yield Candidate("mirrored", everyone, apply=_Mirrored(axis, everyone), options=2)
        for view in everyone:
            yield Candidate("mirrored", (view,), apply=_Mirrored(axis, (view,)), options=2 * views)


def intrinsics(cameras: CameraArrays) -> Iterator[Candidate]:
    """x and y exchanged, or a K read from its transpose (principal points of zero)."""
    views = len(cameras)
    everyone = tuple(range(views))
    yield Candidate("xy-swapped", everyone, apply=_Exchanged(everyone))
    for view in everyone:
        yield Candidate("xy-swapped", (view,), apply=_Exchanged((view,)), options=views)
    lost = tuple(int(i) for i in np.flatnonzero((np.abs(cameras.principal) < 1.5).all(axis=1)))
    if lost:
        # A transposed K leaves zero where the principal point was: fit it, from the image's middle.
        rows = (SHIFT_X, SHIFT_Y)
        yield Candidate("k-transposed", lost, apply=_Middle(lost))
        yield Candidate(
            "k-transposed", lost, apply=_Middle(lost), basis=Columns(views, lost, rows, False),
            prior_sigma=prior_sigma(rows, len(lost)),
        )  # fmt: skip


def copies(cameras: CameraArrays) -> list[tuple[int, int]]:
    """Pairs of views whose poses are the same to a thousandth of the rig's radius: one is a copy of the other."""
    radius = float(np.linalg.norm(cameras.centre - cameras.centre.mean(axis=0), axis=1).max())
    return [
        (a, b)
        for a, b in combinations(range(len(cameras)), 2)
        if np.linalg.norm(cameras.centre[a] - cameras.centre[b]) < 1e-3 * max(radius, 1e-300)
        and np.abs(cameras.R_cam_world[a] - cameras.R_cam_world[b]).max() < 1e-2
    ]


def half_pixels(cameras: CameraArrays) -> Iterator[Candidate]:
    """All pixel centres taken at integers, or moved the wrong way: exactly half a pixel."""
    for step in (0.5, -0.5):
        yield Candidate("all-half-pixel", tuple(range(len(cameras))), apply=_Shifted(step), options=2)


def one_view(views: int, view: int) -> Iterator[Candidate]:
    """A single view's image was stretched or shifted."""
    for code, rows, about in _KINDS:
        yield _candidate(f"view-{code}", views, (view,), rows, about, False, views * _variants(code))


def two_views(cameras: CameraArrays, blamed: Sequence[int]) -> Iterator[Candidate]:
    """Two of the blamed views' images were, each in its own way."""
    pairs = list(combinations(range(len(cameras)), 2))
    for pair in combinations(sorted(blamed), 2):
        yield _candidate("view-scale-shift", len(cameras), pair, (SCALE, SHIFT_X, SHIFT_Y), "middle", False, len(pairs))


def all_views_alike(cameras: CameraArrays) -> Iterator[Candidate]:
    """One wrong intrinsics for all views."""
    views = len(cameras)
    everyone = tuple(range(views))
    for code, rows, about in _KINDS:
        yield _candidate(f"all-{code}", views, everyone, rows, about, True, _variants(code))


def each_view(cameras: CameraArrays) -> Iterator[Candidate]:
    """Every view's image was stretched, or stretched and shifted, in its own way."""
    views = len(cameras)
    everyone = tuple(range(views))
    yield _candidate("each-scale", views, everyone, (SCALE,), "principal", False, 1)
    yield _candidate("each-scale", views, everyone, (SCALE,), "middle", False, 1)
    yield _candidate("each-shift", views, everyone, (SHIFT_X, SHIFT_Y), "middle", False, 1)
    every = _candidate("each-scale-shift", views, everyone, (SCALE, SHIFT_X, SHIFT_Y), "middle", False, 1)
    yield replace(every, starts=starts_from_positions)


def moved_centre(views: int, view: int) -> Iterator[Candidate]:
    """One camera's centre moved on its own: anywhere, or towards the origin, or along its axis."""
    rows = ((4,), (5,), (6,))
    yield Candidate(
        "view-centre", (view,), basis=Columns(views, (view,), rows, False), prior_sigma=prior_sigma(rows, 1),
        options=views,
    )  # fmt: skip
    for way in (_to_origin, _along_axis):
        yield Candidate(
            "view-distance", (view,), basis=_Along(way, (view,)), prior_sigma=prior_sigma(((4,),), 1), options=views
        )


def moved_centres(cameras: CameraArrays) -> Iterator[Candidate]:
    """All cameras' centres moved, each on its own, towards the origin or along their axes."""
    for along_axis in (False, True):
        yield distances(tuple(range(len(cameras))), along_axis)


def distances(views: tuple[int, ...], along_axis: bool = False) -> Candidate:
    """Every camera's distance changed on its own ("set every distance to 2.7")."""
    way = _along_axis if along_axis else _to_origin
    return Candidate("each-distance", views, basis=_Along(way, views), prior_sigma=prior_sigma(((4,),), len(views)))


_KINDS: tuple[tuple[str, Rows, About], ...] = (
    ("scale", (SCALE,), "middle"),
    ("focal", (SCALE,), "principal"),
    ("size", (SCALE,), "corner"),
    ("shift", (SHIFT_X, SHIFT_Y), "middle"),
    ("scale-shift", (SCALE, SHIFT_X, SHIFT_Y), "middle"),
    ("anisotropic", (SCALE_X,), "principal"),
    ("anisotropic", (SCALE_Y,), "principal"),
    ("anisotropic", (SCALE_X,), "corner"),
    ("anisotropic", (SCALE_Y,), "corner"),
    ("anisotropic", (SCALE_X,), "middle"),
    ("anisotropic", (SCALE_Y,), "middle"),
    ("anisotropic", (SCALE_X, SCALE_Y), "corner"),
    ("anisotropic", (SCALE_X, SCALE_Y, SHIFT_X, SHIFT_Y), "middle"),
)


def _variants(code: str) -> int:
    """How many kinds share a code: each more makes a chance fit likelier."""
    return sum(1 for other, _, _ in _KINDS if other == code)


class _Shifted:
    """All principal points moved by the same step along both axes."""

    def __init__(self, step: float) -> None:
        self.step = step

    def __call__(self, cameras: CameraArrays) -> CameraArrays:
        change = np.zeros((len(cameras), 7))
        change[:, 2:4] = self.step
        return cameras.moved(change)


def _candidate(
    code: str, views: int, faulty: tuple[int, ...], rows: Rows, about: About, shared: bool, options: int
) -> Candidate:
    sets = 1 if shared else len(faulty)
    start = None if shared or rows != (SCALE, SHIFT_X, SHIFT_Y) else _FromCentroids(faulty)
    basis = Columns(views, faulty, rows, shared)
    return Candidate(
        code, faulty, basis=basis, prior_sigma=prior_sigma(rows, sets), about=about, start=start, options=options
    )


@dataclass(frozen=True)
class _FromCentroids:
    """Scale and shift that put each faulty view's centroid where the others see it, at the others' size."""

    faulty: tuple[int, ...]

    def __call__(self, cameras: CameraArrays, outlines: ConvexOutlines) -> np.ndarray:
        y = np.zeros((len(self.faulty), 3))
        rest = [i for i in range(len(cameras)) if i not in self.faulty and outlines.seen[i]]
        use = rest if len(rest) >= 2 else [i for i in range(len(cameras)) if outlines.seen[i]]
        point = subject_point(cameras.take(use), _views(outlines, use)) if len(use) >= 2 else None
        if point is None:
            return y.reshape(-1)
        at = np.einsum("vij,vj->vi", cameras.R_cam_world, point - cameras.centre)
        depth = np.where(np.abs(at[:, 2]) > 1e-9, at[:, 2], 1e-9)
        with np.errstate(divide="ignore"):
            size = np.log(np.sqrt(outlines.area) * np.abs(depth) / np.abs(cameras.focal).mean(axis=1))
        middle = cameras.size / 2
        for n, view in enumerate(self.faulty):
            if outlines.seen[view]:
                y[n, 0] = np.clip(size[view] - size[use].mean(), -1.0, 1.0)
                grow = np.exp(y[n, 0])
                seen_at = grow * cameras.focal[view] * at[view, :2] / depth[view]
                seen_at = seen_at + middle[view] + grow * (cameras.principal[view] - middle[view])
                y[n, 1:] = outlines.centroid[view] - seen_at
        return y.reshape(-1)


def _views(outlines: ConvexOutlines, at: list[int]) -> ConvexOutlines:
    return ConvexOutlines(
        outlines.points[at], outlines.real[at], outlines.uninformative[at], outlines.centroid[at], outlines.area[at]
    )


class _Reordered:
    def __init__(self, order: list[int], what: _Part) -> None:
        self.order, self.what = order, what

    def __call__(self, cameras: CameraArrays) -> CameraArrays:
        moved = cameras.take(self.order)
        if self.what == "pose":
            return replace(cameras, R_cam_world=moved.R_cam_world, centre=moved.centre)
        if self.what == "intrinsics":
            return replace(cameras, focal=moved.focal, principal=moved.principal)
        return replace(moved, size=cameras.size)


class _Mirrored:
    """x -> w - x (axis 0) or y -> h - y (axis 1) of the image, said by a negative focal length."""

    def __init__(self, axis: int, faulty: tuple[int, ...]) -> None:
        self.axis, self.faulty = axis, list(faulty)

    def __call__(self, cameras: CameraArrays) -> CameraArrays:
        focal, principal = cameras.focal.copy(), cameras.principal.copy()
        focal[self.faulty, self.axis] *= -1
        principal[self.faulty, self.axis] = (cameras.size - cameras.principal)[self.faulty, self.axis]
        return replace(cameras, focal=focal, principal=principal)


class _Exchanged:
    def __init__(self, faulty: tuple[int, ...]) -> None:
        self.faulty = list(faulty)

    def __call__(self, cameras: CameraArrays) -> CameraArrays:
        focal, principal = cameras.focal.copy(), cameras.principal.copy()
        focal[self.faulty], principal[self.faulty] = focal[self.faulty, ::-1], principal[self.faulty, ::-1]
        return replace(cameras, focal=focal, principal=principal)


class _Middle:
    def __init__(self, faulty: tuple[int, ...]) -> None:
        self.faulty = list(faulty)

    def __call__(self, cameras: CameraArrays) -> CameraArrays:
        principal = cameras.principal.copy()
        principal[self.faulty] = cameras.size[self.faulty] / 2
        return replace(cameras, principal=principal)


def _transposed(R: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R was written transposed, t was not: t = -R C stays."""
    t = -np.einsum("vij,vj->vi", R, C)
    turned = np.swapaxes(R, 1, 2)
    return turned, -np.einsum("vji,vj->vi", turned, t)


def _inverted(R: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The file holds c2w under the name w2c: the stated translation -R C is the centre."""
    return np.swapaxes(R, 1, 2), -np.einsum("vij,vj->vi", R, C)


def _opengl(R: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Camera axes x right, y up, z backward."""
    return np.array([1.0, -1.0, -1.0])[:, None] * R, C


def _inverted_opengl(R: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """c2w of OpenGL axes under the name w2c."""
    return _opengl(*_inverted(R, C))


_MISREADINGS: dict[str, _Poses] = {
    "rotation-transposed": _transposed,
    "c2w-for-w2c": _inverted,
    "opengl-axes": _opengl,
    "c2w-opengl": _inverted_opengl,
}


class _InPoses:
    """A change of the poses of some views."""

    def __init__(self, change: _Poses, faulty: tuple[int, ...]) -> None:
        self.change, self.faulty = change, list(faulty)

    def __call__(self, cameras: CameraArrays) -> CameraArrays:
        R, C = cameras.R_cam_world.copy(), cameras.centre.copy()
        R[self.faulty], C[self.faulty] = self.change(R[self.faulty], C[self.faulty])
        return replace(cameras, R_cam_world=R, centre=C)


def _to_origin(cameras: CameraArrays) -> np.ndarray:
    return cameras.centre


def _along_axis(cameras: CameraArrays) -> np.ndarray:
    return -cameras.R_cam_world[:, 2]


class _Along:
    """One parameter a faulty view: its centre moves along a direction of its own."""

    def __init__(self, way: Callable[[CameraArrays], np.ndarray], faulty: tuple[int, ...]) -> None:
        self.way, self.faulty = way, faulty

    def __call__(self, cameras: CameraArrays) -> np.ndarray:
        direction = self.way(cameras)
        direction = direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-300)
        out = np.zeros((len(cameras), 7, len(self.faulty)))
        for n, view in enumerate(self.faulty):
            out[view, 4:, n] = direction[view]
        return out
