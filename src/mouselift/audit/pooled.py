"""What many samples of two or three views say together about their cameras, as a finding: how finely they agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mouselift.consistency.pooled_tangency import PooledTangency
from mouselift.consistency.sample_planes import unit_words
from mouselift.findings import Finding

_COARSE_PX = 0.5  # masks that leave no finer judgement are rough, and said to be
_NEVER = 0.3  # a focal length wrong by such a share, or a turn of so many radians, is no small fault any more


def pooled_finding(pooled: PooledTangency, samples: int) -> Finding:
    """samples: of the whole dataset that have no verdict of their own."""
    who = f"the cameras of {_listed(pooled.names)}"
    where = f"{pooled.samples} samples" + (
        f" (of {samples}; the others have other cameras)" * (pooled.samples < samples)
    )
    if not pooled.enough:
        text = (
            f"{who} cannot be judged: {where} show {pooled.seen} independent numbers of the cameras, and noise is "
            f"known from {pooled.blocks} of them; more samples, spread over more places, are needed"
        )
        return Finding.of("tangency-pooled", text, severity="warning")
    if pooled.faulty:
        return _contradiction(pooled, who, where)
    agree = max(pooled.fault_px, pooled.needed_px)
    rough = agree > _COARSE_PX
    text = f"{who} agree to {agree:.1f} {unit_words(pooled.source)} over {where}; {_fineness(pooled)}"
    if rough:
        text += "; the masks are too rough for more"
    return Finding.of(
        "tangency-pooled", f"{text}. {_unseen(pooled)}", severity="warning" if rough else "note",
        value=pooled.fault_px, limit=pooled.needed_px,
    )  # fmt: skip


def _contradiction(pooled: PooledTangency, who: str, where: str) -> Finding:
    name = None if pooled.named is None else pooled.names[pooled.named]
    text = f"{who} contradict the silhouettes over {where}: "
    unit = unit_words(pooled.source)
    if pooled.linear:
        text += (
            f"outlines are off by {pooled.fault_px:.2f} {unit} RMS in the same way in all of them (noise allows "
            f"{pooled.needed_px:.2f})"
        )
    else:
        off = f"{pooled.noise_px:.0f} {unit}"
        text += f"most outlines are off by more than {off}, whatever small change of them is tried"
    if name is not None:
        text += f"; {name} alone explains it"
    elif len(pooled.names) == 2:
        text += "; two views do not say which of them is wrong"
    value, limit = (pooled.fault_px, pooled.needed_px) if pooled.linear else (pooled.noise_px, pooled.gross_px)
    return Finding.of("tangency-pooled", text, severity="error", camera=name, value=value, limit=limit)


def _fineness(pooled: PooledTangency) -> str:
    scale, turn = pooled.least_scale, pooled.least_turn_rad
    shown = []
    if scale < _NEVER:
        shown.append(f"a focal length wrong by less than {100 * scale:.2g} %")
    if turn < _NEVER:
        shown.append(f"a camera turned by less than {np.degrees(turn):.2g} degrees")
    if not shown:
        return "no fault of one camera alone would show"
    return f"{' or '.join(shown)} would not show"


def _unseen(pooled: PooledTangency) -> str:
    if len(pooled.names) == 2:
        return (
            "Two views are compared across their epipolar lines only: what moves an image along them (depth, the "
            "distance between the cameras, a zoom of both) shows in no number of samples"
        )
    return "A zoom or a shift that all cameras share shows in no number of samples"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]])
