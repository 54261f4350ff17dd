"""What the original rig adds to a repair: whose poses the views have, and what of the gauge its intrinsics fix.

Match. A preparation may move the world by one similarity, x' = s Q (x - c), and nothing else: R'_i = R_i Q^T and
C'_i = s Q (C_i - c) for all cameras alike. Q follows from the rotations, s and c from the centres, by least squares;
the remaining residuals tell whether this is the rig.

Intrinsics. Images that were cut out and scaled without being turned have fx' = s fx, fy' = s fy (or the aspect that a
resize to the frame gave them), cx' = s (u0 - x), cy' = s (v0 - y), with the scale s and the corner (x, y) unknown. So a
rig alone fixes the aspect and nothing else of a view. More follows only if the preparation used less freedom
(derivation: docs/guides/repair.md, "With the rig"). Each such hypothesis is compared with the silhouettes; the
strictest that they do not contradict is used, and the summary says what stays open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.calibration.rig import Rig, RigCamera
from mouselift.diagnosis.candidate import SCALE, SHIFT_X, SHIFT_Y, Basis, Candidate, columns, prior_sigma
from mouselift.diagnosis.fit import Fit, fit, fits
from mouselift.diagnosis.least_squares import NOISE_PX
from mouselift.errors import CalibrationError
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines
from mouselift.geometry.similarity import Similarity, nearest_rotation

TURN_DEG = 0.1  # of a rotation from the rig's: about a pixel at the usual focal lengths
MOVED = 0.002  # of a centre, share of the cameras' mean distance from their middle: the same
_MIN_VIEWS = 3  # with fewer there is nothing to compare, and no odd one out
_SCALES = (1 / 30, 30.0)  # of images: beyond it the rig's focal lengths are not in pixels
_WORSE = 1.45  # times the free fit's loss, masks' noise added to both, that a hypothesis may leave: 10 of the score
_OUTSIDE = 0.03  # share of the source frame by which an outline may lie outside: lens and fit are not exact
_HALF_BETTER = 10.0  # of the score, by which half a pixel must improve the whole images' fit to be named

REMAINS = {
    "rig-resized": "nothing: the images are the rig's whole frames, resized",
    "rig-centres": "nothing: centres are the rig's, up to the world's own scale",
    "rig-cropped": "nothing: images were cut out at the sensor's own scale, which fixes the distance too",
    "rig-one-scale": "the common zoom: at which scale all images were made is not in the rig",
    "rig-one-scale-but-one": "the common zoom: at which scale all images were made is not in the rig",
    "rig-each-scale": "the common zoom and the common shift in space: the rig does not know what was cut out, nor at "
    "which scale",
}


@dataclass(frozen=True, eq=False)
class RigMatch:
    """One rig camera a view, in the views' order."""

    cameras: tuple[RigCamera, ...]
    how: str  # "by name" or "by pose (...)"
    world: Similarity  # rig's world -> dataset's
    turn_deg: float  # largest residual of the rotations
    moved: float  # largest residual of the centres, share of the cameras' mean distance from their middle

    @property
    def sentence(self) -> str:
        return (
            f"views matched to the rig {self.how}; poses are its own up to one similarity (left: {self.turn_deg:.4f} "
            f"degrees, {100 * self.moved:.3f} % of the cameras' distance); one unit here is {1 / self.world.scale:.5g} "
            "units of the rig"
        )

    def centres(self) -> Float64[Array, "v 3"]:
        """The rig's camera centres in the dataset's world."""
        return self.world.apply(_centres(self.cameras))


def match_rig(rig: Rig, names: Sequence[str], arrays: CameraArrays) -> RigMatch:
    """The rig's cameras for the views `names`, whose poses are `arrays`'.

    By name where every view's name is in the rig; else by pose, which `how` says aloud. CalibrationError where the
    poses are not one similarity of the rig's (with the camera that stands out), fewer than three views are given, or
    other names leave more than one assignment.
    """
    if len(names) < _MIN_VIEWS:
        raise CalibrationError(f"{rig.file}: {len(names)} views are given; expected at least {_MIN_VIEWS} to compare")
    if set(names) <= set(rig.names):
        found = _compared([rig[name] for name in names], arrays, "by name")
        if _good(found):
            return found
        other = _by_pose(rig, arrays)
        text = _why(rig, found, arrays)
        if other is not None:
            pairs = [f"{n} -> {c.name}" for n, c in zip(names, other.cameras, strict=True) if n != c.name]
            text += f" Poses alone match under other names: {', '.join(pairs)}."
        raise CalibrationError(text)
    found = _by_pose(rig, arrays)
    if found is not None:
        return found
    if len(rig.cameras) == len(names):
        raise CalibrationError(_why(rig, _compared(list(rig.cameras), arrays, "by order"), arrays))
    raise CalibrationError(
        f"{rig.file}: no choice of its cameras ({', '.join(rig.names)}) has the poses of the views "
        f"({', '.join(names)}), up to one similarity: another rig, or another calibration of it"
    )


