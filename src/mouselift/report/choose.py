"""Which samples of a dataset a report shows: the worst, the middle one, and some drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mouselift.audit.result import VERDICTS, DatasetAudit

_SEED = 0  # the same report every time


@dataclass(frozen=True)
class Shown:
    """A sample on the page, and why it is there."""

    index: int  # in `DatasetAudit.ids`
    id: str
    role: str


def drawn_large(audit: DatasetAudit) -> list[Shown]:
    """The worst and the median sample by tangency; the first where nothing is known about any."""
    residual = audit.sample_columns["tangency_px"]
    known = np.flatnonzero(np.isfinite(residual))
    if not len(known):
        return [Shown(0, audit.ids[0], "first sample")] if audit.ids else []
    # A failed sample is worse than any that passed, however small its residual: it may have failed for another reason.
    failed = audit.sample_columns["verdict"][known] == VERDICTS.index("fail")
    worst = int(known[np.lexsort((residual[known], failed))[-1]])
    middle = int(known[np.argsort(residual[known], kind="stable")[len(known) // 2]])
    shown = [Shown(worst, audit.ids[worst], "worst sample")]
    if middle != worst:
        shown.append(Shown(middle, audit.ids[middle], "median sample"))
    return shown


def drawn_small(audit: DatasetAudit, count: int) -> list[Shown]:
    """`count` samples: every third place the next worst, the others drawn at random; in the dataset's order."""
    residual = np.nan_to_num(audit.sample_columns["tangency_px"], nan=-1.0)
    count = min(count, len(audit.ids))
    worst = np.argsort(-residual, kind="stable")[: -(-count // 3)].tolist()
    others = np.setdiff1d(np.arange(len(audit.ids)), worst)
    drawn = np.random.default_rng(_SEED).choice(others, count - len(worst), replace=False).tolist()
    roles = {**dict.fromkeys(drawn, "random"), **dict.fromkeys(worst, "among the worst")}
    return [Shown(int(index), audit.ids[index], roles[index]) for index in sorted(roles)]
