"""Validation samples so near to a training sample in time that both show one image: prepare and audit agree on them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mouselift.array_types import Array, Int64
from mouselift.findings import Finding

NEIGHBOUR_SECONDS = 0.5  # animals at rest move little in less
_NEIGHBOUR_SHARE = 0.05  # of the validation samples: contiguous blocks without a gap stay below, shuffled lists do not


def neighbour_finding(
    train: Int64[Array, " t"], val: Mapping[int, str], step: int, frame_rate: float, more: str = ""
) -> Finding | None:
    """A finding where validation samples have a training sample within half a second; None where none has.

    train: source frames. val: source frame -> sample. step: the least distance of two samples, in frames; where it is
    more than half a second, nothing is near. frame_rate: frames per second, 0 where it is not known: then only direct
    neighbours count. more: is said after it.
    """
    reach = NEIGHBOUR_SECONDS * frame_rate
    if not len(train) or not val or (frame_rate > 0 and step > reach):
        return None
    within = max(step, round(reach))
    theirs, mine = np.sort(train), np.array(list(val))
    after = np.searchsorted(theirs, mine)  # the nearest is the one there or the one before
    ahead, behind = theirs[np.minimum(after, len(theirs) - 1)] - mine, mine - theirs[np.maximum(after - 1, 0)]
    near_ones = np.minimum(np.abs(ahead), np.abs(behind)) <= within
    near = [sample for sample, is_near in zip(val.values(), near_ones, strict=True) if is_near]
    if not near:
        return None
    apart = "a frame" if within == 1 else f"{within} frames"
    text = f"{len(near)} of {len(val)} validation samples lie within {apart} of a training sample, the first: "
    share = len(near) / len(val)
    severity = "warning" if share > _NEIGHBOUR_SHARE else "note"
    return Finding.of(
        "split-neighbours", f"{text}{near[0]}{more}", severity=severity, sample=near[0], value=share,
        limit=_NEIGHBOUR_SHARE,
    )  # fmt: skip
