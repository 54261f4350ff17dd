"""One sample's tangent planes as pooling over samples needs them: what is off, and how cameras change it.

Everything is in pixels of the source image where the sample's own record says how much it was magnified, else in pixels
of the sample's images. A camera has four numbers, the same in all samples of its rig: a turn about its centre and the
logarithm of its focal length. Framings crop, scale and turn views from sample to sample; the written cameras say how,
so each residual is linear in these numbers of the camera as it stood in one reference sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.consistency.hypotheses import MIN_PLANES
from mouselift.dataset.sample import Sample
from mouselift.errors import DatasetError
from mouselift.framing.plan import PlannedCameras
from mouselift.geometry.outlines import Outline
from mouselift.geometry.tangent_planes import TangentPlanes

NUMBERS = 4  # of a camera: a turn about its x, y and z (rad), and log focal length
_MOST_PLANES = 240  # of a sample, evenly spaced: 16 views; a camera has four unknowns


@dataclass(frozen=True, eq=False)
class SamplePlanes:
    """A hundred bytes a plane."""

    cameras: tuple[str, ...]
    view: np.ndarray  # [m, 2] of each plane, numbers in `cameras`
    residual: np.ndarray  # [m] pixels
    place: np.ndarray  # [m, 2, 2] of the touching points, (x / z, y / z) in either camera
    slope: np.ndarray  # [m, 2, 2] d residual / d place
    R: Float64[Array, "v 3 3"]  # camera from world
    centre: Float64[Array, "v 3"]
    towards: Float64[Array, "v 3"]  # unit, world axes: from each camera to its outline's centroid; NaN: no outline
    reach: Float64[Array, " v"]  # the subject's size (square root of its area) as that camera sees it, rad
    size_px: float  # the subject: square root of its area, median over views
    width_px: float  # of the images, mean
    source: bool  # pixels are the source image's
    rig: int | None  # equal in samples whose cameras are one rig's by mouselift's own record; None: nothing is known
    few: bool  # too few planes for a verdict on this sample alone

    @classmethod
    def of(cls, sample: Sample, planes: TangentPlanes, outlines: Sequence[Outline | None]) -> SamplePlanes:
        cameras = [view.camera for view in sample.views]
        scales, rig = _own_rig(sample)
        scale = np.array([scales.get(name, 1.0) for name in sample.names]).reshape(-1)
        every = max(1, -(-len(planes.angle) // _MOST_PLANES))
        view = np.stack([planes.first, planes.second], axis=1)[::every]
        gradient = planes.gradient[::every]
        # One pixel of the source at both points makes so much of an angle.
        unit = np.sqrt(((gradient * scale[view][..., None]) ** 2).sum(axis=(1, 2)))[:, None, None]
        focal = np.array([[c.fx, c.fy] for c in cameras]).reshape(-1, 2)
        principal = np.array([[c.cx, c.cy] for c in cameras]).reshape(-1, 2)
        place = (planes.points[::every] - principal[view]) / focal[view]
        slope = gradient * focal[view] * np.array([1.0, -1.0])[:, None] / unit
        sizes = [np.sqrt(o.area) / s for o, s in zip(outlines, scale, strict=True) if o is not None]
        towards, reach = np.full((len(cameras), 3), np.nan), np.full(len(cameras), np.nan)
        for k, (camera, outline) in enumerate(zip(cameras, outlines, strict=True)):
            if outline is not None:
                at = (outline.centroid[0] - principal[k]) / focal[k]
                ray = np.array([*at, 1.0]) / np.sqrt(1 + at @ at)
                towards[k] = camera.R_cam_world.T @ ray
                reach[k] = np.sqrt(outline.area) / focal[k].mean() * ray[2]
        widths = [camera.width / s for camera, s in zip(cameras, scale, strict=True)]
        return cls(
            sample.names, view.astype(np.int16), (planes.angle[::every] / unit[:, 0, 0]).astype(np.float32),
            place.astype(np.float32), slope.astype(np.float32),
            np.array([c.R_cam_world for c in cameras]).reshape(-1, 3, 3),
            np.array([c.centre for c in cameras]).reshape(-1, 3), towards, reach,
            float(np.median(sizes)) if sizes else float("nan"), float(np.mean(widths)) if widths else float("nan"),
            bool(scales), rig, len(planes.angle) < MIN_PLANES,
        )  # fmt: skip

    def without_planes(self) -> SamplePlanes:
        """The same without what is pooled: of samples that are not pooled only the rig is remembered."""
        return replace(self, view=self.view[:0], residual=self.residual[:0], place=self.place[:0], slope=self.slope[:0])


def columns_of(samples: Sequence[SamplePlanes], reference: Float64[Array, "v 3 3"]) -> Float64[Array, "m 2 4"]:
    """d residual / d (numbers of either camera) of all planes, as the camera stands in `reference` (camera from world).

    samples: with the same cameras. A ray n of the reference camera becomes n + d; the camera of a sample is turned by Q
    against it.
    """
    owner = np.repeat(np.arange(len(samples)), [len(one.residual) for one in samples])
    turn = np.array([one.R for one in samples]) @ reference.transpose(0, 2, 1)
    Q = turn[owner[:, None], np.concatenate([one.view for one in samples])]
    here = np.concatenate([one.place for one in samples]).astype(np.float64)
    ray = np.concatenate([here, np.ones((*here.shape[:2], 1))], axis=2)
    n = np.einsum("mpji,mpj->mpi", Q, ray)
    depth = n[..., 2]
    x, y = n[..., 0] / depth, n[..., 1] / depth
    across = np.stack([x * y, -(1 + x * x), y, x], axis=2)
    down = np.stack([1 + y * y, -x * y, -x, y], axis=2)
    d = np.stack([across, down], axis=2) * depth[..., None, None]
    moved = np.einsum("mpij,mpjk->mpik", Q[..., :2], d)
    flow = moved[:, :, :2] - here[..., None] * moved[:, :, 2:]
    slope = np.concatenate([one.slope for one in samples]).astype(np.float64)
    return np.einsum("mpi,mpik->mpk", slope, flow)


def by_camera(view: np.ndarray, columns: Float64[Array, "m 2 4"], cameras: int) -> Float64[Array, "m k"]:
    """d residual / d (numbers of all cameras, one camera after the other). view: [m, 2], numbers of cameras."""
    out, rows = np.zeros((len(view), cameras, NUMBERS)), np.arange(len(view))
    for place in (0, 1):
        out[rows, view[:, place]] += columns[:, place]
    return out.reshape(len(view), -1)


def unit_words(source: bool) -> str:
    """What lengths are in, as sentences say it."""
    return "px of the source" if source else "px"


def _own_rig(sample: Sample) -> tuple[dict[str, float], int | None]:
    """(magnification by view; what tells one rig from another) of mouselift's own samples.

    None where nothing is written down, or where cameras are not those that `prepare` wrote.
    """
    if not sample.plan:
        return {}, None
    try:
        plan = PlannedCameras.from_json(sample.plan)
    except DatasetError:  # written by another version, or on purpose with other cameras
        return {}, None
    scales = dict(zip(plan.names, plan.scale.tolist(), strict=True))
    number = {name: k for k, name in enumerate(plan.names)}
    if not all(name in number for name in sample.names):
        return scales, None
    own = [number[name] for name in sample.names]
    K = np.array([[v.camera.fx, v.camera.fy, v.camera.cx, v.camera.cy] for v in sample.views]).reshape(-1, 4)
    T = np.array([v.camera.T_cam_world for v in sample.views]).reshape(-1, 4, 4)
    same = (np.abs(K - plan.K[own]) <= 1e-6 + 1e-6 * np.abs(K)).all() and (
        np.abs(T - plan.T_cam_world[own]) <= 1e-6
    ).all()
    return scales, hash(tuple(plan.source.ravel().tolist())) if same else None
