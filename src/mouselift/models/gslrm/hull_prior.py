"""Where the visual hull of the input views begins along their rays: what masks and cameras know before any network.

A ray of a view enters the hull where the other views' silhouettes all begin to cover it. Each ray is walked in equal
steps about its point nearest the world's origin, the other views' alphas are looked up bilinearly at the steps, and the
entry is the first crossing of one half, interpolated between two steps. Nothing is carved: the cost is that of the
subject's pixels, and no voxel limits the depth. (Laurentini: "The visual hull concept", TPAMI 1994; image-based:
Matusik et al., SIGGRAPH 2000.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mouselift.array_types import Float
from mouselift.data.rays import RayMaps

_HALF = 0.5  # of alpha: inside
_STEPS = 128  # of a walk over twice `reach`; the entry is interpolated between two of them
_NEAR = 1e-3  # world units before a camera from which it sees a point
_LEAST_SEEN = 2  # other views that must see a point of the hull, where there are so many
_LEAST_OTHERS = 3  # views beside the ray's own from which on one of them may lack a part

HullMaps = Float[Tensor, "b v 2 h w"]  # entry less the ray's nearest point, world units; 1 where there is one, else 0


def hull_maps(
    alpha: Float[Tensor, "b v h w"],
    c2w: Float[Tensor, "b v 4 4"],
    fxfycxcy: Float[Tensor, "b v 4"],
    origins: RayMaps,
    directions: RayMaps,
    reach: float,
) -> HullMaps:
    """The hull's entry for every pixel of the subject in every view.

    alpha: 0..1. c2w, fxfycxcy, origins, directions: as `GSLRM.forward` and `pixel_rays` have them, float32. reach:
    world units about the point nearest the origin that are walked, either way. A ray that meets no hull is tried again
    with one of three or more other views left out: masks lack parts. A view that does not see a point says nothing.
    On a CPU the walk is compiled (`hull_march`).
    """
    b, v, h, w = alpha.shape
    out = alpha.new_zeros(b, v, 2, h, w)
    along = torch.linspace(-reach, reach, _STEPS, device=alpha.device)
    for sample in range(b):
        w2c = torch.linalg.inv(c2w[sample])
        find = _compiled(alpha[sample]) if alpha.device.type == "cpu" else _walked
        for view in range(v):
            rows, columns = torch.nonzero(alpha[sample, view] >= _HALF, as_tuple=True)
            if v < 2 or not len(rows):
                continue
            o, d = (part[sample, view, :, rows, columns].T for part in (origins, directions))  # [r, 3]
            found = find(_Walk(alpha[sample], w2c, fxfycxcy[sample], view, o, d, along))
            out[sample, view, :, rows, columns] = found.T
    return out


class _Walk(NamedTuple):
    """One view's rays through the masks of the others."""

    alpha: Float[Tensor, "v h w"]
    w2c: Float[Tensor, "v 4 4"]
    fxfycxcy: Float[Tensor, "v 4"]
    view: int  # whose rays they are
    origins: Float[Tensor, "r 3"]
    directions: Float[Tensor, "r 3"]
    along: Float[Tensor, " n"]  # steps about each ray's point nearest the origin


def _compiled(alpha: Float[Tensor, "v h w"]) -> Callable[[_Walk], Float[Tensor, "r 2"]]:
    """`_walked` through the masks of one sample, which are looked at once for all its views."""
    from mouselift.models.gslrm.hull_march import counts_before, entries

    masks, others = np.ascontiguousarray(alpha.numpy()), len(alpha) - 1
    counts = counts_before(masks, _HALF)
    march: Any = entries  # compiled: its types are the arrays'

    def find(walk: _Walk) -> Float[Tensor, "r 2"]:
        out = np.empty((len(walk.origins), 2), dtype=np.float32)
        parts = (walk.w2c, walk.fxfycxcy, walk.origins, walk.directions)
        *cameras, o, d = (np.ascontiguousarray(part.numpy()) for part in parts)
        march(
            masks, counts, *cameras, walk.view, o, d, walk.along.numpy(), others >= _LEAST_OTHERS,
            np.float32(_NEAR), np.float32(_HALF), min(_LEAST_SEEN, others), out,
        )  # fmt: skip
        return torch.from_numpy(out)

    return find


def _walked(walk: _Walk) -> Float[Tensor, "r 2"]:
    """Of one view's rays: the hull's entry less the ray's nearest point, and 1, or twice 0 where there is none."""
    alpha, w2c, fxfycxcy, view, origins, directions, along = walk
    t0 = -(origins * directions).sum(dim=1)
    points = origins[:, None] + (t0[:, None] + along)[..., None] * directions[:, None]  # [r, steps, 3]
    others = [k for k in range(len(alpha)) if k != view]
    found = torch.stack([_looked_up(alpha[k], w2c[k], fxfycxcy[k], points) for k in others])
    seen = (found >= 0).sum(dim=0) >= min(_LEAST_SEEN, len(others))
    lowest = torch.where(found < 0, 1.0, found).sort(dim=0).values * seen
    entry, known = _entry(lowest[0], along)
    if len(others) >= _LEAST_OTHERS:
        second, also = _entry(lowest[1], along)
        entry, known = torch.where(known, entry, second), known | also
    return torch.stack([torch.where(known, entry, 0.0), known.to(entry.dtype)], dim=1)


def _looked_up(
    alpha: Float[Tensor, "h w"], w2c: Float[Tensor, "4 4"], fxfycxcy: Float[Tensor, "4"], points: Float[Tensor, "r n 3"]
) -> Float[Tensor, "r n"]:
    """Alpha where a view sees the points; -1 where it does not see them."""
    height, width = alpha.shape
    x, y, z = (points @ w2c[:3, :3].T + w2c[:3, 3]).unbind(dim=-1)
    fx, fy, cx, cy = fxfycxcy.unbind()
    before = z > _NEAR
    depth = torch.where(before, z, 1.0)
    # Pixel centres at +0.5 are grid_sample's own convention with align_corners=False.
    place = torch.stack([2 * (fx * x / depth + cx) / width - 1, 2 * (fy * y / depth + cy) / height - 1], dim=-1)
    found = F.grid_sample(alpha[None, None], place[None], align_corners=False, padding_mode="border")[0, 0]
    inside = before & (place.abs() <= 1).all(dim=-1)
    return torch.where(inside, found, -1.0)


def _entry(cover: Float[Tensor, "r n"], along: Float[Tensor, " n"]) -> tuple[Tensor, Tensor]:
    """(where cover first rises through one half, whether it does): of each row."""
    rises = (cover[:, 1:] >= _HALF) & (cover[:, :-1] < _HALF)
    first = rises.to(torch.uint8).argmax(dim=1)
    rows = torch.arange(len(cover), device=cover.device)
    low, high = cover[rows, first], cover[rows, first + 1]
    share = (_HALF - low) / (high - low).clamp_min(1e-6)
    return along[first] + share * (along[1] - along[0]), rises.any(dim=1)
