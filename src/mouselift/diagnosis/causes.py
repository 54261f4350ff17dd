"""The causes that the diagnosis knows. A new one is added here: its entry in `CAUSES`, and the candidates that undo it.

A candidate (`candidate.Candidate`) says how the cameras would read without its cause. Readings change the file's
numbers and fit nothing; other candidates have values, which `fit` finds. `explain` tries them all, and the one that
makes cameras and silhouettes agree with the fewest values wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Literal

import numpy as np

from mouselift.diagnosis.candidate import (
    CENTRE,
    SCALE,
    SCALE_X,
    SCALE_Y,
    SHIFT_X,
    SHIFT_Y,
    About,
    Candidate,
    Rows,
    columns,
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
    """Every way to read the file's numbers otherwise: no value is fitted, but for the point of a transposed K."""
    views = len(cameras)
    for code, change in _MISREADINGS.items():
        yield from _all_and_each(code, views, partial(_with_poses, change))
    yield from swaps(cameras)
    for axis in (0, 1):  # left to right; top to bottom is the same but for half a turn
        yield from _all_and_each("mirrored", views, partial(_mirrored, axis), ways=2)
    yield from _all_and_each("xy-swapped", views, _exchanged)
    lost = tuple(np.flatnonzero((np.abs(cameras.principal) < 1.5).all(axis=1)).tolist())
    if lost:
        # A transposed K leaves zero where the principal point was: fit it, from the image's middle.
        yield Candidate("k-transposed", lost, apply=partial(_centred, lost))
        yield replace(_fitted("k-transposed", lost, (SHIFT_X, SHIFT_Y)), apply=partial(_centred, lost))


def _all_and_each(
    code: str, views: int, change: Callable[[tuple[int, ...], CameraArrays], CameraArrays], ways: int = 1
) -> Iterator[Candidate]:
    """A misreading, undone in all cameras and in each alone. ways: how many like it there are."""
    everyone = tuple(range(views))
    yield Candidate(code, everyone, apply=partial(change, everyone), options=ways)
    for view in everyone:
        yield Candidate(code, (view,), apply=partial(change, (view,)), options=ways * views)


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
            yield Candidate(code, (a, b), apply=partial(_reordered, order, what), options=len(pairs))
    everyone = tuple(range(views))
    turned = [[(i + turn) % views for i in everyone] for turn in range(1, views)]
    for order in [*turned, list(everyone)[::-1]] if views > 2 else ():
        yield Candidate("views-out-of-order", everyone, apply=partial(_reordered, order, "all"), options=views)


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
        yield Candidate("all-half-pixel", tuple(range(len(cameras))), apply=partial(_shifted, step), options=2)


def one_view(views: int, view: int) -> Iterator[Candidate]:
    """A single view's image was stretched or shifted."""
    for code, rows, about in _KINDS:
        yield _fitted(f"view-{code}", (view,), rows, about, options=views * _variants(code))


def two_views(cameras: CameraArrays, blamed: Sequence[int]) -> Iterator[Candidate]:
    """Two of the blamed views' images were, each in its own way."""
    pairs = len(list(combinations(range(len(cameras)), 2)))
    for pair in combinations(sorted(blamed), 2):
        yield _fitted("view-scale-shift", pair, (SCALE, SHIFT_X, SHIFT_Y), options=pairs)


def all_views_alike(cameras: CameraArrays) -> Iterator[Candidate]:
    """One wrong intrinsics for all views."""
    for code, rows, about in _KINDS:
        yield _fitted(f"all-{code}", tuple(range(len(cameras))), rows, about, shared=True, options=_variants(code))


def each_view(cameras: CameraArrays) -> Iterator[Candidate]:
    """Every view's image was stretched, or stretched and shifted, in its own way."""
    everyone = tuple(range(len(cameras)))
    yield _fitted("each-scale", everyone, (SCALE,), "principal")
    yield _fitted("each-scale", everyone, (SCALE,))
    yield _fitted("each-shift", everyone, (SHIFT_X, SHIFT_Y))
    yield replace(_fitted("each-scale-shift", everyone, (SCALE, SHIFT_X, SHIFT_Y)), starts=starts_from_positions)


def moved_centre(views: int, view: int) -> Iterator[Candidate]:
    """One camera's centre moved on its own: anywhere, or towards the origin, or along its axis."""
    yield _fitted("view-centre", (view,), CENTRE, options=views)
    for direction in (_to_origin, _along_axis):
        yield _distances("view-distance", (view,), direction, views)


def moved_centres(cameras: CameraArrays) -> Iterator[Candidate]:
    """All cameras' centres moved, each on its own ("set every distance to 2.7"): to the origin, or along their axes."""
    for direction in (_to_origin, _along_axis):
        yield _distances("each-distance", tuple(range(len(cameras))), direction)


_KINDS: tuple[tuple[str, Rows, About], ...] = (
    ("scale", (SCALE,), "middle"),
    ("focal", (SCALE,), "principal"),
    ("size", (SCALE,), "corner"),
    ("shift", (SHIFT_X, SHIFT_Y), "middle"),
    ("scale-shift", (SCALE, SHIFT_X, SHIFT_Y), "middle"),
    *(("anisotropic", (row,), about) for about in ("principal", "corner", "middle") for row in (SCALE_X, SCALE_Y)),
    ("anisotropic", (SCALE_X, SCALE_Y), "corner"),
    ("anisotropic", (SCALE_X, SCALE_Y, SHIFT_X, SHIFT_Y), "middle"),
)


