"""Starts for a fit of shifts, or of every view's scale and shift: from a position and a size of the subject.

A subject of one size at one point X says roughly what each view's image must be: its centroid lies where X is seen,
and its size goes with focal length over depth. That is four numbers instead of three a view, few enough for a grid.
Centroids are not the images of one point, nor outlines of one size (both are off by about 8 % of the subject), so this
is where a search begins and never an equation.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from mouselift.array_types import Array, Bool, Float64, Points2
from mouselift.geometry.camera_arrays import AT_ONCE, CameraArrays, ConvexOutlines, sampson_residuals
from mouselift.geometry.triangulation import meeting_point

# What fits from these starts reach: `python benchmarks/repair_rates.py --only legacy`, docs/evidence/repair-rates.md.
_POSITIONS = (-0.14, -0.07, 0.0, 0.07, 0.14)  # steps about the middle along x, y and z, share of the cameras' distance
_ZOOMS = (-0.4, 0.0, 0.4, 0.8, 1.2, 1.6)  # steps of the common log zoom
_TRIED = 5  # starts handed out, no two of them near each other
_NEAR = (0.1, 0.3)  # in position and log zoom
_COARSE_PX = 8.0  # scale of the robust loss: a right start is off by about this
_MISSING = 0.5  # loss of a missing row: losing rows must not pay
_SHIFT_STEPS, _SHIFT_DECREASE = 20, 1e-6  # of a common shift and the point; relative decrease that ends them
_CENTRED = 0.02  # whole silhouettes so near the image's middle (share of its width) were put there


@dataclass(frozen=True, eq=False)
class SeenSubject:
    """What the images say about where the subject's middle is seen, and how large."""

    anchor: Points2  # [v, 2] pixels
    log_size: Float64[Array, " v"]  # of the subject in the image
    seen: Bool[Array, " v"]

    @classmethod
    def of(cls, cameras: CameraArrays, outlines: ConvexOutlines) -> SeenSubject:
        """A clipped silhouette tells neither: where the whole ones are centred and alike, it was made so too."""
        clipped = (outlines.uninformative & outlines.real).any(axis=1)
        whole = outlines.seen & ~clipped
        anchor, size = outlines.centroid.copy(), np.sqrt(np.maximum(outlines.area, 1e-9))
        middle = cameras.size / 2
        off = np.abs(anchor - middle)[whole]
        if not whole.any() or float(off.max()) <= _CENTRED * float(cameras.size[0, 0]):
            anchor[clipped] = middle[clipped]
        if whole.any():
            size[clipped] = np.maximum(size[clipped], float(np.median(size[whole])))
        return cls(anchor, np.log(size), outlines.seen)

    def values(
        self, cameras: CameraArrays, point: Float64[Array, "*n 3"], zoom: Float64[Array, "*n"]
    ) -> Float64[Array, "*n v 3"]:
        """(log scale, dx, dy) of every image about its middle, for the subject at `point` (world) and a common zoom.

        The scales' mean over the views is `zoom`. Views without a silhouette get zeros.
        """
        at = np.einsum("vij,...vj->...vi", cameras.R_cam_world, point[..., None, :] - cameras.centre)
        depth = np.maximum(at[..., 2], 1e-9)
        log_scale = self.log_size + np.log(depth) - np.log(np.abs(cameras.focal)).mean(axis=1)
        log_scale = log_scale + (zoom - log_scale[..., self.seen].mean(axis=-1))[..., None]
        scale = np.exp(log_scale)[..., None]
        middle = cameras.size / 2
        lies = scale * (cameras.focal * at[..., :2] / depth[..., None] + cameras.principal - middle) + middle
        out = np.concatenate([log_scale[..., None], self.anchor - lies], axis=-1)
        return np.where(self.seen[:, None], out, 0.0)


