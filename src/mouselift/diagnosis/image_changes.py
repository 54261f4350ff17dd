"""Causes that stretch or shift images without their intrinsics, in one view or in all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

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
    deviations,
)  # fmt: skip
from mouselift.diagnosis.fit_starts import starts_from_places
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines, subject_point

_Rows = tuple[tuple[int, ...], ...]


def one_view(views: int, view: int) -> Iterator[Candidate]:
    """A single view's image was stretched or shifted."""
    for code, rows, about in _KINDS:
        yield _candidate(f"view-{code}", views, (view,), rows, about, False, views * _variants(code))


def two_views(cameras: CameraArrays, suspects: Sequence[int]) -> Iterator[Candidate]:
    """Two of the suspected views' images were, each in its own way."""
    pairs = list(combinations(range(len(cameras)), 2))
    for pair in combinations(sorted(suspects), 2):
        yield _candidate("view-scale-shift", len(cameras), pair, (SCALE, SHIFT_X, SHIFT_Y), "middle", False, len(pairs))


def all_views_alike(cameras: CameraArrays) -> Iterator[Candidate]:
    """One wrong intrinsics for all views."""
    views = len(cameras)
    everyone = tuple(range(views))
    for code, rows, about in _KINDS:
        yield _candidate(f"all-{code}", views, everyone, rows, about, True, _variants(code))


def half_pixels(cameras: CameraArrays) -> Iterator[Candidate]:
    """All pixel centres taken at integers, or moved the wrong way: exactly half a pixel."""
    for step in (0.5, -0.5):
        yield Candidate("all-half-pixel", tuple(range(len(cameras))), apply=_Shifted(step), options=2)


def each_view(cameras: CameraArrays) -> Iterator[Candidate]:
    """Every view's image was stretched, or stretched and shifted, in its own way."""
    views = len(cameras)
    everyone = tuple(range(views))
    yield _candidate("each-scale", views, everyone, (SCALE,), "principal", False, 1)
    yield _candidate("each-scale", views, everyone, (SCALE,), "middle", False, 1)
    yield _candidate("each-shift", views, everyone, (SHIFT_X, SHIFT_Y), "middle", False, 1)
    every = _candidate("each-scale-shift", views, everyone, (SCALE, SHIFT_X, SHIFT_Y), "middle", False, 1)
    yield replace(every, starts=starts_from_places)


_KINDS: tuple[tuple[str, _Rows, About], ...] = (
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
    code: str, views: int, guilty: tuple[int, ...], rows: _Rows, about: About, shared: bool, options: int
) -> Candidate:
    sets = 1 if shared else len(guilty)
    start = None if shared or rows != (SCALE, SHIFT_X, SHIFT_Y) else _FromCentroids(guilty)
    basis = Columns(views, guilty, rows, shared)
    return Candidate(
        code, guilty, basis=basis, deviation=deviations(rows, sets), about=about, start=start, options=options
    )


@dataclass(frozen=True)
class _FromCentroids:
    """Scale and shift that put each guilty view's centroid where the others see it, at the others' size."""

    guilty: tuple[int, ...]

    def __call__(self, cameras: CameraArrays, outlines: ConvexOutlines) -> np.ndarray:
        y = np.zeros((len(self.guilty), 3))
        rest = [i for i in range(len(cameras)) if i not in self.guilty and outlines.seen[i]]
        use = rest if len(rest) >= 2 else [i for i in range(len(cameras)) if outlines.seen[i]]
        point = subject_point(cameras.take(use), _views(outlines, use)) if len(use) >= 2 else None
        if point is None:
            return y.reshape(-1)
        at = np.einsum("vij,vj->vi", cameras.R_cam_world, point - cameras.centre)
        depth = np.where(np.abs(at[:, 2]) > 1e-9, at[:, 2], 1e-9)
        with np.errstate(divide="ignore"):
            size = np.log(np.sqrt(outlines.area) * np.abs(depth) / np.abs(cameras.focal).mean(axis=1))
        middle = cameras.size / 2
        for n, view in enumerate(self.guilty):
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
