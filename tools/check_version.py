"""Fails unless tag, package, CITATION.cff and CHANGELOG.md name one version: python tools/check_version.py v0.1.0"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def problems(tag: str) -> list[str]:
    """What does not agree with the tag."""
    version = tag.removeprefix("v")
    found: list[str] = []
    for file, pattern in (("src/mouselift/__init__.py", r'^__version__ = "(.+)"'), ("CITATION.cff", r"^version: (.+)")):
        match = re.search(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
        if match is None or match[1] != version:
            found.append(f"{file} says {match[1] if match else 'nothing'}, the tag {version}")
    if f"## [{version}]" not in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"):
        found.append(f"CHANGELOG.md has no part [{version}]")
    return found


if __name__ == "__main__":
    sys.exit("\n".join(problems(sys.argv[1])))
