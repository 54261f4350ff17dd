"""The causes that the diagnosis knows. A new one is added here: its entry in `CAUSES`, and the candidates that undo it.

A candidate (`candidate.Candidate`) says how the cameras would read without its cause. Readings change the file's
numbers and fit nothing; other candidates have values, which `fit` finds. `explain` tries them all, and the one that
makes cameras and silhouettes agree with the fewest values wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

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
    Start,
    columns,
    prior_sigma,
)
from mouselift.diagnosis.changes import (
    Part,
    Poses,
    centred,
    exchanged,
    in_pixels,
    in_pixels_by_side,
    inverted,
    inverted_opengl,
    mirrored,
    opengl,
    reordered,
    shifted,
    square_pixels,
    transposed,
    turned,
    with_poses,
    zoomed,
)
from mouselift.diagnosis.fit_starts import common_shift, starts_from_positions
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines, centroid_rays, subject_point
from mouselift.geometry.triangulation import meeting_point


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
    "each-shift": CauseKind("each view's pixels were shifted on their own without cx, cy, as by crops of their own"),
    "one-intrinsics": CauseKind("all views state the same intrinsics, and each image needs its own"),
    "all-half-pixel": CauseKind(
        "off by half a pixel: pixel centres at whole numbers on one side, at +0.5 on the other"
    ),
    "all-scale": CauseKind("all views' pixels were scaled alike without fx, fy"),
    "all-focal": CauseKind("one wrong fx, fy for all views"),
    "all-size": CauseKind("the intrinsics of all views belong to images of another size"),
    "all-shift": CauseKind("all views' pixels were shifted alike without cx, cy, as by one crop"),
    "all-scale-shift": CauseKind("all views' pixels were scaled and shifted alike"),
    "all-principal": CauseKind("the images were resized with fx, fy, and cx, cy were left as they were"),
    "fov-side": CauseKind("the field of view was taken for that of the image's other side, so fx, fy are off alike"),
    "fy-from-height": CauseKind(
        "fx and fy differ, and pixels are square: each was computed from its own side of the image, or it was stretched"
    ),
    "normalised-intrinsics": CauseKind("intrinsics are in units of the image's width"),
    "lens-left": CauseKind(
        "lens distortion was left in the images, which a pinhole camera cannot say", "no: undistort the images"
    ),
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
    "views-cycled": CauseKind("the images of the three views are exchanged in a circle"),
    "views-out-of-order": CauseKind("the images stand in another order than the cameras"),
    "turned": CauseKind("the image was turned without its camera"),
    "each-distance": CauseKind(
        "each camera's distance was set on its own (the centre moved, the image did not)", _BUT_SCALE
    ),
    "view-distance": CauseKind("one camera's distance was changed on its own", _BUT_SCALE),
    "view-centre": CauseKind("one camera's centre was moved on its own", _BUT_SCALE),
    "mirrored": CauseKind(
        "the image is mirrored; no camera can say that, so the image itself must be flipped", "no: flip the image"
    ),
    "one-pose": CauseKind(
        "all views state one camera: one pose was written for all of them; their own are missing",
        "no: the views' own poses are missing",
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

EXCHANGED = ("views-swapped", "views-cycled", "views-out-of-order")  # images before other cameras
# What undoes these where `prepare` made the samples: crops framed with other cameras are not those of the right ones.
EXCHANGE_FILES = "exchange the files of {who} in `capture.toml` and prepare again"

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
    "principal": "cx, cy belong to images of another size, fx, fy do not: {v}",
}
# What would tell rivals apart, by the end of their codes.
DECIDED_BY = {
    "focal": "the original calibration's focal length",
    "fov-side": "the size of the images that the field of view was given for",
    "centre": "the original calibration, or more samples at other places",
    "distance": "the original camera positions",
    "anisotropic": "the size of the source images",
    "scale": "the size of the source images and crops",
    "shift": "the crop that was cut out",
    "principal": "the size of the images before they were resized",
    "disagree": "neighbouring frames (a lag follows the movement), or the original calibration",
}
# The commonest first: of causes that explain the silhouettes equally well, it is taken.
COMMONEST = ("half-pixel", "shift", "scale", "focal", "size", "scale-shift", "distance", "centre", "anisotropic")


_MISREADINGS: dict[str, Poses] = {
    "rotation-transposed": transposed,
    "c2w-for-w2c": inverted,
    "opengl-axes": opengl,
    "c2w-opengl": inverted_opengl,
}
_FAR_TOO_WIDE = 0.1  # focal length, share of the width: 157 degrees; no pinhole image is so wide
_TURNS = {1: "by 90 degrees clockwise", 2: "by 180 degrees", 3: "by 90 degrees counter-clockwise"}
# Sides of what cameras record, width over height: fields of view are given for one of them.
_ASPECTS = {"16:9": 16 / 9, "3:2": 3 / 2, "4:3": 4 / 3, "5:4": 5 / 4, "9:8": 9 / 8, "16:10": 16 / 10}


def readings(cameras: CameraArrays) -> Iterator[Candidate]:
    """Every way to read the file's numbers otherwise: no value is fitted, but for the point of a transposed K."""
    views = len(cameras)
    for code, change in _MISREADINGS.items():
        yield from _all_and_each(code, views, partial(with_poses, change))
    yield from swaps(cameras)
    for axis in (0, 1):  # left to right; top to bottom is the same but for half a turn
        yield from _all_and_each("mirrored", views, partial(mirrored, axis), ways=2)
    yield from _all_and_each("xy-swapped", views, exchanged)
    for quarters, words in _TURNS.items():
        for candidate in _all_and_each("turned", views, partial(turned, quarters), ways=len(_TURNS)):
            yield replace(candidate, detail=words)
    yield from _other_units(cameras)
    yield from _square(cameras)
    lost = tuple(np.flatnonzero((np.abs(cameras.principal) < 1.5).all(axis=1)).tolist())
    if lost:
        # A transposed K leaves zero where the principal point was: fit it, from the image's middle.
        yield Candidate("k-transposed", lost, apply=partial(centred, lost))
        yield replace(_fitted("k-transposed", lost, (SHIFT_X, SHIFT_Y)), apply=partial(centred, lost))


