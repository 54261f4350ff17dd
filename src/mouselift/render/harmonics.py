"""Real spherical harmonics up to degree 3: the colour of a Gaussian as seen from a direction.

Signs and order as splat files have them: m = -l .. l, with the Condon-Shortley phase, so that
Y_1 = 0.4886 (-y, z, -x). The tests derive the numbers from SciPy's complex harmonics.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mouselift.gaussians.ply import SH_DC

_PI = math.pi
_C1 = math.sqrt(3 / (4 * _PI))
_C2, _C2_0, _C2_2 = math.sqrt(15 / (4 * _PI)), math.sqrt(5 / (16 * _PI)), math.sqrt(15 / (16 * _PI))
_C3_0, _C3_1 = math.sqrt(7 / (16 * _PI)), math.sqrt(21 / (32 * _PI))
_C3_2, _C3_3 = math.sqrt(105 / (16 * _PI)), math.sqrt(35 / (32 * _PI))


def basis(directions: Float[Tensor, "n 3"], degree: int) -> Float[Tensor, "n k"]:
    """The (degree + 1)^2 harmonics at unit `directions`. ValueError for a degree outside 0..3."""
    if not 0 <= degree <= 3:
        raise ValueError(f"spherical harmonics: expected a degree of 0 to 3, got {degree}")
    x, y, z = directions.unbind(dim=1)
    out = [torch.full_like(x, SH_DC)]
    if degree >= 1:
        out += [-_C1 * y, _C1 * z, -_C1 * x]
    if degree >= 2:
        out += [_C2 * x * y, -_C2 * y * z, _C2_0 * (3 * z * z - 1), -_C2 * x * z, _C2_2 * (x * x - y * y)]
    if degree >= 3:
        out += [
            -_C3_3 * y * (3 * x * x - y * y),
            2 * _C3_2 * x * y * z,
            -_C3_1 * y * (5 * z * z - 1),
            _C3_0 * z * (5 * z * z - 3),
            -_C3_1 * x * (5 * z * z - 1),
            _C3_2 * z * (x * x - y * y),
            -_C3_3 * x * (x * x - 3 * y * y),
        ]
    return torch.stack(out, dim=1)


def colours_from(
    harmonics: Float[Tensor, "n k 3"], positions: Float[Tensor, "n 3"], centre: Float[Tensor, "3"]
) -> Float[Tensor, "n 3"]:
    """Colours as a camera at `centre` (world) sees them: sum + 0.5, not below 0, no upper limit."""
    degree = math.isqrt(harmonics.shape[1]) - 1
    if degree == 0:
        return (SH_DC * harmonics[:, 0] + 0.5).clamp_min(0.0)
    # what is not finite is kept apart: in the gradient, zero times NaN would be NaN
    good = torch.isfinite(harmonics).all(dim=2).all(dim=1) & torch.isfinite(positions).all(dim=1)
    away = torch.where(good[:, None], positions - centre, 1.0)
    directions = away / away.norm(dim=1, keepdim=True).clamp_min(1e-12)
    safe = torch.where(good[:, None, None], harmonics, 0.0)
    colours = (torch.einsum("nk,nkc->nc", basis(directions, degree), safe) + 0.5).clamp_min(0.0)
    return torch.where(good[:, None], colours, torch.nan)
