"""Which camera, or which keypoint, stands out among keypoints laid on masks; or whether nothing fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.foreign import first_few
from mouselift.keypoints.on_mask import OnMaskTally

# From `python benchmarks/keypoints_on_mask.py 3` (docs/guides/inspect.md). Labels off by up to 4 mm an axis: with masks
# that lack the tail right cameras keep 0.49 or more, the first and the lowest of the others at most 0.08 apart. The
# worst keypoint of whole masks has 0.15, the tail's tip where masks lack it 0.08 or less. With whole masks and labels
# off by up to 2 mm, a camera that is 20 px off, has 5 % too much focal length or is late falls 0.13 below the others.
CAMERA_GAP = 0.1
NAME_LEAST, NAME_GAP = 0.12, 0.2
ALL_LEAST = 0.4
_SURE = 3.0  # standard errors of a share
FEWEST = 5  # instants
_NAMED = 6  # keypoints that a summary, or a message, names
_TOLD = 20  # keypoints that stand out, each a finding


class KeypointFacts(msgspec.Struct, frozen=True):
    """Keypoints of another tool against the masks: shares of those that lie on them, or next to them."""

    file: str
    words: str  # what the file holds
    notes: tuple[str, ...]  # what was assumed on reading it
    instants: int  # that were compared
    share: float | None  # of all; None where no instant has both masks and keypoints
    cameras: dict[str, float]  # worst first
    names: dict[str, float]  # worst first
    table: dict[str, dict[str, float]] = {}  # camera -> keypoint -> share, in the recording's order
    uncompared: tuple[str, ...] = ()  # what could not be compared, in words

    @property
    def summary(self) -> str:
        """How many lie on the masks, the worst first, and what was not compared."""
        if self.share is None:
            return " ".join(filter(None, ("nothing could be compared.", self.not_compared)))
        cameras = ", ".join(f"{name} {share:.0%}" for name, share in self.cameras.items())
        names = first_few([f"{name} {share:.0%}" for name, share in self.names.items()], _NAMED)
        said = (
            f"{self.share:.0%} on the masks at {_some(self.instants, 'instant', '{}')} ({self.words}).",
            f"By camera, worst first: {cameras}. By keypoint: {names}.",
            *(f"{note}." for note in self.notes),
            self.not_compared,
        )
        return " ".join(filter(None, said))

    @property
    def not_compared(self) -> str:
        """One sentence; "" where all was."""
        return f"Not compared: {'; '.join(self.uncompared)}." if self.uncompared else ""


def facts_of(file: str, words: str, notes: tuple[str, ...], tally: OnMaskTally, without: int = 0) -> KeypointFacts:
    """What was counted. without: samples that have masks and no keypoints."""
    table = {
        camera: {name: share for name in tally.names if (share := _rounded(tally.share(camera, name))) is not None}
        for camera in tally.cameras
    }
    uncompared = (
        _some(without, "sample", "keypoints of {} (none there)"),
        _some(tally.lost, "keypoint", "{} that were not found"),
        _some(tally.beyond, "keypoint", "{} outside an image whose border cuts the subject"),
        _some(tally.blank, "view", "{} without a mask of the whole subject"),
    )
    return KeypointFacts(
        file,
        words,
        notes,
        tally.instants,
        _rounded(tally.share()),
        _worst_first({name: tally.share(camera=name) for name in tally.cameras}),
        _worst_first({name: tally.share(name=name) for name in tally.names}),
        table,
        tuple(filter(None, uncompared)),
    )


def _some(count: int, noun: str, words: str) -> str:
    """ "" of none."""
    return words.format(f"{count:,} {noun}{'s' if count > 1 else ''}") if count else ""


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _worst_first(shares: dict[str, float | None]) -> dict[str, float]:
    known = {name: round(share, 4) for name, share in shares.items() if share is not None}
    return dict(sorted(known.items(), key=lambda item: item[1]))


@dataclass(frozen=True)
class OffMask:
    """What stands out. kind "part": a camera whose masks alone lack some keypoints; else all are there alike."""

    kind: Literal["all", "camera", "part", "keypoint"]
    name: str  # of the camera or the keypoint
    share: float
    limit: float  # of "all" and "keypoint" the least share; of a camera the others' median
    others: float  # median of the others
    names: tuple[str, ...] = ()  # of a part: its keypoints; of the last keypoint: others that stand out, not told apart

    @property
    def part(self) -> str:
        """The keypoints of a part, as a message names them."""
        return first_few(self.names, _NAMED)

    @property
    def also(self) -> str:
        """What a message about a keypoint ends with."""
        return f"; so it is of {len(self.names):,} more keypoints" if self.kind == "keypoint" and self.names else ""


def off_mask(facts: KeypointFacts) -> Iterator[OffMask]:
    """All of them, or the cameras, then the keypoints, that stand out; nothing of few instants."""
    if facts.share is None or facts.instants < FEWEST:
        return
    if facts.share < ALL_LEAST:
        yield OffMask("all", "", facts.share, ALL_LEAST, facts.share)
        return
    chance = _SURE * float(np.sqrt(facts.share * (1 - facts.share) / (facts.instants * len(facts.names))))
    gap = max(CAMERA_GAP, chance)
    for camera, share, others in _below_others(facts.cameras, gap):
        part = _lacking(facts, camera, gap)
        yield OffMask("part" if part else "camera", camera, share, others, others, part)
    low = [found for found in _below_others(facts.names, NAME_GAP) if found[1] < NAME_LEAST]
    more = tuple(name for name, _, _ in low[_TOLD:])
    for place, (name, share, others) in enumerate(low[:_TOLD], start=1):
        yield OffMask("keypoint", name, share, NAME_LEAST, others, more if place == _TOLD else ())


def _below_others(shares: dict[str, float], gap: float) -> Iterator[tuple[str, float, float]]:
    """(name, its share, the median of the others) of those that lie `gap` below the others."""
    ordered = np.sort(np.array(list(shares.values())))
    for name, share in shares.items():
        middle = _median_without(ordered, int(np.searchsorted(ordered, share)))
        if share < middle - gap:
            yield name, share, middle


def _median_without(ordered: Float64[Array, " k"], place: int) -> float:
    """Of sorted values but one; 0 of nothing."""
    rest = len(ordered) - 1
    middle = [ordered[k + (k >= place)] for k in {(rest - 1) // 2, rest // 2}] if rest else [0.0]
    return float(np.mean(middle))


def _lacking(facts: KeypointFacts, camera: str, gap: float) -> tuple[str, ...]:
    """Keypoints for which this camera alone has no mask, where it is as good as the others without them.

    At most half of the camera's keypoints: what most of them miss is no part.
    """
    own = facts.table.get(camera, {})
    others = {name: [row[name] for c, row in facts.table.items() if c != camera and name in row] for name in own}
    rest = {name: float(np.median(values)) for name, values in others.items() if values}
    part = tuple(name for name, share in rest.items() if own[name] < NAME_LEAST and own[name] < share - NAME_GAP)
    kept = [own[name] - rest[name] for name in rest if name not in part]
    return part if 2 * len(part) <= len(own) and kept and float(np.mean(kept)) > -gap else ()
