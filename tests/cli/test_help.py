"""The first level of help, words that nobody knows, logging, and what an unexpected error becomes."""

from __future__ import annotations

import importlib
import json
import logging
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from mouselift.cli.app import GROUPS, VERBS, parsed, run
from mouselift.cli.audit import Audit
from mouselift.cli.doctor import Doctor
from mouselift.cli.logs import Logs

ROOT = Path(__file__).parents[2]


def test_first_level_is_a_line_a_verb_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    words = capsys.readouterr().out
    assert run(["--help"]) == 0
    assert capsys.readouterr().out == words
    assert tuple(re.findall(r"^  ([a-z]+) {2,}\S", words, re.MULTILINE)) == VERBS
    assert all(f"\n{title}\n" in words for title in GROUPS)
    assert max(map(len, words.splitlines()[1:])) <= 80, "a terminal's usual width; the first line is a sentence"


def test_every_verb_has_its_class() -> None:
    for verb in VERBS:
        assert hasattr(importlib.import_module(f"mouselift.cli.{verb}"), verb.capitalize())


def test_reference_page_keeps_the_order() -> None:
    text = (ROOT / "docs/reference/command-line.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^\| `([a-z]+)` \|", text, re.MULTILINE)) == VERBS
    for group in GROUPS.values():
        assert all(f"| `{verb}` | {words} |" in text for verb, words in group.items())


@pytest.mark.parametrize(("word", "near"), [("prepair", "prepare"), ("recontruct", "reconstruct"), ("adit", "audit")])
def test_unknown_verb_gets_a_hint(word: str, near: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([word, "x"]) == 2
    assert near in capsys.readouterr().err.split("did you mean")[1]


def test_a_crash_is_code_two_and_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash(self: Doctor) -> int:
        raise KeyError("the defect")

    monkeypatch.setattr(Doctor, "run", crash)
    assert run(["doctor"]) == 2
    said = capsys.readouterr().err
    assert "KeyError" in said
    assert "the defect" in said
    assert "report it" in said
    assert "Traceback" not in said
    log = tmp_path / "log.txt"
    assert run(["doctor", "--log-file", str(log)]) == 2
    assert "Traceback" in log.read_text(encoding="utf-8")
    assert "Traceback" not in capsys.readouterr().err
    assert run(["-v", "doctor"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["-v", "doctor", "--json"], ["doctor", "--json", "-v"]])
def test_logging_options_stand_before_or_after_the_verb(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 0
    captured = capsys.readouterr()
    assert "exit code 0" in captured.err
    json.loads(captured.out)
    assert run(["doctor", "--json"]) == 0
    assert capsys.readouterr().err == "", "a later call begins anew"


def test_log_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--log-file", str(tmp_path / "no/such/log.txt")]) == 2
    assert "--log-file" in capsys.readouterr().err


def test_quiet_leaves_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mouselift.cli.logs import logging_to
    from mouselift.cli.progress_bar import progress_bar

    def work() -> None:
        with progress_bar() as progress:
            progress("work", 0, 2)
            progress("work", 2, 2)

    work()
    assert "work: 2 of 2" in capsys.readouterr().err
    log = tmp_path / "log.txt"
    with logging_to(Logs(quiet=True, log_file=log)):
        work()
    assert capsys.readouterr().err == ""
    assert "work: 2 of 2" in log.read_text(encoding="utf-8")


@pytest.mark.parametrize(("verbose", "begins"), [(0, "warning: "), (1, "mouselift.prepare: ")])
def test_warnings_name_the_module_only_where_asked(
    verbose: int, begins: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from mouselift.cli.logs import logging_to

    with logging_to(Logs(verbose=verbose)):
        logging.getLogger("mouselift.prepare").warning("no masks")
    assert capsys.readouterr().err == f"{begins}no masks\n"


@pytest.mark.parametrize("verb", VERBS)
def test_defaults_fit_their_types(verb: str) -> None:
    """What a command line takes on trust: typeguard is asked here, and what it says is a warning, so an error."""
    pytest.importorskip("typeguard")
    with pytest.raises(SystemExit) as stop:
        parsed(verb, ["--help"])
    assert stop.value.code == 0


def test_a_default_that_does_not_fit_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("typeguard")
    out = next(each for each in fields(Audit) if each.name == "out")
    monkeypatch.setattr(out, "default", "words")
    with pytest.warns(UserWarning, match="str|default"), pytest.raises(SystemExit):
        parsed("audit", ["--help"])


def test_parsing_loads_no_type_checker() -> None:
    code = "import sys\nfrom mouselift.cli.app import parsed\nparsed('audit', ['x'])\n"
    code += "print([m for m in ('typeguard', 'asyncio') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", "0.15 s a command"