def _good(found: RigMatch) -> bool:
    return found.turn_deg <= TURN_DEG and found.moved <= MOVED


def _compared(cameras: list[RigCamera], arrays: CameraArrays, how: str) -> RigMatch:
    world = similarity_of(cameras, arrays)
    R = np.array([camera.R_cam_world @ world.R_new_old.T for camera in cameras])
    # The chord |R - R'| = 2 sqrt(2) sin(angle / 2) keeps its digits where the trace's arc cosine loses them.
    chord = np.linalg.norm(R - arrays.R_cam_world, axis=(1, 2)).max()
    turn = np.degrees(2 * np.arcsin(np.clip(chord / (2 * np.sqrt(2.0)), 0.0, 1.0)))
    off = np.linalg.norm(world.apply(_centres(cameras)) - arrays.centre, axis=1).max()
    reach = np.linalg.norm(arrays.centre - arrays.centre.mean(axis=0), axis=1).mean()
    return RigMatch(tuple(cameras), how, world, float(turn), float(off / max(reach, 1e-300)))


def similarity_of(cameras: Sequence[RigCamera], arrays: CameraArrays) -> Similarity:
    """Least squares: Q from the rotations, then scale and origin from the centres."""
    R_rig = np.array([camera.R_cam_world for camera in cameras])
    Q = nearest_rotation(np.einsum("vji,vjk->ik", arrays.R_cam_world, R_rig))
    C = _centres(cameras)
    a, b = (C - C.mean(axis=0)) @ Q.T, arrays.centre - arrays.centre.mean(axis=0)
    scale = max(float((a * b).sum()) / max(float((a * a).sum()), 1e-300), 1e-12)
    return Similarity(scale, Q, C.mean(axis=0) - Q.T @ arrays.centre.mean(axis=0) / scale)


def _by_pose(rig: Rig, arrays: CameraArrays) -> RigMatch | None:
    """The one assignment whose poses agree; None where there is none. CalibrationError where there are several."""
    R_rig = np.array([camera.R_cam_world for camera in rig.cameras])
    found: dict[tuple[str, ...], RigMatch] = {}
    for first in range(len(rig.cameras)):
        expected = R_rig @ (R_rig[first].T @ arrays.R_cam_world[0])  # every rig camera's rotation, were `first` view 0
        turns = np.linalg.norm(expected[None] - arrays.R_cam_world[:, None], axis=(2, 3))  # [view, camera]
        chosen = turns.argmin(axis=1).tolist()
        if len(set(chosen)) < len(chosen):
            continue
        cameras = [rig.cameras[k] for k in chosen]
        match = _compared(cameras, arrays, f"by pose ({', '.join(camera.name for camera in cameras)}), not by name")
        if _good(match):
            found[tuple(camera.name for camera in cameras)] = match
    if len(found) > 1:
        raise CalibrationError(
            f"{rig.file}: the rig is symmetric: {len(found)} assignments of its cameras have the views' poses "
            f"({'; '.join(', '.join(names) for names in found)}); give the views the rig's camera names"
        )
    return next(iter(found.values()), None)


def _why(rig: Rig, found: RigMatch, arrays: CameraArrays) -> str:
    """What does not fit, and the camera without which all others do."""
    text = (
        f"{rig.file}: the dataset's poses are not one similarity of this rig's ({found.how}): up to "
        f"{found.turn_deg:.3g} degrees and {100 * found.moved:.3g} % of the cameras' distance are left, expected at "
        f"most {TURN_DEG:g} and {100 * MOVED:g} %."
    )
    cameras, views = list(found.cameras), len(arrays)
    for k in range(views) if views > _MIN_VIEWS else ():
        rest = [i for i in range(views) if i != k]
        if _good(_compared([cameras[i] for i in rest], arrays.take(rest), found.how)):
            return text + f" Without {cameras[k].name!r} all others agree: its entry, here or in the rig, is wrong."
    return text + " Is it the calibration that the images were prepared with?"


def _centres(cameras: Sequence[RigCamera]) -> np.ndarray:
    return np.array([-camera.R_cam_world.T @ camera.t_cam_world for camera in cameras])


