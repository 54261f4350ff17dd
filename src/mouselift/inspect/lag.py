"""By how many frames does a camera run behind the others? Epipolar tangency over frame offsets, found together.

For every instant each pair of cameras is compared over all offsets of one against the other; the offsets that make all
pairs agree best are found together (one late camera spoils its five pairs, never the other ten). When the animal rests,
all offsets agree alike: such instants are left out.

Only offsets of cameras against each other count, with the two frames as near as can be on both sides of the instant:
were a camera free to choose its frames, rough masks would make it choose those in which they happen to be good.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mouselift.array_types import Array, Float, Float64
from mouselift.findings import Finding
from mouselift.geometry.tangent_planes import OutlineRays, view_pairs, window_residuals
from mouselift.inspect.facts import LagFacts
from mouselift.inspect.sampled_frames import FrameOutlines

MOVING_PX = 0.3  # a frame, mean over the window: below, an offset changes less than the outline's own noise
MIN_INSTANTS = 10  # moving ones
# Standard errors between an offset and its rival. Not 2: instants of one run are not independent, and the best of many
# offsets is looked at.
_CLEAR = 2.5  # against the offsets beside it: below, those may be meant as well
_SURE = 5.0  # against 0: to say that a camera is not in step
_GAIN = 0.9  # residual at the best offset over that at 0
_FRACTION = 0.3  # frames off the grid that are worth a word

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


def lag_facts(lags: LagTables, given: Sequence[int]) -> tuple[LagFacts, ...]:
    """Every camera's lag; `given`: the frame_offset that capture.toml already applies."""
    offsets = solve(lags)
    return tuple(_camera(lags, view, offsets, given[view]) for view in range(len(lags.names)))


def _camera(lags: LagTables, view: int, offsets: Sequence[int], given: int) -> LagFacts:
    curves = camera_curves(lags, view, offsets)
    name, steps = lags.names[view], tuple(range(-lags.reach, lags.reach + 1))
    if len(curves) < MIN_INSTANTS:
        said = f"undecided: the animal moves at {len(curves)} of the compared instants, {MIN_INSTANTS} are needed"
        nothing = (None,) * len(steps)
        return LagFacts(name, steps, nothing, None, None, None, len(curves), None, None, (), None, said)
    curve = curves.mean(axis=0) ** 2  # pixels
    best, zero = offsets[view], float(curve[lags.reach])
    at_best = float(curve[best + lags.reach])
    beside = {r: gain_of(lags, offsets, view, r) for r in (best - 1, best + 1) if abs(r) <= lags.reach}
    also = tuple(rival for rival, gain in beside.items() if _standard_errors(gain) < _CLEAR)
    gain = min(beside.values(), key=_standard_errors) if best == 0 else gain_of(lags, offsets, view, 0)
    agree, clear = float((gain > 0).mean()), _standard_errors(gain)
    sure = not also if best == 0 else clear >= _SURE and at_best < _GAIN * zero
    said = _describe(best, sure, also, lags.reach, at_best, zero, len(curves), given)
    fine = _vertex(curve, best + lags.reach, lags.reach) if sure else None
    rounded = tuple(round(float(c), 4) for c in curve)
    return LagFacts(
        name,
        steps,
        rounded,
        best if sure else None,
        fine,
        round(at_best, 4),
        len(curves),
        round(agree, 3),
        round(clear, 1),
        also,
        round(zero, 4),
        said,
    )


def _alternatives(offsets: tuple[int, ...]) -> str:
    return " or ".join(f"{offset:+d}" for offset in offsets)


def _standard_errors(gain: Float64[Array, " n"]) -> float:
    """Mean over its standard error, at most 99."""
    error = float(gain.std(ddof=1)) / np.sqrt(len(gain))
    return float(min(99.0, gain.mean() / max(error, 1e-12)))


def _vertex(curve: Float64[Array, " a"], at: int, reach: int) -> float | None:
    """Where the squared curve has its minimum, in frames, by the parabola through three offsets."""
    if not 0 < at < len(curve) - 1:
        return None
    low, middle, high = curve[at - 1 : at + 2] ** 2
    bend = low - 2 * middle + high
    return None if bend <= 0 else round(float(at - reach + 0.5 * (low - high) / bend), 3)


