"""Causes that mix things up: swapped views, copied entries, mirrored images, transposed intrinsics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Literal

import numpy as np

from mouselift.diagnosis import poses
from mouselift.diagnosis.candidate import SHIFT_X, SHIFT_Y, Candidate, Columns, deviations
from mouselift.geometry.camera_arrays import CameraArrays

_What = Literal["all", "pose", "intrinsics"]


def readings(cameras: CameraArrays) -> Iterator[Candidate]:
    """Every way to read the stated numbers otherwise: no value is fitted, but for the point of a transposed K."""
    yield from poses.conventions(cameras)
    yield from swaps(cameras)
    yield from mirrors(cameras)
    yield from intrinsics(cameras)


def swaps(cameras: CameraArrays) -> Iterator[Candidate]:
    """Two views' cameras exchanged, whole or in part; all views turned round by some places, or in reverse."""
    views = len(cameras)
    pairs = list(combinations(range(views), 2))
    parts: tuple[tuple[str, _What], ...] = (
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
            deviation=deviations(rows, len(lost)),
        )  # fmt: skip


def copies(cameras: CameraArrays) -> list[tuple[int, int]]:
    """Pairs of views whose poses are the same to a thousandth of the cameras' spread: one is a copy of the other."""
    spread = float(np.linalg.norm(cameras.centre - cameras.centre.mean(axis=0), axis=1).max())
    return [
        (a, b)
        for a, b in combinations(range(len(cameras)), 2)
        if np.linalg.norm(cameras.centre[a] - cameras.centre[b]) < 1e-3 * max(spread, 1e-300)
        and np.abs(cameras.R_cam_world[a] - cameras.R_cam_world[b]).max() < 1e-2
    ]


class _Reordered:
    def __init__(self, order: list[int], what: _What) -> None:
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

    def __init__(self, axis: int, guilty: tuple[int, ...]) -> None:
        self.axis, self.guilty = axis, list(guilty)

    def __call__(self, cameras: CameraArrays) -> CameraArrays:
        focal, principal = cameras.focal.copy(), cameras.principal.copy()
        focal[self.guilty, self.axis] *= -1
        principal[self.guilty, self.axis] = (cameras.size - cameras.principal)[self.guilty, self.axis]
        return replace(cameras, focal=focal, principal=principal)


class _Exchanged:
    def __init__(self, guilty: tuple[int, ...]) -> None:
        self.guilty = list(guilty)

    def __call__(self, cameras: CameraArrays) -> CameraArrays:
        focal, principal = cameras.focal.copy(), cameras.principal.copy()
        focal[self.guilty], principal[self.guilty] = focal[self.guilty, ::-1], principal[self.guilty, ::-1]
        return replace(cameras, focal=focal, principal=principal)


class _Middle:
    def __init__(self, guilty: tuple[int, ...]) -> None:
        self.guilty = list(guilty)

    def __call__(self, cameras: CameraArrays) -> CameraArrays:
        principal = cameras.principal.copy()
        principal[self.guilty] = cameras.size[self.guilty] / 2
        return replace(cameras, principal=principal)
