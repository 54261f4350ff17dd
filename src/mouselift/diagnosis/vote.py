"""Many samples under rough masks vote: which other reading of the file's numbers makes nearly all of them agree?

One sample whose masks lack feet and tails does not tell two exchanged cameras from masks worse still. Twenty do: a
reading undoes one fault in all samples, and masks do not repeat themselves. Medians only, over the tangent planes that
a reading changes and then over samples: lost parts are outliers, and nothing is fitted. Limits:
`benchmarks/naming_together.py`, docs/evidence/audit-rates.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.diagnosis.candidate import Candidate
from mouselift.diagnosis.fit import all_in_front, undo
from mouselift.diagnosis.fitted import each_scale, each_view
from mouselift.diagnosis.readings import copies, readings
from mouselift.diagnosis.search import Problem
from mouselift.geometry.camera_arrays import AT_ONCE, CameraArrays, ConvexOutlines, sampson_residuals

MIN_SAMPLES = 6  # that may vote
_RATIO = 0.55  # of the file's residual that the right reading leaves at most: right 0.01 to 0.51, wrong 0.5 up
_BETTER = 0.8  # share of samples that it improves: right 0.86 up
_AFTER_SHARE = 0.02  # of the image's width that it leaves: 10 of 512 px; right up to 4.2, wrong from 13 where else near
_CLEAR_RATIO = 0.25  # certain; above it, the residual must be like that of the planes that it does not change:
_LIKE_OTHERS = 2.0  # at most so many times as large
_ALONE = 0.8  # times the ratio of the next best reading
_NUMBERS_RATIO = 0.75  # enough where the numbers themselves give the fault away
_COPY_RATIO = 1.3  # by which the planes of a copied camera are off more than those of the camera that it copies
_FLOOR_PX = 0.3  # residuals below this do not differ
_LIMIT_PX = 60.0  # what stands for a residual that a reading turns from nothing to something
_PLANES = 3  # fewer planes of a sample have no median, unless two views have no more


@dataclass(frozen=True, eq=False)
class Vote:
    """What one reading does to all samples: medians over samples of medians over the planes that it changes."""

    candidate: Candidate
    ratio: float  # residual undone / the file's residual; inf where it puts the subject behind a camera
    better: float  # share of samples that come nearer
    before_px: float  # inf where the file's cameras give no residuals
    after_px: float
    others_px: float  # of the planes that it leaves alone; NaN where it changes all
    samples: int

    def convinces(self, width: float) -> bool:
        """Whether it explains the disagreement. width: of the images, pixels."""
        if not self.better >= _BETTER:
            return False
        if self.candidate.code in ("k-transposed", "one-intrinsics"):  # the file's numbers say so themselves
            return self.ratio <= _NUMBERS_RATIO
        close = self.after_px <= _AFTER_SHARE * width
        like_others = not self.after_px > _LIKE_OTHERS * self.others_px  # NaN: there are none
        return close and (self.ratio <= _CLEAR_RATIO or (self.ratio <= _RATIO and like_others))


def winning_vote(problem: Problem, more: Sequence[Candidate] = ()) -> Vote | None:
    """The reading that most samples call for, if any convinces. The samples have the same cameras in one order.

    more: readings besides those of the file's numbers. Of two or three views a reading of one camera changes most
    planes, so that some come nearer by chance: there it must be clear of every other reading that helps.
    """
    if len(problem) < MIN_SAMPLES:
        return None
    copied = _copied(problem)
    if copied is not None:
        return copied
    found = sorted(cast_votes(problem, more), key=lambda vote: vote.ratio)
    width = float(problem[0][0].size[0, 0])
    best = next((vote for vote in found if vote.convinces(width)), None)
    if best is None:
        return None
    few = len(problem[0][0]) < 4
    rivals = [
        vote for vote in found
        if not _equivalent(vote, best) and (vote.convinces(width) or (few and vote.better >= _BETTER))
    ]  # fmt: skip
    return best if all(best.ratio <= _ALONE * rival.ratio for rival in rivals) else None


def cast_votes(problem: Problem, more: Sequence[Candidate] = ()) -> Iterator[Vote]:
    """One vote a reading; samples that agree under several readings count for all of them."""
    every = (*readings(problem[0][0]), *_one_intrinsics(problem), *more)
    candidates = [candidate for candidate in every if candidate.basis is None or candidate.start is not None]
    medians: list[list[tuple[float, float, float]]] = [[] for _ in candidates]
    for cameras, outlines in problem:
        (before,), pair = _planes([cameras], outlines)
        for first in range(0, len(candidates), AT_ONCE):
            block = candidates[first : first + AT_ONCE]
            # The guess from centroids and areas stands for a fit: far better than what it is compared with, or wrong.
            guesses = [np.zeros(0) if each.start is None else each.start(cameras, outlines) for each in block]
            undone = [undo(each, cameras, x) for each, x in zip(block, guesses, strict=True)]
            for number, after in enumerate(_planes(undone, outlines)[0]):
                changed = np.isin(pair, block[number].views).any(axis=1)
                own, others = _plane_median(after[changed]), _plane_median(after[~changed])
                medians[first + number].append((_plane_median(before[changed]), own, others))
    for candidate, rows in zip(candidates, medians, strict=True):
        yield _vote(candidate, np.array(rows))


def _vote(candidate: Candidate, medians: Float64[Array, "n 3"]) -> Vote:
    """medians: of each sample's changed planes before and after, and of the others."""
    before, after, others = medians.T
    known = np.where(np.isfinite(before), before, _LIMIT_PX)
    ratio = after / np.maximum(known, _FLOOR_PX)
    known_others = others[np.isfinite(others)]
    middle = float(np.median(known_others)) if len(known_others) else float("nan")
    return Vote(
        candidate, _median(ratio), float(np.mean(ratio < 1)), _median(before), _median(after), middle, len(medians)
    )  # fmt: skip


