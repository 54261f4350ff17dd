"""What is wrong with a dataset, from a few of its failing samples: each is diagnosed, and like causes are counted.

A cause that several samples share is fitted once more to all of them together: one transform a camera is far better
determined than one a sample. Where that does not explain them, the transform was another one in every sample. Where
single samples do not name a cause in common (rough masks), many of them vote (`diagnose.together`); where they do not
agree either, `doubt` says what argues for masks and what for cameras.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mouselift.dataset.sample import Sample, load_sample
from mouselift.diagnosis.cause import Cause, CauseFound, finite
from mouselift.diagnosis.explain import diagnose, look, problem_of
from mouselift.diagnosis.inconclusive import doubt
from mouselift.diagnosis.vote import LEAST, elected
from mouselift.diagnosis.words import in_general

LOOKED_AT = 5  # failing samples that are diagnosed one by one, spread over the dataset
VOTERS = 24  # failing samples that vote
_POOLED_SHARE = 0.3  # one transform a camera may leave this share of the residual; more: it differs between samples
_IN_COMMON = 0.5  # share of the samples that must name a cause which leaves more than _CLEAN_PX
_CLEAN_PX = 1.0  # what a cause leaves that is believed in a single sample: rough masks leave more
_NO_CAUSE = ("unexplained", "views-disagree")

Progress = Callable[[str, int, int], None]  # stage, done, total


def find_causes(
    folders: Sequence[Path],
    progress: Progress = lambda stage, done, total: None,
    among: Sequence[Path] = (),
) -> list[CauseFound]:
    """Causes of the failing samples in `folders` (some of them are looked at), the commonest first.

    One cause `unexplained` stands where they disagree and nothing explains it. among: all samples of the dataset, which
    are asked as well where too few fail for a vote.
    """
    if not folders:
        return []
    witnesses = _spread(folders if len(folders) >= LEAST or not among else among, VOTERS)
    few = _spread(folders, LOOKED_AT)
    total = len(few) + 2
    groups: dict[tuple[str, tuple[str, ...]], list[tuple[Sample, Cause]]] = {}
    for number, folder in enumerate(few):
        progress("causes", number, total)
        sample = load_sample(folder).sample
        if len(sample.views) < 2:
            continue
        for cause in diagnose(sample).causes[:1]:
            groups.setdefault((cause.code, cause.views), []).append((sample, cause))
    ranked = sorted(groups.values(), key=lambda members: -len(members))
    named = [members for members in ranked if _believed(members, len(few))]
    progress("causes", len(few), total)
    shared = named and len(named[0]) >= _IN_COMMON * len(few) and named[0][0][1].code not in _NO_CAUSE
    found = [] if shared else _voted(witnesses)
    found = found or [_found(members, len(few)) for members in named]
    if not found and ranked:
        found = [_unexplained(ranked, witnesses)]
    progress("causes", total, total)
    return found


def _spread(folders: Sequence[Path], limit: int) -> list[Path]:
    """At most `limit`, spread evenly."""
    if len(folders) <= limit:
        return list(folders)
    return [folders[k] for k in np.linspace(0, len(folders) - 1, limit).round().astype(int).tolist()]


def _believed(members: Sequence[tuple[Sample, Cause]], looked_at: int) -> bool:
    """Whether a cause that some of the samples name is one: shared by half of them, or leaving next to nothing."""
    if members[0][1].code in _NO_CAUSE:
        return members[0][1].code == "views-disagree" and len(members) >= _IN_COMMON * looked_at
    left = [cause.residual_after_px for _, cause in members]
    clean = any(value is not None and value < _CLEAN_PX for value in left)
    return looked_at == 1 or clean or len(members) >= _IN_COMMON * looked_at


def _alike(folders: Sequence[Path]) -> list[Sample]:
    """Those of the samples that have the commonest cameras."""
    samples = [load_sample(folder).sample for folder in folders]
    names = Counter(sample.names for sample in samples if len(sample.views) > 1).most_common(1)
    return [sample for sample in samples if names and sample.names == names[0][0]]


def _voted(folders: Sequence[Path]) -> list[CauseFound]:
    """The cause that many samples call for, though no single one is sure of it."""
    if len(folders) < LEAST:
        return []
    samples = _alike(folders)
    vote = elected([problem_of(sample, look(sample)) for sample in samples]) if samples else None
    if vote is None:
        return []
    names, candidate = samples[0].names, vote.candidate
    text = f"{len(samples)} samples together: {in_general(candidate, names)}"
    if candidate.code != "calibration-copied":
        text += f" ({100 * vote.better:.0f} % of the samples agree better without it"
        text += f", the planes that it changes to {vote.after_px:.1f} px in place of {vote.before_px:.1f} px)"
    views = [names[k] for k in candidate.views]
    return [CauseFound(candidate.code, text, views, {}, finite(vote.before_px), finite(vote.after_px))]


def _unexplained(ranked: Sequence[Sequence[tuple[Sample, Cause]]], folders: Sequence[Path]) -> CauseFound:
    """Nothing explains it: what argues for masks, and what for cameras."""
    samples = _alike(folders) or [ranked[0][0][0]]
    found = doubt(samples)
    where = f"{len(samples)} samples together: " if len(samples) > 1 else ""
    before = finite(found.outlines_px)
    return CauseFound(
        "unexplained", where + found.sentence, [], found.values, before, None, [], found.decided_by
    )  # fmt: skip


def _found(members: Sequence[tuple[Sample, Cause]], looked_at: int) -> CauseFound:
    samples = [sample for sample, _ in members]
    cause, where = members[0][1], f"{samples[0].id}: " if looked_at > 1 else ""
    if len(members) > 1 and len({sample.names for sample in samples}) == 1:
        together = diagnose(samples).cause
        if together is not None and (together.code, together.views) == (cause.code, cause.views) and _fits(together):
            cause, where = together, f"{len(members)} of {looked_at} samples looked at: "
        elif cause.values:
            where = f"{len(members)} of {looked_at} samples looked at, with other values in each; in {samples[0].id}: "
        else:
            where = f"{len(members)} of {looked_at} samples looked at: "
    return CauseFound(
        cause.code,
        where + cause.sentence,
        list(cause.views),
        dict(cause.values),
        cause.residual_before_px,
        cause.residual_after_px,
        list(cause.ambiguous_with),
        cause.decided_by,
    )


def _fits(cause: Cause) -> bool:
    before, after = cause.residual_before_px, cause.residual_after_px
    return before is not None and after is not None and after <= max(_POOLED_SHARE * before, 0.5)
