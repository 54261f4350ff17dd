"""The pages hang together: links, paths that they name, versions, the site's table of contents."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

from mouselift import __version__
from scripts import script

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, as GitHub and the site make them."""
    heads = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    plain = [unicodedata.normalize("NFKD", head).encode("ascii", "ignore").decode() for head in heads]
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", head).strip().lower()) for head in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: no such file"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{link}: no such heading"


def test_every_page_is_in_the_table_of_contents() -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    listed = set(re.findall(r"([\w/-]+\.md)", nav))
    assert listed == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}


def test_files_that_pages_name_exist() -> None:
    """Scripts, tests and modules between backticks."""
    for page in PAGES:
        for name in re.findall(
            r"`(?:python )?((?:src|tests|benchmarks|examples|docs|tools)/[\w/.-]+)", page.read_text("utf-8")
        ):
            assert (ROOT / name.rstrip(".")).exists(), f"{page.name} names {name}"
        for name in re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", page.read_text("utf-8")):
            places = [ROOT / name, ROOT / "src/mouselift" / name]
            assert any(place.exists() for place in places), f"{page.name} names {name}"


def test_the_four_answers() -> None:
    """CONTRIBUTING names one file a question, and every function that it names is defined there."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+\? \| `(src/[^`]+)`(.*)\|$", text, re.MULTILINE)
    assert len(rows) == 4
    for path, rest in rows:
        source = (ROOT / path).read_text(encoding="utf-8")
        for name in re.findall(r"`([A-Za-z_]\w+)`", rest):
            assert re.search(rf"^(def |class )?{name}\b", source, re.MULTILINE), f"{path} has no {name}"


def test_citation_names_the_version() -> None:
    problems = script("tools/check_version.py").problems
    assert not [line for line in problems(f"v{__version__}") if "CHANGELOG" not in line]
    assert len(problems("v99.0.0")) == 3


def test_nothing_tells_to_install_from_the_index() -> None:
    """The package is not there yet, so such a line would fail."""
    for page in PAGES:
        assert not re.search(r"pip install '?\"?mouselift", page.read_text(encoding="utf-8")), page