def _equivalent(a: Vote, b: Vote) -> bool:
    """Whether both say the same, or the same of the pixels (a mirrored view along either axis; equal intrinsics)."""
    one, other = a.candidate, b.candidate
    alike = one.code == other.code or (one.code.endswith("-swapped") and other.code.endswith("-swapped"))
    return one.views == other.views and alike


def _one_intrinsics(problem: Problem) -> Iterator[Candidate]:
    """Where every sample states the same intrinsics for all its views: each view's own, guessed from its silhouette."""
    numbers = [np.concatenate([cameras.focal, cameras.principal], axis=1) for cameras, _ in problem]
    if max(float(np.ptp(rows, axis=0).max()) for rows in numbers) < 1e-6:
        for candidate in (*each_scale(problem[0][0]), *each_view(problem[0][0])):
            if candidate.start is not None:
                yield replace(candidate, code="one-intrinsics")


def _copied(problem: Problem) -> Vote | None:
    """A pose that stands twice in every sample. Which is the copy: the one whose other planes are off more."""
    pairs = set(copies(problem[0][0])).intersection(*(copies(cameras) for cameras, _ in problem))
    if not pairs:
        return None
    a, b = min(pairs)
    off = []
    for cameras, outlines in problem:
        (r,), pair = _planes([cameras], outlines)
        mine, theirs = (pair == a).any(axis=1), (pair == b).any(axis=1)
        off.append([_plane_median(r[own]) for own in (mine & ~theirs, theirs & ~mine, ~mine & ~theirs)])
    of_a, of_b, others = (_median(column) for column in np.array(off).T)
    faulty = (a,) if of_a > _COPY_RATIO * of_b else (b,) if of_b > _COPY_RATIO * of_a else (a, b)
    before = max(of_a, of_b)
    ratio = others / max(before, _FLOOR_PX) if np.isfinite(before) else 0.0
    return Vote(Candidate("calibration-copied", faulty), ratio, 1.0, before, others, others, len(problem))


def _planes(sets: Sequence[CameraArrays], outlines: ConvexOutlines) -> tuple[Float64[Array, "c r"], np.ndarray]:
    """(|residual| of every plane by sets of cameras, its pair of views); NaN where it says nothing or the subject is
    behind a camera.
    """
    r, corners = sampson_residuals(CameraArrays.joined(sets), outlines)
    r = np.abs(r).reshape(len(sets), -1)
    r[~all_in_front(sets, outlines)] = np.nan
    return r, corners.pair[: r.shape[1]]


def _plane_median(r: np.ndarray) -> float:
    least = max(min(_PLANES, len(r)), 1)
    r = r[np.isfinite(r)]
    return float(np.median(r)) if len(r) >= least else float("inf")


def _median(values: np.ndarray) -> float:
    """The median; the larger of the two in the middle, so that infinity does not become NaN."""
    return float(np.sort(values)[len(values) // 2])
