"""Tables in the pages are what the code gives today: the one that takes minutes (others: tests/test_findings.py)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mouselift.cli.app import run
from scripts import script

ROOT = Path(__file__).resolve().parents[2]


def numbers(page: str) -> dict[str, list[float]]:
    """Each framing's numbers in the first table of the guide."""
    part = page.partition("<!-- comparison: made")[2].partition("<!-- comparison: end")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \|(.*)$", part, re.MULTILINE)
    return {name: [float(x) for x in re.findall(r"\d+(?:\.\d+)?", rest)] for name, rest in rows}


@pytest.mark.slow
def test_the_comparison_of_framings(tmp_path: Path) -> None:
    """Within a twentieth: another decoder moves the last digits."""
    generate = script("docs/generate.py")
    assert run(["demo", str(tmp_path / "demo"), "--json"]) == 0
    compared = tmp_path / "compared"
    assert run(["compare", str(tmp_path / "demo/capture"), str(compared), "--instants", "12", "--json"]) in (0, 1)
    ((page, now),) = generate.compared_page(compared).items()
    there = numbers(page.read_text(encoding="utf-8"))
    assert set(there) == {"per-view", "per-sample", "canonical", "legacy"}
    for name, found in numbers(now).items():
        assert found == pytest.approx(there[name], rel=0.05, abs=0.02), name
