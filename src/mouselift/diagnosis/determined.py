"""What silhouettes leave open after a fit: values that stay as vague as before, and other causes with other cameras."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mouselift.diagnosis.candidate import change_of
from mouselift.diagnosis.cause import label_of
from mouselift.diagnosis.fit import Fit
from mouselift.diagnosis.search import Problem
from mouselift.diagnosis.source_camera import improbability
from mouselift.geometry.camera_arrays import CameraArrays

# Silhouettes determine a value when they leave at most this share of its deviation beforehand: scales and distances to
# 5 %, shifts to 2.5 % of the image's width. Within it, right repairs lie by a factor of two and more (raw errors in
# docs/evidence/repair-rates.md); beyond it, a network's input is no better for a repair.
_VAGUE = 0.1
_SCALE, _SHIFT, _PLACE = 0.05, 0.025, 0.05  # the same between two causes: log scale, share of width, of the distance
_TURN = 0.01  # of a rotation matrix's entries
_IMPROBABLE = 5.0  # -2 log of odds: the grain of the score, beyond which causes count as told apart
_GAUGE = 1e-6  # of the changes' size: numbers' round-off
_CONTAINED = 0.1  # share of a difference that a family may miss, to first order


def open_family(found: Fit, problem: Problem) -> str:
    """The family of cameras that fits as well as `found`, in words; empty where the silhouettes determine the values.

    It lies along the eigenvector of the covariance that is longest in terms of the prior.
    """
    if found.candidate.basis is None:
        return ""
    cameras = found.candidate.apply(problem[0][0])
    _, slope = change_of(found.candidate, cameras, found.x)
    relative = _without_gauge(found.covariance / np.outer(found.prior, found.prior), slope * found.prior, cameras)
    if (np.sqrt(np.maximum(np.diag(relative), 0.0)) <= _VAGUE).all():
        return ""
    values, vectors = np.linalg.eigh(relative)
    along = vectors[:, -1] * np.sqrt(values[-1]) * found.prior
    change = np.abs(slope @ along)  # [v, 7], one standard deviation
    reach = float(np.linalg.norm(cameras.centre - cameras.centre.mean(axis=0), axis=1).mean())
    focal, x, y = (float(part.max()) for part in (change[:, :2], change[:, 2], change[:, 3]))
    place = float(change[:, 4:].max()) / max(reach, 1e-300)
    parts = [
        text
        for text, size in (
            (f"focal lengths by {100 * min(focal, 1.0):.0f} %", focal / _SCALE),
            (f"principal points by {x:.0f} px across", x / (_SHIFT * float(cameras.size[0, 0]))),
            (f"principal points by {y:.0f} px down", y / (_SHIFT * float(cameras.size[0, 0]))),
            (f"camera centres by {100 * min(place, 1.0):.0f} % of their distance", place / _PLACE),
        )
        if size > 0.2  # of what counts as determined: less is not worth a word
    ]
    alike = " of all views" if len(found.candidate.views) == len(cameras) else ""
    return (
        f"silhouettes do not determine the values: cameras{alike} that differ in {' together with '.join(parts)} (one "
        "standard deviation) fit as well"
    )


def _without_gauge(covariance: np.ndarray, slope: np.ndarray, cameras: CameraArrays) -> np.ndarray:
    """The covariance [p, p] without the values' directions that only scale or move the world, which no image shows.

    slope: [v, 7, p], d camera / d value, in the covariance's units.
    """
    views = len(cameras)
    worlds = np.zeros((views, 7, 4))
    worlds[:, 4:, 0] = cameras.centre
    worlds[:, 4:, 1:] = np.eye(3)
    basis = np.linalg.qr(worlds.reshape(-1, 4))[0]
    changes = slope.reshape(views * 7, -1)
    _, sizes, directions = np.linalg.svd(changes - basis @ (basis.T @ changes), full_matrices=True)
    sizes = np.pad(sizes, (0, len(directions) - len(sizes)))
    unseen = directions[sizes <= _GAUGE * max(float(np.linalg.norm(changes)), 1e-300)]
    seen = np.eye(len(covariance)) - unseen.T @ unseen
    return seen @ covariance @ seen


def differs(a: Fit, b: Fit) -> bool:
    """Whether two causes lead to cameras that differ by more than determined values may."""
    for one, other in zip(a.corrected, b.corrected, strict=True):
        if (np.sign(one.focal) != np.sign(other.focal)).any():
            return True
        reach = float(np.linalg.norm(one.centre - one.centre.mean(axis=0), axis=1).mean())
        if (
            np.abs(np.log(one.focal / other.focal)).max() > _SCALE
            or (np.abs(one.principal - other.principal) > _SHIFT * one.size[:, :1]).any()
            or np.abs(one.centre - other.centre).max() > _PLACE * reach
            or np.abs(one.R_cam_world - other.R_cam_world).max() > _TURN
        ):
            return True
    return False


def contains(family: Fit, one: Fit, cameras: CameraArrays) -> bool:
    """Whether other values of `family` give the cameras of `one`: their difference lies along its slopes."""
    there, here = one.corrected[0], family.corrected[0]
    if (np.sign(there.focal) != np.sign(here.focal)).any() or not np.allclose(there.R_cam_world, here.R_cam_world):
        return False
    width, reach = (
        float(cameras.size[0, 0]),
        float(np.linalg.norm(here.centre - here.centre.mean(axis=0), axis=1).max()),
    )
    weight = np.array([width, width, 1.0, 1.0, *3 * (width / max(reach, 1e-300),)])  # all as pixels
    difference = np.concatenate(
        [np.log(there.focal / here.focal), there.principal - here.principal, there.centre - here.centre], axis=1
    )
    _, slope = change_of(family.candidate, family.candidate.apply(cameras), family.x)
    G = (slope * weight[:, None]).reshape(-1, slope.shape[2])
    d = (difference * weight).reshape(-1)
    left = d - G @ np.linalg.lstsq(G, d, rcond=None)[0]
    return bool(np.linalg.norm(left) <= _CONTAINED * np.linalg.norm(d))


def open_rivals(best: Fit, rivals: Sequence[Fit], stated: CameraArrays) -> list[Fit]:
    """Rivals with other cameras that are about as probable: neither silhouettes nor what cameras are like decide."""
    own = improbability(stated, best.corrected[0])
    return [
        rival
        for rival in rivals
        if differs(rival, best) and improbability(stated, rival.corrected[0]) < own + _IMPROBABLE
    ]


def undetermined(best: Fit, rivals: Sequence[Fit], problem: Problem, names: tuple[str, ...]) -> str:
    """Why silhouettes do not determine the cameras of `best`, in words; empty where they do."""
    family = open_family(best, problem)
    if family:
        return family
    rivals = open_rivals(best, rivals, problem[0][0])
    if not rivals:
        return ""
    return "silhouettes do not decide between it and " + " or ".join(
        dict.fromkeys(label_of(rival, names) for rival in rivals)
    )