def with_rig(match: RigMatch, corrected: CameraArrays, outlines: ConvexOutlines, free: Fit) -> tuple[Fit, str] | None:
    """(fit, what to say) of the strictest of the rig's hypotheses that fits about as well as the free fit, if one does.

    corrected: the free fit's cameras. CalibrationError where the rig's focal lengths cannot be pixels.
    """
    _check_units(match, corrected)
    possible = free.residual.rows
    limit = _WORSE * (free.residual.loss + NOISE_PX**2)
    hypotheses = _hypotheses(match, corrected)
    if free.candidate.code.endswith(
        ("distance", "centre")
    ):  # where centres were moved on their own, they are the rig's
        given = partial(_given, corrected.focal, corrected.principal, match.centres())
        hypotheses = [[Candidate("rig-centres", tuple(range(len(corrected))), apply=given)]]
    for candidates in hypotheses:
        tried = fits(candidates, [(corrected, outlines)], possible)
        best = min(tried, key=lambda f: f.score)
        if best.residual.loss + NOISE_PX**2 <= limit:
            code = best.candidate.code
            said = f"{match.sentence}; {code}; left open: {REMAINS[code]}"
            return best, "; ".join((said, *_warnings(match, best, corrected, outlines)))
    return None


def _check_units(match: RigMatch, corrected: CameraArrays) -> None:
    scales = np.exp(np.log(np.abs(corrected.focal)).mean(axis=1) - np.log(_focal0(match)).mean(axis=1))
    for camera, scale in zip(match.cameras, scales.tolist(), strict=True):
        if not _SCALES[0] <= scale <= _SCALES[1]:
            raise CalibrationError(
                f"{camera}: fx = {camera.K[0, 0]:g}: the dataset's images would have been scaled by {scale:.3g}; "
                f"expected {_SCALES[0]:.2g} to {_SCALES[1]:g}. Is the focal length in millimetres? It must be in pixels"
            )


def _hypotheses(match: RigMatch, corrected: CameraArrays) -> Iterator[list[Candidate]]:
    """From the strictest: whole frames; the sensor's own scale; one scale; a scale a view."""
    views = len(corrected)
    everyone = tuple(range(views))
    whole = _whole_frames(match, corrected)
    if whole is not None:
        yield [Candidate("rig-resized", everyone, apply=partial(_given, *whole, None))]
    shifts, each = (SHIFT_X, SHIFT_Y), (SCALE, SHIFT_X, SHIFT_Y)
    aspects = _aspects(match, corrected)
    level = [np.log(corrected.focal / focal).mean(axis=1) for focal in aspects]

    def made(code: str, basis: Basis, sigma: tuple[float, ...], faulty: tuple[int, ...]) -> Iterator[Candidate]:
        for focal, each in zip(aspects, level, strict=True):
            scale = {"rig-cropped": 0 * each, "rig-each-scale": each}.get(code, 0 * each + float(np.median(each)))
            start = partial(_given, focal * np.exp(scale)[:, None], corrected.principal, None)
            options = len(aspects) * (1 if len(faulty) == views else views)
            yield Candidate(code, faulty, start, basis, sigma, "principal", options=options)

    of_shifts, of_scale = prior_sigma(shifts, views), prior_sigma((SCALE,), 1)
    yield list(made("rig-cropped", partial(columns, everyone, shifts, False), of_shifts, everyone))
    yield list(made("rig-one-scale", partial(_one_scale, None), of_scale + of_shifts, everyone))
    yield [
        candidate
        for odd in (everyone if views > _MIN_VIEWS else ())
        for candidate in made("rig-one-scale-but-one", partial(_one_scale, odd), 2 * of_scale + of_shifts, (odd,))
    ]
    yield list(made("rig-each-scale", partial(columns, everyone, each, False), prior_sigma(each, views), everyone))


def _focal0(match: RigMatch) -> Float64[Array, "v 2"]:
    return np.array([[camera.K[0, 0], camera.K[1, 1]] for camera in match.cameras])


def _whole_frames(match: RigMatch, corrected: CameraArrays) -> tuple[np.ndarray, np.ndarray] | None:
    """(focal, principal) of the rig's whole frames resized to the images; None where a frame's size is not known."""
    sizes = [camera.size for camera in match.cameras]
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        return None
    ratio = corrected.size / np.array(known, dtype=np.float64)
    principal = np.array([[camera.K[0, 2], camera.K[1, 2]] for camera in match.cameras])
    return _focal0(match) * ratio, principal * ratio


