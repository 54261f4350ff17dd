"""Candidates that only read otherwise: other ways to read the numbers of a file, and to pair images with cameras.

A candidate (`candidate.Candidate`) says how the cameras would read without its cause (`causes.CAUSES`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np

from mouselift.diagnosis.candidate import (
    SHIFT_X,
    SHIFT_Y,
    Candidate,
    Rows,
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
from mouselift.geometry.camera_arrays import CameraArrays

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
        shifts: Rows = (SHIFT_X, SHIFT_Y)
        basis, sigma = partial(columns, lost, shifts, False), prior_sigma(shifts, len(lost))
        yield Candidate("k-transposed", lost, apply=partial(centred, lost), basis=basis, prior_sigma=sigma)


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


def other_sides(cameras: CameraArrays) -> Iterator[Candidate]:
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