def _variants(code: str) -> int:
    """How many kinds share a code: each more makes a chance fit likelier."""
    return sum(1 for other, _, _ in _KINDS if other == code)


def _fitted(
    code: str, faulty: tuple[int, ...], rows: Rows, about: About = "middle", *, shared: bool = False, options: int = 1
) -> Candidate:
    """Values of `rows`, one set for all faulty views or one each."""
    sigma = prior_sigma(rows, 1 if shared else len(faulty))
    start = None if shared or rows != (SCALE, SHIFT_X, SHIFT_Y) else partial(_from_centroids, faulty)
    basis = partial(columns, faulty, rows, shared)
    return Candidate(code, faulty, basis=basis, prior_sigma=sigma, about=about, start=start, options=options)


def _distances(
    code: str, faulty: tuple[int, ...], direction: Callable[[CameraArrays], np.ndarray], options: int = 1
) -> Candidate:
    """Every faulty view's centre moves along a direction of its own."""
    sigma = prior_sigma(CENTRE[:1], len(faulty))
    return Candidate(code, faulty, basis=partial(_along, direction, faulty), prior_sigma=sigma, options=options)


def _from_centroids(faulty: tuple[int, ...], cameras: CameraArrays, outlines: ConvexOutlines) -> np.ndarray:
    """Scale and shift that put each faulty view's centroid where the others see it, at the others' size."""
    y = np.zeros((len(faulty), 3))
    rest = outlines.seen & ~np.isin(np.arange(len(cameras)), faulty)
    use = rest if rest.sum() >= 2 else outlines.seen
    point = subject_point(cameras, replace(outlines, area=outlines.area * use))
    if point is None:
        return y.reshape(-1)
    at = np.einsum("vij,vj->vi", cameras.R_cam_world, point - cameras.centre)
    depth = np.where(np.abs(at[:, 2]) > 1e-9, at[:, 2], 1e-9)
    with np.errstate(divide="ignore"):
        size = np.log(np.sqrt(outlines.area) * np.abs(depth) / np.abs(cameras.focal).mean(axis=1))
    middle = cameras.size / 2
    for n, view in enumerate(faulty):
        if outlines.seen[view]:
            y[n, 0] = np.clip(size[view] - size[use].mean(), -1.0, 1.0)
            grow = np.exp(y[n, 0])
            seen_at = grow * cameras.focal[view] * at[view, :2] / depth[view]
            seen_at = seen_at + middle[view] + grow * (cameras.principal[view] - middle[view])
            y[n, 1:] = outlines.centroid[view] - seen_at
    return y.reshape(-1)


def _reordered(order: list[int], what: _Part, cameras: CameraArrays) -> CameraArrays:
    moved = cameras.take(order)
    if what == "pose":
        return replace(cameras, R_cam_world=moved.R_cam_world, centre=moved.centre)
    if what == "intrinsics":
        return replace(cameras, focal=moved.focal, principal=moved.principal)
    return replace(moved, size=cameras.size)


def _shifted(step: float, cameras: CameraArrays) -> CameraArrays:
    return replace(cameras, principal=cameras.principal + step)


def _mirrored(axis: int, faulty: tuple[int, ...], cameras: CameraArrays) -> CameraArrays:
    """x -> w - x (axis 0) or y -> h - y (axis 1) of the image, said by a negative focal length."""
    focal, principal = cameras.focal.copy(), cameras.principal.copy()
    focal[list(faulty), axis] *= -1
    principal[list(faulty), axis] = (cameras.size - cameras.principal)[list(faulty), axis]
    return replace(cameras, focal=focal, principal=principal)


def _exchanged(faulty: tuple[int, ...], cameras: CameraArrays) -> CameraArrays:
    """x and y of the intrinsics."""
    focal, principal, at = cameras.focal.copy(), cameras.principal.copy(), list(faulty)
    focal[at], principal[at] = focal[at, ::-1], principal[at, ::-1]
    return replace(cameras, focal=focal, principal=principal)


def _centred(faulty: tuple[int, ...], cameras: CameraArrays) -> CameraArrays:
    """Principal points in the images' middles."""
    principal = cameras.principal.copy()
    principal[list(faulty)] = cameras.size[list(faulty)] / 2
    return replace(cameras, principal=principal)


def _transposed(R: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R was written transposed, t was not: t = -R C stays."""
    t = -np.einsum("vij,vj->vi", R, C)
    turned = np.swapaxes(R, 1, 2)
    return turned, -np.einsum("vji,vj->vi", turned, t)


def _inverted(R: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The file holds c2w under the name w2c: the translation in the file, -R C, is the centre."""
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


def _with_poses(change: _Poses, faulty: tuple[int, ...], cameras: CameraArrays) -> CameraArrays:
    R, C, at = cameras.R_cam_world.copy(), cameras.centre.copy(), list(faulty)
    R[at], C[at] = change(R[at], C[at])
    return replace(cameras, R_cam_world=R, centre=C)


def _to_origin(cameras: CameraArrays) -> np.ndarray:
    return cameras.centre


def _along_axis(cameras: CameraArrays) -> np.ndarray:
    return -cameras.R_cam_world[:, 2]


def _along(way: Callable[[CameraArrays], np.ndarray], faulty: tuple[int, ...], cameras: CameraArrays) -> np.ndarray:
    """The basis of one parameter a faulty view: its centre moves along a direction of its own."""
    direction = way(cameras)
    direction = direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-300)
    out = np.zeros((len(cameras), 7, len(faulty)))
    for n, view in enumerate(faulty):
        out[view, 4:, n] = direction[view]
    return out
