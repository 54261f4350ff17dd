"""The outline mismatch: one number, the same in `mask`, `inspect`, `audit` and the report, for how outlines disagree.

It is the median distance, in pixels of the source image, between an outline's tangent points and the tangent planes of
the other views. A median, because a lost tail moves a few tangent points by its whole length; pixels of the source,
because magnification makes no mask better or worse.
"""

from __future__ import annotations

import numpy as np

# Pixels of the source. Rates with these limits, and with others: `python benchmarks/inspect_limits.py`
# (docs/evidence/inspect-rates.md).
RATIO = 2.0  # mismatch of the pairs with a camera over that of the pairs without it, beyond which it is named
LEAST_PX = 1.0  # a camera that is nearer to the others than this is not named
ROUGH_PX = 6.0  # of all views: more is not what rough masks make of right cameras


def outline_mismatch(distances: np.ndarray) -> float:
    """Median of |pixels| that are known; NaN where none is."""
    known = np.abs(distances[np.isfinite(distances)])
    return float(np.median(known)) if len(known) else float("nan")
