"""Epipolar tangency: do silhouettes agree with cameras? No shape is needed, nor any matching point.

A plane through two camera centres that touches the subject touches both silhouettes. With the baseline's direction b
and an orthonormal (b, u, v), every outline ray has a plane angle atan2(ray . v, ray . u); the smallest and the largest
must agree between the two views. (Wong, Cipolla: "Structure and motion from silhouettes", ICCV 2001.)

`tangents_about` finds the planes for everyone. On top of it are the residuals: of one instant with their derivative by
changes of the images (`TangentPlanes`: audit, inspection, masks), of every frame of one window against every frame of
another (`window_residuals`: lag), and by camera parameters (`geometry.camera_arrays`: fits). Slow twin: tests/.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from mouselift.array_types import Array, Bool, Float64, Int64, Points2, Points3
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import Pinhole
from mouselift.geometry.outlines import Outline

_WRAP_MARGIN = 0.05  # rad: an outline whose plane angles span more than pi less this surrounds the epipole
_LENS_STEP_PX = 0.5  # for the derivative of a lens model
_HIDDEN_SHARE = 0.25  # of sqrt(area): so far beyond a cut the hidden part may reach, and be the true extreme
_ALL_PAIRS = 32  # views up to which every pair is compared; with more, each view has partners (`chosen_pairs`)
_LEAST_PARTNERS = 8  # of a view among many: 16 tangent planes or more for the three numbers of its image
_NEAR, _OPPOSITE = np.cos(np.radians([20.0, 150.0]))  # of two views' angle at the subject: between them is best
_ONE_CENTRE = 1e-12  # world units: a shorter baseline has no direction
_ALONG_BASELINE = 1e-6  # of two unit rays: subjects this near to the baseline lie on it


@dataclass(frozen=True, eq=False)
class OutlineRays:
    """Convex outlines as rays, n of them, padded to one length k by repeating each one's first corner."""

    cameras: tuple[Camera, ...]  # different ones
    camera: Int64[Array, " n"]  # which of them
    points: Float64[Array, "n k 2"]  # pixels
    rays: Float64[Array, "n k 3"]  # world; z = 1 in the camera, or of unit length
    uninformative: Bool[Array, "n k"]  # corners that say nothing about the subject
    mean: Float64[Array, "n 3"]  # of the unit rays
    hidden_px: Float64[Array, " n"]  # how far the subject may reach beyond a cut, unseen
    unit_length: bool

    @classmethod
    def of(
        cls,
        cameras: Sequence[Camera],
        corners: Sequence[np.ndarray],
        uninformative: Sequence[np.ndarray],
        *,
        areas: Sequence[float] | None = None,
        rays: Sequence[np.ndarray] | None = None,
        unit_length: bool = False,
    ) -> OutlineRays:
        """One outline a camera: corners [m, 2] in pixels, uninformative [m]. LensFoldError as `Camera.rays`.

        areas: of the subjects, px^2; a plane that passes so near to a cut that a hidden part may cross it is left out.
        None leaves such planes in. rays: as `rays_at_depth_one` of the corners, where they are known. unit_length:
        distances to planes are then linearised on the sphere of directions, which differs by their square over the
        focal length; recordings (lag, masks) are measured that way.
        """
        different = list({id(camera): camera for camera in cameras}.values())
        index = {id(camera): k for k, camera in enumerate(different)}
        own = rays if rays is not None else [rays_at_depth_one(c, p) for c, p in zip(cameras, corners, strict=True)]
        n, longest = len(corners), max((len(p) for p in corners), default=1)
        points, padded = np.zeros((n, longest, 2)), np.ones((n, longest, 3))
        silent, mean = np.zeros((n, longest), dtype=bool), np.zeros((n, 3))
        for i, (p, r, s) in enumerate(zip(corners, own, uninformative, strict=True)):
            points[i], padded[i], silent[i] = p[0], r[0], s[0]
            points[i, : len(p)], padded[i, : len(p)], silent[i, : len(p)] = p, r, s
            mean[i] = (r / _lengths(r)).sum(axis=0) / len(r)
        if unit_length:
            padded /= np.linalg.norm(padded, axis=2, keepdims=True)
        hidden = np.zeros(n) if areas is None else _HIDDEN_SHARE * np.sqrt(np.array(areas, dtype=np.float64))
        which = np.array([index[id(camera)] for camera in cameras], dtype=np.int64)
        return cls(tuple(different), which, points, padded, silent, mean, hidden, unit_length)

    @property
    def centre(self) -> Float64[Array, "n 3"]:
        """Camera centres, world."""
        return np.array([camera.centre for camera in self.cameras]).reshape(-1, 3)[self.camera]

    def slopes(self, outline: Int64[Array, " m"], corner: Int64[Array, " m"]) -> Float64[Array, "m 3 2"]:
        """d ray / d pixel at corners; NaN beside a lens's fold."""
        out, which = np.empty((len(outline), 3, 2)), self.camera[outline]
        for k, camera in enumerate(self.cameras):
            mine = np.flatnonzero(which == k)
            at, back = outline[mine] * self.points.shape[1] + corner[mine], slice(None)
            if not isinstance(camera.lens, Pinhole):  # whose slope costs more than to look for corners that come twice
                at, back = np.unique(at, return_inverse=True)
            slope = _image_slopes(camera, self.points.reshape(-1, 2)[at])
            turned = camera.R_cam_world.T[:, :2] @ slope
            if self.unit_length:
                ray = self.rays.reshape(-1, 3)[at]
                along = np.einsum("mi,mij->mj", ray, turned)
                depth = ray @ camera.R_cam_world[2]
                turned = (turned - ray[:, :, None] * along[:, None, :]) * depth[:, None, None]
            out[mine] = turned[back]
        return out