def _aspects(match: RigMatch, corrected: CameraArrays) -> list[Float64[Array, "v 2"]]:
    """The rig's focal lengths at scale one: pixels as they were, made square, or stretched with the whole frame."""
    focal = _focal0(match)
    mean = np.sqrt(focal.prod(axis=1, keepdims=True))
    out = [focal, np.repeat(mean, 2, axis=1)]
    whole = _whole_frames(match, corrected)
    if whole is not None:
        out.append(mean * whole[0] / np.sqrt(whole[0].prod(axis=1, keepdims=True)))
    kept: list[np.ndarray] = []
    for each in out:
        if all(np.abs(np.log(each / other)).max() > 1e-4 for other in kept):
            kept.append(each)
    return kept


def _given(focal: np.ndarray, principal: np.ndarray, centre: np.ndarray | None, cameras: CameraArrays) -> CameraArrays:
    """Other intrinsics (and centres), the rest as it is."""
    return replace(cameras, focal=focal, principal=principal, centre=cameras.centre if centre is None else centre)


def _one_scale(odd: int | None, cameras: CameraArrays) -> np.ndarray:
    """The basis of one log scale for all views (but one: `odd` has a scale of its own), and a shift each."""
    views, first = len(cameras), 1 if odd is None else 2
    out = np.zeros((views, 7, first + 2 * views))
    out[:, :2, 0] = 1.0
    if odd is not None:
        out[odd, :2, :2] = (0.0, 1.0)
    for view in range(views):
        out[view, 2, first + 2 * view] = out[view, 3, first + 1 + 2 * view] = 1.0
    return out


def _warnings(match: RigMatch, best: Fit, corrected: CameraArrays, outlines: ConvexOutlines) -> tuple[str, ...]:
    found = best.corrected[0]
    out: list[str] = []
    if best.candidate.code == "rig-one-scale-but-one":
        out.append(_odd_scale(match, best, found))
    if best.candidate.code == "rig-resized":
        out += _half_pixel(match, best, corrected, outlines)
    outside = _outside(match, found, outlines)
    if outside:
        out.append(
            f"the outlines of {', '.join(outside)} would lie outside the rig's images: another rig, or frame size"
        )
    return tuple(out)


def _odd_scale(match: RigMatch, best: Fit, found: CameraArrays) -> str:
    """All images but one have one scale: that camera's focal length is probably wrong."""
    log_scale = np.log(found.focal / _focal0(match)).mean(axis=1)
    odd = best.candidate.views[0]
    rest = float(np.median(np.delete(log_scale, odd)))
    camera, off = match.cameras[odd], 100 * (np.exp(float(log_scale[odd]) - rest) - 1)
    return (
        f"all images but {camera.name}'s have one scale ({np.exp(rest):.4f}), its own is {off:+.2f} % off: its "
        f"focal length in {camera.source} is suspect"
    )


def _half_pixel(match: RigMatch, best: Fit, corrected: CameraArrays, outlines: ConvexOutlines) -> list[str]:
    """Whether another convention of the rig's pixel centres fits the whole frames clearly better."""
    whole = _whole_frames(match, corrected)
    assert whole is not None
    step = 0.5 * whole[0] / _focal0(match)
    for sign in (-1.0, 1.0):
        other = Candidate(
            "rig-resized", best.candidate.views, apply=partial(_given, whole[0], whole[1] + sign * step, None)
        )
        if fit(other, [(corrected, outlines)], best.residual.rows).score < best.score - _HALF_BETTER:
            return [
                f"the silhouettes fit better with principal points {sign * 0.5:+g} source pixels from the rig's: is "
                "its pixel convention (centres at whole numbers or at +0.5) what its format says?"
            ]
    return []


def _outside(match: RigMatch, found: CameraArrays, outlines: ConvexOutlines) -> list[str]:
    """Views whose outline comes from beyond the source frame."""
    out = []
    for k, camera in enumerate(match.cameras):
        if camera.size is None or not outlines.seen[k]:
            continue
        points = outlines.points[k][outlines.real[k] & ~outlines.uninformative[k]]
        source = camera.camera(camera.size)
        pixels = source.pixels_of((points - found.principal[k]) / found.focal[k])
        size = np.array(camera.size, dtype=np.float64)
        pixels = pixels[np.isfinite(pixels).all(axis=1)]
        if ((pixels < -_OUTSIDE * size) | (pixels > (1 + _OUTSIDE) * size)).any():
            out.append(camera.name)
    return out
