"""The guide names every code that an audit can give."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NOT_OURS = {"audit", "report", "mouselift"}


def test_every_code_is_in_the_guide() -> None:
    guide = (ROOT / "docs/guides/audit.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", guide)) - _NOT_OURS
    given: set[str] = set()
    packages = ("audit", "consistency", "dataset")
    files = [file for name in packages for file in (ROOT / "src/mouselift" / name).glob("*.py")]
    files = [file for file in files if file.name != "source.py"]
    for file in files:
        text = file.read_text(encoding="utf-8")
        given |= set(re.findall(r'"([a-z]+(?:-[a-z]+)*)",\s*"(?:error|warning|note)"', text))
        given |= set(re.findall(r'code="([a-z]+(?:-[a-z]+)*)"', text))
        given |= set(re.findall(r'add\("([a-z]+(?:-[a-z]+)*)"', text))
    assert {"tangency", "mirrored", "off-origin", "focal-spread", "no-alpha", "split-overlap"} <= given
    assert given - told == set()
