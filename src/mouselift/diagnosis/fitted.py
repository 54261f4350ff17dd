"""Candidates with values, which `fit` finds: scales, shifts, focal lengths, centres, of one view, all alike, or each.

A candidate (`candidate.Candidate`) says how the cameras would read without its cause (`causes.CAUSES`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
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
from mouselift.diagnosis.fit_starts import common_shift, starts_from_positions
from mouselift.diagnosis.readings import other_sides
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines, centroid_rays, subject_point
from mouselift.geometry.triangulation import meeting_point


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
    yield from other_sides(cameras)
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
