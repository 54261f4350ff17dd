"""What `init` found: looked through, and written and loaded again."""

from __future__ import annotations

from pathlib import Path

from mouselift.capture.capture import Capture, load_capture
from mouselift.capture.capture_toml import read_spec, write_capture_toml
from mouselift.capture.discovery import Discovery


def loaded(found: Discovery, out: Path) -> Capture:
    """Written and loaded, as init does."""
    write_capture_toml(out / "capture.toml", found.spec, comments=found.comments)
    assert read_spec(out / "capture.toml") == found.spec
    return load_capture(out)


def said(found: Discovery, words: str) -> bool:
    return any(words in line for line in (*found.found, *found.assumed, *found.left))
