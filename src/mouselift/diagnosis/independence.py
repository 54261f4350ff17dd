"""How many measurements a set of tangency residuals is worth.

Each residual is linear in the errors of the two outline points that its plane touches. Planes that touch the same point
share its error, and so do points that lie closer together than an outline's errors reach. Twenty-four planes that touch
one corner in each of eight views are thirteen measurements: two coordinates a view, less the three of the one point in
space.
"""

from __future__ import annotations

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines, touched_points

# Reach of an outline point's error along the outline: half a pixel of sampling, and the filters of resampling and of
# the video's codec. Coverage by it: `python benchmarks/repair_rates.py --only coverage`, docs/evidence/repair-rates.md.
_REACH_PX = 2.0
# Share of a residual's variance that no outline point explains (8-bit alpha, second order): 0.02 px of 0.1 px.
_OWN_SHARE = 0.04


def shared_errors(cameras: CameraArrays, outlines: ConvexOutlines) -> Float64[Array, "r r"]:
    """Covariance of the residuals of `sampson_residuals`, in units of one outline point's variance.

    J S J^T: J the derivatives by the touched points (`touched_points`), S the points' own correlation, a Gaussian of
    their distance within a view and 0 between views. The diagonal is 1, or 0 where a row says nothing.
    """
    corners, slope = touched_points(cameras, outlines)
    rows = len(corners.pair)
    out = np.zeros((rows, rows))
    for view in range(len(outlines)):
        own, side = np.nonzero(corners.pair == view)
        point, along = outlines.points[view, corners.at[own, side]], slope[own, side]
        apart = ((point[:, None] - point[None]) ** 2).sum(axis=2)
        out[own[:, None], own] += np.exp(-apart / (2 * _REACH_PX**2)) * (along @ along.T)
    return out


def measurements(errors: Float64[Array, "r r"]) -> float:
    """Independent measurements among residuals of this covariance (diagonal 1): r where none share an error.

    Combinations of rows in which the points' errors cancel say nothing new: eigenvalues near 0 do not count.
    """
    if not len(errors):
        return 0.0
    share = np.maximum(np.linalg.eigvalsh(errors), 0.0)
    return float(((1 + _OWN_SHARE) * share / (share + _OWN_SHARE)).sum())
