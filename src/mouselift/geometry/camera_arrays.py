"""Cameras as plain numbers, and the tangency of all pairs on them with its derivatives: what a fit of cameras needs.

Impossible cameras (mirrored, half transposed) can be tried too. For tangent points p of view i and q of view j
(homogeneous pixels), the two share a tangent plane when g = x_i^T E x_j = 0, with x = K^-1 p and
E = R_i [C_j - C_i]_x R_j^T. The residual is Sampson's first-order distance g / |dg/d(p, q)| in pixels. (Hartley,
Zisserman: "Multiple view geometry", 11.4.3.) The tangent point moves along the outline as cameras change, but by the
envelope theorem that does not change the first derivative. To first order this is `TangentPlanes.residual`, for cameras
that may be mirrored, by seven numbers a view.

Where v outlines are given with b v cameras (`CameraArrays.joined`), these are b sets of cameras for one sample: rows
follow each other set by set, and derivatives are by the seven numbers of the row's own set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from mouselift.array_types import Array, Bool, Float64, Int64, Vector3
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Outline
from mouselift.geometry.tangent_planes import baseline_frames, cross, extreme_corners, view_pairs
from mouselift.geometry.triangulation import meeting_point

AT_ONCE = 16  # sets of cameras compared together: more no longer fit the processor's cache
COLUMNS = 7  # per view: log fx, log fy, cx, cy, camera centre x, y, z
# Least component of an outline's unit rays towards the subject. Stricter than the audit's rule: a fit that brings an
# epipole near an outline would follow derivatives that no longer hold.
_LEAST_AHEAD = 0.02


@dataclass(frozen=True, eq=False)
class CameraArrays:
    """What a sample's file says about its views, as arrays over the views.

    A negative focal length stands for a mirrored image: no `Camera` can say that.
    """

    focal: Float64[Array, "v 2"]  # fx, fy, pixels
    principal: Float64[Array, "v 2"]  # cx, cy, pixels; centres at +0.5
    R_cam_world: Float64[Array, "v 3 3"]
    centre: Float64[Array, "v 3"]  # of the cameras, world
    size: Float64[Array, "v 2"]  # width, height

    @classmethod
    def of(cls, cameras: Sequence[Camera]) -> CameraArrays:
        """Of pinhole cameras without skew (prepared samples have no others)."""
        return cls(
            np.array([[c.fx, c.fy] for c in cameras]),
            np.array([[c.cx, c.cy] for c in cameras]),
            np.array([c.R_cam_world for c in cameras]),
            np.array([c.centre for c in cameras]),
            np.array([[float(c.width), float(c.height)] for c in cameras]),
        )

    def __len__(self) -> int:
        return len(self.focal)

    def take(self, order: Sequence[int] | Int64[Array, " n"]) -> CameraArrays:
        """View k of the result has the numbers of view order[k]."""
        at = np.asarray(order)
        return CameraArrays(self.focal[at], self.principal[at], self.R_cam_world[at], self.centre[at], self.size[at])

    @classmethod
    def joined(cls, sets: Sequence[CameraArrays]) -> CameraArrays:
        """Several sets of cameras one after the other, to be compared with one sample's outlines in one go."""
        parts = ([getattr(each, field.name) for each in sets] for field in fields(cls))
        return cls(*(np.concatenate(part) for part in parts))

    def moved(self, change: Float64[Array, "v 7"]) -> CameraArrays:
        """With (log fx, log fy, cx, cy, camera centre) changed by `change`, the parameters of every fit."""
        return replace(
            self,
            focal=self.focal * np.exp(change[:, :2]),
            principal=self.principal + change[:, 2:4],
            centre=self.centre + change[:, 4:],
        )

    def camera(self, view: int, like: Camera) -> Camera:
        """View `view` as a camera of the size and name of `like`; an equal pose is kept to the last bit.

        CalibrationError where it is no camera (mirrored).
        """
        T = like.T_cam_world
        if not (
            np.array_equal(self.R_cam_world[view], like.R_cam_world) and np.array_equal(self.centre[view], like.centre)
        ):
            T = np.eye(4)
            T[:3, :3] = self.R_cam_world[view]
            T[:3, 3] = -T[:3, :3] @ self.centre[view]
        (fx, fy), (cx, cy) = self.focal[view].tolist(), self.principal[view].tolist()
        return replace(like, fx=fx, fy=fy, cx=cx, cy=cy, T_cam_world=T)


