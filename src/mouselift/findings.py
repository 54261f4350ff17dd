"""A finding: one thing that was noticed, with a stable code, where it is, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["note", "warning", "error"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One observation about input or output. `code` never changes its meaning between releases."""

    code: str  # e.g. "video-short"
    severity: Severity
    message: str  # expected, got, where, what to do
    camera: str | None = None
    frame: int | None = None
    sample: str | None = None  # of a prepared dataset
    value: float | None = None  # what was measured
    limit: float | None = None  # what it was compared with
    advice: str = ""  # one sentence: what to do

    def __str__(self) -> str:
        return f"{self.severity}: {self.message} [{self.code}]"
