"""What silhouettes leave open: a common zoom and a common shift of the subject in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines, centroid_rays, subject_point

MIN_VIEWS = 3  # two views have two tangent planes: nothing per view can be learned from them
MIN_BASELINE_DEG = 10.0  # between the two views that are farthest apart, seen from the subject


@dataclass(frozen=True)
class Gauge:
    """Sigma of the combinations that silhouettes hardly determine: perspective alone depends on them."""

    zoom: float  # of the zoom common to all views, relative
    shift: float  # of the subject's place in space (root of the three variances), share of the cameras' distance


def gauge_directions(cameras: CameraArrays, outlines: ConvexOutlines) -> Float64[Array, "v 3 4"] | None:
    """Changes of (log f, cx, cy) of every view that zoom the subject about its centre, or shift it by one camera
    distance along x, y, z. First order; None where the subject's place is unknown.

    A subject 1 + e times larger about X needs f / (1 + e) and c + e f x(X); one that is shifted by D (camera frame)
    needs log f + D_z / Z and c - f D_xy / Z.
    """
    point = subject_point(cameras, outlines)
    if point is None:
        return None
    at = np.einsum("vij,vj->vi", cameras.R_cam_world, point - cameras.centre)
    distance = float(np.linalg.norm(point - cameras.centre, axis=1).mean())
    depth = at[:, 2:]
    out = np.zeros((len(cameras), 3, 4))
    out[:, 0, 0] = -1.0
    out[:, 1:, 0] = cameras.focal * at[:, :2] / depth
    for axis in range(3):
        moved = cameras.R_cam_world[:, :, axis] * distance
        out[:, 0, 1 + axis] = moved[:, 2] / depth[:, 0]
        out[:, 1:, 1 + axis] = -cameras.focal * moved[:, :2] / depth
    return out


def gauge_of(cameras: CameraArrays, outlines: ConvexOutlines, covariance: Float64[Array, "k k"]) -> Gauge | None:
    """From the covariance of (log f, cx, cy) of all views, view by view (k = 3 v)."""
    directions = gauge_directions(cameras, outlines)
    if directions is None or len(covariance) != 3 * len(cameras):
        return None
    weight = np.tile([float(np.sqrt(outlines.area[outlines.seen].mean())), 1.0, 1.0], len(cameras))  # to pixels
    G = directions.reshape(-1, 4) * weight[:, None]
    onto = np.linalg.pinv(G) * weight
    own = onto @ covariance @ onto.T
    return Gauge(float(np.sqrt(max(own[0, 0], 0.0))), float(np.sqrt(max(np.trace(own[1:, 1:]), 0.0))))


def unobservable(cameras: CameraArrays, outlines: ConvexOutlines) -> str | None:
    """Why these silhouettes cannot correct cameras; None where they can."""
    seen = np.flatnonzero(outlines.seen)
    if len(seen) < MIN_VIEWS:
        return (
            f"{len(seen)} views have a silhouette, at least {MIN_VIEWS} are needed: two views share two tangent planes "
            "only, and have more unknowns"
        )
    if len(seen) < len(cameras):
        return f"{len(cameras) - len(seen)} of {len(cameras)} views have no silhouette, so nothing is known about them"
    widest = min(_widest_deg(_places(cameras, outlines)), _widest_deg(centroid_rays(cameras, outlines)))
    if widest < MIN_BASELINE_DEG:
        return (
            f"the cameras look along one line (at most {widest:.1f} degrees apart, at least {MIN_BASELINE_DEG:g} are "
            "needed): silhouettes from one side do not determine zooms and shifts"
        )
    return None


def _places(cameras: CameraArrays, outlines: ConvexOutlines) -> Float64[Array, "v 3"]:
    """From the subject (or the cameras' middle, where its place is unknown) to the cameras."""
    point = subject_point(cameras, outlines)
    return cameras.centre - (cameras.centre.mean(axis=0) if point is None else point)


def _widest_deg(d: Float64[Array, "v 3"]) -> float:
    """Largest angle between two of the lines, degrees."""
    d = d / np.maximum(np.linalg.norm(d, axis=1, keepdims=True), 1e-300)
    return float(np.degrees(np.arccos(np.clip(np.abs(d @ d.T), 0.0, 1.0)).max()))
