"""By how many frames every camera runs behind, found together: epipolar tangency over frame offsets.

For every instant each pair of cameras is compared over all offsets of one against the other; the offsets that make all
pairs agree best are found together (one late camera spoils its five pairs, never the other ten).

Only offsets of cameras against each other count, with the two frames as near as can be on both sides of the instant:
were a camera free to choose its frames, rough masks would make it choose those in which they happen to be good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Float64

from mouselift.array_types import Array
from mouselift.geometry.tangent_planes import OutlineRays, view_pairs, window_residuals
from mouselift.inspect.sampled_frames import FrameOutlines

# Of each pair, by the first camera's offset less the second's, -2 reach .. 2 reach: mean sqrt |residual|, residuals in
# pixels. The root lets the tangents that fit decide, not the gross ones (a tail missing in one view), and needs no
# limit. NaN: the pair says nothing.
Table = Float[Array, "p d"]


@dataclass(frozen=True, eq=False)
class LagTables:
    """Moving instants, each with its table over all pairs of cameras and their offsets against each other."""

    names: tuple[str, ...]
    reach: int
    frames: tuple[int, ...]
    tables: Float[Array, "n p d"]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        return list(combinations(range(len(self.names)), 2))

    def part(self, low: int, high: int) -> LagTables:
        """Instants `low` to `high` (by index)."""
        return LagTables(self.names, self.reach, self.frames[low:high], self.tables[low:high])


def lag_table(window: Sequence[FrameOutlines]) -> Table:
    """All pairs over a window of 2 reach + 1 consecutive frames about an instant.

    A tangent that is cut in any frame of the window is left out for all of them: every offset is measured by the
    same tangents.
    """
    views, size = len(window[0].views), len(window)
    pairs = list(combinations(range(views), 2))
    out = np.full((len(pairs), 2 * size - 1), np.nan, dtype=np.float32)
    whole = [i for i in range(views) if all(frame.views[i] is not None for frame in window)]
    seen = [view for i in whole for frame in window if (view := frame.views[i]) is not None]
    outlines = OutlineRays.of(
        [view.camera for view in seen],
        [view.outline.convex for view in seen],
        [view.outline.uninformative for view in seen],
        areas=[view.outline.area for view in seen],
        rays=[view.rays for view in seen],
        unit_length=True,
    )
    for (i, j), residuals in zip(view_pairs(len(whole)), window_residuals(outlines, size), strict=True):
        good = np.isfinite(residuals).all(axis=(2, 3))
        if good.any():
            table = np.sqrt(np.abs(residuals[good])).mean(axis=0)
            out[pairs.index((whole[i], whole[j]))] = about_the_instant(table)
    return out


def about_the_instant(table: Float64[Array, "w w"]) -> Float64[Array, " d"]:
    """By a's offset less b's: mean over the frames (a, b) whose middle is the window's, to a frame (there by half).

    So instants two frames apart share none of their evidence and leave none out.
    """
    size = len(table)
    a, b = np.indices(table.shape)
    aside = np.abs(a + b - (size - 1))  # half frames
    weight = np.select([aside < 2, aside == 2], [1.0, 0.5])
    total = np.bincount((a - b).ravel() + size - 1, (weight * table).ravel())
    return total / np.bincount((a - b).ravel() + size - 1, weight.ravel())


def solve(lags: LagTables) -> list[int]:
    """The offsets, one a camera, that make all pairs agree best; those that most cameras share are called 0."""
    total = np.asarray(np.nansum(lags.tables, axis=0, dtype=np.float64))
    views, reach = len(lags.names), lags.reach
    starts = [np.zeros(views, dtype=np.intp)]
    for reference in range(views):
        start = np.zeros(views, dtype=np.intp)
        for p, (i, j) in enumerate(lags.pairs):
            if reference in (i, j):
                best = int(total[p, reach : 3 * reach + 1].argmin()) - reach
                start[j if reference == i else i] = -best if reference == i else best
        starts.append(start)
    solved = [_descend(start, total, lags) for start in starts]
    offsets = min(solved, key=lambda offsets: _energy(offsets, total, lags.pairs)).tolist()
    shift = max(offsets, key=offsets.count)  # of equal counts, the first camera's
    moved = [o - shift for o in offsets]
    return moved if max(map(abs, moved)) <= reach else offsets


def _energy(offsets: np.ndarray, total: Float64[Array, "p d"], pairs: Sequence[tuple[int, int]]) -> float:
    middle = total.shape[1] // 2
    return float(sum(total[p, offsets[i] - offsets[j] + middle] for p, (i, j) in enumerate(pairs)))


def _descend(
    start: np.ndarray, total: Float64[Array, "p d"], lags: LagTables, fixed: tuple[int, ...] = ()
) -> np.ndarray:
    """One camera after the other to its best offset, until none moves; those in `fixed` stay."""
    offsets = start.copy()
    while True:
        before = offsets.copy()
        for view in sorted(set(range(len(offsets))) - set(fixed)):
            cost = np.sum(_costs(total[None], lags, view, offsets), axis=0)[0]
            if cost.min() < cost[offsets[view] + lags.reach] - 1e-9:
                offsets[view] = int(cost.argmin()) - lags.reach
        if (offsets == before).all():
            return offsets


def _costs(
    tables: Float[Array, "n p d"], lags: LagTables, view: int, offsets: Sequence[int] | np.ndarray
) -> list[Float[Array, "n a"]]:
    """Of each pair with `view`: its costs by instant and offset of `view`, -reach .. reach, the other at its own."""
    steps = np.arange(-lags.reach, lags.reach + 1)
    middle, out = 2 * lags.reach, []
    for p, (i, j) in enumerate(lags.pairs):
        if view == i:
            out.append(tables[:, p, middle + steps - offsets[j]])
        elif view == j:
            out.append(tables[:, p, middle + offsets[i] - steps])
    return out


def camera_curves(lags: LagTables, view: int, offsets: Sequence[int]) -> Float64[Array, "n a"]:
    """By moving instant and offset of `view`: its pairs' mean cost (as in `Table`), the others at their offsets."""
    stack = np.stack(_costs(lags.tables, lags, view, offsets)).astype(np.float64)
    known = np.isfinite(stack)
    with np.errstate(invalid="ignore"):
        curves = np.where(known, stack, 0.0).sum(axis=0) / known.sum(axis=0)
    return curves[np.isfinite(curves).all(axis=1)]


def gain_of(lags: LagTables, offsets: Sequence[int], view: int, rival: int) -> Float64[Array, " n"]:
    """By moving instant: what all pairs lose when `view` takes another offset and the other cameras follow suit.

    Only a camera that is called 0 stays: a lag against others that are uncertain themselves is then uncertain too.
    """
    costs = np.nan_to_num(lags.tables, nan=0.0).astype(np.float64)
    others = [v for v in range(len(offsets)) if v != view]
    anchor = next((v for v in others if offsets[v] == 0), others[0])
    best = np.array(offsets)
    start = best.copy()
    start[view] = rival
    other = _descend(start, costs.sum(axis=0), lags, (view, anchor))
    along, middle = np.arange(len(lags.pairs)), 2 * lags.reach
    first, second = np.array(lags.pairs).T
    there, here = (costs[:, along, middle + o[first] - o[second]] for o in (other, best))
    return np.asarray((there - here).sum(axis=1))
