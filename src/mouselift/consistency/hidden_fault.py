"""How far one camera may be off without its sample showing it: the true fineness of a comparison under rough masks.

A mean residual of all planes understates it: two thirds of six views' planes do not touch the one camera that is off.
So each camera's image is scaled and shifted as the residuals like best (least squares), and the answer is how far that
moves its outline, and three sigma of what is left.
"""

from __future__ import annotations

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.geometry.tangent_planes import TangentPlanes

SIGMAS = 3.0  # of a normal error 0.3 % are beyond
_LEAST_PLANES = 4  # of a view: three numbers and one to spare


def hidden_fault_px(planes: TangentPlanes, sigma_px: Float64[Array, " m"] | float = 1.0) -> float:
    """Pixels (RMS over an outline's tangent points) by which one view's image may be off, of the view that is known
    least; infinite where a view has too few planes to say. sigma_px: of each residual, to a factor.
    """
    weight = 1 / np.broadcast_to(sigma_px, planes.residual.shape)
    jacobian, residual = planes.jacobian() * weight[:, None, None], planes.residual * weight
    worst = 0.0
    for view in range(planes.views):
        rows, places = np.nonzero(np.stack([planes.first, planes.second], axis=1) == view)
        if len(rows) < _LEAST_PLANES:
            return float("inf")
        J = jacobian[:, view]  # of all planes: residuals by log-scale, dx, dy
        values, _, rank, _ = np.linalg.lstsq(J, residual, rcond=None)
        if rank < J.shape[1]:
            return float("inf")
        variance = float(np.sum((residual - J @ values) ** 2)) / max(len(residual) - int(rank), 1)
        # How far the three numbers move the tangent points: RMS, as a quadratic form.
        moved = np.zeros((len(rows), 2, 3))
        moved[:, :, 0] = planes.points[rows, places] - planes.middle[view]
        moved[:, 0, 1] = moved[:, 1, 2] = 1.0
        square = np.einsum("nij,nik->jk", moved, moved) / len(rows)
        largest = np.linalg.eigvals(np.linalg.solve(J.T @ J, square)).real.max()  # of the moved points' variance
        worst = max(worst, float(np.sqrt(values @ square @ values) + SIGMAS * np.sqrt(variance * max(largest, 0.0))))
    return worst
