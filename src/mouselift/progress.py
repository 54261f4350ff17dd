"""How a long run says how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]  # stage, done, total: may be called often, `done` never falls in a stage


def silent(stage: str, done: int, total: int) -> None:
    """The `Progress` that says nothing."""


def renamed(progress: Progress, stage: str) -> Progress:
    """For a part of a longer run: whatever the part calls its stages, this name is passed on."""
    return lambda _, done, total: progress(stage, done, total)
