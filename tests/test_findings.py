"""The registry of codes, the code that gives them, and the pages made from it say the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mouselift.diagnosis.causes import CAUSES
from mouselift.findings import CODES, GUIDES, Finding, as_sentence
from scripts import script

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [file for file in (ROOT / "src/mouselift").rglob("*.py") if file.name != "findings.py"]
_CODE = re.compile(r"[a-z]+(?:-[a-z]+)*")
_GIVERS = {
    "Finding.of",
    "sample.finding",
    "track.finding",
    "_finding",
    "_Problem",
    "add",
    "note",
}  # what takes a code first
_CANDIDATES = {"Candidate", "_all_and_each", "_fitted", "_distances"}


def given(file: Path) -> Iterator[str]:
    """Codes that are given in a file: first arguments of what makes findings, and first items of yielded tuples."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        first: ast.expr | None = None
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func) in _GIVERS:
            first = node.args[0]
        elif isinstance(node, (ast.Yield, ast.Return)) and isinstance(node.value, ast.Tuple) and node.value.elts:
            first = node.value.elts[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and _CODE.fullmatch(first.value):
            code = first.value
            if isinstance(node, ast.Call) or "-" in code:  # other tuples start with a single word at times
                yield code


def test_a_sentence_begins_with_a_capital_unless_a_name_does() -> None:
    assert as_sentence("it holds no Gaussians") == "It holds no Gaussians."
    assert as_sentence("3 left out") == "3 left out."
    assert as_sentence("front is late", ("front", None)) == "front is late."
    assert Finding.of("camera-lags", "front is late", camera="front").as_sentence == "front is late."


def test_every_code_given_is_registered_and_every_registered_code_is_given() -> None:
    found = {code for file in SOURCES for code in given(file)}
    assert {"tangency", "mirrored", "off-origin", "focal-spread", "no-alpha", "split-overlap", "empty-mask"} <= found
    assert found - CODES.keys() == set()
    assert CODES.keys() - found == set()


def test_findings_are_made_in_one_way() -> None:
    """Outside the registry nothing calls `Finding(...)`, which would skip the check of the code."""
    made = [
        f"{file.name}:{node.lineno}"
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding"
    ]
    assert made == []


def test_every_cause_is_registered() -> None:
    """Causes stand in the diagnosis whole, or as `view-`, `all-` and `each-` before what was changed."""
    files = [file for file in SOURCES if file.parent.name == "diagnosis"]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    for tree in trees:  # the registry's own keys do not count
        tree.body = [node for node in tree.body if "CAUSES: dict" not in ast.unparse(node)]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    named = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    for code in CAUSES:
        kind, _, rest = code.partition("-")
        assert code in named or (kind in ("view", "all", "each") and rest in named), code
    made: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func) in _CANDIDATES:
            first = node.args[0]
            made |= {first.value} if isinstance(first, ast.Constant) and isinstance(first.value, str) else set()
    assert {"mirrored", "views-out-of-order", "each-distance"} <= made <= CAUSES.keys() | {"none"}


def test_a_finding_takes_what_the_registry_says() -> None:
    plain = Finding.of("tangency", "s: they disagree", camera="cam1", value=2.0, limit=1.0)
    assert (plain.severity, plain.advice) == ("error", CODES["tangency"].advice)
    own = Finding.of("tangency", "s: barely", severity="warning", advice="Look at it.")
    assert (own.severity, own.advice, own.camera) == ("warning", "Look at it.", None)
    assert Finding.of("missing-mask", "there is no mask").advice == ""
    with pytest.raises(KeyError, match="no-such-code"):
        Finding.of("no-such-code", "text")
    with pytest.raises(ValueError, match="missing-mask: expected a severity of warning, got error"):
        Finding.of("missing-mask", "text", severity="error")


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("the outlines of 3 samples disagree", "The outlines of 3 samples disagree."),
        ("camE: its masks are late", "camE: its masks are late."),
        ("top looks scaled", "top looks scaled."),  # the camera's own name
        ("/r/pose.csv: 20% lie on the masks", "/r/pose.csv: 20% lie on the masks."),
        ("sample_000003: its images have no alpha", "sample_000003: its images have no alpha."),
    ],
)
def test_a_sentence_begins_with_a_capital_but_for_names(message: str, sentence: str) -> None:
    assert Finding.of("tangency", message, camera="top").as_sentence == sentence


def test_entries_are_whole() -> None:
    for code, known in CODES.items():
        assert _CODE.fullmatch(code)
        assert known.commands and known.severities and known.sentence  # noqa: PT018
        assert not known.sentence.endswith(".")
        assert known.advice == "" or known.advice.endswith((".", "?"))
        assert known.commands[0] in GUIDES


def test_pages_are_as_the_code_says() -> None:
    generate = script("docs/generate.py")
    stale = [path for path, text in generate.pages().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run python docs/generate.py"


def test_the_guide_names_every_code_of_an_audit() -> None:
    guide = (ROOT / "docs/guides/audit.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", guide))
    packages = ("audit", "consistency", "dataset")
    codes = {code for file in SOURCES if file.parent.name in packages for code in given(file)} - {"sample-unusable"}
    assert codes - told == set()
    assert all("audit" in CODES[code].commands for code in codes)


def test_each_guide_of_a_command_is_there() -> None:
    for where in GUIDES.values():
        page, _, anchor = where.partition("#")
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in heads}
        assert anchor == "" or anchor in anchors


def test_no_command_advises_itself() -> None:
    """Who reads the advice has just run that command: it must say another step."""
    circular = [
        (code, command)
        for code, known in CODES.items()
        for command in known.commands
        if f"mouselift {command}" in f"{known.sentence} {known.advice}" and code != "unfinished"
    ]
    assert circular == []