def _describe(
    best: int, sure: bool, also: tuple[int, ...], reach: int, at_best: float, zero: float, instants: int, given: int
) -> str:
    measured = f"{at_best:.2f} px there, {zero:.2f} px at the present offset, {instants} moving instants"
    near = "" if not also else f"; {_alternatives(also)} fits nearly as well"
    if not sure and best == 0:
        return f"no sign of a lag ({zero:.2f} px, {instants} moving instants){near}"
    if not sure:
        return f"undecided: no offset stands out (best {best:+d}: {measured})"
    if best == 0:
        return f"in step ({zero:.2f} px, {instants} moving instants)"
    beyond = " or more" if abs(best) == reach else ""
    way = "behind" if best > 0 else "ahead"
    return f"{abs(best)} frames{beyond} {way}: frame_offset = {given + best} ({measured}){near}"


def lag_findings(whole: Sequence[LagFacts], lags: LagTables, given: Sequence[int]) -> Iterator[Finding]:
    """Findings about the cameras' lags (`whole`), and about one that changes on the way."""
    half = len(lags.frames) // 2
    middle = lags.frames[half]
    parts = [lags.part(0, half), lags.part(half, len(lags.frames))] if half >= MIN_INSTANTS else []
    offsets = [solve(part) for part in parts]
    for view, fact in enumerate(whole):
        changed = _change(parts, offsets, view) if parts else None
        if changed is not None:
            early, late = changed
            text = (
                f"camera {fact.camera}: lags by {early} frames in the first half of the moving instants (before frame "
                f"{middle}) and by {late} in the second; expected one lag. It, or the others, lost frames on the way: "
                "no frame_offset mends that. Find where, and prepare the parts apart (two captures)"
            )
            yield Finding.of(
                "lag-changes", text, camera=fact.camera, frame=middle, value=float(late - early), limit=0.0
            )
        elif fact.best:
            yield _lag_finding(fact, given[view], max(fact.offsets), len(whole))
        if fact.best is not None and fact.fine is not None and abs(fact.fine - fact.best) > _FRACTION:
            text = (
                f"camera {fact.camera}: silhouettes fit best at {fact.fine:+.2f} frames, between two frames; its "
                "shutter does not open with the others'. No offset in whole frames removes that; trigger them together"
            )
            yield Finding.of("lag-fraction", text, camera=fact.camera, value=fact.fine - fact.best, limit=_FRACTION)


def _change(parts: Sequence[LagTables], offsets: Sequence[Sequence[int]], view: int) -> tuple[int, int] | None:
    """(offset in the first half, in the second) where each half clearly prefers its own over the other's."""
    early, late = (own[view] for own in offsets)
    if early == late:
        return None
    for part, own, rival, solved in zip(parts, (early, late), (late, early), offsets, strict=True):
        curves = camera_curves(part, view, solved)
        gain = curves[:, rival + part.reach] - curves[:, own + part.reach]
        if len(gain) < MIN_INSTANTS or _standard_errors(gain) < _SURE:
            return None
    return early, late


def _lag_finding(fact: LagFacts, given: int, reach: int, cameras: int) -> Finding:
    best = fact.best or 0
    way = "lags by" if best > 0 else "is ahead by"
    more = f" or more (--lag {2 * reach} looks further)" if abs(best) == reach else ""
    also = f" (or {_alternatives(fact.also)}, which fits nearly as well: more --instants decide)"
    more += also if fact.also else ""
    which = " (which of two cameras is late cannot be told)" if cameras == 2 else ""
    frames = "frame" if abs(best) == 1 else "frames"
    return Finding.of(
        "camera-lags",
        f"camera {fact.camera}: {way} {abs(best)} {frames}{more}{which}: set frame_offset = {given + best} in its "
        f"[[camera]] table of capture.toml. Its silhouettes then lie {fact.best_px:.2f} px from the other views' "
        f"tangent planes, {fact.zero_px:.2f} px as it stands ({fact.instants} moving instants, {fact.agree or 0:.0%} "
        "agree)",
        camera=fact.camera,
        value=float(best),
        limit=0.0,
        advice=f"Set frame_offset = {given + best} for {fact.camera} in capture.toml, and run inspect again.",
    )
