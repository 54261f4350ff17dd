"""Cameras as plain numbers, so that impossible ones (mirrored, half transposed) can be tried too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from mouselift.array_types import Array, Vector3
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Outline
from mouselift.geometry.triangulation import meeting_point


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

    def take(self, order: Sequence[int]) -> CameraArrays:
        """View k of the result has the numbers of view order[k]."""
        at = list(order)
        return CameraArrays(self.focal[at], self.principal[at], self.R_cam_world[at], self.centre[at], self.size[at])

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