@dataclass(frozen=True, eq=False)
class ConvexOutlines:
    """The outlines' convex hulls of one sample, padded to one length; unseen views have no points."""

    points: Float64[Array, "v m 2"]  # pixels
    real: Bool[Array, "v m"]  # not padding
    uninformative: Bool[Array, "v m"]  # on the image's border or a cut: says nothing about the subject
    centroid: Float64[Array, "v 2"]  # of alpha; NaN where unseen
    area: Float64[Array, " v"]  # pixels; 0 where unseen

    @classmethod
    def of(cls, outlines: Sequence[Outline | None]) -> ConvexOutlines:
        views, longest = len(outlines), max((len(o.convex) for o in outlines if o is not None), default=1)
        points = np.zeros((views, longest, 2))
        real, uninformative = np.zeros((views, longest), dtype=bool), np.zeros((views, longest), dtype=bool)
        centroid, area = np.full((views, 2), np.nan), np.zeros(views)
        for i, outline in enumerate(outlines):
            if outline is None:
                continue
            n = len(outline.convex)
            points[i, :n], points[i, n:] = outline.convex, outline.convex[0]
            real[i, :n], uninformative[i, :n] = True, outline.uninformative
            uninformative[i, n:] = outline.uninformative[0]
            centroid[i], area[i] = outline.centroid[0], outline.area
        return cls(points, real, uninformative, centroid, area)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def seen(self) -> Bool[Array, " v"]:
        return self.area > 0


def centroid_rays(cameras: CameraArrays, outlines: ConvexOutlines) -> Float64[Array, "v 3"]:
    """World directions from the cameras through the silhouettes' centroids, z = 1 in the camera; NaN where unseen."""
    xy = (outlines.centroid - cameras.principal) / cameras.focal
    return np.einsum("vji,vj->vi", cameras.R_cam_world, np.concatenate([xy, np.ones((len(xy), 1))], axis=1))


def subject_point(cameras: CameraArrays, outlines: ConvexOutlines) -> Vector3 | None:
    """Least-squares meeting point of the rays through the silhouettes' centroids; None where there is none."""
    seen = np.flatnonzero(outlines.seen)
    if len(seen) < 2:
        return None
    d = centroid_rays(cameras, outlines)[seen]
    d = d / np.linalg.norm(d, axis=1, keepdims=True)
    try:
        return meeting_point(cameras.centre[seen], d)
    except ValueError:  # parallel rays
        return None


@dataclass(frozen=True, eq=False)
class TangentCorners:
    """Where the tangent planes of every pair touch: two rows a pair (i < j), smallest and largest plane angle."""

    pair: Int64[Array, "r 2"]  # of cameras
    at: Int64[Array, "r 2"]  # outline corner in each of the two views
    usable: Bool[Array, " r"]  # False: the row says nothing


def _to_world(cameras: CameraArrays) -> Float64[Array, "c 3 3"]:
    """What takes homogeneous pixels to rays in the world, z = 1 in the camera: R^T K^-1."""
    out = cameras.R_cam_world.swapaxes(1, 2).copy()
    out[:, :, :2] /= cameras.focal[:, None]
    out[:, :, 2] -= (out[:, :, :2] * cameras.principal[:, None]).sum(axis=2)
    return out


def middle_rays(cameras: CameraArrays, outlines: ConvexOutlines) -> Float64[Array, "c 3"]:
    """Unit rays in the world towards the middle of each outline's corners; cameras: of one set, or of several."""
    middle = np.concatenate([outlines.points.mean(axis=1), np.ones((len(outlines), 1))], axis=1)
    d = (_to_world(cameras).reshape(-1, len(outlines), 3, 3) @ middle[:, :, None]).reshape(-1, 3)
    return d / np.linalg.norm(d, axis=1, keepdims=True)


def _world_rays(cameras: CameraArrays, outlines: ConvexOutlines) -> Float64[Array, "c 3 m"]:
    """Rays in the world through the outlines' corners, z = 1 in the camera: not of unit length."""
    views, corners = outlines.points.shape[:2]
    pixels = np.ones((views, 3, corners))
    pixels[:, :2] = outlines.points.swapaxes(1, 2)
    return (_to_world(cameras).reshape(-1, views, 3, 3) @ pixels).reshape(-1, 3, corners)


