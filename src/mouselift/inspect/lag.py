"""Does one camera's video run behind the others'? The offsets that fit best (`offsets`), how sure they are, in words.

When the animal rests, all offsets agree alike: such instants are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array
from mouselift.findings import Finding
from mouselift.inspect.facts import LagFacts
from mouselift.inspect.offsets import LagTables, camera_curves, gain_of, solve

MOVING_PX = 0.3  # a frame, mean over the window: below, an offset changes less than the outline's own noise
MIN_INSTANTS = 10  # moving ones
# Standard errors between an offset and its rival. Not 2: instants of one run are not independent, and the best of many
# offsets is looked at.
_CLEAR = 2.5  # against the offsets beside it: below, those may be meant as well
_SURE = 5.0  # against 0: to say that a camera is not in step
_GAIN = 0.9  # residual at the best offset over that at 0
_FRACTION = 0.3  # frames off the grid that are worth a word


def lag_facts(lags: LagTables, given: Sequence[int]) -> tuple[LagFacts, ...]:
    """Every camera's lag; `given`: the frame_offset that capture.toml already applies."""
    offsets = solve(lags) if len(lags.frames) else [0] * len(lags.names)
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
    middle = lags.frames[half] if lags.frames else 0
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
