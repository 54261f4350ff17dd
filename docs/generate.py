"""Writes the parts of the documentation that are made from the code: `python docs/generate.py [--check]`.

--check writes nothing, and exits with 1 where a page differs from what the code says now.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from mouselift.findings import CAUSES, CODES, GUIDES

DOCS = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a page is stale")
    check = parser.parse_args().check
    stale = {path: text for path, text in pages().items() if not path.is_file() or path.read_text("utf-8") != text}
    for path, text in stale.items():
        sys.stdout.write(f"{path}: {'differs from the code: run python docs/generate.py' if check else 'written'}\n")
        if not check:
            path.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


def pages() -> dict[Path, str]:
    """Every generated page, whole."""
    return {
        DOCS / "reference/findings.md": findings_page(),
        DOCS / "guides/audit.md": with_part(DOCS / "guides/audit.md", "findings", audit_table()),
        DOCS / "guides/repair.md": with_part(DOCS / "guides/repair.md", "causes", causes_table()),
    }


def findings_page() -> str:
    """All codes of the registry, and all causes."""
    rows = [
        (f"`{code}`", ", ".join(known.commands), ", ".join(known.severities), known.sentence, known.advice)
        for code, known in sorted(CODES.items())
    ]
    about = ", ".join(f"[{command}](../{where})" for command, where in GUIDES.items())
    return f"""# Findings

Made from `mouselift.findings` by `python docs/generate.py`. A code keeps its meaning between releases. Where two
severities stand, the first is the usual one. What the commands look at: {about}.

{table(("code", "given by", "severity", "what it says", "what to do, where the message does not say it"), rows)}

## Causes

What the diagnosis of an audit names: [diagnosis and repair](../guides/repair.md).

{causes_table()}
"""


def audit_table() -> str:
    """The codes that an audit can give."""
    rows = [
        (f"`{code}`", ", ".join(known.severities), known.sentence)
        for code, known in CODES.items()
        if "audit" in known.commands
    ]
    return table(("code", "severity", "what it says"), rows)


def causes_table() -> str:
    rows = [(f"`{code}`", cause.sentence, cause.repair) for code, cause in CAUSES.items()]
    return table(("code", "in words", "repair"), rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def with_part(path: Path, name: str, text: str) -> str:
    """The page with what stands between its two marks of that name replaced."""
    begin, end = f"<!-- {name}: made by docs/generate.py -->", f"<!-- {name}: end -->"
    page = path.read_text(encoding="utf-8")
    found = re.subn(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n\n{text}\n\n{end}", page, flags=re.S)
    if found[1] != 1:
        raise ValueError(f"{path}: expected the marks {begin} and {end} once, found them {found[1]} times")
    return found[0]


if __name__ == "__main__":
    sys.exit(main())