def rays_at_depth_one(camera: Camera, pixels: Points2) -> Points3:
    """Directions in the world through pixels, z = 1 in the camera. LensFoldError as `Camera.rays`."""
    return camera.at_depth_one(pixels) @ camera.R_cam_world


def _image_slopes(camera: Camera, pixels: Points2) -> Float64[Array, "m 2 2"]:
    """d (x/z, y/z) / d pixel: exact without a lens, else by central differences."""
    if isinstance(camera.lens, Pinhole):
        return np.broadcast_to(np.linalg.inv(camera.K)[:2, :2], (len(pixels), 2, 2))
    across, down = (
        (camera.normalised(pixels + step, "nan") - camera.normalised(pixels - step, "nan")) / (2 * _LENS_STEP_PX)
        for step in np.eye(2) * _LENS_STEP_PX
    )
    return np.stack([across, down], axis=2)


@lru_cache(maxsize=64)
def view_pairs(views: int) -> Int64[Array, "p 2"]:
    """All (i, j) with i < j, in order; read only, since fits ask for the same ones many thousand times."""
    pairs = np.stack(np.triu_indices(views, 1), axis=1).astype(np.int64)
    pairs.setflags(write=False)
    return pairs


def chosen_pairs(mean: Float64[Array, "v 3"]) -> Int64[Array, "p 2"]:
    """All pairs of up to 32 views; of more, about as many pairs as 32 views have, and from 62 views on 8 a view.

    mean: of each view's unit rays. Each view takes partners that see the subject from directions as far apart from one
    another as can be, at 20 to 150 degrees from its own where there are such: nearly the same direction repeats the
    same outline points, the opposite one has its epipole inside the silhouette. The same views give the same pairs.
    """
    views = len(mean)
    if views <= _ALL_PAIRS:
        return view_pairs(views)
    partners = max(_LEAST_PARTNERS, _ALL_PAIRS * (_ALL_PAIRS - 1) // 2 // views)
    direction = mean / np.maximum(_lengths(mean), 1e-300)
    cosine = direction @ direction.T
    first = np.where((cosine <= _NEAR) & (cosine >= _OPPOSITE), 3.0, 0.0)  # more than the distances below can be
    np.fill_diagonal(first, -np.inf)
    distance, taken = 1.0 - np.abs(cosine), np.zeros((views, views), dtype=bool)  # a right angle is the best to start
    for number in range(partners):
        best = (first + np.where(taken, -np.inf, distance)).argmax(axis=1)
        taken[np.arange(views), best] = True
        distance = 1.0 - cosine[best] if number == 0 else np.minimum(distance, 1.0 - cosine[best])
    return np.argwhere(np.triu(taken | taken.T)).astype(np.int64)


def baseline_frames(
    centre: Float64[Array, "v 3"], mean: Float64[Array, "v 3"], pairs: Int64[Array, "p 2"]
) -> tuple[Float64[Array, "p 3"], Float64[Array, "p 3"], Bool[Array, " p"]]:
    """(u towards the subject, v across, whether the pair has them): orthonormal with each pair's baseline.

    mean: of each view's unit rays. A pair with one centre, or with the subject on its baseline, has none.
    """
    baseline = centre[pairs[:, 1]] - centre[pairs[:, 0]]
    length = _lengths(baseline)
    axis = baseline / np.maximum(length, 1e-300)
    towards = mean[pairs[:, 0]] + mean[pairs[:, 1]]
    u = towards - axis * (axis * towards).sum(axis=1, keepdims=True)
    size = _lengths(u)
    u = u / np.maximum(size, 1e-300)
    return u, cross(axis, u), np.asarray((length >= _ONE_CENTRE) & (size >= _ALONG_BASELINE))[:, 0]


def _lengths(vectors: Float64[Array, "n 3"]) -> Float64[Array, "n 1"]:
    """Row by row; np.linalg.norm takes three times as long for a few rows."""
    return np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))