def _other_units(cameras: CameraArrays) -> Iterator[Candidate]:
    """Numbers too small for pixels: shares of the width, of each side, or of half the width (PyTorch3D's NDC)."""
    lost = tuple(np.flatnonzero((cameras.focal < _FAR_TOO_WIDE * cameras.size[:, :1]).all(axis=1)).tolist())
    if not lost:
        return
    width, height = cameras.size[lost[0]].tolist()
    half = f"of half of it, and cx, cy count from the middle: multiply by {width / 2:g}"
    units = [(partial(in_pixels, lost, 1.0), f"multiply by {width:g}"), (partial(in_pixels, lost, 0.5), half)]
    if width != height:
        units.append((partial(in_pixels_by_side, lost), f"multiply fx, cx by {width:g}, and fy, cy by {height:g}"))
    for change, words in units:
        yield Candidate("normalised-intrinsics", lost, apply=change, options=len(units), detail=words)


def _square(cameras: CameraArrays) -> Iterator[Candidate]:
    """One focal length for both axes, where the file states two."""
    everyone = tuple(range(len(cameras)))
    ratio = cameras.focal[:, 0] / cameras.focal[:, 1]
    if (np.abs(ratio - 1) > 1e-3).all():
        wide = float(np.exp(np.abs(np.log(np.median(ratio)))))
        known = [words for words, aspect in _ASPECTS.items() if abs(wide / aspect - 1) < 5e-3]
        like = f" (they differ as the sides of a {known[0]} image do)" if known else ""
        for axis, name in enumerate(("fx", "fy")):
            change = partial(square_pixels, axis, everyone)
            yield Candidate("fy-from-height", everyone, apply=change, options=2, detail=f"{name} fits both axes{like}")


def _other_sides(cameras: CameraArrays) -> Iterator[Candidate]:
    """fx, fy from a field of view that was given for one side of the image, and taken for another's."""
    everyone = tuple(range(len(cameras)))
    for words, aspect in _ASPECTS.items():
        for factor, one, other in ((aspect, "horizontal", "vertical"), (1 / aspect, "vertical", "horizontal")):
            detail = f"the {one} one for the {other} one of a {words} image: multiply fx, fy by {factor:.4f}"
            change = partial(zoomed, factor)
            yield Candidate("fov-side", everyone, apply=change, options=2 * len(_ASPECTS), detail=detail)


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
    parts: tuple[tuple[str, Part], ...] = (
        ("views-swapped", "all"), ("poses-swapped", "pose"), ("intrinsics-swapped", "intrinsics"),
    )  # fmt: skip
    for code, what in parts:
        for a, b in pairs:
            order = list(range(views))
            order[a], order[b] = b, a
            yield Candidate(code, (a, b), apply=partial(reordered, order, what), options=len(pairs))
    everyone = tuple(range(views))
    for order in orders(views) if views > 2 else ():
        yield Candidate("views-out-of-order", everyone, apply=partial(reordered, order, "all"), options=views)


def orders(views: int) -> Iterator[list[int]]:
    """All views turned round by some places, or in reverse."""
    for turn in range(1, views):
        yield [(view + turn) % views for view in range(views)]
    yield list(range(views))[::-1]


def cycles(views: int, among: Sequence[int]) -> Iterator[Candidate]:
    """Three of the views in `among` have each other's images."""
    chosen = list(combinations(sorted(among), 3))
    for a, b, c in chosen:
        for after in ((b, c, a), (c, a, b)):
            order = list(range(views))
            order[a], order[b], order[c] = after
            detail = ", ".join(f"image {k} is camera {order[k]}'s" for k in (a, b, c))
            change = partial(reordered, order, "all")
            yield Candidate("views-cycled", (a, b, c), apply=change, options=2 * len(chosen), detail=detail)


