"""What a diagnosis answers."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import numpy as np

from mouselift.diagnosis.fit import Fit


@dataclass(frozen=True)
class Cause:
    """One cause, in words and numbers."""

    code: str  # stable; docs/guides/repair.md lists them
    views: tuple[str, ...]  # guilty cameras
    values: dict[str, float]  # "cam4.scale", "cam4.dx" (px), "cam4.distance" (ratio), and "..._sigma" of each
    sentence: str
    residual_before_px: float | None  # RMS of the tangency residuals; None where no pair says anything
    residual_after_px: float | None
    ambiguous_with: tuple[str, ...] = ()  # other causes that explain the silhouettes as well
    decided_by: str = ""  # what would tell them apart


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Nothing found: no causes. Several causes never stand for one sample: the best comes alone, rivals are named."""

    causes: tuple[Cause, ...]
    residual_px: float | None  # as stated
    undone: Fit | None = None  # the best candidate with corrected cameras; None where nothing can be undone
    rivals: tuple[Fit, ...] = field(default=(), repr=False)  # as good as the best, to the score's grain

    @property
    def cause(self) -> Cause | None:
        return self.causes[0] if self.causes else None


class CauseFound(msgspec.Struct):
    """A cause that the diagnosis names, as words and numbers (diagnosis)."""

    code: str
    sentence: str
    views: list[str]
    values: dict[str, float]
    residual_before_px: float | None = None
    residual_after_px: float | None = None
    ambiguous_with: list[str] = []
    decided_by: str = ""


def finite(value: float) -> float | None:
    """None for what no pair could say."""
    return value if np.isfinite(value) else None