def common_shift(values: int, cameras: CameraArrays, outlines: ConvexOutlines) -> Float64[Array, " k"]:
    """Values of one change of all views alike, the last two a shift: the one by which centroids are views of one point.

    Found together with the point, from where the optical axes meet. A shift taken as far as a fit from 0 goes may lie
    on the far side of the subject: planes then touch other corners there.
    """
    start = np.zeros(values)
    try:
        point = meeting_point(cameras.centre, cameras.R_cam_world[:, 2])
    except ValueError:  # parallel axes
        return start
    seen = outlines.seen
    if int(seen.sum()) < 3:
        return start
    R, focal, centre = cameras.R_cam_world[seen], cameras.focal[seen], cameras.centre[seen]
    wanted = outlines.centroid[seen] - cameras.principal[seen]
    best = np.inf
    for _ in range(_SHIFT_STEPS):
        at = np.einsum("vij,vj->vi", R, point - centre)
        if (at[:, 2] <= 0).any():
            break
        ray = at[:, :2] / at[:, 2:]
        shift = (wanted - focal * ray).mean(axis=0)
        off = wanted - focal * ray - shift
        left = float((off**2).sum())
        if left < best:
            start[-2:] = shift
        if left >= best * (1 - _SHIFT_DECREASE):
            break
        best = left
        slope = (focal / at[:, 2:])[..., None] * (R[:, :2] - ray[..., None] * R[:, 2:])
        slope = slope - slope.mean(axis=0)  # the shift takes what is common to all views
        point = point + np.linalg.lstsq(slope.reshape(-1, 3), off.reshape(-1), rcond=1e-6)[0]
    return start


def starts_from_positions(cameras: CameraArrays, outlines: ConvexOutlines) -> list[Float64[Array, " k"]]:
    """Values (log scale, dx, dy of every view, flat) to start from, the likeliest first; none for parallel axes.

    A grid of positions about the point where the optical axes meet, and of common zooms, compared by tangency.
    """
    try:
        middle = meeting_point(cameras.centre, cameras.R_cam_world[:, 2])
    except ValueError:  # parallel axes
        return []
    if int(outlines.seen.sum()) < 3:
        return []
    subject = SeenSubject.of(cameras, outlines)
    distance = float(np.linalg.norm(cameras.centre - middle, axis=1).mean())
    grid = np.array(list(product(_POSITIONS, _POSITIONS, _POSITIONS, _ZOOMS)))
    points = middle + distance * grid[:, :3]
    depth = np.einsum("vj,nvj->nv", cameras.R_cam_world[:, 2], points[:, None] - cameras.centre)
    ahead = (depth > 0).all(axis=1)
    grid, values = grid[ahead], subject.values(cameras, points[ahead], grid[ahead, 3])
    loss = np.concatenate(
        [_loss(cameras, outlines, values[k : k + AT_ONCE]) for k in range(0, len(values), AT_ONCE)] or [np.zeros(0)]
    )
    chosen: list[tuple[np.ndarray, np.ndarray]] = []
    reach = np.array([_NEAR[0]] * 3 + [_NEAR[1]])
    for n in np.argsort(loss, kind="stable"):
        if all(np.linalg.norm((grid[n] - other) / reach) > 1 for other, _ in chosen):
            chosen.append((grid[n], values[n].ravel()))
        if len(chosen) == _TRIED:
            break
    return [values for _, values in chosen]


def _loss(cameras: CameraArrays, outlines: ConvexOutlines, values: Float64[Array, "n v 3"]) -> Float64[Array, " n"]:
    """Robust tangency loss of the images changed by each of `values`."""
    change = np.zeros((*values.shape[:2], 7))
    change[..., :2] = values[..., :1]
    change[..., 2:4] = values[..., 1:] + (np.exp(values[..., :1]) - 1) * (cameras.principal - cameras.size / 2)
    joined = CameraArrays.joined([cameras] * len(values)).moved(change.reshape(-1, 7))
    r = sampson_residuals(joined, outlines)[0].reshape(len(values), -1)
    known = np.isfinite(r)
    loss = np.log1p((np.where(known, r, 0.0) / _COARSE_PX) ** 2).sum(axis=1)
    return loss + _MISSING * (~known).sum(axis=1)
