"""What is known of cameras before silhouettes are looked at: square pixels, principal points near images' middles.

It holds of source cameras. A crop moves principal points away from the middle for a good reason, and then they differ
from view to view; so it is used only where all views state the same intrinsics, as one source camera's, a renderer's or
FaceLift's own. There it ranks causes that silhouettes do not tell apart, and names the size that intrinsics belong to;
it never contradicts silhouettes, and moves no fit. The record of mouselift's own samples says which source cameras
they were made from, and so what two exchanged ones would have made of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.candidate import Candidate
from mouselift.diagnosis.fit import fit_residuals
from mouselift.errors import DatasetError
from mouselift.framing.plan import PlannedCameras
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines

_SAME = 1e-6  # relative: one file writes one number for all views
_ASPECT = 0.01  # deviation of log(fx / fy): 18 calibrated cameras (docs/evidence/repair-rates.md) have 0.007
_OFF_MIDDLE = 0.05  # deviation of a principal point from the middle, share of the width
_ODD = 0.05  # share of cameras that keep to neither: log-normal aspects of deviation 1, principal points anywhere
_OTHER_SIZE = 0.02  # relative difference from the image's size, from which intrinsics may belong to another one
_NEAR = 0.1  # relative distance of a simple ratio from the one that the principal point says
_EXCHANGED_SHARE = 0.25  # of the typical residual: what the right exchange leaves at most, as in a vote
_EXCHANGED_ALONE = 0.8  # times what the next best exchange leaves
_RATIOS = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 4 / 3, 3 / 2, 2.0, 3.0, 4.0)  # of image sizes


def one_camera_stated(cameras: CameraArrays) -> bool:
    """Whether all views state the same intrinsics."""
    numbers = np.concatenate([cameras.focal, cameras.principal], axis=1)
    return len(cameras) > 1 and bool((np.ptp(numbers, axis=0) <= _SAME * np.abs(numbers).max(axis=0)).all())


def improbability(stated: CameraArrays, corrected: CameraArrays) -> float:
    """-2 log of the corrected intrinsics' prior density over its peak; 0 where the file does not state one camera.

    Gaussians with a floor, so that evidence can outweigh it: about 14 at most for the principal point, 12 for the
    aspect. The mean over views: one camera is judged, not eight that agree.
    """
    if not one_camera_stated(stated):
        return 0.0
    aspect = (np.log(np.abs(corrected.focal[:, 0] / corrected.focal[:, 1])) / _ASPECT) ** 2
    off = ((corrected.principal - corrected.size / 2) / (_OFF_MIDDLE * corrected.size[:, :1])) ** 2
    odd = _ODD / (1 - _ODD)
    floors = (odd * _ASPECT, odd * 2 * np.pi * _OFF_MIDDLE**2)  # the odd cameras' density over the Gaussian's peak
    return float(
        sum(
            -2 * np.log((np.exp(-square / 2) + floor) / (1 + floor)).mean()
            for square, floor in zip((aspect, off.sum(axis=1)), floors, strict=True)
        )
    )


def other_sizes(cameras: CameraArrays) -> Iterator[Candidate]:
    """Intrinsics of an image of another size, which the principal point gives away: twice it is that size.

    The ratio of the sizes as it says, and simple ratios near it. Nothing is fitted.
    """
    if not one_camera_stated(cameras) or (cameras.principal <= 0).any():
        return
    told = (cameras.size / (2 * cameras.principal))[0]
    if np.abs(np.log(told)).max() < _OTHER_SIZE:
        return
    ratios = {tuple(told.tolist())} | {
        (x, y) for x in (told[0], *_RATIOS) for y in (told[1], *_RATIOS)
        if np.abs(np.log(np.array([x, y]) / told)).max() < _NEAR and (x == y or (x, y) == tuple(told))
    }  # fmt: skip
    for x, y in sorted(ratios):
        code = "all-size" if abs(np.log(x / y)) < _ASPECT else "all-anisotropic"
        change = partial(_resized, np.array([x, y]))
        yield Candidate(code, tuple(range(len(cameras))), apply=change, options=len(ratios))


def _resized(ratio: Float64[Array, " 2"], cameras: CameraArrays) -> CameraArrays:
    return replace(cameras, focal=cameras.focal * ratio, principal=cameras.principal * ratio)


def source_swaps(sample: Sample) -> Iterator[Candidate]:
    """Two or three cameras of the recording exchanged before `prepare`: each crop is its own image's, made with another
    one's camera.

    Of mouselift's own samples, whose record has the source cameras; three views or more tell how their world is turned.
    """
    try:
        plan = PlannedCameras.from_json(sample.plan)
        source = plan.source[[plan.names.index(name) for name in sample.names]]
    except (DatasetError, ValueError):  # another tool's sample, or edited since
        return
    everyone = range(len(source))
    if len(source) < 3:
        return
    pairs, triples = list(combinations(everyone, 2)), list(combinations(everyone, 3))
    for a, b in pairs:
        change = partial(_sources_in_order, source, {a: b, b: a})
        yield Candidate("views-swapped", (a, b), apply=change, options=len(pairs))
    for a, b, c in triples:
        for true in ({a: b, b: c, c: a}, {a: c, b: a, c: b}):
            detail = ", ".join(f"image {k} is camera {of}'s" for k, of in true.items())
            change = partial(_sources_in_order, source, true)
            yield Candidate("views-cycled", (a, b, c), apply=change, options=2 * len(triples), detail=detail)


def exchanged_before_prepare(sample: Sample, outlines: ConvexOutlines) -> tuple[str, ...]:
    """Names of the two or three cameras whose files look exchanged in the capture; none where others do as well."""
    candidates = list(source_swaps(sample))
    if not candidates:
        return ()
    cameras = CameraArrays.of([view.camera for view in sample.views])
    tried = [(cameras,), *((candidate.apply(cameras),) for candidate in candidates)]
    before, *after = (found.typical_px for found in fit_residuals(tried, [outlines]))
    order = sorted(range(len(candidates)), key=after.__getitem__)
    best, next_best = after[order[0]], after[order[1]]
    if best > min(_EXCHANGED_SHARE * before, _EXCHANGED_ALONE * next_best):
        return ()
    return tuple(sample.names[view] for view in candidates[order[0]].views)


def _sources_in_order(source: Float64[Array, "v 20"], true: Mapping[int, int], cameras: CameraArrays) -> CameraArrays:
    """Crop, scale and turn of each view stay as they are; the source camera under it is that of view true[view]."""
    T = source[:, 4:].reshape(-1, 4, 4)
    order = np.array([true.get(view, view) for view in range(len(source))])
    R = T[:, :3, :3]
    centre = -np.einsum("vji,vj->vi", R, T[:, :3, 3])
    U, _, V = np.linalg.svd((cameras.centre - cameras.centre.mean(axis=0)).T @ (centre - centre.mean(axis=0)))
    world = U @ np.diag([1.0, 1.0, np.linalg.det(U @ V)]) @ V  # R_new_old (Kabsch)
    turn = cameras.R_cam_world @ world @ R.transpose(0, 2, 1)
    scale = cameras.focal / source[:, :2]
    return replace(
        cameras, focal=scale * source[order, :2],
        principal=cameras.principal + scale * (source[order, 2:4] - source[:, 2:4]),
        R_cam_world=turn @ R[order] @ world.T, centre=cameras.centre[order],
    )  # fmt: skip