def one_pose(cameras: CameraArrays) -> bool:
    """Whether all views state the same pose: nothing can be compared."""
    views = len(cameras)
    return views > 1 and len(copies(cameras)) == views * (views - 1) // 2


def copies(cameras: CameraArrays) -> list[tuple[int, int]]:
    """Pairs of views whose poses are the same to a thousandth of the rig's radius: one is a copy of the other."""
    radius = float(np.linalg.norm(cameras.centre - cameras.centre.mean(axis=0), axis=1).max())
    apart = np.linalg.norm(cameras.centre[:, None] - cameras.centre, axis=2)
    turned = np.abs(cameras.R_cam_world[:, None] - cameras.R_cam_world).max(axis=(2, 3))
    same = (apart < 1e-3 * max(radius, 1e-300)) & (turned < 1e-2)
    return [(a, b) for a, b in np.argwhere(np.triu(same, 1)).tolist()]


def half_pixels(cameras: CameraArrays) -> Iterator[Candidate]:
    """All pixel centres taken at integers, or moved the wrong way: exactly half a pixel."""
    for step in (0.5, -0.5):
        yield Candidate("all-half-pixel", tuple(range(len(cameras))), apply=partial(shifted, step), options=2)


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
    everyone = tuple(range(len(cameras)))
    for code, rows, about in _KINDS:
        yield _fitted(f"all-{code}", everyone, rows, about, shared=True, options=_variants(code))
    yield from _other_sides(cameras)
    # A fit measures shifts in widths of the image; here the number is a ratio.
    sigma = prior_sigma((SCALE,), 1)[0] / float(cameras.size[0, 0])
    yield Candidate(
        "all-principal", everyone, basis=_along_principal, prior_sigma=(sigma,), start=_principal_from_centroids
    )


def each_scale(cameras: CameraArrays) -> Iterator[Candidate]:
    """Every view's image was scaled in its own way: as many values as `moved_centres`, which may come near it."""
    everyone = tuple(range(len(cameras)))
    yield _fitted("each-scale", everyone, (SCALE,), "principal")
    yield _fitted("each-scale", everyone, (SCALE,))


def each_view(cameras: CameraArrays) -> Iterator[Candidate]:
    """Every view's image was shifted, or scaled and shifted, in its own way."""
    everyone = tuple(range(len(cameras)))
    yield replace(_fitted("each-shift", everyone, (SHIFT_X, SHIFT_Y)), starts=_shifts_to_one_point)
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
    start: Start | None = None
    if shared and SHIFT_Y in rows:
        start = partial(common_shift, len(rows))
    elif rows == (SCALE, SHIFT_X, SHIFT_Y):
        start = partial(_from_centroids, faulty)
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


def _along_principal(cameras: CameraArrays) -> np.ndarray:
    """The basis of one parameter: every view's principal point times 1 + x."""
    out = np.zeros((len(cameras), 7, 1))
    out[:, 2:4, 0] = cameras.principal
    return out


def _shifts_to_one_point(cameras: CameraArrays, outlines: ConvexOutlines) -> list[np.ndarray]:
    """Shifts of all views that put the silhouettes' centroids where one point is seen.

    The point is the one nearest to their rays, or the one where the optical axes meet.
    """
    points = [subject_point(cameras, outlines)]
    with suppress(ValueError):  # parallel axes
        points.append(meeting_point(cameras.centre, cameras.R_cam_world[:, 2]))
    starts = []
    for point in points:
        if point is not None:
            at = np.einsum("vij,vj->vi", cameras.R_cam_world, point - cameras.centre)
            seen_at = cameras.focal * at[:, :2] / np.maximum(at[:, 2:], 1e-9) + cameras.principal
            starts.append(np.where(outlines.seen[:, None], outlines.centroid - seen_at, 0.0).reshape(-1))
    return starts


_PRINCIPAL_FACTORS = np.geomspace(0.25, 4.0, 41)  # tried, 7 % apart: sizes of videos over sizes of samples


def _principal_from_centroids(cameras: CameraArrays, outlines: ConvexOutlines) -> np.ndarray:
    """The factor of cx, cy under which the rays through the silhouettes' centroids come nearest to one point."""

    def apart(factor: float) -> float:
        tried = replace(cameras, principal=cameras.principal * factor)
        point = subject_point(tried, outlines)
        if point is None:
            return np.inf
        to, d = (point - cameras.centre)[outlines.seen], centroid_rays(tried, outlines)[outlines.seen]
        across = np.linalg.norm(np.cross(to, d), axis=1) / np.linalg.norm(d, axis=1) / np.linalg.norm(to, axis=1)
        return float(across.sum())

    return np.array([min(_PRINCIPAL_FACTORS.tolist(), key=apart) - 1.0])


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
