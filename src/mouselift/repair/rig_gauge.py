"""What the rig's original calibration adds to a repair: the intrinsics' shape, and the gauge where it fixes it.

Images that were cut out and scaled without being turned have fx' = s fx, fy' = s fy (or the aspect that a resize to
the frame gave them), cx' = s (u0 - x), cy' = s (v0 - y), with the scale s and the corner (x, y) unknown. So a rig alone
fixes the aspect and nothing else of a view. More follows only if the pipeline did less than it could (derivation:
docs/guides/repair.md, "With the rig"); each such hypothesis is put to the silhouettes, the strictest that they do not
contradict is used, and what stays open is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array
from mouselift.diagnosis.candidate import SCALE, SHIFT_X, SHIFT_Y, Basis, Candidate, Columns, prior_sigma
from mouselift.diagnosis.fit import NOISE_PX, Fit, fit
from mouselift.errors import CalibrationError
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines
from mouselift.repair.rig_match import RigMatch

_SCALES = (1 / 30, 30.0)  # of images: beyond it the rig's focal lengths are not in pixels
_WORSE = 1.45  # times the free fit's loss, masks' noise added to both, that a hypothesis may leave: 10 of the score
_FEW = 3  # views of which one cannot be told to be the odd one out
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
class RigFit:
    """A repair that the rig has had its say in."""

    fit: Fit  # candidate.code is a key of REMAINS
    match: RigMatch
    warnings: tuple[str, ...]

    @property
    def remains(self) -> str:
        """What the gauge still holds, and why."""
        return REMAINS[self.fit.candidate.code]

    @property
    def sentence(self) -> str:
        said = f"{self.match.sentence}; {self.fit.candidate.code}; left open: {self.remains}"
        return "; ".join((said, *self.warnings))


def with_rig(match: RigMatch, corrected: CameraArrays, outlines: ConvexOutlines, free: Fit) -> RigFit | None:
    """The strictest of the rig's hypotheses that leaves about what the free fit left; None where none does.

    corrected: the free fit's cameras. CalibrationError where the rig's focal lengths cannot be pixels.
    """
    _check_units(match, corrected)
    possible = free.residual.rows
    limit = _WORSE * (free.residual.loss + NOISE_PX**2)
    moved = free.candidate.code.endswith(("distance", "centre"))
    for candidates in _centres(match, corrected) if moved else _hypotheses(match, corrected):
        tried = [fit(candidate, [(corrected, outlines)], possible) for candidate in candidates]
        best = min(tried, key=lambda f: f.score)
        if best.residual.loss + NOISE_PX**2 <= limit:
            return RigFit(best, match, _warnings(match, best, corrected, outlines))
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
        yield [Candidate("rig-resized", everyone, apply=_Given(*whole))]
    shifts, each = (SHIFT_X, SHIFT_Y), (SCALE, SHIFT_X, SHIFT_Y)
    aspects = _aspects(match, corrected)
    level = [np.log(corrected.focal / focal).mean(axis=1) for focal in aspects]

    def made(code: str, basis: Basis, deviation: tuple[float, ...], faulty: tuple[int, ...]) -> Iterator[Candidate]:
        for focal, each in zip(aspects, level, strict=True):
            scale = {"rig-cropped": 0 * each, "rig-each-scale": each}.get(code, 0 * each + float(np.median(each)))
            start = _Given(focal * np.exp(scale)[:, None], corrected.principal)
            options = len(aspects) * (1 if len(faulty) == views else views)
            yield Candidate(code, faulty, start, basis, deviation, "principal", options=options)

    of_shifts, of_scale = prior_sigma(shifts, views), prior_sigma((SCALE,), 1)
    yield list(made("rig-cropped", Columns(views, everyone, shifts, False), of_shifts, everyone))
    yield list(made("rig-one-scale", _OneScale(views), of_scale + of_shifts, everyone))
    yield [
        candidate
        for odd in (everyone if views > _FEW else ())
        for candidate in made("rig-one-scale-but-one", _OneScale(views, odd), 2 * of_scale + of_shifts, (odd,))
    ]
    yield list(made("rig-each-scale", Columns(views, everyone, each, False), prior_sigma(each, views), everyone))


def _centres(match: RigMatch, corrected: CameraArrays) -> Iterator[list[Candidate]]:
    """Centres that had been moved on their own are the rig's, intrinsics as stated."""
    given = _Given(corrected.focal, corrected.principal, match.centres())
    yield [Candidate("rig-centres", tuple(range(len(corrected))), apply=given)]


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


class _Given:
    """Other intrinsics (and centres), the rest as stated."""

    def __init__(self, focal: np.ndarray, principal: np.ndarray, centre: np.ndarray | None = None) -> None:
        self.focal, self.principal, self.centre = focal, principal, centre

    def __call__(self, cameras: CameraArrays) -> CameraArrays:
        centre = cameras.centre if self.centre is None else self.centre
        return replace(cameras, focal=self.focal, principal=self.principal, centre=centre)


@dataclass(frozen=True)
class _OneScale:
    """One log scale for all views (but one), a shift each."""

    views: int
    odd: int | None = None  # a view with a scale of its own

    def __call__(self, cameras: CameraArrays) -> np.ndarray:
        first = 1 if self.odd is None else 2
        out = np.zeros((self.views, 7, first + 2 * self.views))
        out[:, :2, 0] = 1.0
        if self.odd is not None:
            out[self.odd, :2, :2] = (0.0, 1.0)
        for view in range(self.views):
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
    """All images but one have one scale: that camera's focal length is suspect."""
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
        other = Candidate("rig-resized", best.candidate.views, apply=_Given(whole[0], whole[1] + sign * step))
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
