"""What is wrong with a dataset, from a few of its failing samples: each is diagnosed, and like causes are counted.

A cause that several samples share is fitted once more to all of them together: one transform a camera is far better
determined than one a sample. Where that does not explain them, the transform was another one in every sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mouselift.audit.diagnose.cause import Cause
from mouselift.audit.diagnose.explain import diagnose
from mouselift.audit.load import load_sample
from mouselift.audit.result import CauseFound
from mouselift.audit.views import SampleViews

LOOKED_AT = 5  # failing samples, spread over the dataset
_POOLED_SHARE = 0.3  # one transform a camera may leave this share of the residual; more: it differs between samples


def find_causes(
    folders: Sequence[Path], progress: Callable[[str, int, int], None] = lambda stage, done, total: None
) -> list[CauseFound]:
    """Causes of the failing samples in `folders` (a few of them are enough), the commonest first."""
    groups: dict[tuple[str, tuple[str, ...]], list[tuple[SampleViews, Cause]]] = {}
    for number, folder in enumerate(folders):
        progress("causes", number, len(folders) + 1)
        sample = load_sample(folder).sample
        if len(sample.views) < 2:
            continue
        for cause in diagnose(sample).causes[:1]:
            groups.setdefault((cause.code, cause.views), []).append((sample, cause))
    ranked = sorted(groups.values(), key=lambda members: -len(members))
    found = [_found(members, len(folders)) for members in ranked]
    if folders:
        progress("causes", len(folders) + 1, len(folders) + 1)
    return found


def _found(members: Sequence[tuple[SampleViews, Cause]], looked_at: int) -> CauseFound:
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
