"""Where the subject is: one 3D point from the silhouettes' centroids, and whom it was believed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mouselift.array_types import Vector3
from mouselift.errors import FramingError, LensFoldError
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Silhouette
from mouselift.geometry.triangulation import triangulate

# Centres of mass are not projections of one point: they scatter by a tenth of the silhouette's size, wrong masks more.
_OUTLIER_SHARE = 0.25
_MIN_SPREAD = 1 - np.cos(np.deg2rad(10.0))  # uncut views nearer to one line than this do not fix a depth


@dataclass(frozen=True, eq=False)
class SubjectCentre:
    """The subject's centre in the source world, with what is left over in each view."""

    centre: Vector3
    trusted: tuple[bool, ...]  # views that the centre was computed from
    residual_px: tuple[float | None, ...]  # source pixels, centroid to projected centre; None without silhouette

    @property
    def rms_px(self) -> float:
        """Root mean square over the trusted views."""
        pairs = zip(self.residual_px, self.trusted, strict=True)
        used = [r for r, trusted in pairs if r is not None and trusted]
        return float(np.sqrt(np.mean(np.square(used))))


def locate_subject(cameras: Sequence[Camera], silhouettes: Sequence[Silhouette | None]) -> SubjectCentre:
    """The meeting point of the rays through the centroids.

    Views whose silhouette the sensor cut have a biased centroid: they are left out where the uncut ones
    determine the point. Of the rest, a view that alone disagrees is left out too (`geometry.triangulation`).
    Raises FramingError for fewer than two silhouettes, (nearly) parallel rays, or a centre that lies
    behind a camera.
    """
    _check(cameras, silhouettes)
    seen = [i for i, silhouette in enumerate(silhouettes) if silhouette is not None]
    if len(seen) < 2:
        names = ", ".join(cameras[i].name for i in seen) or "no camera"
        raise FramingError(
            f"framing: expected the subject's mask in at least 2 of {len(cameras)} views, got {len(seen)} ({names})"
        )
    point, trusted = _meet(cameras, silhouettes, seen)
    for camera in cameras:
        depth = float(camera.depth(point[None])[0])
        if not depth > 0:
            raise FramingError(
                f"{camera.name}: the subject's centre {np.round(point, 3).tolist()} lies behind this camera "
                f"(depth {depth:.3g}); expected it in front. Check the rig's pose convention and the masks."
            )
    residuals = [_residual(camera, s, point) for camera, s in zip(cameras, silhouettes, strict=True)]
    return SubjectCentre(point, tuple(bool(t) for t in trusted), tuple(residuals))


def _check(cameras: Sequence[Camera], silhouettes: Sequence[Silhouette | None]) -> None:
    if len(cameras) != len(silhouettes):
        raise FramingError(
            f"framing: expected one silhouette (or None) per camera, got {len(silhouettes)} for {len(cameras)} cameras"
        )
    for camera, silhouette in zip(cameras, silhouettes, strict=True):
        if silhouette is not None and (silhouette.width, silhouette.height) != (camera.width, camera.height):
            raise FramingError(
                f"{camera.name}: expected a mask of the calibrated size {camera.width} x {camera.height}, "
                f"got {silhouette.width} x {silhouette.height}"
            )


def _meet(
    cameras: Sequence[Camera], silhouettes: Sequence[Silhouette | None], seen: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """(centre, trusted views)."""
    found = {i: s for i, s in enumerate(silhouettes) if s is not None}
    uncut = [i for i in seen if not found[i].touches_border()]
    point, used = None, seen
    if 2 <= len(uncut) < len(seen):
        point, used = _meeting(cameras, found, uncut)
        if point is not None and _spread(cameras, used, point) < _MIN_SPREAD:
            point = None
    if point is None:
        point, used = _meeting(cameras, found, seen)
    if point is None:
        names = ", ".join(cameras[i].name for i in seen)
        raise FramingError(
            f"framing: the views that see the subject ({names}) fix no 3D centre: their rays are parallel; "
            "expected cameras that look from different sides"
        )
    trusted = np.zeros(len(cameras), dtype=bool)
    trusted[used] = True
    return point, trusted


def _meeting(
    cameras: Sequence[Camera], found: dict[int, Silhouette], views: list[int]
) -> tuple[np.ndarray | None, list[int]]:
    """(meeting point, views it was taken from); no point where the rays are parallel."""
    size = float(np.median([np.sqrt(found[i].area) for i in views]))
    pixels = np.concatenate([found[i].centroid for i in views])
    try:
        meeting = triangulate([cameras[i] for i in views], pixels, outlier_px=_OUTLIER_SHARE * size)
    except LensFoldError as error:
        names = ", ".join(cameras[i].name for i in views)
        raise FramingError(f"framing: a mask's centre has no ray in one of {names}: {error}") from None
    except ValueError:
        return None, views
    return meeting.point, [views[k] for k in np.flatnonzero(meeting.used)]


def _spread(cameras: Sequence[Camera], views: list[int], point: np.ndarray) -> float:
    """Smallest eigenvalue of sum (I - d d^T), d the directions to `point`: 1 - |cos| of the angle for two views."""
    d = np.stack([point - cameras[i].centre for i in views])
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    return float(np.linalg.eigvalsh(len(d) * np.eye(3) - d.T @ d)[0])


def _residual(camera: Camera, silhouette: Silhouette | None, point: np.ndarray) -> float | None:
    if silhouette is None:
        return None
    gap = float(np.linalg.norm(camera.project(point[None]) - silhouette.centroid))
    return gap if np.isfinite(gap) else None