def _tangent_corners(cameras: CameraArrays, outlines: ConvexOutlines, world: Float64[Array, "c 3 m"]) -> TangentCorners:
    """Tangent points of all pairs. Rows of a pair whose epipole lies in or near an outline are not usable."""
    views = len(outlines)
    own = view_pairs(views)
    pairs = (own + views * np.arange(len(cameras) // views)[:, None, None]).reshape(-1, 2)
    unit = world / np.sqrt((world * world).sum(axis=1, keepdims=True))
    u, v, apart = baseline_frames(cameras.centre, unit.mean(axis=2), pairs)
    # Each view's corners against the baselines of all its pairs, one product a view.
    of_view = np.argsort(pairs.ravel(), kind="stable").reshape(len(cameras), -1)
    along = np.stack([u, v], axis=1)[of_view // 2].reshape(len(cameras), -1, 3) @ unit
    along = along.reshape(pairs.size, 2, -1)
    at, ahead = np.empty((pairs.size, 2), dtype=np.int64), np.empty(pairs.size, dtype=bool)
    nearest = along[:, 0].min(axis=1)
    at[of_view.ravel()] = extreme_corners(along.swapaxes(1, 2), nearest)
    ahead[of_view.ravel()] = nearest > _LEAST_AHEAD
    at, ahead = at.reshape(-1, 2, 2).swapaxes(1, 2), ahead.reshape(-1, 2).all(axis=1)  # [pair, side, view], [pair]
    usable = (apart & ahead & outlines.seen[pairs % views].all(axis=1))[:, None]
    usable = usable & ~outlines.uninformative[pairs[:, None] % views, at].any(axis=2)
    return TangentCorners(np.repeat(pairs, 2, axis=0), at.reshape(-1, 2), usable.reshape(-1))


def sampson_residuals(cameras: CameraArrays, outlines: ConvexOutlines) -> tuple[Float64[Array, " r"], TangentCorners]:
    """(residuals in pixels, signed, NaN where a row says nothing; where the planes touch)."""
    corners, (g, slope_i, slope_j, *_) = _bilinear(cameras, outlines)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = g / np.sqrt((slope_i**2).sum(axis=1) + (slope_j**2).sum(axis=1))
    return np.where(corners.usable, found, np.nan), corners


def touched_points(cameras: CameraArrays, outlines: ConvexOutlines) -> tuple[TangentCorners, Float64[Array, "r 2 2"]]:
    """(where the planes touch, derivative of each Sampson residual by the pixel (x, y) touched in either view).

    The two derivatives of a row have length 1 together; both are 0 where the row says nothing.
    """
    corners, (_, slope_i, slope_j, *_) = _bilinear(cameras, outlines)
    slope = np.stack([slope_i, slope_j], axis=1)
    norm = np.where(corners.usable, np.sqrt((slope**2).sum(axis=(1, 2))), np.inf)
    return corners, slope / norm[:, None, None]


def linearised(
    cameras: CameraArrays, outlines: ConvexOutlines
) -> tuple[Float64[Array, " r"], Float64[Array, "r v 7"], TangentCorners]:
    """(Sampson residual, its derivative by each view's seven numbers, where planes touch); 0 where a row is silent."""
    corners, (g, slope_i, slope_j, xi, xj, wi, wj) = _bilinear(cameras, outlines)
    norm = np.where(corners.usable, np.sqrt((slope_i**2).sum(axis=1) + (slope_j**2).sum(axis=1)), np.inf)
    J = np.zeros((len(g), len(outlines), COLUMNS))
    rows = np.arange(len(g))
    centre = cross(wj, wi)
    for k, (slope, x_k) in enumerate(((slope_i, xi), (slope_j, xj))):
        camera = corners.pair[:, k]
        by_camera = [-slope * x_k * cameras.focal[camera], -slope, centre if k == 1 else -centre]
        J[rows, camera % len(outlines)] = np.concatenate(by_camera, axis=1) / norm[:, None]
    return g / norm, J, corners


def _bilinear(cameras: CameraArrays, outlines: ConvexOutlines) -> tuple[TangentCorners, tuple[np.ndarray, ...]]:
    """Tangent points; g, its derivative by the pixel of either view, the points' camera rays and world rays."""
    world = _world_rays(cameras, outlines)
    corners = _tangent_corners(cameras, outlines, world)
    (i, j), (at_i, at_j) = corners.pair.T, corners.at.T
    wi, wj = world[i, :, at_i], world[j, :, at_j]
    baseline = cameras.centre[j] - cameras.centre[i]
    by_wi, by_wj = cross(baseline, wj), cross(wi, baseline)
    g = (wi * by_wi).sum(axis=1)
    axes = cameras.R_cam_world[:, :2] / cameras.focal[:, :, None]
    slope_i, slope_j = (axes[i] @ by_wi[:, :, None])[:, :, 0], (axes[j] @ by_wj[:, :, None])[:, :, 0]
    xi, xj = (
        (outlines.points[camera % len(outlines), at] - cameras.principal[camera]) / cameras.focal[camera]
        for camera, at in ((i, at_i), (j, at_j))
    )
    return corners, (g, slope_i, slope_j, xi, xj, wi, wj)