def extreme_corners(along: Float64[Array, "q k 2"], nearest: Float64[Array, " q"] | None = None) -> Int64[Array, "q 2"]:
    """Corners of the smallest and the largest plane angle; along: (ray . u, ray . v).

    nearest: the least ray . u, where it is known already.
    """
    x, y = along[..., 0], along[..., 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        order = y / x  # rises with the angle where all rays are on u's side; 4 times as fast as the angle
    behind = ~((x.min(axis=1) if nearest is None else nearest) > 0)
    if behind.any():
        order[behind] = np.arctan2(y[behind], x[behind])
    return np.stack([order.argmin(axis=1), order.argmax(axis=1)], axis=1)


@dataclass(frozen=True, eq=False)
class Tangents:
    """Of outlines about baselines: the planes at the smallest and the largest angle (side 0 and 1)."""

    corner: Int64[Array, "q 2"]
    angle: Float64[Array, "q 2"]  # rad
    arm: Float64[Array, "q 2"]  # length of the touching ray across the baseline
    du: Float64[Array, "q 2 2"]  # d (ray . u) / d pixel
    dv: Float64[Array, "q 2 2"]
    usable: Bool[Array, "q 2"]  # False: says nothing


def tangents_about(
    views: OutlineRays, outline: Int64[Array, " q"], u: Float64[Array, "q 3"], v: Float64[Array, "q 3"]
) -> Tangents:
    """The tangent planes of outlines, each about its baseline.

    Not usable: planes of an outline that surrounds the epipole, planes that touch an uninformative corner, and planes
    that pass so near to such a corner that what was cut off there may stick out beyond them (`OutlineRays.hidden_px`).
    """
    along = views.rays[outline] @ np.stack([u, v], axis=2)
    corner = extreme_corners(along)
    x, y = np.moveaxis(np.take_along_axis(along, corner[..., None], axis=1), 2, 0)
    angle, arm = np.arctan2(y, x), np.hypot(x, y)
    slope = views.slopes(np.repeat(outline, 2), corner.ravel()).reshape(-1, 2, 3, 2)
    du, dv = (np.einsum("qi,qsij->qsj", d, slope) for d in (u, v))
    silent = views.uninformative[outline]
    usable = ~np.take_along_axis(silent, corner, axis=1) & np.isfinite(du).all(axis=2)
    usable &= (angle[:, 1] - angle[:, 0] <= np.pi - _WRAP_MARGIN)[:, None]
    cut = np.flatnonzero(silent.any(axis=1) & (views.hidden_px[outline] > 0))
    if len(cut):
        a_pixel = np.linalg.norm(_slope(angle[cut], du[cut], dv[cut]), axis=2) / arm[cut]  # rad
        angles = np.arctan2(along[cut, :, 1], along[cut, :, 0])
        depth = np.abs(angles[:, None] - angle[cut][..., None]) / np.maximum(a_pixel, 1e-300)[..., None]
        near = np.where(silent[cut][:, None], depth, np.inf).min(axis=2)
        usable[cut] &= near >= views.hidden_px[outline[cut], None]
    return Tangents(corner, angle, arm, du, dv, np.asarray(usable))


def _slope(angle: np.ndarray, du: np.ndarray, dv: np.ndarray) -> np.ndarray:
    """[..., 2]: d (ray . normal) / d pixel, the normal of the plane at `angle` towards larger angles."""
    return np.cos(angle)[..., None] * dv - np.sin(angle)[..., None] * du


def _distance(angle: np.ndarray, arm: np.ndarray, du: np.ndarray, dv: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Pixels from touching points to the planes at angle `plane`: f / |grad f| with f = ray . normal. Signed."""
    return arm * np.sin(angle - plane) / np.maximum(np.linalg.norm(_slope(plane, du, dv), axis=-1), 1e-300)


@dataclass(frozen=True, eq=False)
class TangentPlanes:
    """Tangent planes that two views share: at most two a pair (first < second), m in all.

    The two views' residuals of one plane say the same thing in different pixels, so this is all that is known.
    """

    views: int
    first: Int64[Array, " m"]
    second: Int64[Array, " m"]
    side: Int64[Array, " m"]  # 0: smallest plane angle, 1: largest
    points: Float64[Array, "m 2 2"]  # pixels of the touching points: [plane, first or second view, xy]
    angle: Float64[Array, " m"]  # rad, plane angle in `first` less that in `second`
    gradient: Float64[Array, "m 2 2"]  # rad / px: of each view's plane angle at its point, [plane, view, xy]
    distance: Float64[Array, "m 2"]  # px, signed, of each view's point from the other view's plane
    middle: Float64[Array, "v 2"]  # of each view's image, pixels: scales are about it
    focal: Float64[Array, "v 2"]  # of each view's camera, pixels
    principal: Float64[Array, "v 2"]  # and its principal point
    centre: Float64[Array, "v 3"]  # of the cameras, world; NaN where there is no outline
    rays: Float64[Array, "m 2 3"]  # world, through the touching points

    @cached_property
    def touched(self) -> Float64[Array, "m 3"]:
        """Where each plane touches the subject, world: half way between its two rays where they pass nearest."""
        a, b = self.rays[:, 0], self.rays[:, 1]
        apart = self.centre[self.second] - self.centre[self.first]
        aa, ab, bb = (a * a).sum(axis=1), (a * b).sum(axis=1), (b * b).sum(axis=1)
        to_a, to_b = (a * apart).sum(axis=1), (b * apart).sum(axis=1)
        squared_sine = np.maximum(aa * bb - ab * ab, 1e-300)
        on_a = a * ((bb * to_a - ab * to_b) / squared_sine)[:, None]
        on_b = b * ((ab * to_a - aa * to_b) / squared_sine)[:, None]
        return (self.centre[self.first] + on_a + self.centre[self.second] + on_b) / 2

    @cached_property
    def residual(self) -> Float64[Array, " m"]:
        """Pixels, one a plane: the angle in units of what one pixel of noise at both points makes of it.

        Outline noise of deviation s in all views gives every residual the deviation s.
        """
        return self.angle / self._unit

    @cached_property
    def _unit(self) -> Float64[Array, " m"]:
        return np.maximum(np.sqrt((self.gradient**2).sum(axis=(1, 2))), 1e-300)

    def moved(self, shift: Float64[Array, "m 2 2"]) -> Float64[Array, " m"]:
        """First-order change of `residual` when the touching points move by `shift` pixels ([plane, view, xy]).

        To first order the extreme point stays the extreme one, so any smooth change of the images goes through here.
        """
        along = (self.gradient * shift).sum(axis=2)
        return (along[:, 0] - along[:, 1]) / self._unit

    @property
    def outward(self) -> Float64[Array, "m 2 2"]:
        """Unit vectors in the two images at the planes' points, out of the subject."""
        outward = self.gradient * np.where(self.side == 1, 1.0, -1.0)[:, None, None]
        return outward / np.maximum(np.linalg.norm(outward, axis=2, keepdims=True), 1e-300)

    def jacobian(self) -> Float64[Array, "m v 3"]:
        """d residual / d (log-scale, dx, dy) of each view's *image*: p' = middle + exp(s) (p - middle) + (dx, dy).

        In the camera's terms, with pixels untouched: fx, fy times exp(-s), principal point
        middle + exp(-s) (c - middle - (dx, dy)). Gauge: a common zoom and a common 3D shift of all views change
        (almost) nothing, so of 3 v columns about four combinations are not determined.
        """
        out = np.zeros((len(self.angle), self.views, 3))
        rows = np.arange(len(self.angle))
        for place, view, sign in ((0, self.first, 1.0), (1, self.second, -1.0)):
            slope = sign * self.gradient[:, place] / self._unit[:, None]
            arm = self.points[:, place] - self.middle[view]
            out[rows, view] += np.concatenate([(slope * arm).sum(axis=1, keepdims=True), slope], axis=1)
        return out

    def lens_shift(self, power: int = 3) -> Float64[Array, "m 2 2"]:
        """d touching points / d k1, pixels: k1 is OpenCV's, of all views' *images*, x' = x (1 + k1 |x|^2).

        power: of |x|; 5 is the shift of k2.
        """
        both = np.stack([self.first, self.second], axis=1)
        focal = self.focal[both]
        x = (self.points - self.principal[both]) / focal
        return x * focal * (x * x).sum(axis=2, keepdims=True) ** ((power - 1) // 2)

    def of_view(self, view: int) -> Bool[Array, " m"]:
        """Planes that a view takes part in."""
        return np.asarray((self.first == view) | (self.second == view))


@dataclass(frozen=True, eq=False)
class Tangency:
    """One sample's residuals."""

    pixels: Float64[Array, "v v 2"]  # [i, j, side]: of i's point from the plane that touches j; NaN: says nothing
    rms_px: float  # over all; NaN where there is none
    view_rms_px: Float64[Array, " v"]
    planes: TangentPlanes

    @property
    def count(self) -> int:
        """How many tangent planes had a say."""
        return len(self.planes.angle)


def tangency(
    cameras: Sequence[Camera],
    outlines: Sequence[Outline | None],
    rays: Sequence[np.ndarray | None] | None = None,
) -> Tangency:
    """Residuals of all pairs. Views without an outline, and pairs that say nothing, are NaN (see `tangent_planes`)."""
    found = tangent_planes(cameras, outlines, rays)
    count = len(cameras)
    pixels = np.full((count, count, 2), np.nan)
    pixels[found.first, found.second, found.side] = found.distance[:, 0]
    pixels[found.second, found.first, found.side] = found.distance[:, 1]
    squares = np.nansum(pixels**2, axis=(1, 2))
    known = np.isfinite(pixels).sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        per_view = np.sqrt(squares / known)
    total = float(np.sqrt(squares.sum() / known.sum())) if known.any() else float("nan")
    return Tangency(pixels, total, per_view, found)


def tangent_planes(
    cameras: Sequence[Camera],
    outlines: Sequence[Outline | None],
    rays: Sequence[np.ndarray | None] | None = None,
) -> TangentPlanes:
    """The tangent planes of all pairs; left out are pairs without a baseline and what `tangents_about` calls unusable.

    rays: through the convex corners (`rays_at_depth_one`), where they are known already. ValueError where cameras and
    outlines differ in number; LensFoldError as `Camera.rays`.
    """
    if len(cameras) != len(outlines):
        raise ValueError(f"tangency: expected one outline (or None) a camera, got {len(outlines)} for {len(cameras)}")
    seen = [(k, outline) for k, outline in enumerate(outlines) if outline is not None]
    known = None if rays is None else [own for k, _ in seen if (own := rays[k]) is not None]
    views = OutlineRays.of(
        [cameras[k] for k, _ in seen],
        [outline.convex for _, outline in seen],
        [outline.uninformative for _, outline in seen],
        areas=[outline.area for _, outline in seen],
        rays=known,
    )
    return planes_between(views, cameras, np.array([k for k, _ in seen], dtype=np.int64))


def planes_between(views: OutlineRays, cameras: Sequence[Camera], view: Int64[Array, " n"]) -> TangentPlanes:
    """As `tangent_planes`, from rays; view: of each outline, its camera's number in `cameras`."""
    pairs, centre = chosen_pairs(views.mean), np.full((len(cameras), 3), np.nan)
    centre[view] = views.centre
    u, v, apart = baseline_frames(centre[view], views.mean, pairs)
    pairs, u, v = pairs[apart], u[apart], v[apart]
    found = tangents_about(views, pairs.ravel(), np.repeat(u, 2, axis=0), np.repeat(v, 2, axis=0))
    row, side = np.nonzero(found.usable.reshape(-1, 2, 2).all(axis=1))
    # [plane, first or second view, ...]
    corner, angle, arm, du, dv = (
        part.reshape(-1, 2, *part.shape[1:])[row, :, side]
        for part in (found.corner, found.angle, found.arm, found.du, found.dv)
    )
    first, second = view[pairs[row]].T
    sizes = [[(c.width / 2, c.height / 2), (c.fx, c.fy), (c.cx, c.cy)] for c in cameras]
    middle, focal, principal = np.array(sizes).reshape(-1, 3, 2).transpose(1, 0, 2)
    return TangentPlanes(
        len(cameras),
        first,
        second,
        side.astype(np.int64),
        views.points[pairs[row], corner],
        angle[:, 0] - angle[:, 1],
        _slope(angle, du, dv) / np.maximum(arm, 1e-300)[..., None],
        _distance(angle, arm, du, dv, angle[:, ::-1]),
        middle,
        focal,
        principal,
        centre,
        views.rays[pairs[row], corner],
    )


def window_residuals(views: OutlineRays, frames: int) -> Float64[Array, "p 2 2 f f"]:
    """Pixels between tangent points and planes over all frames of two views: [pair, in which view, side, frame, frame].

    views: all frames of the first view, then of the second, and so on, of one rig. NaN: says nothing.
    """
    count = len(views.camera) // frames
    pairs, middle = view_pairs(count), np.arange(count) * frames + frames // 2
    u, v, apart = baseline_frames(views.centre[middle], views.mean[middle], pairs)
    outline = (pairs[:, :, None] * frames + np.arange(frames)).ravel()
    found = tangents_about(views, outline, np.repeat(u, 2 * frames, axis=0), np.repeat(v, 2 * frames, axis=0))
    # [pair, view, side, frame, ...], and of either view with the other's frames as a further axis
    parts = [
        np.moveaxis(part.reshape(-1, 2, frames, *part.shape[1:]), 3, 2)
        for part in (found.angle, found.arm, found.du, found.dv, found.usable)
    ]
    angle, arm, du, dv, usable = (part[:, 0][:, :, :, None] for part in parts)
    angle_2, arm_2, du_2, dv_2, usable_2 = (part[:, 1][:, :, None] for part in parts)
    out = np.stack([_distance(angle, arm, du, dv, angle_2), _distance(angle_2, arm_2, du_2, dv_2, angle)], axis=1)
    told = (usable & usable_2)[:, None] & apart[:, None, None, None, None]
    return np.where(told, out, np.nan)


def cross(a: Float64[Array, "n 3"], b: Float64[Array, "n 3"]) -> Float64[Array, "n 3"]:
    """Row by row; np.cross takes four times as long for a few rows."""
    (ax, ay, az), (bx, by, bz) = a.T, b.T
    out = np.empty((len(a), 3))
    out[:, 0] = ay * bz - az * by
    out[:, 1] = az * bx - ax * bz
    out[:, 2] = ax * by - ay * bx
    return out
